//! What is wrong, in words, and each of it told once.
//!
//! Guards: what others send can't fill a log. The same about the same is told again only after an hour, and of many different
//! things only so many are remembered at a time; what doesn't fit is counted.

use crate::chunk::ChunkFault;
use crate::codec::CodecFault;
use crate::seal::KeyFault;
use crate::time::Time;
use std::collections::BTreeSet;
use std::time::Duration;

/// How many different reports are told in one period.
const REPORTS_MAX: usize = 256;
/// After this time everything may be told again.
const PERIOD: Duration = Duration::from_secs(3600);

/// What is wrong with what came in, or with what was found out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Octets that are no message.
    #[error("a message from {from} is refused: {fault}")]
    Message {
        /// Who sent it.
        from: Box<str>,
        /// What is wrong.
        fault: Box<str>,
    },
    /// Somebody speaks who isn't a neighbour.
    #[error("{from} isn't a neighbour of this server: what it sends is refused")]
    Stranger {
        /// Who sent it.
        from: Box<str>,
    },
    /// A record of a server that isn't in the configuration.
    #[error("{from} passed on a record of {origin}, which is no member of this organisation")]
    UnknownOrigin {
        /// Who passed it on.
        from: Box<str>,
        /// Whose it says it is.
        origin: Box<str>,
    },
    /// A record whose seal is wrong.
    #[error("{from} passed on a record of {origin} that isn't taken: {fault}")]
    Seal {
        /// Who passed it on.
        from: Box<str>,
        /// Whose it says it is.
        origin: Box<str>,
        /// What is wrong.
        fault: Box<str>,
    },
    /// A record whose version can't be.
    #[error("{from} passed on a record of {origin} with an implausible version")]
    Version {
        /// Who passed it on.
        from: Box<str>,
        /// Whose it is.
        origin: Box<str>,
    },
    /// A record speaks of a connector or server that isn't in the configuration.
    #[error(
        "{origin} speaks of {name}, which isn't in the configuration: this entry doesn't count"
    )]
    UnknownName {
        /// Who says so.
        origin: Box<str>,
        /// Of what.
        name: Box<str>,
    },
    /// A record speaks of a link that isn't its origin's own.
    #[error("{origin} speaks of {name}, which is no link of its own: this entry doesn't count")]
    NotItsOwn {
        /// Who says so.
        origin: Box<str>,
        /// Of what.
        name: Box<str>,
    },
    /// Two processes are running under one name.
    #[error("two servers are running under the name {name}")]
    Twin {
        /// The name.
        name: Box<str>,
    },
    /// A neighbour works with another topology.
    #[error("{from} has another topology: a change of the configuration hasn't reached both")]
    OtherTopology {
        /// The neighbour.
        from: Box<str>,
    },
    /// This server has more to say than a record holds.
    #[error("this server's record is full: {left} links that are down or loaded aren't announced")]
    OwnRecordFull {
        /// How many aren't in it.
        left: usize,
    },
}

impl Fault {
    pub(crate) fn message(from: &str, fault: CodecFault) -> Self {
        Self::Message {
            from: from.into(),
            fault: fault.to_string().into(),
        }
    }

    /// A chunk was refused; for carriers, so that it is told like everything else.
    #[must_use]
    pub fn chunk(from: &str, fault: ChunkFault) -> Self {
        Self::Message {
            from: from.into(),
            fault: fault.to_string().into(),
        }
    }

    pub(crate) fn seal(from: &str, origin: &str, fault: KeyFault) -> Self {
        Self::Seal {
            from: from.into(),
            origin: origin.into(),
            fault: fault.to_string().into(),
        }
    }
}

/// What was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reports {
    told: BTreeSet<Fault>,
    since: Time,
    untold: u64,
}

impl Reports {
    /// Whether this is to be told now.
    pub(crate) fn is_new(&mut self, now: Time, fault: &Fault) -> bool {
        if now.since(self.since) >= PERIOD {
            self.told.clear();
            self.since = now;
        }
        if self.told.contains(fault) {
            return false;
        }
        if self.told.len() >= REPORTS_MAX {
            self.untold = self.untold.saturating_add(1);
            return false;
        }
        self.told.insert(fault.clone())
    }

    /// How many weren't told because there were too many.
    pub(crate) const fn untold(&self) -> u64 {
        self.untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_an_hour_and_only_so_many() {
        let mut reports = Reports::default();
        let stranger = |number: usize| Fault::Stranger {
            from: number.to_string().into(),
        };
        let now = Time::from_millis(5_000_000);
        assert!(reports.is_new(now, &stranger(0)));
        assert!(!reports.is_new(now, &stranger(0)));
        let told = (1..1000).filter(|number| reports.is_new(now, &stranger(*number)));
        assert_eq!(told.count(), REPORTS_MAX - 1);
        assert_eq!(reports.untold(), 1000 - REPORTS_MAX as u64);
        assert!(reports.is_new(now.after(PERIOD), &stranger(0)));
    }
}
