//! The read-only picture of the queue for management, and what an operator may do. Counts are exact.

use crate::Queue;
use crate::entry::{Entry, Part, PartState, Stage};
use crate::error::Refused;
use crate::settings::Limits;
use crate::shared::{Snapshot, all_but};
use bridgehead_mail::{Addressee, Envelope, Failure, LinkName, MessageId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Everything that waits, grouped by link and final domain.
#[derive(Clone, Debug, Default)]
pub struct QueuePicture {
    /// Messages.
    pub messages: u64,
    /// Octets of their content.
    pub octets: u64,
    /// Why mail is refused, if it is.
    pub refusing: Option<String>,
    /// The groups.
    pub groups: Vec<Group>,
}

/// Parts of messages with one link and one final domain.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The link; none while it isn't known.
    pub link: Option<LinkName>,
    /// The final domain; empty while it isn't known.
    pub domain: String,
    /// Parts.
    pub count: u64,
    /// Octets of their messages.
    pub octets: u64,
    /// Parts being handed over.
    pub active: u64,
    /// Parts that wait for their next try, or for that of their link.
    pub deferred: u64,
    /// Acceptance of the oldest.
    pub oldest: Option<Timestamp>,
    /// The next try.
    pub next_try: Option<Timestamp>,
    /// Why the last one that failed did.
    pub last_failure: Option<Arc<Failure>>,
}

/// One message.
#[derive(Clone, Debug)]
pub struct MessagePicture {
    /// Its id.
    pub id: MessageId,
    /// Its phase, in one word.
    pub phase: &'static str,
    /// Octets of content.
    pub size: u64,
    /// When it is given up; [`Timestamp::NEVER`] while that isn't known.
    pub expires: Timestamp,
    /// Its envelope as accepted.
    pub envelope: Arc<Envelope>,
    /// What is left of it.
    pub parts: Vec<PartPicture>,
}

/// What is left for one next hop.
#[derive(Clone, Debug)]
pub struct PartPicture {
    /// The link.
    pub link: LinkName,
    /// Its phase: `ready`, `held`, `active` or `retry`.
    pub phase: &'static str,
    /// The addressees that aren't settled.
    pub addressees: Vec<Addressee>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try: Option<Timestamp>,
    /// Why the last attempt failed, or why its link is held.
    pub last_failure: Option<Arc<Failure>>,
}

impl Queue {
    /// Everything that waits, grouped.
    #[must_use]
    pub fn picture(&self) -> QueuePicture {
        let refusing = self.refusing();
        let state = self.shared.state.lock();
        let mut groups: BTreeMap<(Option<LinkName>, Arc<str>), Group> = BTreeMap::new();
        let nowhere: Arc<str> = "".into();
        for entry in state.entries.values() {
            let Stage::Parts(parts) = &entry.stage else {
                let group = groups.entry((None, Arc::clone(&nowhere))).or_default();
                group.add(entry, None);
                continue;
            };
            for part in parts.iter().filter(|part| part.state != PartState::Done) {
                let link = state.schedule.link(part.link);
                let name = link.map(|link| link.name.clone());
                let held = link.and_then(|link| link.held().cloned());
                let group = groups
                    .entry((name.clone(), Arc::clone(&part.domain)))
                    .or_default();
                group.link = name;
                group.domain = part.domain.to_string();
                group.add(entry, Some((part, held.as_ref().map(|held| held.until))));
                if let Some(held) = held {
                    group.last_failure.get_or_insert(held.failure);
                }
            }
        }
        QueuePicture {
            messages: state.entries.len() as u64,
            octets: state.octets,
            refusing,
            groups: groups.into_values().collect(),
        }
    }

    /// How many messages wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.state.lock().entries.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why mail is refused, if it is.
    #[must_use]
    pub fn refusing(&self) -> Option<String> {
        if self.shared.failing.load(Ordering::Acquire) {
            let log = self.shared.log.lock();
            return Some(log.refusing().unwrap_or("storing failed").to_owned());
        }
        None
    }

    /// One message, if it is in the queue.
    ///
    /// # Errors
    /// If it can't be read from the disk.
    pub fn show(&self, id: MessageId) -> std::io::Result<Option<MessagePicture>> {
        let (snapshot, mut picture) = {
            let state = self.shared.state.lock();
            let Some(entry) = state.entries.get(&id) else {
                return Ok(None);
            };
            let pictures = part_pictures(&state, entry);
            (
                Snapshot::of(entry),
                (pictures, entry.size, entry.expires, phase(entry)),
            )
        };
        let loaded = self.shared.load(id, &snapshot)?;
        let all = loaded.addressees.unwrap_or_else(|| Vec::new().into());
        let parts = std::mem::take(&mut picture.0);
        let parts = parts.into_iter().map(|(mut part, numbers)| {
            let others: Vec<u32> = (0u32..)
                .zip(all.iter())
                .map(|(number, _)| number)
                .filter(|number| !numbers.contains(number))
                .collect();
            part.addressees = all_but(&all, &others);
            part
        });
        Ok(Some(MessagePicture {
            id,
            phase: picture.3,
            size: picture.1,
            expires: picture.2,
            envelope: loaded.envelope,
            parts: parts.collect(),
        }))
    }

