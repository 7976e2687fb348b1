//! Finds out who the recipients really are: resolve, expand, forward; pure over a directory snapshot.
//!
//! What it is: [`categorize`] turns the recipients of an envelope into addressees, [`explain`] says how, step by
//! step. What it guards: one copy for each mailbox whatever the path; loops end; the same envelope and the same
//! version of the directory give the same answer; no recipient is forgotten: each has an addressee or a failure.
//! What it may refuse: a recipient nobody has (5.1.1), one that leads nowhere (5.2.4), only back to itself or too
//! deep (5.4.6), or to too many (5.2.4). No clock, no file, no network.

mod explain;
mod merge;
mod trace;
mod walk;

pub use bridgehead_directory::Snapshot;
pub use explain::{Explained, Step, explain};

use bridgehead_mail::{Addressee, Envelope, Failure, Recipient};
use merge::Addressees;
use trace::Trace;
use walk::Categorizer;

/// Objects that are looked at for one envelope, and so the most addressees it can have.
pub const ADDRESSEES_MAX: u32 = 100_000;
/// Objects one behind the other: groups in groups, forwardings to forwardings.
pub const DEPTH_MAX: usize = 50;

/// A recipient in whose place others came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// The recipient as it was. If it wanted to be told of success, it is told of the expansion now, and not by
    /// the members (RFC 3461 §5.2.7.3).
    pub recipient: Recipient,
    /// How many addressees it led to; those that others led to as well are counted.
    pub members: u32,
}

/// Who the recipients of an envelope really are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Categorized {
    /// Who gets it; each mailbox and each remote address once.
    pub addressees: Vec<Addressee>,
    /// Who can't get it, and why.
    pub failed: Vec<(Recipient, Failure)>,
    /// Which recipients were expanded into others.
    pub expanded: Vec<Expanded>,
    /// The version of the directory that was asked.
    pub directory: u64,
}

/// Finds out who the recipients of an envelope really are.
#[must_use]
pub fn categorize(snapshot: &Snapshot, envelope: &Envelope) -> Categorized {
    let mut result = Categorized {
        directory: snapshot.version(),
        ..Categorized::default()
    };
    let mut addressees = Addressees::with_capacity(envelope.recipients.len());
    let mut categorizer = Categorizer::new(snapshot, Trace::none());
    for recipient in &envelope.recipients {
        categorizer.recipient(recipient, &mut addressees, &mut result);
    }
    result.addressees = addressees.into_inner();
    result
}
