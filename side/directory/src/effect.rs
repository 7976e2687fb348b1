//! What a change means for mail, address by address: what a dry run shows beside the difference.

use crate::{DomainKind, Found, How, Resolution, Snapshot};
use bridgehead_mail::{Address, LocalPart};
use std::collections::BTreeSet;

/// Lines of effects; of more it is said how many.
const LINES_MAX: usize = 200;

/// What becomes of mail, in a line for each domain and address for which it is something else.
pub(crate) fn effects(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut lines = domains(before, after);
    let mut addresses: BTreeSet<String> = BTreeSet::new();
    for snapshot in [before, after] {
        let all = snapshot.embedded.iter();
        addresses.extend(all.flat_map(|stored| {
            let addresses = stored.found.addresses().iter();
            addresses.map(ToString::to_string).collect::<Vec<_>>()
        }));
    }
    let mut more = 0_usize;
    for text in addresses {
        let Ok(address) = Address::parse(&text) else {
            continue;
        };
        let (old, new) = (fate(before, &address), fate(after, &address));
        if old == new {
            continue;
        }
        if lines.len() >= LINES_MAX {
            more += 1;
            continue;
        }
        lines.push(format!("mail for {text}: {old} -> {new}"));
    }
    if more > 0 {
        lines.push(format!("and {more} more addresses"));
    }
    lines
}

/// What becomes of mail for an unknown address of each domain.
fn domains(before: &Snapshot, after: &Snapshot) -> Vec<String> {
    let mut names = BTreeSet::new();
    for snapshot in [before, after] {
        let domains = snapshot.configuration().accepted_domains.iter();
        names.extend(domains.map(|domain| domain.name.clone()));
    }
    let Ok(nobody) = LocalPart::from_plain("somebody-unknown") else {
        return Vec::new();
    };
    let fate_of_unknown = |snapshot: &Snapshot, domain: &bridgehead_mail::Domain| {
        fate(snapshot, &Address::new(nobody.clone(), domain.clone()))
    };
    let lines = names.into_iter().filter_map(|domain| {
        let old = fate_of_unknown(before, &domain);
        let new = fate_of_unknown(after, &domain);
        (old != new).then(|| format!("mail for unknown addresses @{domain}: {old} -> {new}"))
    });
    lines.collect()
}

/// What becomes of mail for an address.
fn fate(snapshot: &Snapshot, address: &Address) -> String {
    match snapshot.resolve(address) {
        Resolution::Object(found, how) => {
            let by_plus = if how == How::Plus {
                " (by its plus)"
            } else {
                ""
            };
            format!("{}{by_plus}", words(&found))
        }
        Resolution::Role(postmaster) => format!("the postmaster, {postmaster}"),
        Resolution::Ambiguous(one, other) => {
            format!(
                "refused, {} and {} both have it",
                words(&one),
                words(&other)
            )
        }
        Resolution::Unknown => "refused as unknown".to_owned(),
        Resolution::Unsure => "refused for now".to_owned(),
        Resolution::Relay(DomainKind::ExternalRelay) => "passed on".to_owned(),
        Resolution::Relay(_) => "passed on, nobody here has it".to_owned(),
        Resolution::NotOurs => "none of ours".to_owned(),
    }
}

fn words(found: &Found) -> String {
    let name = found.name();
    match found {
        Found::Mailbox(mailbox) if mailbox.forward_to.is_empty() => format!("mailbox {name}"),
        Found::Mailbox(mailbox) => {
            let targets: Vec<String> = mailbox.forward_to.iter().map(ToString::to_string).collect();
            let copy = match mailbox.keep_copy {
                Some(true) => " with a copy",
                _ => "",
            };
            format!("mailbox {name}, forwarded to {}{copy}", targets.join(", "))
        }
        Found::Group(group) => format!("group {name} of {}", group.members.len()),
        Found::DynamicGroup(group) => format!("dynamic group {name}, {}", group.filter.as_str()),
        Found::Contact(contact) => format!("contact {name}, {}", contact.target),
    }
}
