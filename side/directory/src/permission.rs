//! Who may send to whom, and how much: membership is tested one sender at a time, groups are never expanded for it.
//!
//! Guards: only an authenticated sender is somebody of the directory; who merely claims to be counts as a stranger, so
//! that no restriction is passed by a false sender. Work is bounded.

use crate::recipients::fold;
use crate::{Filter, Found, Member, Size, Snapshot};
use bridgehead_mail::Address;
use std::collections::{HashMap, HashSet};

/// Groups in groups that a test goes through.
const GROUPS_MAX: usize = 1000;

/// Who sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sender<'a> {
    /// The mailbox it authenticated for.
    pub user: Option<&'a str>,
    /// The address it names; none for the null reverse-path, as that of reports.
    pub address: Option<&'a Address>,
    /// Octets of the message, or what it declares.
    pub size: Option<u64>,
}

/// Why somebody may not send to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// The object takes mail of authenticated senders of this organisation only.
    Strangers,
    /// The sender isn't among those who may.
    NotAmong,
    /// The sender is among those who may not.
    Among,
    /// The message is larger than the object takes.
    Size(Size),
    /// Whether the sender is among them takes too much work to find out here.
    Work,
}

/// A sender as tests of who may send know it. What it was found to be inside of is remembered for the next object.
#[derive(Debug)]
pub struct Standing<'s> {
    snapshot: &'s Snapshot,
    sender: Sender<'s>,
    identity: Option<Identity>,
    /// Whether it is in a group, by the group's name in lower case.
    inside: HashMap<Box<str>, bool>,
    /// How many more members may be looked at.
    work: u32,
}

impl Snapshot {
    /// What a sender is here; `work` is how many members may be looked at to find out.
    #[must_use]
    pub fn standing<'s>(&'s self, sender: Sender<'s>, work: u32) -> Standing<'s> {
        Standing {
            snapshot: self,
            sender,
            identity: None,
            inside: HashMap::new(),
            work,
        }
    }
}

