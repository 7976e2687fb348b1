//! Steps two and three: who the recipients are, and where each goes next. Pure over the snapshots of directory and
//! routing.

use crate::World;
use crate::report::{Notice, Told, is_from_nobody};
use crate::settings::Retry;
use bridgehead_categorizer::{
    Categorized, Journal, ListCopy, Sender, Snapshot, Standing, author, categorize, journals,
};
use bridgehead_mail::{
    Addressee, ByMode, Destination, Envelope, EventKind, Failure, MessageId, NextHop, Priority,
    Recipient, StatusCode, Timestamp,
};
use bridgehead_queue::{Part, Returned, Work};
use bridgehead_routing::{Facts, Goal};
use std::cell::RefCell;
use std::collections::HashMap;

/// Recipients about whom tracking says where they go; the rest of a large group is counted only.
const TRACKED_MAX: usize = 100;
/// Members that are looked at for one message to find out over which connectors its sender may send.
const TESTS_MAX: u32 = 1_000_000;

/// What is to be done with a message that was taken.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Its parts, one for each next hop.
    pub(crate) parts: Vec<Part>,
    /// What its sender is to be told.
    pub(crate) notices: Vec<Notice>,
    /// Copies for the members of groups with a reverse-path of their own.
    pub(crate) lists: Vec<ListCopy>,
    /// What an archive is to be told.
    pub(crate) journals: Vec<Journal>,
    /// Who failed where nobody can be told.
    pub(crate) bad: Vec<(Recipient, Failure)>,
    /// Whether that is so.
    nobody: bool,
    /// What tracking is told.
    pub(crate) events: Vec<EventKind>,
    /// When what is left is given up.
    pub(crate) expires: Timestamp,
    /// When its sender is told that it is late.
    pub(crate) delay_notice: Timestamp,
}

/// What the queue says of a message that was taken.
pub(crate) struct Taken<'a> {
    pub(crate) id: MessageId,
    /// Now.
    pub(crate) at: Timestamp,
    pub(crate) envelope: &'a Envelope,
    pub(crate) work: &'a Work,
    /// Octets of its content.
    pub(crate) size: u64,
    pub(crate) priority: Priority,
    /// The connector that an operator chose.
    pub(crate) redirect: Option<&'a str>,
}

/// Finds out who the recipients are (unless that is known) and where they go next.
pub(crate) fn plan(taken: &Taken<'_>, world: &World) -> Plan {
    let (envelope, size) = (taken.envelope, taken.size);
    let mut plan = Plan::with_times(envelope, &world.settings.retry, taken.priority);
    plan.nobody = is_from_nobody(envelope);
    let addressees = match taken.work {
        Work::Route(addressees) => addressees.clone(),
        Work::Categorize => {
            let known = plan.categorize(envelope, size, world);
            // What comes from another server of the organisation was journaled there.
            if envelope.journey.is_none() {
                plan.journals = journals(&world.snapshot, envelope, &known);
            }
            plan.take_in(known)
        }
        Work::Again { left, done } => {
            // Journaled the first time.
            let envelope = Envelope {
                recipients: named(left, envelope),
                ..envelope.clone()
            };
            let known = plan.categorize(&envelope, size, world);
            let mut found = plan.take_in(known);
            found.retain(|one| !done.iter().any(|done| is_same(done, one)));
            found
        }
        Work::Return(recipients, why) => {
            // What an operator deleted isn't kept elsewhere.
            plan.nobody &= *why == Returned::Expired;
            for recipient in recipients {
                plan.fail(recipient.clone(), returned(*why));
            }
            Vec::new()
        }
    };
    plan.route(addressees, taken, world);
    plan
}

/// Where an addressee goes next.
fn next_hop(
    addressee: &Addressee,
    redirect: Option<&str>,
    facts: &Facts<'_>,
    world: &World,
) -> Result<NextHop, Failure> {
    match &addressee.destination {
        // A mailbox without a home is at home everywhere.
        Destination::Mailbox(name) => match world.snapshot.home(name) {
            Some(home) => world.routing.route(Goal::Server(home), facts),
            None => Ok(NextHop::Local),
        },
        Destination::Remote => {
            let to = &addressee.address;
            let chosen = redirect.and_then(|connector| world.routing.by(connector, to, facts));
            chosen.map_or_else(|| world.routing.route(Goal::Address(to), facts), Ok)
        }
    }
}

