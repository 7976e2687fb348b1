//! Who may send to whom, and how much: membership is tested one sender at a time, groups are never expanded for it.
//!
//! Guards: only an authenticated sender is somebody of the directory; who merely claims to be counts as a stranger, so
//! that no restriction is passed by a false sender. Work is bounded.

use crate::recipients::fold;
use crate::{Found, Member, Size, Snapshot};
use bridgehead_mail::Address;
use std::collections::HashSet;

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

impl Snapshot {
    /// Why this sender may not send to this object; none if it may. `work` is how many members may be looked at.
    #[must_use]
    pub fn restriction(
        &self,
        found: &Found,
        sender: &Sender<'_>,
        work: &mut u32,
    ) -> Option<Restriction> {
        let Rules {
            accept,
            reject,
            authenticated,
            size,
        } = Rules::of(found);
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
        if accept.is_empty() && reject.is_empty() {
            return None;
        }
        let identity = Identity::of(self, sender);
        if !accept.is_empty() {
            match identity.is_among(self, accept, work) {
                None => return Some(Restriction::Work),
                Some(false) => return Some(Restriction::NotAmong),
                Some(true) => {}
            }
        }
        match identity.is_among(self, reject, work) {
            None => Some(Restriction::Work),
            Some(true) => Some(Restriction::Among),
            Some(false) => None,
        }
    }

    /// Whether this sender is one of these, or a member of one of these groups; none if that is too much work.
    #[must_use]
    pub fn is_among(&self, sender: &Sender<'_>, list: &[Member], work: &mut u32) -> Option<bool> {
        Identity::of(self, sender).is_among(self, list, work)
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

    fn is_among(&self, snapshot: &Snapshot, list: &[Member], work: &mut u32) -> Option<bool> {
        let mut passed: HashSet<Box<str>> = HashSet::new();
        let mut open: Vec<Found> = Vec::new();
        let mut members = list.to_vec();
        loop {
            for member in &members {
                *work = work.checked_sub(1)?;
                if self.is(snapshot, member, &mut open) {
                    return Some(true);
                }
            }
            loop {
                match open.pop() {
                    None => return Some(false),
                    Some(Found::DynamicGroup(group)) => {
                        if self
                            .object
                            .as_ref()
                            .is_some_and(|one| one.matches(&group.filter))
                        {
                            return Some(true);
                        }
                    }
                    Some(Found::Group(group)) if passed.insert(group.name.folded()) => {
                        if passed.len() > GROUPS_MAX {
                            return None;
                        }
                        members.clone_from(&group.members);
                        break;
                    }
                    Some(_) => {}
                }
            }
        }
    }

    /// Whether a member is this sender; a group is to be looked into.
    fn is(&self, snapshot: &Snapshot, member: &Member, open: &mut Vec<Found>) -> bool {
        if let Member::Address(address) = member
            && self.addresses.contains(&fold(address))
        {
            return true;
        }
        let Some(found) = snapshot.member(member) else {
            return false;
        };
        match found {
            Found::Group(_) | Found::DynamicGroup(_) => {
                open.push(found);
                false
            }
            // A contact stands for somebody elsewhere.
            Found::Contact(contact) => self.addresses.contains(&fold(&contact.target)),
            Found::Mailbox(mailbox) => self.name.as_deref() == Some(&*mailbox.name.folded()),
        }
    }
}
