//! What waits, by link and final domain: counts that are kept as messages change, so that a picture costs for each group and not
//! for each message.
//!
//! Guards: what depends on the link alone (held, closed, frozen) isn't counted but looked up when the picture is taken. A group
//! whose number a part has isn't given away.

use crate::entry::{Entry, Part, PartState, Stage};
use crate::schedule::{Link, Schedule};
use crate::tally::{Counts, Tally, Waits};
use crate::times::Times;
use crate::view::phase_without_parts;
use bridgehead_mail::{Failure, LinkName, Phase};
use hashbrown::{Equivalent, HashMap};
use std::sync::Arc;

/// So many groups are kept without looking for those in which nothing is.
const KEPT_MIN: usize = 1_024;

/// Everything that waits.
#[derive(Default)]
pub(crate) struct Grouped {
    /// Messages that weren't deleted, octets of their content, and messages that were.
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) deleted: u64,
    /// Without a next hop, by phase.
    without_link: [Without; Phase::COUNT],
    groups: Vec<Group>,
    by_name: HashMap<(u32, Arc<str>), u32>,
    /// Numbers of groups that were given up.
    free: Vec<u32>,
    /// With so many groups those in which nothing is are given up.
    sweep_at: usize,
}

/// A group's link and domain, as it is looked for.
#[derive(Hash)]
struct Name<'n>(u32, &'n str);

impl Equivalent<(u32, Arc<str>)> for Name<'_> {
    fn equivalent(&self, (link, domain): &(u32, Arc<str>)) -> bool {
        self.0 == *link && *self.1 == **domain
    }
}

/// Messages in one phase that have no next hop.
#[derive(Default)]
struct Without {
    count: u64,
    octets: u64,
    accepted: Times,
}

/// Parts of one link and one final domain.
#[derive(Default)]
struct Group {
    link: u32,
    domain: Arc<str>,
    /// Parts that have its number, also those that aren't counted.
    parts: u32,
    counts: [u32; Waits::COUNT],
    active: u32,
    /// Parts that wait for nothing but their turn, and those that have failed.
    ready: u32,
    failed: u32,
    octets: u64,
    accepted: Times,
    tries: Times,
    /// Of the last that failed.
    failure: Option<Arc<Failure>>,
}

impl Grouped {
    /// The group of a link and a final domain, made if need be.
    pub(crate) fn number_of(&mut self, link: u32, domain: &str) -> u32 {
        if let Some(number) = self.by_name.get(&Name(link, domain)) {
            return *number;
        }
        let key: (u32, Arc<str>) = (link, domain.into());
        let group = Group {
            link,
            domain: Arc::clone(&key.1),
            ..Group::default()
        };
        let free = self.free.pop();
        let number = free.unwrap_or(u32::try_from(self.groups.len()).unwrap_or(u32::MAX));
        match self.get_mut(number) {
            Some(given_up) => *given_up = group,
            None => self.groups.push(group),
        }
        self.by_name.insert(key, number);
        number
    }

    /// The final domain of a part.
    pub(crate) fn domain(&self, part: &Part) -> Arc<str> {
        let group = self
            .groups
            .get(usize::try_from(part.group).unwrap_or(usize::MAX));
        group
            .map(|group| Arc::clone(&group.domain))
            .unwrap_or_default()
    }

    /// Groups in which nothing is are given up once they may be as many as the others. Not while a message is being changed.
    pub(crate) fn sweep(&mut self) {
        if self.by_name.len() < self.sweep_at.max(KEPT_MIN) {
            return;
        }
        let (groups, free) = (&mut self.groups, &mut self.free);
        self.by_name.retain(|_, number| {
            let place = usize::try_from(*number).unwrap_or(usize::MAX);
            let Some(group) = groups.get_mut(place).filter(|group| group.parts == 0) else {
                return true;
            };
            *group = Group::default();
            free.push(*number);
            false
        });
        self.sweep_at = self.by_name.len().saturating_mul(2);
    }

    /// A part has failed just now.
    pub(crate) fn note_failure(&mut self, group: u32, failure: &Arc<Failure>) {
        if let Some(group) = self.get_mut(group).filter(|group| group.failed > 0) {
            group.failure = Some(Arc::clone(failure));
        }
    }

    /// A message is there, or was changed.
    pub(crate) fn count_in(&mut self, entry: &Entry) {
        let deleted = entry.deleted_until().is_some();
        if deleted {
            self.deleted += 1;
        } else {
            self.messages += 1;
            self.octets = self.octets.saturating_add(entry.size);
        }
        let Stage::Parts(parts) = &entry.stage else {
            if let (false, Some(without)) = (deleted, self.without_link(entry)) {
                without.count += 1;
                without.octets = without.octets.saturating_add(entry.size);
                without.accepted.add(entry.accepted);
            }
            return;
        };
        for part in parts {
            if let Some(group) = self.get_mut(part.group) {
                group.parts += 1;
                if !deleted && part.state != PartState::Done {
                    group.count_in(entry, part);
                }
            }
        }
    }

