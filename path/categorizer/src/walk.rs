//! The walk from one recipient through objects of the directory to addressees.
//!
//! Guards: each object is passed once for a recipient, so a loop ends and members are found once; depth and work
//! are bounded. What fails in part because of a bound fails as a whole: half a group would be a silent loss.

mod failures;
mod gates;

use crate::list::Manner;
use crate::merge::{Addressees, Reached};
use crate::trace::Trace;
use crate::wishes::Wishes;
use crate::{ADDRESSEES_MAX, Categorized, DEPTH_MAX, Expanded, Snapshot, Step, TESTS_MAX};
use bridgehead_directory::{
    Contact, DynamicGroup, Found, Group, How, Mailbox, Member, Name, Resolution, Sender, Standing,
};
use bridgehead_mail::{
    Address, Addressee, Destination, DsnText, Failure, Notify, Orcpt, Recipient, ReversePath,
    StatusCode,
};
use std::collections::{HashMap, HashSet};

/// Walks for all recipients of one envelope.
#[derive(Debug)]
pub(crate) struct Categorizer<'s> {
    snapshot: &'s Snapshot,
    standing: Standing<'s>,
    trace: Trace,
    /// How many more objects may be looked at.
    budget: u32,
    /// Who failed, and with what.
    failed: HashSet<(Address, String)>,
    /// Groups with a reverse-path of their own.
    lists: Vec<(Name, ReversePath)>,
    /// Whether this is a copy for the members of one: their destinations are final.
    is_list: bool,
    /// Groups that an earlier recipient with the same wishes was, with the number of their addressees.
    groups: HashMap<(Name, Notify), u32>,
}

impl<'s> Categorizer<'s> {
    pub(crate) fn new(snapshot: &'s Snapshot, sender: Sender<'s>, trace: Trace) -> Self {
        Self {
            snapshot,
            standing: snapshot.standing(sender, TESTS_MAX),
            trace,
            budget: ADDRESSEES_MAX,
            failed: HashSet::new(),
            lists: Vec::new(),
            is_list: false,
            groups: HashMap::new(),
        }
    }

    /// The recipients are members that were found before, and are only to be delivered to.
    pub(crate) const fn of_list(mut self) -> Self {
        self.is_list = true;
        self
    }

    /// The groups with a reverse-path of their own, in the order of their numbers.
    pub(crate) fn take_lists(&mut self) -> Vec<(Name, ReversePath)> {
        std::mem::take(&mut self.lists)
    }

    pub(crate) fn into_steps(self) -> Vec<Step> {
        self.trace.into_steps()
    }

    /// Finds out who one recipient is.
    pub(crate) fn recipient(
        &mut self,
        recipient: &Recipient,
        addressees: &mut Addressees,
        result: &mut Categorized,
    ) {
        let group = self.group(&recipient.address);
        let group = group.map(|name| (name, recipient.notify));
        let known = group
            .as_ref()
            .and_then(|group| self.groups.get(group).copied());
        if let Some(members) = known {
            // The same group again, by another of its addresses: all its members are there already.
            result.expanded.push(Expanded {
                recipient: recipient.clone(),
                members,
            });
            return;
        }
        let mut walk = Walk::new(self, recipient);
        walk.address(&recipient.address, Wishes::of(recipient));
        let outcome = walk.finish();
        let (reached, failed, expanded) = match outcome {
            Ok(outcome) => outcome,
            Err(failure) => {
                result.failed.push((recipient.clone(), failure));
                return;
            }
        };
        if expanded {
            let members = u32::try_from(reached.len()).unwrap_or(u32::MAX);
            self.groups.extend(group.map(|group| (group, members)));
            result.expanded.push(Expanded {
                recipient: recipient.clone(),
                members,
            });
        }
        for (recipient, failure) in failed {
            // The same one by two ways is told once.
            let what = (recipient.address.clone(), failure.status.to_string());
            if self.failed.insert(what) {
                result.failed.push((recipient, failure));
            }
        }
        for reached in reached {
            addressees.add(reached);
        }
    }