    /// Makes a message's waiting parts ready now. Returns whether there was such a message.
    pub fn retry_message(&self, id: MessageId) -> bool {
        let touched = self.shared.state.lock().retry(|message, _| message == id);
        self.shared.changed.notify_one();
        touched > 0
    }

    /// Makes ready what waits on a link. Returns how many messages that touched.
    pub fn retry_link(&self, link: &LinkName) -> u64 {
        let mut state = self.shared.state.lock();
        let numbers = state.schedule.named(link);
        let touched = state.retry(|_, part| numbers.contains(&part.link));
        drop(state);
        self.shared.changed.notify_one();
        touched
    }

    /// Makes ready everything that waits. Returns how many messages that touched.
    pub fn retry_all(&self) -> u64 {
        let touched = self.shared.state.lock().retry(|_, _| true);
        self.shared.changed.notify_one();
        touched
    }

    /// Sends everything that isn't being handed over back to be routed again. Returns how many messages that touched.
    pub fn reroute(&self) -> u64 {
        let moved = self.shared.state.lock().reroute();
        self.shared.changed.notify_one();
        moved
    }

    /// Removes a message without a report. Returns whether there was such a message. One that is being handed over may
    /// still arrive.
    pub fn delete(&self, id: MessageId) -> bool {
        let mut state = self.shared.state.lock();
        if !state.entries.contains_key(&id) {
            return false;
        }
        let mut gather = self.shared.gather.lock();
        self.shared.end(id, &mut state, &mut gather);
        self.shared.noted(gather);
        drop(state);
        true
    }

    /// Resolves when everything that was changed until now is on stable storage, so that a crash doesn't take it back.
    ///
    /// # Errors
    /// If storing fails: the change holds in memory, and is stored as soon as that is possible again.
    pub async fn synced(&self) -> Result<(), Refused> {
        let told = self.shared.synced().await;
        told.unwrap_or(Err(Refused::Closed))
    }

    /// New limits, in force from the next message on.
    pub fn apply(&self, limits: Limits) {
        let floor = limits.free_space_floor;
        self.shared.floor.store(floor, Ordering::Relaxed);
    }

    /// The operator says that the disk is well again. Returns why mail is still refused, if it is.
    pub fn resume(&self) -> Option<String> {
        self.shared.log.lock().resume();
        self.shared.failing.store(false, Ordering::Release);
        if self.shared.commit_once() {
            self.shared.changed.notify_one();
            return None;
        }
        self.refusing()
    }
}

impl Group {
    /// Adds a message, or a part of it with the time until which its link is held.
    fn add(&mut self, entry: &Entry, part: Option<(&Part, Option<Timestamp>)>) {
        self.count += 1;
        self.octets += entry.size;
        self.oldest = Some(
            self.oldest
                .map_or(entry.accepted, |at| at.min(entry.accepted)),
        );
        let Some((part, held)) = part else {
            return;
        };
        let waits_until = match (part.state, held) {
            (PartState::Active, _) => {
                self.active += 1;
                None
            }
            (PartState::Retry(at), held) => Some(held.map_or(at, |until| until.max(at))),
            (PartState::Ready, held) => held,
            (PartState::Done, _) => None,
        };
        if let Some(at) = waits_until {
            self.deferred += 1;
            self.next_try = Some(self.next_try.map_or(at, |next| next.min(at)));
        }
        if let Some(failure) = &part.carried.failure {
            self.last_failure = Some(Arc::clone(failure));
        }
    }
}

const fn phase(entry: &Entry) -> &'static str {
    match entry.stage {
        Stage::Submission => "submission",
        Stage::Taken => "categorization",
        Stage::Parts(_) => "link",
    }
}

fn part_pictures(state: &crate::state::State, entry: &Entry) -> Vec<(PartPicture, Vec<u32>)> {
    let Stage::Parts(parts) = &entry.stage else {
        return Vec::new();
    };
    let open = parts.iter().filter(|part| part.state != PartState::Done);
    open.filter_map(|part| {
        let link = state.schedule.link(part.link)?;
        let held = link.held();
        let (phase, next_try) = match (part.state, held) {
            (PartState::Active, _) => ("active", None),
            (PartState::Retry(at), held) => {
                ("retry", Some(held.map_or(at, |held| held.until.max(at))))
            }
            (_, Some(held)) => ("held", Some(held.until)),
            _ => ("ready", None),
        };
        let failure = part.carried.failure.clone();
        let picture = PartPicture {
            link: link.name.clone(),
            phase,
            addressees: Vec::new(),
            attempts: part.carried.attempts,
            next_try,
            last_failure: failure.or_else(|| held.map(|held| Arc::clone(&held.failure))),
        };
        Some((picture, part.numbers.clone()))
    })
    .collect()
}