/// A number that is spread evenly and always the same for a message: by it equal ways share the load.
fn spread(id: MessageId) -> u64 {
    let number = id.as_u128();
    let folded = (number >> 64) as u64 ^ number as u64;
    // The finalizer of SplitMix64: ids of one millisecond have much in common.
    let mixed = (folded ^ (folded >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Whether the sender of a message may send over connectors that don't take everybody's mail.
struct Senders<'s> {
    standing: RefCell<Standing<'s>>,
}

impl<'s> Senders<'s> {
    fn new(envelope: &'s Envelope, user: Option<&'s str>, snapshot: &'s Snapshot) -> Self {
        let sender = Sender {
            user,
            address: envelope.reverse_path.address(),
            size: None,
        };
        Self {
            standing: RefCell::new(snapshot.standing(sender, TESTS_MAX)),
        }
    }

    fn may(&self, connector: &str) -> bool {
        self.standing.borrow_mut().may_use(connector)
    }
}

/// The recipients as the sender named them of whom somebody is left; who can't be traced back stands for himself.
fn named(left: &[Addressee], envelope: &Envelope) -> Vec<Recipient> {
    let mut named: Vec<Recipient> = Vec::new();
    for addressee in left {
        let is_his = |recipient: &&Recipient| {
            let original = addressee.orcpt.as_ref();
            recipient.address == addressee.address
                || (original.is_some() && recipient.orcpt.as_ref() == original)
                || original.is_some_and(|original| {
                    original.address.as_str() == recipient.address.to_string()
                })
        };
        let recipient = envelope.recipients.iter().find(is_his).cloned();
        let recipient = recipient.unwrap_or_else(|| addressee.into());
        if !named.contains(&recipient) {
            named.push(recipient);
        }
    }
    named
}

fn is_same(one: &Addressee, other: &Addressee) -> bool {
    match (&one.destination, &other.destination) {
        (Destination::Mailbox(one), Destination::Mailbox(other)) => one == other,
        (Destination::Remote, Destination::Remote) => one.address == other.address,
        _ => false,
    }
}

/// What the sender of a message is told that comes back without another attempt.
fn returned(why: Returned) -> Failure {
    match why {
        // RFC 3463 §3.5: X.4.7, delivery time expired.
        Returned::Expired => Failure::new(
            StatusCode::permanent(4, 7),
            "Not delivered before its time ran out",
        ),
        // RFC 3463 §3.8: X.7.0, for a reason of policy that isn't told in detail.
        Returned::Deleted { .. } => Failure::new(
            StatusCode::permanent(7, 0),
            "An administrator removed the message from the queue",
        ),
    }
}

impl Plan {
    /// When the message is given up, and when its sender is told that it is late.
    fn with_times(envelope: &Envelope, retry: &Retry, priority: Priority) -> Self {
        let patience = retry.patience(priority);
        let handling = envelope.handling;
        // RFC 4865: time that a message is held for its sender isn't time that the server needs.
        let begins = envelope
            .release()
            .unwrap_or_default()
            .max(envelope.accepted);
        let mut plan = Self {
            expires: begins.after(patience.expire_after),
            delay_notice: begins.after(patience.delay_notice_after),
            ..Self::default()
        };
        match handling.deliver_by {
            // RFC 2852: by then it is delivered or returned.
            Some(by) if by.mode == ByMode::Return => {
                plan.expires = plan.expires.min(by.at(envelope.accepted));
            }
            // RFC 2852: by then it is delivered, or its sender hears that it is late.
            Some(by) => plan.delay_notice = plan.delay_notice.min(by.at(envelope.accepted)),
            None => {}
        }
        plan
    }

    fn categorize(&mut self, envelope: &Envelope, size: u64, world: &World) -> Categorized {
        let known = categorize(&world.snapshot, envelope, Some(size));
        self.events.push(EventKind::Categorized {
            recipients: u32::try_from(known.everybody().count()).unwrap_or(u32::MAX),
            directory: known.directory,
        });
        known
    }

    /// Learns what the categorizer found; returns who gets the message.
    fn take_in(&mut self, known: Categorized) -> Vec<Addressee> {
        for expanded in known.expanded {
            self.events.push(EventKind::Expanded {
                recipient: expanded.recipient.address.clone(),
                members: expanded.members,
            });
            // RFC 3461 §5.2.7.3: the group is what its sender hears of, not its members.
            if expanded.recipient.notify.wants_success() {
                self.notices.push(Notice {
                    recipient: expanded.recipient,
                    told: Told::Expanded,
                });
            }
        }
        for (recipient, failure) in known.failed {
            self.fail(recipient, failure);
        }
        self.lists = known.lists;
        known.addressees
    }

    /// Finds the next hop of each addressee; those who share one share a part, so that one copy travels as far as their ways are
    /// the same.
    fn route(&mut self, addressees: Vec<Addressee>, taken: &Taken<'_>, world: &World) {
        let user = author(taken.envelope, &world.snapshot);
        let senders = Senders::new(taken.envelope, user.as_deref(), &world.snapshot);
        let sender_may = |connector: &str| senders.may(connector);
        let facts = Facts {
            size: taken.size,
            priority: taken.priority,
            sender_may: &sender_may,
            at: taken.at,
            journey: taken.envelope.journey.as_deref(),
            key: spread(taken.id),
        };
        let mut places: HashMap<NextHop, usize> = HashMap::new();
        for (number, addressee) in addressees.into_iter().enumerate() {
            let hop = next_hop(&addressee, taken.redirect, &facts, world);
            let hop = match hop {
                Ok(hop) => hop,
                Err(failure) => {
                    self.fail((&addressee).into(), failure);
                    continue;
                }
            };
            if number < TRACKED_MAX {
                self.events.push(EventKind::Routed {
                    recipient: addressee.address.clone(),
                    link: hop.link(),
                });
            }
            let fresh = self.parts.len();
            let place = *places.entry(hop.clone()).or_insert(fresh);
            if place == fresh {
                self.parts.push(Part {
                    hop,
                    addressees: Vec::new(),
                });
            }
            if let Some(part) = self.parts.get_mut(place) {
                part.addressees.push(addressee);
            }
        }
    }

    fn fail(&mut self, recipient: Recipient, failure: Failure) {
        self.events.push(EventKind::Failed {
            recipient: recipient.address.clone(),
            failure: failure.clone(),
        });
        if self.nobody {
            self.bad.push((recipient.clone(), failure.clone()));
        }
        if recipient.notify.wants_failure() {
            self.notices.push(Notice {
                recipient,
                told: Told::Failed(failure),
            });
        }
    }
}

#[cfg(test)]
mod tests;
