//! The front of the queue for the corridor: take, assign, next, settle.

use crate::Inlet;
use crate::entry::{Carried, Entry, Hot, Stage};
use crate::error::Refused;
use crate::gather::{Gather, Meaning};
use crate::lease::{Assignment, Lease, PartLease, Report, Settlement};
use crate::loaded::{Snapshot, deferred_record};
use crate::record::Record;
use crate::schedule::Closed;
use crate::shared::Shared;
use crate::state::{Over, TakenPart};
use bridgehead_mail::{
    Addressee, Envelope, Failure, LinkName, MessageId, NextHop, StatusCode, Timestamp,
};
use std::sync::Arc;

/// The durable queue. Cheap to copy; all copies are the same queue.
#[derive(Clone)]
pub struct Queue {
    pub(crate) shared: Arc<Shared>,
    pub(crate) committer: Arc<crate::drive::Committer>,
}

/// A link with parts that may be handed over now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyLink {
    /// Its number, for [`Queue::next`].
    pub number: u32,
    /// Its name.
    pub link: LinkName,
    /// Its next hop.
    pub hop: NextHop,
    /// How many parts are ready.
    pub waiting: usize,
}

impl Queue {
    /// The door through which messages come in.
    #[must_use]
    pub fn inlet(&self) -> Inlet {
        Inlet {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The next message to categorize or route. One that can't be read stays where it is and is reported in
    /// the log.
    #[must_use]
    pub fn take(&self) -> Option<Lease> {
        loop {
            let (id, loaded) = self.shared.take()?;
            match loaded {
                Ok(taken) => {
                    return Some(Lease {
                        shared: Arc::clone(&self.shared),
                        id,
                        open: true,
                        slot: self.shared.in_hand.take(id),
                        envelope: taken.envelope,
                        content: taken.content,
                        work: taken.work,
                        priority: taken.priority,
                        redirect: taken.redirect,
                    });
                }
                // It stays taken: visible, not tried in a circle. Looked at again in an hour.
                Err(error) => {
                    self.shared.let_go(id, None);
                    tracing::error!(id = %id, %error, "a queued message can't be read")
                }
            }
        }
    }

    /// Puts a message on its links. The records ride along with a later commit.
    ///
    /// # Errors
    /// If a report can't be stored: then nothing is changed, and the message is taken again later.
    pub fn assign(
        &self,
        mut lease: Lease,
        assignment: Assignment,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let mut reports = assignment.reports;
        prepare(&mut reports)?;
        let id = lease.id;
        let addressees: Vec<Addressee> = assignment
            .parts
            .iter()
            .flat_map(|part| part.addressees.iter().cloned())
            .collect();
        let mut number = 0u32;
        let mut state = self.shared.state.lock();
        let mut parts = Vec::with_capacity(assignment.parts.len());
        for part in assignment.parts {
            let numbers: Vec<u32> = part
                .addressees
                .iter()
                .map(|_| counted(&mut number))
                .collect();
            let domain = final_domain(&part.addressees);
            parts.push((part.hop, domain, numbers));
        }
        let mut gather = self.shared.gather.lock();
        add_reports(reports, &mut gather);
        lease.open = false;
        if parts.is_empty() {
            self.shared.end(id, &mut state, &mut gather);
        } else {
            let record = Record::Resolved {
                expires: assignment.expires,
                delay_notice: assignment.delay_notice,
                addressees,
                settled: Vec::new(),
            };
            let state = &mut *state;
            if let Some(mut entry) = state.entries.get_mut(&id) {
                state.hot += usize::from(entry.hot.is_none());
                let envelope = Arc::clone(&lease.envelope);
                note_resolved(id, &mut entry, record, number, envelope, &mut gather);
            }
            state.assign(id, parts, assignment.expires, assignment.delay_notice, now);
        }
        self.shared.noted(gather);
        drop(state);
        Ok(())
    }

    /// Links with parts that may be handed over now; none while settlements can't be recorded.
    #[must_use]
    pub fn ready_links(&self, now: Timestamp) -> Vec<ReadyLink> {
        if self
            .shared
            .failing
            .load(std::sync::atomic::Ordering::Acquire)
        {
            return Vec::new();
        }
        let mut state = self.shared.state.lock();
        state.promote_due(now);
        let ready = state.schedule.ready(now);
        let links = ready.into_iter().filter_map(|(number, waiting)| {
            let link = state.schedule.link(number)?;
            Some(ReadyLink {
                number,
                link: link.name.clone(),
                hop: link.hop.clone(),
                waiting,
            })
        });
        links.collect()
    }

    /// The oldest ready part of a link.
    #[must_use]
    pub fn next(&self, link: u32, now: Timestamp) -> Option<PartLease> {
        if self
            .shared
            .failing
            .load(std::sync::atomic::Ordering::Acquire)
        {
            return None;
        }
        loop {
            let taken = {
                let mut state = self.shared.state.lock();
                state.promote_due(now);
                state.next(link, now)?
            };
            if let Some(lease) = self.lend(&taken, now) {
                return Some(lease);
            }
        }
    }

    /// A part whose time ran out, whatever its link's state. What is over in another way is ended, or comes by [`Self::take`].
    #[must_use]
    pub fn take_expired(&self, now: Timestamp) -> Option<PartLease> {
        if self
            .shared
            .failing
            .load(std::sync::atomic::Ordering::Acquire)
        {
            return None;
        }
        loop {
            let mut state = self.shared.state.lock();
            match state.take_expired(now)? {
                Over::Part(taken) => {
                    drop(state);
                    if let Some(lease) = self.lend(&taken, now) {
                        return Some(lease);
                    }
                }
                Over::Silently(id) => {
                    let mut gather = self.shared.gather.lock();
                    self.shared.end(id, &mut state, &mut gather);
                    self.shared.noted(gather);
                }
            }
        }
    }

    /// Reads what a part lease holds; a part that can't be read waits an hour and says why.
    pub(crate) fn lend(&self, taken: &TakenPart, now: Timestamp) -> Option<PartLease> {
        let id = taken.message;
        let (snapshot, mut lease) = {
            let state = self.shared.state.lock();
            let entry = state.entries.get(&id)?;
            let Stage::Parts(parts) = &entry.stage else {
                return None;
            };
            let part = parts.get(usize::try_from(taken.part).ok()?)?;
            let hop = state.schedule.link(part.link)?.hop.clone();
            let numbers = part.numbers.as_slice().to_vec();
            let facts = (entry.expires, entry.delay_notice, part.carried.clone());
            (Snapshot::of(entry), (hop, numbers, facts))
        };
        let loaded = self.shared.load(id, &snapshot);
        let (hop, numbers, (expires, delay_notice, carried)) =
            (lease.0, std::mem::take(&mut lease.1), lease.2);
        let loaded = loaded.and_then(|loaded| {
            let all = loaded
                .addressees
                .clone()
                .ok_or(std::io::ErrorKind::NotFound)?;
            Ok((loaded, all))
        });
        match loaded {
            Ok((loaded, all)) => Some(PartLease {
                shared: Arc::clone(&self.shared),
                id,
                part: taken.part,
                addressees: pick(&all, &numbers),
                numbers,
                open: true,
                slot: self.shared.in_hand.take(id),
                envelope: loaded.envelope,
                content: loaded.content,
                hop,
                attempts: carried.attempts,
                expires,
                delay_notice,
                delay_reported: carried.delay_reported,
                last_failure: carried.failure,
            }),
            Err(error) => {
                tracing::error!(id = %id, %error, "a queued message can't be read");
                let until = now.after(crate::state::UNREADABLE_WAIT);
                let failure = Failure::new(StatusCode::transient(3, 0), "the queue can't read it")
                    .because(&error);
                let carried = Carried {
                    until,
                    failure: Some(Arc::new(failure)),
                    ..carried
                };
                let mut state = self.shared.state.lock();
                state.settle(id, taken.part, numbers, carried);
                // What can't be read can't be given up either: not tried in a circle.
                state.postpone_expiry(id, until);
                drop(state);
                self.shared.let_go(id, None);
                None
            }
        }
    }

    /// Records what became of a part: one settlement for each addressee, in their order. The records ride along with a later
    /// commit; reports stand before the settlement, so that a crash repeats and never loses. Returns whether nothing is
    /// left to do for the message.
    ///
    /// # Errors
    /// If a report can't be stored: then nothing is changed, and the part is lent again.
    pub fn settle(
        &self,
        mut lease: PartLease,
        settlements: Vec<Settlement>,
        mut reports: Vec<Report>,
        delay_told: bool,
    ) -> Result<bool, Refused> {
        prepare(&mut reports)?;
        let mut left = Vec::new();
        let mut done = Vec::new();
        let mut last = None;
        // A missing settlement keeps its addressee.
        let padded = settlements
            .into_iter()
            .map(Some)
            .chain(std::iter::repeat(None));
        for (number, settlement) in lease.numbers.iter().zip(padded) {
            match settlement {
                Some(Settlement::Done) => done.push(*number),
                Some(Settlement::Deferred { until, failure }) => {
                    left.push(*number);
                    last = Some((until, failure));
                }
                None => left.push(*number),
            }
        }
        let carried = Carried {
            attempts: lease.attempts.saturating_add(1),
            until: last.as_ref().map_or(Timestamp::EPOCH, |(until, _)| *until),
            delay_reported: lease.delay_reported || delay_told,
            failure: last.map(|(_, failure)| Arc::new(failure)),
        };
        lease.open = false;
        Ok(self.record(lease.id, lease.part, &done, left, carried, reports))
    }

    fn record(
        &self,
        id: MessageId,
        part: u32,
        done: &[u32],
        left: Vec<u32>,
        carried: Carried,
        reports: Vec<Report>,
    ) -> bool {
        let mut state = self.shared.state.lock();
        let mut gather = self.shared.gather.lock();
        add_reports(reports, &mut gather);
        let deferred = deferred_record(&left, &carried).filter(|_| !left.is_empty());
        self.shared.acquit(id, &mut state);
        state.settle(id, part, left, carried);
        let finished = state.entries.get(&id).is_some_and(|entry| entry.is_done());
        if finished {
            self.shared.end(id, &mut state, &mut gather);
        } else {
            if !done.is_empty() {
                let numbers = done.to_vec();
                gather.add(id, &Record::Settled { numbers }, Meaning::Other);
            }
            if let Some(record) = deferred {
                gather.add(id, &record, Meaning::Other);
            }
        }
        self.shared.noted(gather);
        drop(state);
        finished
    }

    /// Holds a link back until a time, because of a failure that concerns all of it.
    pub fn hold_link(&self, link: &LinkName, until: Timestamp, failure: &Failure) {
        self.shared.state.lock().hold(link, until, Some(failure));
    }

    /// A held link may be tried again.
    pub fn release_link(&self, link: &LinkName) {
        self.shared.state.lock().hold(link, Timestamp::EPOCH, None);
        self.shared.changed.notify_one();
    }

    /// Closes a link for a while though nothing is wrong with it: its mail waits in the phase `deferred`. Returns whether it is
    /// closed now: an operator may have let it through its schedule.
    pub fn close_link(&self, number: u32, closed: Closed, now: Timestamp) -> bool {
        self.shared.state.lock().schedule.close(number, closed, now)
    }

    /// What closed links of this name may be over.
    pub fn open_link(&self, link: &LinkName) {
        let mut state = self.shared.state.lock();
        for number in state.schedule.named(link) {
            state.schedule.open(number);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// What closed links may be over for all of them, also for those that an operator let through.
    pub fn open_links(&self) {
        self.shared.state.lock().schedule.open_all();
        self.shared.changed.notify_one();
    }

    /// Lets the mail of a link go though its schedule keeps it closed, until its schedule opens it. Returns whether it was closed so.
    pub fn let_through(&self, link: &LinkName) -> bool {
        let mut state = self.shared.state.lock();
        let mut changed = false;
        for number in state.schedule.named(link) {
            changed |= state.schedule.let_through(number);
        }
        drop(state);
        self.shared.changed.notify_one();
        changed
    }

    /// Lets the mail of a link go until a time, whatever its schedule says: its next hop has asked for it.
    pub fn let_through_until(&self, link: &LinkName, until: Timestamp) {
        let mut state = self.shared.state.lock();
        for number in state.schedule.named(link) {
            state.schedule.let_through_until(number, until);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// When a retry, an expiry or the end of a hold or a closing is next; holds that have ended don't count.
    #[must_use]
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.shared.state.lock().schedule.next_due(now)
    }
}

/// Reports' contents are made durable before anything is changed.
fn prepare(reports: &mut [Report]) -> Result<(), Refused> {
    for report in reports {
        report.draft.check(&report.envelope)?;
        report.draft.sync_content()?;
    }
    Ok(())
}

fn add_reports(reports: Vec<Report>, gather: &mut Gather) {
    for report in reports {
        report.draft.gather(report.envelope, None, gather, false);
    }
}

fn counted(number: &mut u32) -> u32 {
    let this = *number;
    *number = number.saturating_add(1);
    this
}

/// Keeps the addressees for the first attempt, and writes down again what was carried over.
fn note_resolved(
    id: MessageId,
    entry: &mut Entry,
    record: Record<'_>,
    count: u32,
    envelope: Arc<Envelope>,
    gather: &mut Gather,
) {
    entry.assignments = entry.assignments.wrapping_add(1);
    gather.add(id, &record, Meaning::Resolved(entry.assignments));
    let numbers: Vec<u32> = (0..count).collect();
    if let Some(carried) = &entry.carried
        && let Some(deferred) = deferred_record(&numbers, carried)
    {
        gather.add(id, &deferred, Meaning::Other);
    }
    // Old numbers mean nothing to the new addressees: until the new record can be read, they stay in memory.
    entry.resolved = None;
    let Record::Resolved { addressees, .. } = record else {
        return;
    };
    let hot = Hot {
        envelope,
        addressees: Some(addressees.into()),
    };
    entry.hot = Some(Box::new(hot));
}

fn pick(all: &[Addressee], numbers: &[u32]) -> Vec<Addressee> {
    let chosen = numbers
        .iter()
        .filter_map(|number| all.get(usize::try_from(*number).ok()?));
    chosen.cloned().collect()
}

/// The final domain of a part for the picture of the queue.
fn final_domain(addressees: &[Addressee]) -> String {
    let mut domains = addressees
        .iter()
        .map(|addressee| addressee.address.domain());
    let Some(first) = domains.next() else {
        return String::new();
    };
    if domains.all(|domain| domain == first) {
        first.to_string()
    } else {
        "(several)".to_owned()
    }
}
