//! How much at once, and how often: each destination has a pace that it shows by itself, within bounds that the operator sets.
//!
//! Guards: a bound is never passed; what one destination says slows no other one; who waits is told when to ask again, and never
//! asks in a circle. Deliberately absent: clock and sockets. Time is counted from the start of the server, so that it never goes
//! back.

mod addresses;
mod bucket;
mod link;
mod slow;
mod window;

pub(crate) use addresses::Addresses;
pub use link::After;
pub(crate) use link::{Link, Links, Most};
pub use slow::Slowed;
pub(crate) use slow::asks_to_slow_down;

use std::time::Duration;

/// Time since the start of the server.
pub(crate) type Moment = Duration;

/// Why nothing may begin now, and how long that lasts at the most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// In words, as in `its limit of 5/s is used up`.
    pub why: Box<str>,
    /// How long to wait before asking again.
    pub wait: Duration,
}