    /// A message is gone, or about to be changed.
    pub(crate) fn count_out(&mut self, entry: &Entry) {
        let deleted = entry.deleted_until().is_some();
        if deleted {
            self.deleted = self.deleted.saturating_sub(1);
        } else {
            self.messages = self.messages.saturating_sub(1);
            self.octets = self.octets.saturating_sub(entry.size);
        }
        let Stage::Parts(parts) = &entry.stage else {
            if let (false, Some(without)) = (deleted, self.without_link(entry)) {
                without.count = without.count.saturating_sub(1);
                without.octets = without.octets.saturating_sub(entry.size);
                without.accepted.remove(entry.accepted);
            }
            return;
        };
        for part in parts {
            if let Some(group) = self.get_mut(part.group) {
                group.parts = group.parts.saturating_sub(1);
                if !deleted && part.state != PartState::Done {
                    group.count_out(entry, part);
                }
            }
        }
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut Group> {
        self.groups.get_mut(usize::try_from(number).ok()?)
    }

    fn without_link(&mut self, entry: &Entry) -> Option<&mut Without> {
        self.without_link
            .get_mut(phase_without_parts(entry) as usize)
    }

    /// What waits without a next hop.
    pub(crate) fn without(&self) -> Vec<Counts> {
        let phased = Phase::all().zip(&self.without_link);
        let some = phased.filter(|(_, without)| without.count > 0);
        let counts = some.map(|(phase, without)| {
            let first = without.accepted.first();
            let mut counts = Counts::of(without.octets, first);
            counts.note(phase, without.count);
            counts
        });
        counts.collect()
    }

    /// How many groups there are.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// What waits on links, without the order in which it is shown. Written into the room first, whose memory was touched before:
    /// that takes longer than all the rest.
    pub(crate) fn on_links(&self, schedule: &Schedule, room: &mut Vec<Option<Tally>>) {
        let some = self.groups.iter().filter(|group| group.count() > 0);
        let tallies = some.filter_map(|group| Some(group.tally(schedule.link(group.link)?)));
        let mut tallies = tallies.map(Some);
        for (place, tally) in room.iter_mut().zip(&mut tallies) {
            *place = tally;
        }
        room.extend(tallies);
    }

    /// What waits on the links for which something holds.
    pub(crate) fn on_some(
        &self,
        schedule: &Schedule,
        meant: &dyn Fn(&LinkName) -> bool,
    ) -> Vec<Tally> {
        let some = self.groups.iter().filter(|group| group.count() > 0);
        let links = some.filter_map(|group| Some((group, schedule.link(group.link)?)));
        let meant = links.filter(|(_, link)| meant(&link.name));
        meant.map(|(group, link)| group.tally(link)).collect()
    }
}

impl Group {
    fn count(&self) -> u32 {
        self.counts.iter().sum()
    }

    fn count_in(&mut self, entry: &Entry, part: &Part) {
        if let Some(count) = self.counts.get_mut(Waits::of(entry, part) as usize) {
            *count += 1;
        }
        match part.state {
            PartState::Ready => self.ready += 1,
            PartState::Active => self.active += 1,
            PartState::Retry(at) => self.tries.add(at),
            PartState::Done => {}
        }
        if let Some(failure) = &part.carried.failure {
            self.failed += 1;
            self.failure.get_or_insert_with(|| Arc::clone(failure));
        }
        self.octets = self.octets.saturating_add(entry.size);
        self.accepted.add(entry.accepted);
    }

    fn count_out(&mut self, entry: &Entry, part: &Part) {
        if let Some(count) = self.counts.get_mut(Waits::of(entry, part) as usize) {
            *count = count.saturating_sub(1);
        }
        match part.state {
            PartState::Ready => self.ready = self.ready.saturating_sub(1),
            PartState::Active => self.active = self.active.saturating_sub(1),
            PartState::Retry(at) => self.tries.remove(at),
            PartState::Done => {}
        }
        if part.carried.failure.is_some() {
            self.failed = self.failed.saturating_sub(1);
            if self.failed == 0 {
                self.failure = None;
            }
        }
        self.octets = self.octets.saturating_sub(entry.size);
        self.accepted.remove(entry.accepted);
    }

    fn tally(&self, link: &Link) -> Tally {
        let mut tally = Tally::of(link, &self.domain);
        tally.counts = Counts::of(self.octets, self.accepted.first());
        for (waits, count) in Waits::ALL.into_iter().zip(self.counts) {
            if count > 0 {
                tally.counts.note(waits.phase(link), u64::from(count));
            }
        }
        tally.active = u64::from(self.active);
        tally.failure.clone_from(&self.failure);
        let shut = link.shut_until_ever();
        let ready = shut.filter(|_| self.ready > 0);
        let tries = self
            .tries
            .first()
            .map(|at| shut.map_or(at, |shut| at.max(shut)));
        tally.next_try = [ready, tries]
            .into_iter()
            .flatten()
            .min()
            .filter(|_| !link.is_lost());
        tally
    }
}