    /// The name of the group that has this address.
    fn group(&self, address: &Address) -> Option<Name> {
        match self.snapshot.resolve(address) {
            Resolution::Object(Found::Group(group), _) => Some(group.name.clone()),
            Resolution::Object(Found::DynamicGroup(group), _) => Some(group.name.clone()),
            _ => None,
        }
    }
}

/// Why a walk failed as a whole.
#[derive(Clone, Copy, Debug)]
enum Bound {
    Depth,
    Work,
}

/// The walk of one recipient.
struct Walk<'w, 's> {
    snapshot: &'s Snapshot,
    standing: &'w mut Standing<'s>,
    trace: &'w mut Trace,
    budget: &'w mut u32,
    lists: &'w mut Vec<(Name, ReversePath)>,
    is_list: bool,
    recipient: &'w Recipient,
    reached: Vec<Reached>,
    failed: Vec<(Recipient, Failure)>,
    /// Names of the objects that were passed.
    passed: HashSet<Name>,
    /// Names of the objects between the recipient and here.
    path: Vec<Name>,
    looped: bool,
    expanded: bool,
    bound: Option<Bound>,
}

type Outcome = (Vec<Reached>, Vec<(Recipient, Failure)>, bool);

impl<'w, 's> Walk<'w, 's> {
    fn new(categorizer: &'w mut Categorizer<'s>, recipient: &'w Recipient) -> Self {
        Self {
            snapshot: categorizer.snapshot,
            standing: &mut categorizer.standing,
            trace: &mut categorizer.trace,
            budget: &mut categorizer.budget,
            lists: &mut categorizer.lists,
            is_list: categorizer.is_list,
            recipient,
            reached: Vec::new(),
            failed: Vec::new(),
            passed: HashSet::new(),
            path: Vec::new(),
            looped: false,
            expanded: false,
            bound: None,
        }
    }

    fn finish(self) -> Result<Outcome, Failure> {
        let (status, text) = match self.bound {
            Some(Bound::Depth) => (
                // RFC 3463 §3.5: X.4.6, routing loop detected.
                StatusCode::permanent(4, 6),
                "forwarded or nested too deep",
            ),
            // RFC 3463 §3.3: X.2.4, mailing list expansion problem.
            Some(Bound::Work) => (
                StatusCode::permanent(2, 4),
                "expands to too many recipients",
            ),
            None if !self.reached.is_empty() || !self.failed.is_empty() => {
                return Ok((self.reached, self.failed, self.expanded));
            }
            None if self.looped => (
                StatusCode::permanent(4, 6),
                "forwarding leads back to where it came from",
            ),
            None => (StatusCode::permanent(2, 4), "the group has no members"),
        };
        let failure = Failure::new(status, text);
        let address = &self.recipient.address;
        self.trace
            .step(address, format_args!(""), format_args!("fails: {failure}"));
        Err(failure)
    }

    fn address(&mut self, address: &Address, wishes: Wishes) {
        if !self.spend() {
            return;
        }
        match self.snapshot.resolve(address) {
            Resolution::Object(found, how) => {
                if how == How::Plus {
                    let object = format_args!("{} {}", found.kind(), found.name());
                    let text = format_args!("found without what stands after the plus");
                    self.trace.step(address, object, text);
                }
                self.object(&found, address, wishes);
            }
            Resolution::Role(postmaster) => self.role(address, postmaster, wishes),
            Resolution::Ambiguous(one, other) => self.ambiguous(address, &one, &other, wishes),
            Resolution::Unsure => self.unsure(address, wishes),
            Resolution::Unknown => self.unknown(address, wishes),
            Resolution::Relay(_) => {
                let text = format_args!("nobody here, but the domain is passed on: remote");
                self.trace.step(address, format_args!(""), text);
                self.remote(address, wishes);
            }
            Resolution::NotOurs => {
                let text = format_args!("the domain is none of ours: remote");
                self.trace.step(address, format_args!(""), text);
                self.remote(address, wishes);
            }
        }
    }

