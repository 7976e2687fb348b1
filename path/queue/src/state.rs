//! The state of all queued messages, and every step from one state to the next. No disk, no clock, no thread.
//!
//! Guards: a message leaves only when nothing is left to do for it; a lease that is dropped gives back what it took.

use crate::entries::Entries;
use crate::entry::{Carried, Entry, Part, PartState, Place, Stage};
use crate::failures::Failures;
use crate::folders::Folder;
use crate::gather::{Gather, Meaning};
use crate::lease::Returned;
use crate::numbers::Numbers;
use crate::record::Record;
use crate::schedule::Schedule;
use crate::segment::Segment;
use crate::suspects::SuspectRow;
use crate::turns::Waiter;
use bridgehead_mail::{MessageId, NextHop, Timestamp};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What is over.
pub(crate) enum Over {
    /// A part, which has to be settled.
    Part(TakenPart),
    /// A message about which nobody is to be told.
    Silently(MessageId),
}

/// A part that was taken, by number.
pub(crate) struct TakenPart {
    pub(crate) message: MessageId,
    pub(crate) part: u32,
}

/// A segment, and what is alive in it.
pub(crate) struct Known {
    pub(crate) segment: Arc<Segment>,
    /// Messages whose accept record lies in it.
    pub(crate) messages: u64,
    /// Octets of these records.
    pub(crate) octets: u64,
}

/// Everything that is queued.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: Entries,
    pub(crate) submission: VecDeque<MessageId>,
    pub(crate) schedule: Schedule,
    /// Segments, and what is alive in them.
    pub(crate) segments: BTreeMap<u64, Known>,
    /// Segments of which a part may lie in another one too: they go before others are emptied.
    pub(crate) half_moved: BTreeSet<u64>,
    /// Segments of which nothing counts any more.
    pub(crate) cleared: BTreeSet<u64>,
    /// Segments that can't be emptied.
    pub(crate) kept: BTreeSet<u64>,
    pub(crate) hot: usize,
    /// Failures that many messages share.
    failures: Failures,
    pub(crate) octets: u64,
    /// How often the processing of messages has ended workers, or the process.
    pub(crate) crashes: HashMap<MessageId, u32>,
    /// Messages that were in hand when the process was aborted.
    pub(crate) suspects: SuspectRow,
    /// How long a message may take of which nothing else is known.
    pub(crate) expire_after: Duration,
    /// Messages that were taken and couldn't be read, with when they are looked at again, once that is known.
    pub(crate) unreadable: BTreeMap<MessageId, Option<Timestamp>>,
    /// The latest time that was seen.
    pub(crate) seen: Timestamp,
}

/// In place of a part's number: the message as a whole.
pub(crate) const WHOLE: u32 = u32::MAX;
/// Room for so many messages is kept where none waits to be categorized.
const SUBMISSION_KEPT: usize = 4_096;
/// What is over while it is being handed over is looked at again after this time.
const BUSY_WAIT: Duration = Duration::from_secs(1);
/// How long a message that can't be read is left alone.
pub(crate) const UNREADABLE_WAIT: Duration = Duration::from_secs(3600);

impl State {
    /// So many messages are about to be known, and to begin their way.
    pub(crate) fn reserve(&mut self, messages: usize) {
        self.entries.reserve(messages);
        self.submission.reserve_exact(messages);
        self.schedule.reserve(messages);
    }

    /// A message is durable and waits to be categorized (or routed again, if it was resolved before).
    pub(crate) fn insert(&mut self, message: MessageId, entry: Box<Entry>) {
        self.enter(message, entry);
        self.begin(message);
    }

    /// A message is known, and stands still until it is begun.
    pub(crate) fn enter(&mut self, message: MessageId, mut entry: Box<Entry>) {
        self.count_in(&entry.place);
        if entry.expires == Timestamp::NEVER {
            entry.expires = entry.accepted.after(self.expire_after);
        }
        if let Some(carried) = &mut entry.carried {
            carried.failure = carried
                .failure
                .take()
                .map(|failure| self.failures.one(failure));
        }
        self.octets = self.octets.saturating_add(entry.size);
        self.hot += usize::from(entry.hot.is_some());
        self.entries.insert(message, entry);
    }

    /// A message begins its way.
    pub(crate) fn begin(&mut self, message: MessageId) {
        let Some(entry) = self.entries.get(&message) else {
            return;
        };
        self.schedule.expire_at(entry.expires, message);
        if let Some(until) = entry.deleted_until() {
            self.schedule.expire_at(until, message);
        }
        self.submission.push_back(message);
    }

