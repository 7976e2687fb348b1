//! How a message wishes to be handled on its way: how urgent it is, when it may leave, and by when it should be there.

use crate::{Priority, Timestamp};
use std::time::Duration;

/// What the sender asked for beyond delivery, as it was said. The default asks for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Handling {
    /// `MT-PRIORITY`, from -9 to 9 (RFC 6710); 0 is normal.
    pub level: i8,
    /// Not to be handed over before: `HOLDFOR` or `HOLDUNTIL` (RFC 4865 §3).
    pub hold: Option<Hold>,
    /// `BY` (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
}

/// Until when a message is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hold {
    /// So many seconds after it was accepted.
    For(u32),
    /// Until a time.
    Until(Timestamp),
}

/// By when a message should be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliverBy {
    /// Seconds after it was accepted, at most nine digits; what is past already is negative.
    pub seconds: i32,
    /// What becomes of it then.
    pub mode: ByMode,
    /// Whether the sender wants to be told of each relay (`T`, RFC 2852).
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

impl Hold {
    /// When that is, for a message that was accepted then.
    #[must_use]
    pub fn end(self, accepted: Timestamp) -> Timestamp {
        match self {
            Self::For(seconds) => accepted.after(Duration::from_secs(u64::from(seconds))),
            Self::Until(at) => at,
        }
    }
}

impl DeliverBy {
    /// When that is, for a message that was accepted then.
    #[must_use]
    pub fn at(self, accepted: Timestamp) -> Timestamp {
        let wait = u64::try_from(self.seconds).unwrap_or(0);
        accepted.after(Duration::from_secs(wait))
    }

    /// What is left of it at a later time, as it is passed on (RFC 2852).
    #[must_use]
    pub fn left(self, accepted: Timestamp, now: Timestamp) -> i32 {
        let gone = now.since(accepted).as_secs();
        let gone = i32::try_from(gone).unwrap_or(i32::MAX);
        self.seconds.saturating_sub(gone).max(-BY_SECONDS_MAX)
    }
}

/// Nine digits (RFC 2852).
const BY_SECONDS_MAX: i32 = 999_999_999;

impl Handling {
    /// The priority that follows from the level.
    #[must_use]
    pub const fn priority(&self) -> Priority {
        Priority::of_level(self.level)
    }
}
