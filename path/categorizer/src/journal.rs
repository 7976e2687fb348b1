//! Which messages are journaled, and what their reports say of the envelope.
//!
//! Guards: a report of a journal is never journaled itself; each rule gives one report for a message, however many of its
//! recipients it concerns.

use crate::{Categorized, LIST, Snapshot};
use bridgehead_directory::{JournalRule, Name, Sender};
use bridgehead_mail::{Address, Addressee, Destination, Domain, Envelope};

/// Members that are looked at for one rule and message.
const WORK_MAX: u32 = 200_000;
/// What the origin of a report of a journal is called: no virtual server can have this name.
pub const JOURNAL: &str = "(journal)";

/// A report that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    /// The rule.
    pub rule: Name,
    /// Where the report goes.
    pub to: Address,
    /// Who gets the message, and the recipient it was addressed to where that is another.
    pub recipients: Vec<(Address, Option<Address>)>,
}

/// The reports that the rules ask for.
#[must_use]
pub fn journals(snapshot: &Snapshot, envelope: &Envelope, known: &Categorized) -> Vec<Journal> {
    // A copy for a list was journaled with the message that it is of.
    if [JOURNAL, LIST].contains(&&*envelope.origin.virtual_server) {
        return Vec::new();
    }
    let rules = snapshot.configuration().journal_rules.iter();
    rules
        .filter(|rule| concerns(snapshot, rule, envelope, known))
        .map(|rule| Journal {
            rule: rule.name.clone(),
            to: rule.journal_to.clone(),
            recipients: recipients(envelope, known),
        })
        .collect()
}

/// Everybody whom the message is for, also those who don't get it.
fn recipients(envelope: &Envelope, known: &Categorized) -> Vec<(Address, Option<Address>)> {
    let mut all: Vec<(Address, Option<Address>)> = Vec::new();
    for addressee in known.everybody() {
        let original = addressee.orcpt.as_ref().map(|orcpt| orcpt.address.as_str());
        let original = original.and_then(|text| Address::parse(text).ok());
        // The sender may call a recipient what it likes (RFC 3461 §4.2); only what is one of them counts.
        let named = |original: &Address| {
            let mut named = envelope.recipients.iter();
            named.any(|recipient| recipient.address == *original)
        };
        let original = original.filter(|one| *one != addressee.address && named(one));
        all.push((addressee.address.clone(), original));
    }
    for (recipient, _) in &known.failed {
        all.push((recipient.address.clone(), None));
    }
    if all.is_empty() {
        let named = envelope.recipients.iter();
        all.extend(named.map(|recipient| (recipient.address.clone(), None)));
    }
    all
}

fn concerns(
    snapshot: &Snapshot,
    rule: &JournalRule,
    envelope: &Envelope,
    known: &Categorized,
) -> bool {
    if rule.everything == Some(true) {
        return true;
    }
    let in_domain = |domain: &Domain| rule.domains.contains(domain);
    let from = envelope.reverse_path.address();
    let named = envelope.recipients.iter().map(|one| &one.address);
    let reached = known.everybody().map(|one| &one.address);
    let mut addresses = from.into_iter().chain(named).chain(reached);
    if !rule.domains.is_empty() && addresses.any(|address| in_domain(address.domain())) {
        return true;
    }
    if rule.members.is_empty() {
        return false;
    }
    let mut left = WORK_MAX;
    // Where it is too much work to find out, it is journaled: too much is better than too little.
    let mut is_member = |who: Sender<'_>| {
        let mut standing = snapshot.standing(who, left);
        let among = standing.is_among(&rule.members);
        left = standing.work_left();
        among.unwrap_or(true)
    };
    let sender = Sender {
        user: envelope.origin.user.as_deref(),
        address: from,
        size: None,
    };
    is_member(sender) || known.everybody().any(|one| is_member(as_sender(one)))
}

/// An addressee as membership is tested.
fn as_sender(addressee: &Addressee) -> Sender<'_> {
    Sender {
        user: match &addressee.destination {
            Destination::Mailbox(name) => Some(name),
            Destination::Remote => None,
        },
        address: Some(&addressee.address),
        size: None,
    }
}
