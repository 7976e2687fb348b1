//! Finds out who the recipients really are: resolve, expand, forward; pure over a directory snapshot.
//!
//! What it is: [`categorize`] turns the recipients of an envelope into addressees, [`explain`] says how, step by
//! step. What it guards: one copy for each mailbox whatever the path; loops end; the same envelope and the same
//! version of the directory give the same answer; no recipient is forgotten: each has an addressee or a failure.
//! What it may refuse: a recipient nobody has (5.1.1), one that leads nowhere (5.2.4), only back to itself or too
//! deep (5.4.6), or to too many (5.2.4). No clock, no file, no network.

mod explain;
mod journal;
mod list;
mod merge;
mod trace;
mod walk;
mod wishes;

pub use bridgehead_directory::Sender;
pub use bridgehead_directory::{Snapshot, Standing};
pub use explain::{Explained, Step, explain};
pub use journal::{JOURNAL, Journal, journals};
pub use list::{LIST, ListCopy};

use bridgehead_directory::{Found, Name, Resolution};
use bridgehead_mail::{Addressee, Envelope, Failure, Recipient, ReversePath, StatusCode};
use merge::Addressees;
use std::borrow::Cow;
use trace::Trace;
use walk::Categorizer;

/// Objects that are looked at for one envelope, and so the most addressees it can have.
pub const ADDRESSEES_MAX: u32 = 250_000;
/// Members that are looked at for one envelope to find out who may send.
const TESTS_MAX: u32 = 5_000_000;
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
    /// Who gets it as a member of a group with a reverse-path of its own, and by nothing else.
    pub lists: Vec<ListCopy>,
    /// Who can't get it, and why.
    pub failed: Vec<(Recipient, Failure)>,
    /// Which recipients were expanded into others.
    pub expanded: Vec<Expanded>,
    /// The version of the directory that was asked.
    pub directory: u64,
}

/// Finds out who the recipients of an envelope really are. `size` is that of the message in octets, if it is known.
#[must_use]
pub fn categorize(snapshot: &Snapshot, envelope: &Envelope, size: Option<u64>) -> Categorized {
    let mut result = Categorized {
        directory: snapshot.version(),
        ..Categorized::default()
    };
    let sender = Sender {
        user: envelope.origin.user.as_deref(),
        address: envelope.reverse_path.address(),
        size,
    };
    // Another server of the organisation has found out who they are, and whether the sender may.
    let is_resolved = envelope.journey.is_some();
    let too_much = sends_too_much(snapshot, &sender, envelope.recipients.len());
    if let Some(failure) = too_much.filter(|_| !is_resolved) {
        let recipients = envelope.recipients.iter().cloned();
        let failed = recipients.map(|recipient| (recipient, failure.clone()));
        result.failed = failed.collect();
        return result;
    }
    let mut addressees = Addressees::with_capacity(envelope.recipients.len());
    let mut categorizer = Categorizer::new(snapshot, sender, Trace::none());
    if is_resolved || &*envelope.origin.virtual_server == LIST {
        categorizer = categorizer.of_list();
    }
    for recipient in &envelope.recipients {
        categorizer.recipient(recipient, &mut addressees, &mut result);
    }
    result.take(addressees, categorizer.take_lists());
    result
}

/// Whose message it is, as far as that is sure: who authenticated here; else the mailbox that a message names that another
/// server of the organisation has taken, and judged.
#[must_use]
pub fn author<'e>(envelope: &'e Envelope, snapshot: &Snapshot) -> Option<Cow<'e, str>> {
    if let Some(user) = envelope.origin.user.as_deref() {
        return Some(Cow::Borrowed(user));
    }
    let address = envelope.reverse_path.address();
    let address = address.filter(|_| envelope.journey.is_some())?;
    match snapshot.resolve(address) {
        Resolution::Object(Found::Mailbox(mailbox), _) => {
            Some(Cow::Owned(mailbox.name.as_str().to_owned()))
        }
        _ => None,
    }
}

impl Categorized {
    /// Takes who was reached, each where it belongs.
    fn take(&mut self, addressees: Addressees, lists: Vec<(Name, ReversePath)>) {
        let (own, of_lists) = addressees.into_inner(lists.len());
        self.addressees = own;
        let copies = lists.into_iter().zip(of_lists);
        let copies = copies.map(|((group, return_path), addressees)| ListCopy {
            group,
            return_path,
            addressees,
        });
        self.lists = copies.filter(|copy| !copy.addressees.is_empty()).collect();
    }

    /// Everybody who gets it, as members of lists as well.
    pub fn everybody(&self) -> impl Iterator<Item = &Addressee> {
        let of_lists = self.lists.iter().flat_map(|copy| &copy.addressees);
        self.addressees.iter().chain(of_lists)
    }
}

/// Why a user may not send this message at all.
fn sends_too_much(snapshot: &Snapshot, sender: &Sender<'_>, recipients: usize) -> Option<Failure> {
    let Some(Found::Mailbox(mailbox)) = snapshot.by_name(sender.user?) else {
        return None;
    };
    let most = mailbox.max_send_size;
    if let Some((most, _)) = most.zip(sender.size).filter(|(most, size)| *size > most.0) {
        // RFC 3463 §3.3: X.2.3, message length exceeds administrative limit.
        let words = format!("{} may send messages of up to {most}", mailbox.name);
        return Some(Failure::new(StatusCode::permanent(2, 3), &words));
    }
    let most = mailbox.max_send_recipients?;
    let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
    (recipients > most).then(|| {
        // RFC 3463 §3.6: X.5.3, too many recipients.
        let words = format!("{} may send to up to {most} recipients", mailbox.name);
        Failure::new(StatusCode::permanent(5, 3), &words)
    })
}