    /// Messages whose contents lie in one of these folders.
    pub(crate) fn strays(&self, folders: &[Arc<Folder>]) -> Vec<MessageId> {
        let is_stray = |entry: &Entry| {
            let there = entry.folder.as_ref().filter(|_| !entry.is_busy());
            there.is_some_and(|there| folders.iter().any(|folder| Arc::ptr_eq(folder, there)))
        };
        let entries = self.entries.iter();
        let strays = entries.filter(|(_, entry)| is_stray(entry));
        strays.map(|(id, _)| *id).collect()
    }

    /// A segment is there, whether messages lie in it or only settlements.
    pub(crate) fn know_segment(&mut self, segment: &Arc<Segment>) -> &mut Known {
        let known = self.segments.entry(segment.sequence);
        known.or_insert_with(|| Known {
            segment: Arc::clone(segment),
            messages: 0,
            octets: 0,
        })
    }

    pub(crate) fn count_in(&mut self, place: &Place) {
        let known = self.know_segment(&place.segment);
        known.messages += 1;
        known.octets += u64::from(place.length);
    }

    pub(crate) fn count_out(&mut self, sequence: u64, octets: u32) {
        if let Some(known) = self.segments.get_mut(&sequence) {
            known.messages = known.messages.saturating_sub(1);
            known.octets = known.octets.saturating_sub(u64::from(octets));
        }
    }

    /// Nothing is left to do for a message. Its segment is kept until the record of that is durable.
    pub(crate) fn remove(&mut self, message: MessageId) -> Option<Box<Entry>> {
        let entry = self.entries.remove(&message)?;
        self.unreadable.remove(&message);
        self.crashes.remove(&message);
        self.suspects.clear(message);
        self.octets = self.octets.saturating_sub(entry.size);
        self.hot = self.hot.saturating_sub(usize::from(entry.hot.is_some()));
        Some(entry)
    }

    /// The next message to categorize.
    pub(crate) fn take(&mut self) -> Option<MessageId> {
        while let Some(message) = self.submission.pop_front() {
            if let Some(mut entry) = self.entries.get_mut(&message)
                && matches!(entry.stage, Stage::Submission)
                && (entry.returned.is_some() || entry.may_be_taken())
                && self.suspects.may_have(message, WHOLE)
            {
                entry.stage = Stage::Taken;
                return Some(message);
            }
        }
        // After a start all that lay in the spool was in it.
        self.submission.shrink_to(SUBMISSION_KEPT);
        None
    }

