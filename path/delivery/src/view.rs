//! The read-only picture of delivery for management.

pub use crate::fetching::{FetchPicture, Fetched, Said};
pub use crate::pace::Slowed;

use bridgehead_mail::LinkName;

/// A link to other servers, and its pace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkPace {
    /// The link.
    pub link: LinkName,
    /// Open connections, with those that wait for another message.
    pub connections: usize,
    /// How many couriers are at work.
    pub couriers: usize,
    /// How many may be at work now.
    pub window: usize,
    /// How many may be at work at the most.
    pub bound: usize,
    /// The rates that hold, in words.
    pub rates: Vec<String>,
    /// The pattern of the row of `limits` that holds, if one does.
    pub limit: Option<Box<str>>,
    /// How often in a row it failed.
    pub failures: u32,
    /// Why no other connection is made now, if so.
    pub resting: Option<Box<str>>,
    /// The last answer that slowed it down.
    pub slowed: Option<Slowed>,
}
