//! Addressees, each once: a mailbox by its name, a remote one by its address.
//!
//! Guards: whoever was named by the sender keeps the sender's wishes, also when a group leads there as well.

use bridgehead_mail::{Address, Addressee, Destination, Notify};
use std::collections::HashMap;

/// Up to this many are looked through one by one, which is faster than hashing them.
const SCANNED_MAX: usize = 16;

/// An addressee and whether the sender named it, rather than a group or a forwarding.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) addressee: Addressee,
    pub(crate) named: bool,
    /// The group with a reverse-path of its own by which it was found, if only by that.
    pub(crate) list: Option<usize>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Who {
    Mailbox(Box<str>),
    Remote(Address),
}

fn who(addressee: &Addressee) -> Who {
    match &addressee.destination {
        Destination::Mailbox(name) => Who::Mailbox(name.clone()),
        Destination::Remote => Who::Remote(addressee.address.clone()),
    }
}

fn same(one: &Addressee, other: &Addressee) -> bool {
    match (&one.destination, &other.destination) {
        (Destination::Mailbox(one), Destination::Mailbox(other)) => one == other,
        (Destination::Remote, Destination::Remote) => one.address == other.address,
        _ => false,
    }
}

/// All addressees of an envelope.
#[derive(Debug)]
pub(crate) struct Addressees {
    reached: Vec<Reached>,
    /// Where each is, once there are many.
    places: HashMap<Who, usize>,
}

impl Addressees {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            reached: Vec::with_capacity(capacity),
            places: HashMap::new(),
        }
    }

    /// Adds one, or joins it with itself.
    pub(crate) fn add(&mut self, new: Reached) {
        let Some(place) = self.place(&new.addressee) else {
            if !self.places.is_empty() {
                let place = self.reached.len();
                self.places.insert(who(&new.addressee), place);
            }
            self.reached.push(new);
            return;
        };
        let Some(old) = self.reached.get_mut(place) else {
            return;
        };
        if old.list.is_some() != new.list.is_some() {
            // Whoever the sender reaches without the group as well gets the sender's own message.
            if new.list.is_none() {
                *old = new;
            }
            return;
        }
        let notify = both(old.addressee.notify, new.addressee.notify);
        if new.named && !old.named {
            *old = new;
        }
        old.addressee.notify = notify;
    }

    fn place(&mut self, addressee: &Addressee) -> Option<usize> {
        if self.reached.len() <= SCANNED_MAX {
            let mut all = self.reached.iter();
            return all.position(|old| same(&old.addressee, addressee));
        }
        if self.places.is_empty() {
            let all = self.reached.iter().enumerate();
            self.places = all
                .map(|(place, old)| (who(&old.addressee), place))
                .collect();
        }
        self.places.get(&who(addressee)).copied()
    }

    /// Those of the message itself, and those of each list.
    pub(crate) fn into_inner(self, lists: usize) -> (Vec<Addressee>, Vec<Vec<Addressee>>) {
        let (mut own, mut of_lists) = (Vec::with_capacity(self.reached.len()), Vec::new());
        of_lists.resize_with(lists, Vec::new);
        for reached in self.reached {
            match reached.list.and_then(|list| of_lists.get_mut(list)) {
                Some(members) => members.push(reached.addressee),
                None => own.push(reached.addressee),
            }
        }
        (own, of_lists)
    }
}

/// What either wants to be told.
const fn both(one: Notify, other: Notify) -> Notify {
    match (one, other) {
        (Notify::Never, wish) | (wish, Notify::Never) => wish,
        (Notify::Unsaid, Notify::Unsaid) => Notify::Unsaid,
        _ => Notify::On {
            success: one.wants_success() || other.wants_success(),
            failure: one.wants_failure() || other.wants_failure(),
            delay: one.wants_delay() || other.wants_delay(),
        },
    }
}
