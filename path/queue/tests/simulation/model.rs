//! What the queue has promised: the messages it was given, and what must and what may be left of each after a crash.

use crate::orders::Decided;
use bridgehead_mail::{Addressee, Envelope, MessageId};
use std::collections::BTreeMap;

/// Whether a fact would survive a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Since {
    /// It waits for a commit that begins after this moment.
    Tick(u64),
    /// It must survive.
    Durable,
}

impl Since {
    /// A commit that began at `stamp` has succeeded.
    pub(crate) fn committed(&mut self, stamp: u64) {
        if matches!(self, Self::Tick(tick) if *tick <= stamp) {
            *self = Self::Durable;
        }
    }

    pub(crate) fn is_durable(self) -> bool {
        self == Self::Durable
    }
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Submitted, and nobody was told anything.
    Waiting,
    /// A report, gathered with the settlement it tells of.
    Gathered(u64),
    /// In the queue.
    Queued(Since),
    /// The client was refused.
    Refused(Since),
    /// Nothing is left to do for it.
    Ended(Since),
    /// Never promised, and gone in a crash.
    Gone,
}

/// What is left to do for one addressee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owing {
    Owed,
    Done {
        since: Since,
        /// The report that was made instead of a delivery.
        report: Option<MessageId>,
    },
}

/// A message as it was given to the queue.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) content: Vec<u8>,
    pub(crate) envelope: Envelope,
    pub(crate) status: Status,
    /// By address.
    pub(crate) owing: BTreeMap<String, Owing>,
    /// Deliveries, by address.
    pub(crate) delivered: BTreeMap<String, u32>,
    /// More attempts than this were never made.
    pub(crate) attempts: u32,
    /// The queue has said, or shown by a commit, that it is stored.
    pub(crate) promised: bool,
    /// What operators have decided.
    pub(crate) decided: Decided,
    /// It is of a spool that isn't taken over as a whole yet, so it must stand still here.
    pub(crate) adopting: bool,
}

/// The name of an addressee in the model.
pub(crate) fn name(addressee: &Addressee) -> String {
    addressee.address.to_string()
}

impl Told {
    pub(crate) fn new(content: Vec<u8>, envelope: Envelope, status: Status) -> Self {
        let all = crate::made::categorize(&envelope);
        Self {
            content,
            envelope,
            status,
            owing: all.iter().map(|one| (name(one), Owing::Owed)).collect(),
            delivered: BTreeMap::new(),
            attempts: 0,
            promised: false,
            decided: Decided::new(),
            adopting: false,
        }
    }

    pub(crate) fn owed(&self) -> Vec<&str> {
        let owed = self
            .owing
            .iter()
            .filter(|(_, owing)| **owing == Owing::Owed);
        owed.map(|(name, _)| name.as_str()).collect()
    }

    /// Something was done for an addressee. Ends the message if that was the last.
    pub(crate) fn done(&mut self, addressee: &str, report: Option<MessageId>, tick: u64) {
        let since = Since::Tick(tick);
        self.owing
            .insert(addressee.to_owned(), Owing::Done { since, report });
        if self.owed().is_empty() {
            self.status = Status::Ended(since);
        }
    }

    /// A commit that began at `stamp` has succeeded.
    pub(crate) fn committed(&mut self, stamp: u64) {
        self.decided.committed(stamp);
        match &mut self.status {
            Status::Queued(since) | Status::Refused(since) | Status::Ended(since) => {
                since.committed(stamp);
            }
            Status::Gathered(tick) if *tick <= stamp => {
                self.status = Status::Queued(Since::Durable);
            }
            _ => {}
        }
        self.promised |= self.status == Status::Queued(Since::Durable);
        for owing in self.owing.values_mut() {
            if let Owing::Done { since, .. } = owing {
                since.committed(stamp);
            }
        }
    }
}