    /// All of the spool that it came from is taken over: it begins its way. Whatever is written down of that goes into the batch.
    pub(crate) fn end_adoption(&mut self, message: MessageId, gather: &mut Gather) {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return;
        };
        let Some(mut control) = entry.control.take() else {
            return;
        };
        control.adopting = None;
        let record = Record::Controlled(control.clone());
        entry.set_control(control);
        drop(entry);
        gather.add(message, &record, Meaning::Other);
        self.begin(message);
    }

    /// A message is to be categorized or routed; if nothing keeps it from that.
    pub(crate) fn submit(&mut self, message: MessageId) {
        if let Some(mut entry) = self.entries.get_mut(&message) {
            entry.stage = Stage::Submission;
            entry.reroute = None;
            self.submission.push_back(message);
        }
    }

    /// A lease on a message was dropped.
    pub(crate) fn untake(&mut self, message: MessageId) {
        if let Some(mut entry) = self.entries.get_mut(&message)
            && matches!(entry.stage, Stage::Taken)
        {
            entry.stage = Stage::Submission;
            // What came due meanwhile is looked at again.
            self.schedule.expire_at(entry.expires, message);
            if let Some(until) = entry.deleted_until() {
                self.schedule.expire_at(until, message);
            }
            self.submission.push_back(message);
        }
    }

    /// Puts the parts of a message on their links. `carried` is what is known from before.
    pub(crate) fn assign(
        &mut self,
        message: MessageId,
        parts: Vec<(NextHop, String, Vec<u32>)>,
        expires: Timestamp,
        delay_notice: Timestamp,
        now: Timestamp,
    ) {
        // Before the message is had: what it leaves may be given up, what it comes to may not.
        self.entries.grouped.sweep();
        let placed = parts.into_iter().map(|(hop, domain, numbers)| {
            let link = self.schedule.link_for(&hop);
            let group = self.entries.grouped.number_of(link, &domain);
            (link, group, numbers)
        });
        let parts: Vec<_> = placed.collect();
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return;
        };
        let carried = entry.carried.take().map(|boxed| *boxed).unwrap_or_default();
        let decided = entry.control.as_mut().and_then(|control| {
            control.resubmit = false;
            control.expires
        });
        let expires = decided.unwrap_or(expires);
        // One time for each message is in the clockwork: an earlier one asks again when it comes.
        let earlier = expires < entry.expires;
        entry.expires = expires;
        entry.delay_notice = delay_notice;
        entry.settled = Numbers::None;
        let standing = entry.standing(carried.attempts);
        let mut placed = Vec::with_capacity(parts.len());
        for (number, (link, group, numbers)) in (0u32..).zip(parts) {
            let state = if carried.until > now {
                self.schedule.retry_at(carried.until, message, number);
                PartState::Retry(carried.until)
            } else {
                self.schedule.push_ready(link, standing, (message, number));
                PartState::Ready
            };
            placed.push(Part {
                link,
                group,
                numbers: numbers.into(),
                state,
                carried: carried.clone(),
            });
        }
        if earlier {
            self.schedule.expire_at(expires, message);
        }
        entry.stage = Stage::Parts(placed.into());
        drop(entry);
        let entries = &self.entries;
        self.schedule.sweep(|message| entries.contains_key(message));
    }

    /// A message that was taken can't be read: it is left alone for a while.
    pub(crate) fn note_unreadable(&mut self, message: MessageId) {
        self.unreadable.insert(message, None);
    }

    /// Messages that couldn't be read are looked at now.
    pub(crate) fn look_again(&mut self) {
        for message in std::mem::take(&mut self.unreadable).into_keys() {
            self.untake(message);
        }
    }

    /// Moves parts whose retry has come to the ready ones.
    pub(crate) fn promote_due(&mut self, now: Timestamp) {
        self.follow_clock(now);
        for (message, until) in &mut self.unreadable {
            if until.is_none() {
                let at = now.after(UNREADABLE_WAIT);
                *until = Some(at);
                self.schedule.retry_at(at, *message, WHOLE);
            }
        }
        while let Some((at, message, number)) = self.schedule.pop_due(now) {
            if number == WHOLE && self.unreadable.get(&message) == Some(&Some(at)) {
                self.unreadable.remove(&message);
                self.untake(message);
            }
            if self.turn(message, number, PartState::Retry(at), PartState::Ready) {
                self.queue_up(message, number);
            }
        }
    }

    /// What a part waits for becomes something else, if it was this. Returns whether it was.
    fn turn(&mut self, message: MessageId, number: u32, from: PartState, to: PartState) -> bool {
        let entry = self.entries.get_mut(&message);
        let is_so = |part: &Part| part.state == from;
        let Some(mut entry) = entry.filter(|entry| entry.part(number).is_some_and(is_so)) else {
            return false;
        };
        if let Some(part) = entry.part_mut(number) {
            part.state = to;
        }
        true
    }

    /// Puts a ready part into the row of its link.
    pub(crate) fn queue_up(&mut self, message: MessageId, number: u32) {
        let Some(entry) = self.entries.get(&message) else {
            return;
        };
        if let Some(part) = entry.part(number) {
            let standing = entry.standing(part.carried.attempts);
            self.schedule
                .push_ready(part.link, standing, (message, number));
        }
    }

    /// The oldest ready part of a link.
    pub(crate) fn next(&mut self, link: u32, now: Timestamp) -> Option<TakenPart> {
        self.first(link, |schedule| schedule.pop_ready(link, now))
    }

    /// The first part of a link that is still to be had of those that come out of its row.
    pub(crate) fn first(
        &mut self,
        link: u32,
        pop: impl Fn(&mut Schedule) -> Option<Waiter>,
    ) -> Option<TakenPart> {
        while let Some((message, number)) = pop(&mut self.schedule) {
            // Thawed or restored, it stands in the row again.
            let entry = self.entries.get(&message);
            let Some(part) = entry
                .filter(|entry| !entry.is_kept())
                .and_then(|entry| entry.part(number))
            else {
                continue;
            };
            // It may have been taken as expired, or moved to another link, since it was put here.
            if part.state == PartState::Ready
                && part.link == link
                && self.suspects.may_have(message, number)
            {
                self.turn(message, number, PartState::Ready, PartState::Active);
                return Some(TakenPart {
                    message,
                    part: number,
                });
            }
        }
        None
    }

    /// What is over, in whatever phase and on whatever link: its time ran out, or the undo window of its deletion.
    pub(crate) fn take_expired(&mut self, now: Timestamp) -> Option<Over> {
        while let Some(message) = self.schedule.pop_expired(now) {
            let Some(mut entry) = self.entries.get_mut(&message) else {
                continue;
            };
            let stands = entry.is_poison() && entry.deleted_until().is_none();
            if stands || entry.adopting().is_some() {
                // To tell its sender might end the next worker: an operator looks at it first. What is being taken over may
                // leave the other server yet.
                self.schedule.expire_at(now.after(UNREADABLE_WAIT), message);
                continue;
            }
            if let Some(over) = entry.is_over(now) {
                if entry.is_busy() {
                    self.schedule.expire_at(now.after(BUSY_WAIT), message);
                } else if over == (Returned::Deleted { report: false }) {
                    return Some(Over::Silently(message));
                } else {
                    entry.stage = Stage::Submission;
                    entry.returned = Some(over);
                    self.submission.push_front(message);
                }
                continue;
            }
            if entry.deleted_until().is_some() {
                continue;
            }
            if entry.expires > now {
                self.schedule.expire_at(entry.expires, message);
                continue;
            }
            let Stage::Parts(parts) = &mut entry.stage else {
                continue;
            };
            let numbered = (0u32..).zip(parts.iter_mut());
            let mut idle = numbered
                .filter(|(_, part)| matches!(part.state, PartState::Ready | PartState::Retry(_)));
            if let Some((number, part)) = idle.next() {
                part.state = PartState::Active;
                // The others of this message come at the next call.
                self.schedule.expire_at(now, message);
                return Some(Over::Part(TakenPart {
                    message,
                    part: number,
                }));
            }
            if !entry.is_done() {
                // All of it is being handed over, and may come back to wait where nothing else looks at it.
                self.schedule.expire_at(now.after(BUSY_WAIT), message);
            }
        }
        None
    }

    /// A message isn't given up before a time.
    pub(crate) fn postpone_expiry(&mut self, message: MessageId, until: Timestamp) {
        if let Some(mut entry) = self.entries.get_mut(&message)
            && entry.expires < until
        {
            entry.expires = until;
            self.schedule.expire_at(until, message);
        }
    }

    /// A lease on a part was dropped.
    pub(crate) fn give_back(&mut self, message: MessageId, number: u32) {
        if self.turn(message, number, PartState::Active, PartState::Ready) {
            if let Some(entry) = self.entries.get(&message)
                && let Some(part) = entry.part(number)
            {
                let standing = entry.standing(part.carried.attempts);
                self.schedule
                    .push_front(part.link, standing, (message, number));
            }
            self.reroute_if_idle(message);
        }
    }

    /// A part was tried: these numbers stay, until then.
    pub(crate) fn settle(
        &mut self,
        message: MessageId,
        number: u32,
        left: Vec<u32>,
        carried: Carried,
    ) {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return;
        };
        let Some(part) = entry.part_mut(number) else {
            return;
        };
        let gone: Vec<u32> = part
            .numbers
            .as_slice()
            .iter()
            .filter(|number| !left.contains(number))
            .copied()
            .collect();
        part.numbers = left.into();
        let carried = Carried {
            failure: carried.failure.map(|failure| self.failures.one(failure)),
            ..carried
        };
        if part.numbers.is_empty() {
            part.state = PartState::Done;
        } else {
            part.state = PartState::Retry(carried.until);
            self.schedule.retry_at(carried.until, message, number);
        }
        let (group, failure) = (part.group, carried.failure.clone());
        part.carried = carried;
        entry.settled.extend(&gone);
        drop(entry);
        if let Some(failure) = failure {
            self.entries.grouped.note_failure(group, &failure);
        }
        self.cool(message);
        self.reroute_if_idle(message);
    }

    /// A new way was wanted while a part was being handed over: now it can be had.
    pub(crate) fn reroute_if_idle(&mut self, message: MessageId) {
        let entry = self.entries.get(&message);
        let idle = entry.filter(|entry| !entry.is_busy() && !entry.is_done());
        if let Some(now) = idle.and_then(|entry| entry.reroute) {
            self.route_again(message, now);
        }
    }

    /// The first attempt is over: what is kept for speed goes, if it can be read again.
    pub(crate) fn cool(&mut self, message: MessageId) {
        if let Some(mut entry) = self.entries.get_mut(&message)
            && entry.resolved.is_some()
            && entry.hot.take().is_some()
        {
            self.hot = self.hot.saturating_sub(1);
        }
    }

    /// All messages in the order of their acceptance.
    pub(crate) fn oldest_first(&self) -> Vec<MessageId> {
        let mut ids: Vec<MessageId> = self.entries.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}
