//! Records: what one server says of its own links, with a version and its seal.
//!
//! Guards: a record is passed on octet by octet as its origin sealed it. Only what departs from the configured topology is said:
//! a server whose links all work says nothing, and silence means the static path.

use crate::codec::{self, CodecFault, RECORD_OCTETS_MAX, SEAL_OCTETS_MAX};
use crate::seal::{self, KeyFault, Signer, Verifier};
use std::sync::Arc;

/// Which of two records of one origin is newer: the later start, then the later number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The start of the origin.
    pub epoch: u64,
    /// The number of the record within it, from 1.
    pub sequence: u32,
}

/// The latest epoch there may be; 34,000 years of milliseconds.
pub const EPOCH_MAX: u64 = 1 << 50;
/// Within one epoch a record isn't further ahead of the last one than this: years of changes.
pub const SEQUENCE_JUMP_MAX: u32 = 1 << 20;

impl Version {
    /// Whether a record of this version may follow one of the version `last` (none: nothing was heard).
    #[must_use]
    pub fn is_plausible_after(self, last: Option<Self>) -> bool {
        let ahead = match last {
            Some(last) if last.epoch == self.epoch => self.sequence.saturating_sub(last.sequence),
            // Whoever joins late may meet any number.
            _ => 0,
        };
        self.epoch <= EPOCH_MAX && self.sequence > 0 && ahead <= SEQUENCE_JUMP_MAX
    }

    /// The version of the next record of the same start.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        match self.sequence.checked_add(1) {
            Some(sequence) => Self {
                epoch: self.epoch,
                sequence,
            },
            None => Self::first_of(self.epoch.saturating_add(1)),
        }
    }

    /// The version of the first record of a start.
    #[must_use]
    pub(crate) const fn first_of(epoch: u64) -> Self {
        Self { epoch, sequence: 1 }
    }
}

/// What kind of link is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A connector of which the origin is a source bridgehead.
    Connector,
    /// Another server of the origin's group.
    Peer,
}

/// One link as its server sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What kind of link.
    pub subject: Subject,
    /// The name of the connector or server.
    pub name: Box<str>,
    /// Nothing gets through.
    pub down: bool,
    /// What its load adds to its cost.
    pub surcharge: u8,
    /// Messages that waited for it when the record was made.
    pub queued: u32,
    /// Seconds that the oldest of them had waited.
    pub delay: u32,
}

/// What one server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The server.
    pub origin: Box<str>,
    /// A number that the running process drew for itself: two servers of one name have two.
    pub instance: u64,
    /// Which record of the server it is.
    pub version: Version,
    /// Its links, as far as they aren't as configured; in order of kind and name.
    pub entries: Vec<Entry>,
}

/// A statement as it travels: the octets that were sealed, and the seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    statement: Statement,
    body: Arc<[u8]>,
    seal: Arc<[u8]>,
}

impl Record {
    /// Seals a statement; none if it or the seal is too large to travel.
    #[must_use]
    pub fn seal(statement: Statement, signer: &dyn Signer) -> Option<Self> {
        let body = codec::write_statement(&statement);
        if body.len() > RECORD_OCTETS_MAX {
            return None;
        }
        let seal = signer.sign(&seal::message(&body));
        (seal.len() <= SEAL_OCTETS_MAX).then(|| Self {
            statement,
            body: body.into(),
            seal: seal.into(),
        })
    }

    /// From the octets that were sealed, and the seal.
    ///
    /// # Errors
    /// If the octets aren't a statement.
    pub(crate) fn read(body: &[u8], seal: &[u8]) -> Result<Self, CodecFault> {
        Ok(Self {
            statement: codec::read_statement(body)?,
            body: body.into(),
            seal: seal.into(),
        })
    }

    /// What it says.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Whether the seal is the origin's.
    ///
    /// # Errors
    /// If it isn't.
    pub fn verify(&self, verifier: &dyn Verifier) -> Result<(), KeyFault> {
        let message = seal::message(&self.body);
        verifier.verify(&self.statement.origin, &message, &self.seal)
    }

    /// The octets that were sealed.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The seal.
    pub(crate) fn sealed_by(&self) -> &[u8] {
        &self.seal
    }

    /// How many octets it takes in an update.
    pub(crate) fn octets(&self) -> usize {
        codec::RECORD_HEAD_OCTETS + self.body.len() + self.seal.len()
    }
}
