//! Step six: what the sender is told, and who tells it (RFC 3461 §6).
//!
//! Guards: nothing is ever reported to the null reverse-path (RFC 5321 §4.5.5), so that no report causes a
//! report; one report tells of all recipients of one kind.

use bridgehead_mail::{Addressee, Envelope, Failure, Recipient, RemoteReply, Timestamp};

/// What happened to a recipient that its sender is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It will not work.
    Failed(Failure),
    /// It did not work yet, and is tried until then.
    Delayed(Failure, Timestamp),
    /// In a mailbox.
    Delivered,
    /// Given to a next hop that doesn't report; what it said.
    Relayed(RemoteReply),
    /// A group was put in its place.
    Expanded,
}

/// One recipient about whom something is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The recipient.
    pub(crate) recipient: Recipient,
    /// What is told.
    pub(crate) told: Told,
}

impl Notice {
    /// About an addressee.
    pub(crate) fn new(addressee: &Addressee, told: Told) -> Self {
        let recipient = Recipient {
            address: addressee.address.clone(),
            notify: addressee.notify,
            orcpt: addressee.orcpt.clone(),
        };
        Self { recipient, told }
    }
}

/// Whether anything may be reported about a message.
pub(crate) const fn may_report(envelope: &Envelope) -> bool {
    envelope.reverse_path.address().is_some()
}