impl<'s> Standing<'s> {
    /// The sender.
    #[must_use]
    pub const fn sender(&self) -> &Sender<'s> {
        &self.sender
    }

    /// How many more members may be looked at.
    #[must_use]
    pub const fn work_left(&self) -> u32 {
        self.work
    }

    /// Why it may not send to this object; none if it may.
    #[must_use]
    pub fn restriction(&mut self, found: &Found) -> Option<Restriction> {
        let Rules {
            accept,
            reject,
            authenticated,
            size,
        } = Rules::of(found);
        let sender = &self.sender;
        if let Some((most, octets)) = size.zip(sender.size)
            && octets > most.0
        {
            return Some(Restriction::Size(most));
        }
        // What comes back to a person must reach it: reports have no sender.
        let person = matches!(found, Found::Mailbox(_) | Found::Contact(_));
        if person && sender.address.is_none() && sender.user.is_none() {
            return None;
        }
        if authenticated && sender.user.is_none() {
            return Some(Restriction::Strangers);
        }
        if !accept.is_empty() {
            match self.is_among(accept) {
                None => return Some(Restriction::Work),
                Some(false) => return Some(Restriction::NotAmong),
                Some(true) => {}
            }
        }
        match self.is_among(reject) {
            None => Some(Restriction::Work),
            Some(true) => Some(Restriction::Among),
            Some(false) => None,
        }
    }

    /// Whether its messages may go over the connector of this name; what is too much work to find out may not. Reports have no
    /// sender, and may.
    #[must_use]
    pub fn may_use(&mut self, connector: &str) -> bool {
        if self.sender.address.is_none() && self.sender.user.is_none() {
            return true;
        }
        let connectors = &self.snapshot.configuration().connectors;
        let place = self.snapshot.choosy.get(connector);
        let Some(found) = place.and_then(|place| connectors.get(*place)) else {
            return true;
        };
        let is_taken =
            found.accept_from.is_empty() || self.is_among(&found.accept_from) == Some(true);
        is_taken && self.is_among(&found.reject_from) == Some(false)
    }

    /// Whether it is one of these, or a member of one of these groups; none if that is too much work.
    #[must_use]
    pub fn is_among(&mut self, list: &[Member]) -> Option<bool> {
        for member in list {
            self.work = self.work.checked_sub(1)?;
            let Some(group) = self.test(member) else {
                return Some(true);
            };
            if let Some(group) = group
                && self.is_inside(group)?
            {
                return Some(true);
            }
        }
        Some(false)
    }

    /// Whether it is in a group, or in one of the groups in that.
    fn is_inside(&mut self, group: Found) -> Option<bool> {
        let asked = group.name().folded();
        let mut passed: HashSet<Box<str>> = HashSet::new();
        let mut open = vec![group];
        while let Some(group) = open.pop() {
            let name = group.name().folded();
            match self.inside.get(&name) {
                Some(true) => return Some(self.remember(asked, true)),
                Some(false) => continue,
                None if !passed.insert(name) => continue,
                None if passed.len() > GROUPS_MAX => return None,
                None => {}
            }
            let members = match &group {
                Found::Group(group) => group.members.as_slice(),
                Found::DynamicGroup(dynamic) => {
                    if self.identity().is_in(&dynamic.filter) {
                        return Some(self.remember(asked, true));
                    }
                    continue;
                }
                Found::Mailbox(_) | Found::Contact(_) => continue,
            };
            for member in members {
                self.work = self.work.checked_sub(1)?;
                match self.test(member) {
                    None => return Some(self.remember(asked, true)),
                    Some(further) => open.extend(further),
                }
            }
        }
        // Nor is it in any of those that were passed.
        self.inside
            .extend(passed.into_iter().map(|name| (name, false)));
        Some(self.remember(asked, false))
    }

    fn remember(&mut self, group: Box<str>, inside: bool) -> bool {
        self.inside.insert(group, inside);
        inside
    }

    /// None if a member is this sender; else the group it is, if it is one.
    fn test(&mut self, member: &Member) -> Option<Option<Found>> {
        let snapshot = self.snapshot;
        let identity = self.identity();
        if let Member::Address(address) = member
            && identity.addresses.contains(&fold(address))
        {
            return None;
        }
        let is_sender = match snapshot.member(member) {
            None => false,
            Some(group @ (Found::Group(_) | Found::DynamicGroup(_))) => return Some(Some(group)),
            // A contact stands for somebody elsewhere.
            Some(Found::Contact(contact)) => identity.addresses.contains(&fold(&contact.target)),
            Some(Found::Mailbox(mailbox)) => {
                identity.name.as_deref() == Some(&*mailbox.name.folded())
            }
        };
        (!is_sender).then_some(None)
    }

    fn identity(&mut self) -> &Identity {
        let (snapshot, sender) = (self.snapshot, &self.sender);
        self.identity
            .get_or_insert_with(|| Identity::of(snapshot, sender))
    }
}

struct Rules<'a> {
    accept: &'a [Member],
    reject: &'a [Member],
    authenticated: bool,
    size: Option<Size>,
}

impl<'a> Rules<'a> {
    fn of(found: &'a Found) -> Self {
        macro_rules! rules {
            ($object:ident) => {
                Self {
                    accept: &$object.accept_from,
                    reject: &$object.reject_from,
                    authenticated: $object.authenticated_senders_only == Some(true),
                    size: $object.max_receive_size,
                }
            };
        }
        match found {
            Found::Mailbox(object) => rules!(object),
            Found::Group(object) => rules!(object),
            Found::Contact(object) => rules!(object),
            Found::DynamicGroup(object) => rules!(object),
        }
    }
}

/// What a sender is known by.
#[derive(Debug)]
struct Identity {
    /// The object it is.
    object: Option<Found>,
    name: Option<Box<str>>,
    addresses: HashSet<String>,
}

impl Identity {
    fn of(snapshot: &Snapshot, sender: &Sender<'_>) -> Self {
        let object = sender.user.and_then(|user| snapshot.by_name(user));
        let mut addresses = HashSet::new();
        match &object {
            Some(object) => addresses.extend(object.addresses().iter().map(fold)),
            // A stranger is known by its address alone, and only if that isn't one of ours.
            None => {
                let strange =
                    |address: &&Address| snapshot.domains.kind(address.domain()).is_none();
                addresses.extend(sender.address.filter(strange).map(fold));
            }
        }
        Self {
            name: object.as_ref().map(|object| object.name().folded()),
            object,
            addresses,
        }
    }

    fn is_in(&self, filter: &Filter) -> bool {
        self.object.as_ref().is_some_and(|one| one.matches(filter))
    }
}
