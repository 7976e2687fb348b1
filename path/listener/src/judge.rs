//! Who may send from here and to whom: pure answers from the directory's snapshot.
//!
//! Guards: relaying to domains that are not ours is for trusted networks and authenticated users only.

use bridgehead_directory::{Acceptance, Snapshot};
use bridgehead_mail::{Address, Refusal, ReversePath};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The mailbox it authenticated for.
    pub(crate) user: Option<&'a str>,
    /// Whether its network may relay.
    pub(crate) trusted: bool,
}

/// Whether this client may send as `from`.
pub(crate) fn sender(
    snapshot: &Snapshot,
    asker: Asker<'_>,
    own_addresses_only: bool,
    from: &ReversePath,
) -> Result<(), Refusal> {
    match (asker.user, from.address()) {
        // RFC 6409 §6.1: submission may be held to the sender's own identity.
        (Some(user), Some(address)) if own_addresses_only => {
            if snapshot.may_send_as(user, address) {
                Ok(())
            } else {
                Err(Refusal::NotYourAddress)
            }
        }
        _ => Ok(()),
    }
}

/// Whether mail of this client for `to` is taken.
pub(crate) fn recipient(
    snapshot: &Snapshot,
    asker: Asker<'_>,
    to: &Address,
) -> Result<(), Refusal> {
    match snapshot.accept(to) {
        Acceptance::Recipient | Acceptance::RelayDomain => Ok(()),
        Acceptance::Unknown => Err(Refusal::UnknownRecipient),
        Acceptance::Ambiguous => Err(Refusal::AmbiguousRecipient),
        Acceptance::Unsure => Err(Refusal::DirectoryUnavailable),
        Acceptance::NotOurs if asker.trusted || asker.user.is_some() => Ok(()),
        Acceptance::NotOurs => Err(Refusal::RelayDenied),
    }
}
