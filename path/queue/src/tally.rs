//! Counting what waits, by link and final domain: a million parts in one go, so what is looked at for each is little.

use crate::entry::{Entry, Part, PartState};
use crate::schedule::Link;
use crate::view::{Group, next_try, phase_of};
use bridgehead_mail::{Failure, LinkName, Phase, Timestamp};
use hashbrown::HashMap;
use std::sync::Arc;

/// Each domain has one copy, so its place stands for it.
type DomainPlace = *const u8;

/// Parts of one link and one final domain.
struct Tally {
    link: LinkName,
    domain: Arc<str>,
    frozen: Option<crate::Decision>,
    closed: Option<crate::Closed>,
    held_because: Option<Arc<Failure>>,
    failure: Option<Arc<Failure>>,
    counts: Counts,
    active: u64,
    next_try: Option<Timestamp>,
}

/// How much there is of something.
#[derive(Default)]
pub(crate) struct Counts {
    count: u64,
    octets: u64,
    phases: [u64; Phase::COUNT],
    oldest: Option<Timestamp>,
}

/// All links and domains on which something waits.
#[derive(Default)]
pub(crate) struct Tallies {
    all: Vec<Tally>,
    /// Of each link the domain that was seen first: most links have but one.
    firsts: Vec<Option<(DomainPlace, usize)>>,
    others: HashMap<(u32, DomainPlace), usize>,
}

impl Counts {
    pub(crate) fn add(&mut self, entry: &Entry, phase: Phase) {
        self.count += 1;
        self.octets += entry.size;
        if let Some(count) = self.phases.get_mut(phase as usize) {
            *count += 1;
        }
        let oldest = self.oldest;
        self.oldest = Some(oldest.map_or(entry.accepted, |at| at.min(entry.accepted)));
    }

    pub(crate) fn group(self) -> Group {
        let counted = Phase::all().zip(self.phases);
        Group {
            count: self.count,
            octets: self.octets,
            phases: counted.filter(|(_, count)| *count > 0).collect(),
            oldest: self.oldest,
            ..Group::default()
        }
    }
}

impl Tallies {
    pub(crate) fn add(&mut self, entry: &Entry, part: &Part, link: &Link) {
        let number = self.number_of(part, link);
        let Some(tally) = self.all.get_mut(number) else {
            return;
        };
        tally.counts.add(entry, phase_of(entry, part, link));
        tally.active += u64::from(part.state == PartState::Active);
        if let Some(at) = next_try(part, link) {
            tally.next_try = Some(tally.next_try.map_or(at, |next| next.min(at)));
        }
        if tally.failure.is_none() {
            tally.failure.clone_from(&part.carried.failure);
        }
    }

    fn number_of(&mut self, part: &Part, link: &Link) -> usize {
        let place = part.domain.as_ptr();
        let at = usize::try_from(part.link).unwrap_or(usize::MAX);
        match self.firsts.get(at) {
            Some(Some((first, number))) if *first == place => return *number,
            Some(Some(_)) => {
                if let Some(number) = self.others.get(&(part.link, place)) {
                    return *number;
                }
                self.others.insert((part.link, place), self.all.len());
            }
            _ => {
                if at >= self.firsts.len() {
                    self.firsts.resize(at.saturating_add(1), None);
                }
                if let Some(first) = self.firsts.get_mut(at) {
                    *first = Some((place, self.all.len()));
                }
            }
        }
        self.all.push(Tally {
            link: link.name.clone(),
            domain: Arc::clone(&part.domain),
            frozen: link.frozen().cloned(),
            closed: link.closed().cloned(),
            held_because: link.held().map(|held| Arc::clone(&held.failure)),
            failure: None,
            counts: Counts::default(),
            active: 0,
            next_try: None,
        });
        self.all.len() - 1
    }

    /// The groups, by link and domain.
    pub(crate) fn groups(self) -> Vec<Group> {
        let groups = self.all.into_iter().map(|tally| Group {
            link: Some(tally.link),
            domain: tally.domain.to_string(),
            active: tally.active,
            next_try: tally.next_try,
            last_failure: tally.held_because.or(tally.failure),
            frozen: tally.frozen,
            closed: tally.closed,
            ..tally.counts.group()
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_unstable_by(|one, other| {
            (&one.link, &one.domain).cmp(&(&other.link, &other.domain))
        });
        groups
    }
}
