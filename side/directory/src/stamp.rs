//! Address policies give recipients addresses.
//!
//! Guards: an address that somebody has is given to nobody else; the same organisation gets the same addresses.

use crate::recipients::fold;
use crate::{AddressPolicy, Filter, Found, Mailbox, Organisation, Person};
use bridgehead_mail::Address;
use std::collections::HashSet;
use std::sync::Arc;

/// How many numbers are tried behind a local part that is taken.
const NUMBERS_MAX: u32 = 1000;

/// Gives every mailbox the addresses of its policy that it doesn't have.
pub(crate) fn stamp(organisation: &mut Organisation) {
    let mut policies = organisation.address_policies.clone();
    if policies.is_empty() {
        return;
    }
    policies.sort_by_key(|policy| (policy.priority.unwrap_or(100), policy.name.folded()));
    let mut taken = taken(organisation);
    let mut order: Vec<usize> = (0..organisation.mailboxes.len()).collect();
    order.sort_by_key(|at| organisation.mailboxes.get(*at).map(|one| one.name.folded()));
    for at in order {
        let Some(mailbox) = organisation.mailboxes.get_mut(at) else {
            continue;
        };
        if let Some(policy) = policies.iter().find(|policy| concerns(policy, mailbox)) {
            give(policy, mailbox, &mut taken);
        }
    }
}

fn taken(organisation: &Organisation) -> HashSet<String> {
    let all = organisation.mailboxes.iter().flat_map(|one| &one.addresses);
    let all = all.chain(organisation.groups.iter().flat_map(|one| &one.addresses));
    let all = all.chain(organisation.contacts.iter().flat_map(|one| &one.addresses));
    let dynamic = organisation.dynamic_groups.iter();
    all.chain(dynamic.flat_map(|one| &one.addresses))
        .map(fold)
        .collect()
}

fn concerns(policy: &AddressPolicy, mailbox: &Mailbox) -> bool {
    let holds = |filter: &Filter| Found::Mailbox(Arc::new(mailbox.clone())).matches(filter);
    policy.filter.as_ref().is_none_or(holds)
}

fn give(policy: &AddressPolicy, mailbox: &mut Mailbox, taken: &mut HashSet<String>) {
    for template in &policy.templates {
        let words = |words: &Option<crate::Words>| {
            let words = words.as_ref().map(|words| words.0.to_string());
            words.unwrap_or_default()
        };
        let (given, surname) = (words(&mailbox.given_name), words(&mailbox.surname));
        let display = words(&mailbox.display_name);
        let person = Person {
            given: &given,
            surname: &surname,
            display: &display,
            name: mailbox.name.as_str(),
        };
        let Some(address) = template.address(&person) else {
            continue;
        };
        if has(mailbox, &address) {
            continue;
        }
        let free = (1..=NUMBERS_MAX).find_map(|number| {
            let address = numbered(&address, number)?;
            (has(mailbox, &address) || !taken.contains(&fold(&address))).then_some(address)
        });
        if let Some(free) = free.filter(|free| !has(mailbox, free)) {
            taken.insert(fold(&free));
            mailbox.addresses.push(free);
        }
    }
}

fn has(mailbox: &Mailbox, address: &Address) -> bool {
    mailbox
        .addresses
        .iter()
        .any(|one| fold(one) == fold(address))
}

/// The address itself, then with 2, 3, ... behind its local part.
fn numbered(address: &Address, number: u32) -> Option<Address> {
    if number == 1 {
        return Some(address.clone());
    }
    let local = format!("{}{number}", address.local().as_str());
    Address::from_parts(&local, address.domain().as_str()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse_organisation;

    const TEXT: &str = r#"
[organization]
name = "x"
postmaster = "a@x.test"
[[accepted-domain]]
name = "x.test"
[[address-policy]]
name = "sales"
filter = "(department=Sales)"
templates = ["%g@x.test"]
priority = 1
[[address-policy]]
name = "all"
templates = ["%g.%s@x.test", "%1g%s@x.test"]
[[mailbox]]
name = "a"
addresses = ["a@x.test"]
given-name = "Ann"
surname = "Smith"
[[mailbox]]
name = "b"
addresses = ["b@x.test"]
given-name = "Ann"
surname = "Smith"
[[mailbox]]
name = "c"
addresses = ["c@x.test"]
given-name = "Ann"
surname = "Jones"
department = "Sales"
"#;

    fn addresses(organisation: &Organisation) -> Vec<String> {
        let all = organisation.mailboxes.iter().flat_map(|one| &one.addresses);
        all.map(|address| address.to_string().to_lowercase())
            .collect()
    }

    #[test]
    fn each_gets_the_addresses_of_the_first_policy_that_concerns_it_and_stamping_again_changes_nothing()
     {
        let (mut organisation, _) = parse_organisation(TEXT, "x").unwrap();
        stamp(&mut organisation);
        let all = [
            "a@x.test",
            "ann.smith@x.test",
            "asmith@x.test",
            "b@x.test",
            "ann.smith2@x.test",
            "asmith2@x.test",
            "c@x.test",
            "ann@x.test",
        ];
        assert_eq!(addresses(&organisation), all);
        let (mut again, _) = parse_organisation(&organisation.to_text(), "x").unwrap();
        stamp(&mut again);
        assert_eq!(addresses(&again), all);
        let (mut fresh, _) = parse_organisation(TEXT, "x").unwrap();
        stamp(&mut fresh);
        assert_eq!(addresses(&fresh), all);
    }
}
