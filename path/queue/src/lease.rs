//! What the queue lends out: a message to categorize and route, or a part to hand over. Dropped, it goes back.

use crate::shared::Shared;
use bridgehead_mail::{
    Addressee, Content, Envelope, Failure, MessageId, NextHop, Priority, Recipient, Timestamp,
};
use std::sync::Arc;

/// What is to be found out about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Who its recipients are, and then their next hops.
    Categorize,
    /// The next hops of these addressees, who were found out before.
    Route(Vec<Addressee>),
    /// Who the recipients are now, and then their next hops.
    Again {
        /// Who is left of those that were found out before.
        left: Vec<Addressee>,
        /// Those for whom nothing is left to do: they don't get it again.
        done: Vec<Addressee>,
    },
    /// Nothing but to tell the sender that these recipients didn't get it.
    Return(Vec<Recipient>, Returned),
}

/// Why a message comes back without another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Its time ran out before it had a next hop.
    Expired,
    /// An operator deleted it.
    Deleted {
        /// Whether its sender is told.
        report: bool,
    },
}

/// A message that was taken to be categorized and routed.
pub struct Lease {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: MessageId,
    pub(crate) open: bool,
    pub(crate) slot: Option<u32>,
    /// Its envelope as accepted.
    pub envelope: Arc<Envelope>,
    /// Its content.
    pub content: Arc<dyn Content>,
    /// What is to be found out.
    pub work: Work,
    /// Its priority: its own, or that which an operator gave it.
    pub priority: Priority,
    /// The connector that an operator chose for it.
    pub redirect: Option<Box<str>>,
}

impl Lease {
    /// Which message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.open {
            self.shared.untake(self.id);
        }
        self.shared.let_go(self.id, self.slot);
    }
}

/// A part that was taken to be handed over.
pub struct PartLease {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: MessageId,
    pub(crate) part: u32,
    pub(crate) numbers: Vec<u32>,
    pub(crate) open: bool,
    pub(crate) slot: Option<u32>,
    /// The envelope as accepted.
    pub envelope: Arc<Envelope>,
    /// The content.
    pub content: Arc<dyn Content>,
    /// The next hop.
    pub hop: NextHop,
    /// The addressees that aren't settled.
    pub addressees: Vec<Addressee>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is given up.
    pub expires: Timestamp,
    /// When its sender is told that it is late.
    pub delay_notice: Timestamp,
    /// Whether its sender was told.
    pub delay_reported: bool,
    /// Why the last attempt failed.
    pub last_failure: Option<Arc<Failure>>,
}

impl PartLease {
    /// Which message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }
}

impl Drop for PartLease {
    fn drop(&mut self) {
        if self.open {
            self.shared.give_back(self.id, self.part);
        }
        self.shared.let_go(self.id, self.slot);
    }
}

/// Recipients that share a next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The next hop.
    pub hop: NextHop,
    /// The addressees.
    pub addressees: Vec<Addressee>,
}

/// A report that goes into the queue in the same step as what it tells of.
pub struct Report {
    /// Its content.
    pub draft: crate::Draft,
    /// Its envelope.
    pub envelope: Envelope,
}

/// What became of a message that was taken.
pub struct Assignment {
    /// Its parts; none if nothing is left to do.
    pub parts: Vec<Part>,
    /// What the sender is told.
    pub reports: Vec<Report>,
    /// When what is left is given up.
    pub expires: Timestamp,
    /// When the sender is told that it is late.
    pub delay_notice: Timestamp,
}

/// What became of one addressee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// Nothing is left to do.
    Done,
    /// It is tried again.
    Deferred {
        /// When.
        until: Timestamp,
        /// Why.
        failure: Failure,
    },
}
