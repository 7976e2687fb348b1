//! What connectors restrict, each distinct thing once, and what that comes to for one message.
//!
//! Guards: messages for which the same limits are exceeded, the same lists of senders and the same hours are closed, and that may not enter
//! the same groups, are of one kind: the same connectors bar them for the same reasons. So what was found for one serves all of its
//! kind. When hours open and close is looked up once for each of their spans.

use crate::facts::{Bar, Facts};
use crate::settings::{Connector, Restrictions};
use bridgehead_linkstate::GroupId;
use bridgehead_mail::{Hours, Opening, Priority, Timestamp, opening};
use jiff::tz::TimeZone;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What one connector restricts.
#[derive(Clone, Copy, Debug)]
struct Limits {
    size_max: Option<u64>,
    /// Which priorities it takes, one bit each.
    priorities: u8,
    /// Which of the lists of senders stands there.
    senders: Option<usize>,
    /// Which of the hours are its own.
    hours: Option<usize>,
}

/// When some hours are open or closed: from when until when that was found out.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: Timestamp,
    until: Timestamp,
    closed: bool,
}

/// What all connectors restrict.
#[derive(Debug, Default)]
pub(crate) struct Restricted {
    /// Of each connector of the settings; none if it takes everything.
    limits: Vec<Option<Limits>>,
    /// The limits of size, in order.
    sizes: Vec<u64>,
    /// Of each list of senders: a connector at which it stands.
    senders: Vec<Box<str>>,
    hours: Vec<(Vec<Hours>, TimeZone)>,
    spans: Mutex<Vec<Option<Span>>>,
}

/// What a message is in the eyes of the connectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Kind {
    /// How many of the limits of size it exceeds.
    sizes: usize,
    priority: Priority,
    /// The lists of senders that don't have its sender.
    strange: Vec<usize>,
    /// The hours that are closed.
    closed: Vec<usize>,
    goes_back: bool,
    /// The groups that it may not enter, in order.
    shut: Vec<GroupId>,
}

impl Restricted {
    pub(crate) fn new(connectors: &[Connector]) -> Self {
        let mut found = Self::default();
        let mut lists = HashMap::new();
        for connector in connectors {
            let its = &connector.restrictions;
            if !its.any() {
                found.limits.push(None);
                continue;
            }
            found.sizes.extend(its.size_max);
            let senders = its.senders.map(|list| {
                let place = *lists.entry(list).or_insert(found.senders.len());
                if place == found.senders.len() {
                    found.senders.push(connector.name.clone());
                }
                place
            });
            let hours = found.place_of_hours(its);
            found.limits.push(Some(Limits {
                size_max: its.size_max,
                priorities: its.priorities.iter().fold(0, |all, one| all | bit(*one)),
                senders,
                hours,
            }));
        }
        found.sizes.sort_unstable();
        found.sizes.dedup();
        found.spans = Mutex::new(vec![None; found.hours.len()]);
        found
    }

    fn place_of_hours(&mut self, its: &Restrictions) -> Option<usize> {
        if its.hours.is_empty() {
            return None;
        }
        let mut all = self.hours.iter();
        let known = all.position(|(hours, zone)| *hours == its.hours && *zone == its.zone);
        Some(known.unwrap_or_else(|| {
            self.hours.push((its.hours.clone(), its.zone.clone()));
            self.hours.len() - 1
        }))
    }

    /// Whether some hours are closed at a time.
    fn is_closed(&self, hours: usize, at: Timestamp) -> bool {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(((written, zone), span)) = self.hours.get(hours).zip(spans.get_mut(hours)) else {
            return false;
        };
        let known = span.filter(|span| span.from <= at && at < span.until);
        let known = known.unwrap_or_else(|| {
            let (until, closed) = match opening(written, zone, at) {
                Opening::Open(until) => (until, false),
                Opening::Closed(until) => (until, true),
            };
            let found = Span {
                from: at,
                until,
                closed,
            };
            *span = Some(found);
            found
        });
        known.closed
    }
}

const fn bit(priority: Priority) -> u8 {
    match priority {
        Priority::Low => 1,
        Priority::Normal => 2,
        Priority::High => 4,
    }
}

/// The answers to one message, each thing asked once at most.
#[derive(Clone)]
pub(crate) struct Answers<'a> {
    restricted: &'a Restricted,
    size: u64,
    priority: Priority,
    at: Timestamp,
    sender_may: &'a dyn Fn(&str) -> bool,
    /// Of each list of senders: whether it is without the sender.
    strange: RefCell<Vec<Option<bool>>>,
}

impl<'a> Answers<'a> {
    pub(crate) fn new(restricted: &'a Restricted, facts: &Facts<'a>) -> Self {
        Self {
            restricted,
            size: facts.size,
            priority: facts.priority,
            at: facts.at,
            sender_may: facts.sender_may,
            strange: RefCell::default(),
        }
    }

    /// Why a connector doesn't take the message; none if it does.
    pub(crate) fn bar(&self, place: usize) -> Option<Bar> {
        let limits = self.restricted.limits.get(place)?.as_ref()?;
        if let Some(most) = limits.size_max.filter(|most| self.size > *most) {
            return Some(Bar::Size(most));
        }
        if limits.priorities != 0 && limits.priorities & bit(self.priority) == 0 {
            return Some(Bar::Priority);
        }
        if limits.senders.is_some_and(|list| self.is_strange(list)) {
            return Some(Bar::Sender);
        }
        let hours = limits.hours;
        let closed = hours.is_some_and(|hours| self.restricted.is_closed(hours, self.at));
        closed.then_some(Bar::Closed)
    }

    fn is_strange(&self, list: usize) -> bool {
        let known = self.strange.borrow().get(list).copied().flatten();
        known.unwrap_or_else(|| {
            let connector = self.restricted.senders.get(list);
            let strange = !connector.is_none_or(|connector| (self.sender_may)(connector));
            let mut known = self.strange.borrow_mut();
            known.resize(self.restricted.senders.len(), None);
            if let Some(known) = known.get_mut(list) {
                *known = Some(strange);
            }
            strange
        })
    }

    /// What kind of message it is, if it may not enter these groups.
    pub(crate) fn kind(&self, goes_back: bool, shut: Vec<GroupId>) -> Kind {
        let all = self.restricted;
        let strange = (0..all.senders.len()).filter(|list| self.is_strange(*list));
        let closed = (0..all.hours.len()).filter(|hours| all.is_closed(*hours, self.at));
        Kind {
            sizes: all.sizes.partition_point(|most| self.size > *most),
            priority: self.priority,
            strange: strange.collect(),
            closed: closed.collect(),
            goes_back,
            shut,
        }
    }
}
