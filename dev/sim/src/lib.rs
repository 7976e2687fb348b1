//! Simulates link state and routing over whole organisations, by seeds and without waiting.
//!
//! What it is: a discrete-event simulation that runs the product's own protocol core and choice of path on up to ten thousand servers,
//! with delays, loss, partitions, crashes, clocks that differ and links that flap, and mail that is forwarded by each server's own
//! table. Beside it the original's way ([`original`]) on the same topologies. What it guards: nothing is drawn from anything but the seed.

pub mod chance;
pub mod network;
pub mod original;
pub mod plans;
pub mod scale;
pub mod scenario;
pub mod seals;
pub mod world;