    /// postmaster and abuse are other addresses of the organisation's postmaster.
    fn role(&mut self, address: &Address, postmaster: &Address, wishes: Wishes) {
        let text = format_args!("goes to the organisation's postmaster, {postmaster}");
        self.trace.step(address, format_args!("organization"), text);
        match self.snapshot.resolve(postmaster) {
            Resolution::Object(found, _) => self.object(&found, address, wishes),
            // A role can't stand for a role: that would go round for ever.
            Resolution::Role(_) | Resolution::Unknown => self.unknown(address, wishes),
            Resolution::Ambiguous(one, other) => self.ambiguous(address, &one, &other, wishes),
            Resolution::Unsure => self.unsure(address, wishes),
            Resolution::Relay(_) | Resolution::NotOurs => {
                self.remote(postmaster, wishes.replaced());
            }
        }
    }

    fn object(&mut self, found: &Found, address: &Address, wishes: Wishes) {
        if !self.is_list && self.is_restricted(found, address, wishes) {
            return;
        }
        match found {
            Found::Mailbox(mailbox) if self.is_list => self.local(mailbox, address, wishes),
            Found::Mailbox(mailbox) if mailbox.forward_to.is_empty() => {
                self.local(mailbox, address, wishes);
            }
            Found::Mailbox(mailbox) => self.forwarding(mailbox, address, wishes),
            Found::Group(group) => self.group(group, address, wishes),
            Found::Contact(contact) => self.contact(contact, address, wishes),
            Found::DynamicGroup(group) => self.dynamic_group(group, address, wishes),
        }
    }

    fn forwarding(&mut self, mailbox: &Mailbox, address: &Address, wishes: Wishes) {
        let name = &mailbox.name;
        if !self.enter("mailbox", name, address) {
            return;
        }
        let keeps = mailbox.keep_copy == Some(true);
        let many = mailbox.forward_to.len() > 1;
        let copy = if keeps { "with" } else { "without" };
        let text = format_args!("is forwarded, {copy} a local copy");
        self.trace
            .step(address, format_args!("mailbox {name}"), text);
        if keeps {
            // The copy is what success is told of.
            self.local(mailbox, address, wishes);
        }
        self.expanded |= many && !keeps;
        let onward = if keeps || many {
            wishes.parted()
        } else {
            wishes.replaced()
        };
        for target in &mailbox.forward_to {
            self.member(target, address, onward);
        }
        self.path.pop();
    }

    fn group(&mut self, group: &Group, address: &Address, wishes: Wishes) {
        let name = &group.name;
        if !self.enter("group", name, address) {
            return;
        }
        let held = self.is_moderated(&group.moderators);
        let members = if held {
            &group.moderators
        } else {
            &group.members
        };
        let (count, whom) = (members.len(), if held { "moderators" } else { "members" });
        let text = format_args!("stands for {count} {whom}");
        self.trace.step(address, format_args!("group {name}"), text);
        self.expanded = true;
        let onward = self.onward(
            &group.name,
            &Manner {
                owner: group.owner.as_ref(),
                report_to: group.report_to.unwrap_or_default(),
                hidden: group.hidden_members == Some(true),
            },
            wishes,
        );
        for member in members {
            self.member(member, address, onward);
            if self.bound.is_some() {
                break;
            }
        }
        self.path.pop();
    }

    fn dynamic_group(&mut self, group: &DynamicGroup, address: &Address, wishes: Wishes) {
        let name = &group.name;
        if !self.enter("dynamic-group", name, address) {
            return;
        }
        let text = format_args!("stands for all with {}", group.filter.as_str());
        self.trace
            .step(address, format_args!("dynamic-group {name}"), text);
        self.expanded = true;
        let onward = self.onward(
            &group.name,
            &Manner {
                owner: group.owner.as_ref(),
                report_to: group.report_to.unwrap_or_default(),
                hidden: group.hidden_members == Some(true),
            },
            wishes,
        );
        if self.is_moderated(&group.moderators) {
            for moderator in &group.moderators {
                self.member(moderator, address, onward);
            }
            self.path.pop();
            return;
        }
        for found in self.snapshot.matching(&group.filter) {
            if !self.spend() {
                break;
            }
            if let Some(address) = found.primary() {
                self.object(&found, address, onward);
            }
        }
        self.path.pop();
    }

