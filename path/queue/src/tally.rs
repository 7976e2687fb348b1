//! What the picture says of the parts with one link and one final domain, and how parts are counted one after the other: the picture
//! itself has counts that are kept, which this must equal.

use crate::entry::{Entry, Part, PartState};
use crate::grouped::Grouped;
use crate::schedule::Link;
use crate::view::{Group, next_try, phase_of};
use bridgehead_mail::{Failure, LinkName, NextHop, Phase, Timestamp};
use hashbrown::HashMap;
use std::sync::Arc;

/// What a part waits for, whatever its link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    Poison,
    Frozen,
    Deferred,
    Retry,
    Ready,
    Active,
}

/// Parts of one link and one final domain.
pub(crate) struct Tally {
    link: LinkName,
    domain: Arc<str>,
    frozen: Option<crate::Decision>,
    closed: Option<crate::Closed>,
    held_because: Option<Arc<Failure>>,
    pub(crate) failure: Option<Arc<Failure>>,
    pub(crate) counts: Counts,
    pub(crate) active: u64,
    pub(crate) next_try: Option<Timestamp>,
}

/// How much there is of something.
#[derive(Default)]
pub(crate) struct Counts {
    count: u64,
    octets: u64,
    phases: [u64; Phase::COUNT],
    oldest: Option<Timestamp>,
}

/// All groups in which something waits.
#[derive(Default)]
pub(crate) struct Tallies(HashMap<u32, Tally>);

impl Waits {
    pub(crate) const ALL: [Self; 6] = [
        Self::Poison,
        Self::Frozen,
        Self::Deferred,
        Self::Retry,
        Self::Ready,
        Self::Active,
    ];
    pub(crate) const COUNT: usize = Self::ALL.len();

    pub(crate) fn of(entry: &Entry, part: &Part) -> Self {
        if entry.is_poison() {
            return Self::Poison;
        }
        if entry.is_frozen() {
            return Self::Frozen;
        }
        match part.state {
            PartState::Retry(_) if part.carried.attempts == 0 => Self::Deferred,
            PartState::Retry(_) => Self::Retry,
            PartState::Active => Self::Active,
            PartState::Ready | PartState::Done => Self::Ready,
        }
    }

    /// The phase of it on its link.
    pub(crate) fn phase(self, link: &Link) -> Phase {
        match self {
            Self::Poison => Phase::Poison,
            Self::Frozen => Phase::Frozen,
            Self::Deferred | Self::Retry | Self::Ready if link.frozen().is_some() => Phase::Frozen,
            _ if link.is_lost() => Phase::Unreachable,
            Self::Deferred => Phase::Deferred,
            Self::Retry => Phase::Retry,
            Self::Ready if link.held().is_some() => Phase::Retry,
            Self::Ready if link.closed().is_some() => Phase::Deferred,
            Self::Ready | Self::Active if link.hop == NextHop::Local => Phase::LocalDelivery,
            Self::Ready | Self::Active => Phase::Link,
        }
    }
}

impl Counts {
    /// Nothing yet of something with so many octets.
    pub(crate) fn of(octets: u64, oldest: Option<Timestamp>) -> Self {
        Self {
            octets,
            oldest,
            ..Self::default()
        }
    }

    /// So many more are in a phase.
    pub(crate) fn note(&mut self, phase: Phase, more: u64) {
        self.count += more;
        if let Some(count) = self.phases.get_mut(phase as usize) {
            *count += more;
        }
    }

    pub(crate) fn add(&mut self, entry: &Entry, phase: Phase) {
        self.note(phase, 1);
        self.octets += entry.size;
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

impl Tally {
    /// Nothing yet.
    pub(crate) fn of(link: &Link, domain: &Arc<str>) -> Self {
        Self {
            link: link.name.clone(),
            domain: Arc::clone(domain),
            frozen: link.frozen().cloned(),
            closed: link.closed().cloned(),
            held_because: link.held().map(|held| Arc::clone(&held.failure)),
            failure: None,
            counts: Counts::default(),
            active: 0,
            next_try: None,
        }
    }

    fn group(self) -> Group {
        Group {
            link: Some(self.link),
            domain: self.domain.to_string(),
            active: self.active,
            next_try: self.next_try,
            last_failure: self.held_because.or(self.failure),
            frozen: self.frozen,
            closed: self.closed,
            ..self.counts.group()
        }
    }
}

impl Tallies {
    pub(crate) fn add(&mut self, entry: &Entry, part: &Part, link: &Link, grouped: &Grouped) {
        let of = || Tally::of(link, &grouped.domain(part));
        let tally = self.0.entry(part.group).or_insert_with(of);
        tally.counts.add(entry, phase_of(entry, part, link));
        tally.active += u64::from(part.state == PartState::Active);
        if let Some(at) = next_try(part, link) {
            tally.next_try = Some(tally.next_try.map_or(at, |next| next.min(at)));
        }
        if tally.failure.is_none() {
            tally.failure.clone_from(&part.carried.failure);
        }
    }

    pub(crate) fn into_tallies(self) -> Vec<Tally> {
        self.0.into_values().collect()
    }
}

/// Groups in the order in which they are shown: by link and domain.
pub(crate) fn in_order(mut tallies: Vec<Tally>) -> impl Iterator<Item = Group> {
    tallies
        .sort_unstable_by(|one, other| (&one.link, &one.domain).cmp(&(&other.link, &other.domain)));
    tallies.into_iter().map(Tally::group)
}
