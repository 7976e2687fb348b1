//! Who may send from here and to whom: pure answers from the directory's snapshot.
//!
//! Guards: relaying to domains that are not ours is for trusted networks and authenticated users only.

use bridgehead_directory::{Found, Resolution, Restriction, Sender, Snapshot};
use bridgehead_mail::{Address, Handling, Refusal, ReversePath, Timestamp};
use std::time::Duration;
use tracing::Span;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    /// The mailbox it authenticated for.
    pub(crate) user: Option<&'a str>,
    /// Whether it may relay: by its network, or as a server of the organisation.
    pub(crate) trusted: bool,
    /// Whether a server of the organisation has judged the message before, and found out who its recipients are.
    pub(crate) resolved: bool,
}

/// Whether this client may send as `from`.
pub(crate) fn sender(
    snapshot: &Snapshot,
    asker: Asker<'_>,
    own_addresses_only: bool,
    from: &ReversePath,
    size: Option<u64>,
) -> Result<(), Refusal> {
    if let Some(Found::Mailbox(mailbox)) = asker.user.and_then(|user| snapshot.by_name(user))
        && let Some((most, size)) = mailbox.max_send_size.zip(size)
        && size > most.0
    {
        return Err(Refusal::TooLarge);
    }
    if asker.resolved {
        return Ok(());
    }
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

/// Whether a message may be held as long as its sender wishes (RFC 4865).
pub(crate) fn hold(
    handling: Handling,
    most: Option<Duration>,
    now: Timestamp,
) -> Result<(), Refusal> {
    let (Some(hold), Some(most)) = (handling.hold, most) else {
        return Ok(());
    };
    match hold.end(now) > now.after(most) {
        true => Err(Refusal::HoldTooLong),
        false => Ok(()),
    }
}

/// Whether mail of this client for `to` is taken. What is logged of it belongs to the span of the session.
pub(crate) fn recipient<'s>(
    snapshot: &Snapshot,
    asker: Asker<'_>,
    from: Option<&Address>,
    to: &Address,
    size: Option<u64>,
    span: impl FnOnce() -> &'s Span,
) -> Result<(), Refusal> {
    match snapshot.resolve(to) {
        Resolution::Object(..) if asker.resolved => Ok(()),
        Resolution::Object(found, _) => may_send_to(snapshot, asker, from, &found, size),
        Resolution::Role(_) | Resolution::Relay(_) => Ok(()),
        // The member that found this recipient may know a newer directory than this copy is.
        // RFC 3463 §3.5: X.4.3, a directory that is needed can't answer now.
        Resolution::Unknown if asker.resolved => Err(Refusal::DirectoryUnavailable),
        Resolution::Unknown => Err(Refusal::UnknownRecipient),
        Resolution::Ambiguous(one, other) => {
            let (one, other) = (one.name(), other.name());
            tracing::warn!(parent: span(), address = %to, %one, %other, "two objects have the same address");
            Err(Refusal::AmbiguousRecipient)
        }
        Resolution::Unsure => Err(Refusal::DirectoryUnavailable),
        Resolution::NotOurs if asker.trusted || asker.user.is_some() => Ok(()),
        Resolution::NotOurs => Err(Refusal::RelayDenied),
    }
}

/// Whether the object takes mail of this sender. What takes much work to find out is left to the categorizer.
fn may_send_to(
    snapshot: &Snapshot,
    asker: Asker<'_>,
    from: Option<&Address>,
    found: &Found,
    size: Option<u64>,
) -> Result<(), Refusal> {
    /// Members that are looked at while a client waits.
    const WORK_MAX: u32 = 2000;
    let sender = Sender {
        user: asker.user,
        address: from,
        size,
    };
    match snapshot.standing(sender, WORK_MAX).restriction(found) {
        None | Some(Restriction::Work) => Ok(()),
        Some(Restriction::Size(_)) => Err(Refusal::TooLargeForRecipient),
        Some(Restriction::Strangers | Restriction::NotAmong | Restriction::Among) => {
            Err(Refusal::SenderRestricted)
        }
    }
}
