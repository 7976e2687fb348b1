//! How a message wishes to be handled on its way: how urgent it is, when it may leave, and by when it should be there.

use crate::{Priority, Timestamp};

/// What the sender asked for beyond delivery. The default asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Handling {
    /// `MT-PRIORITY`, from -9 to 9 (RFC 6710 §4.1); 0 is normal.
    pub level: i8,
    /// Not to be handed over before this time: `HOLDFOR` or `HOLDUNTIL` (RFC 4865 §4).
    pub release: Option<Timestamp>,
    /// `BY` (RFC 2852 §4).
    pub deliver_by: Option<DeliverBy>,
}

/// By when a message should be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliverBy {
    /// The time; as an absolute one it doesn't change on its way through the queue.
    pub at: Timestamp,
    /// What becomes of it then.
    pub mode: ByMode,
    /// Whether the sender wants to be told of each relay that can't report (`T`, RFC 2852 §4.1).
    pub trace: bool,
}

/// What becomes of a message at its deliver-by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByMode {
    /// `N`: the sender is told that it is late, and it goes on.
    Notify,
    /// `R`: it is given up and returned.
    Return,
}

impl Handling {
    /// The priority that follows from the level.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        Priority::of_level(self.level)
    }
}
