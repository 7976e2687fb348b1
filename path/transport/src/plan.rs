//! Steps two and three: who the recipients are, and where each goes next. Pure over the snapshots of directory and
//! routing.

use crate::World;
use crate::report::{Notice, Told};
use bridgehead_categorizer::{Journal, ListCopy, categorize, journals};
use bridgehead_mail::{
    Addressee, Destination, Envelope, EventKind, Failure, NextHop, Recipient, Timestamp,
};
use bridgehead_queue::{Part, Work};
use std::collections::HashMap;

/// Recipients about whom tracking says where they go; the rest of a large group is counted only.
const TRACKED_MAX: usize = 100;

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
    /// What tracking is told.
    pub(crate) events: Vec<EventKind>,
    /// When what is left is given up.
    pub(crate) expires: Timestamp,
    /// When its sender is told that it is late.
    pub(crate) delay_notice: Timestamp,
}

/// Finds out who the recipients are (unless that is known) and where they go next.
/// `size` is that of the content, in octets.
pub(crate) fn plan(envelope: &Envelope, work: &Work, size: u64, world: &World) -> Plan {
    let retry = &world.settings.retry;
    let mut plan = Plan {
        expires: envelope.accepted.after(retry.expire_after),
        delay_notice: envelope.accepted.after(retry.delay_notice_after),
        ..Plan::default()
    };
    let addressees = match work {
        Work::Route(addressees) => addressees.clone(),
        Work::Categorize => plan.categorize(envelope, size, world),
    };
    plan.route(addressees, world);
    plan
}

impl Plan {
    fn categorize(&mut self, envelope: &Envelope, size: u64, world: &World) -> Vec<Addressee> {
        let known = categorize(&world.snapshot, envelope, Some(size));
        self.journals = journals(&world.snapshot, envelope, &known);
        self.events.push(EventKind::Categorized {
            recipients: u32::try_from(known.everybody().count()).unwrap_or(u32::MAX),
            directory: known.directory,
        });
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

    fn route(&mut self, addressees: Vec<Addressee>, world: &World) {
        let mut places: HashMap<NextHop, usize> = HashMap::new();
        for (number, addressee) in addressees.into_iter().enumerate() {
            let hop = match &addressee.destination {
                Destination::Mailbox(_) => Ok(NextHop::Local),
                Destination::Remote => world.routing.route(&addressee.address),
            };
            let hop = match hop {
                Ok(hop) => hop,
                Err(failure) => {
                    let recipient = Notice::new(&addressee, Told::Expanded).recipient;
                    self.fail(recipient, failure);
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
        if recipient.notify.wants_failure() {
            self.notices.push(Notice {
                recipient,
                told: Told::Failed(failure),
            });
        }
    }
}