    fn member(&mut self, member: &Member, group: &Address, wishes: Wishes) {
        let name: &str = match member {
            Member::Address(address) => return self.address(address, wishes),
            Member::Name(name) => name.as_str(),
            Member::Entry(place) => place,
        };
        if !self.spend() {
            return;
        }
        let found = self.snapshot.member(member);
        match found
            .as_ref()
            .and_then(|found| Some((found, found.primary()?)))
        {
            Some((found, address)) => self.object(found, address, wishes),
            // Directories have members that get no mail, and that is nobody's fault.
            None if matches!(member, Member::Entry(_)) => {
                let text = format_args!("{name} is no recipient: passed over");
                self.trace.step(group, format_args!(""), text);
            }
            None => {
                let text = format_args!("the member \"{name}\" doesn't exist");
                self.trace.step(group, format_args!(""), text);
                self.unknown(group, wishes);
            }
        }
    }

    fn contact(&mut self, contact: &Contact, address: &Address, wishes: Wishes) {
        let name = &contact.name;
        if !self.enter("contact", name, address) {
            return;
        }
        let text = format_args!("is elsewhere, at {}", contact.target);
        self.trace
            .step(address, format_args!("contact {name}"), text);
        self.address(&contact.target, wishes.replaced());
        self.path.pop();
    }

    fn local(&mut self, mailbox: &Mailbox, address: &Address, wishes: Wishes) {
        let name = mailbox.name.as_str();
        let text = format_args!("delivered into the mailbox {name}");
        self.trace
            .step(address, format_args!("mailbox {name}"), text);
        self.reach(address, Destination::Mailbox(name.into()), wishes);
    }

    fn remote(&mut self, address: &Address, wishes: Wishes) {
        self.reach(address, Destination::Remote, wishes);
    }

    fn reach(&mut self, address: &Address, destination: Destination, wishes: Wishes) {
        let addressee = Addressee {
            orcpt: self.orcpt(address),
            address: address.clone(),
            destination,
            notify: wishes.notify,
        };
        let Wishes { named, list, .. } = wishes;
        self.reached.push(Reached {
            addressee,
            named,
            list,
        });
    }

    /// The recipient as the sender named it; where another address comes in its place, its own address
    /// (RFC 3461 §5.2.7.2, §5.2.7.3).
    fn orcpt(&self, address: &Address) -> Option<Orcpt> {
        let original = &self.recipient.address;
        if self.recipient.orcpt.is_some() || original == address {
            return self.recipient.orcpt.clone();
        }
        // RFC 6533 §3: an international address has a type of its own.
        let kind = if original.needs_smtputf8() {
            "utf-8"
        } else {
            "rfc822"
        };
        Some(Orcpt {
            kind: DsnText::new(kind).ok()?,
            address: DsnText::new(&original.to_string()).ok()?,
        })
    }

    /// Whether one more object may be looked at.
    const fn spend(&mut self) -> bool {
        match self.budget.checked_sub(1) {
            Some(rest) => {
                *self.budget = rest;
                self.bound.is_none()
            }
            None => {
                self.bound = Some(Bound::Work);
                false
            }
        }
    }

    /// Steps into an object that leads on, unless it was passed already.
    fn enter(&mut self, kind: &str, name: &Name, address: &Address) -> bool {
        let object = format_args!("{kind} {name}");
        if self.path.contains(name) {
            self.looped = true;
            let text = format_args!("leads back to itself: not followed again");
            self.trace.step(address, object, text);
            return false;
        }
        if self.path.len() >= DEPTH_MAX {
            self.bound = Some(Bound::Depth);
            let text = format_args!("is more than {DEPTH_MAX} objects away: not followed");
            self.trace.step(address, object, text);
            return false;
        }
        if !self.passed.insert(name.clone()) {
            let text = format_args!("was there before: its members are there once");
            self.trace.step(address, object, text);
            return false;
        }
        self.path.push(name.clone());
        true
    }
}
