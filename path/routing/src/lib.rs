//! Which next hop: address spaces, costs, restrictions, and the way over routing groups. Pure.
//!
//! What it is: a table built from the connectors, the organisation's topology and the state of its links, asked for each recipient
//! that isn't in the store. What it guards: the same table gives the same answer for the same message, and can say why; a message
//! goes back into a routing group that it has left only where its mailbox has moved, and takes no step twice; what a restriction bars is
//! never chosen. What it may refuse: a domain that no connector serves, and what no connector may carry. Deliberately absent: sockets,
//! DNS, the clock, and finding out which links work.

mod choose;
mod explain;
mod facts;
mod kinds;
mod net;
mod paths;
mod restricted;
pub mod settings;
mod table;

pub use bridgehead_linkstate::{Links, Topology};
pub use explain::{Candidate, Explanation, GroupRow, RunnerUp, Step};
pub use facts::{Facts, Goal};
pub use settings::Settings;
pub use table::Table;
