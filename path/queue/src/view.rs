//! The read-only picture of the queue for management. Counts are exact.

use crate::Queue;
use crate::control::{Control, Decision};
use crate::entry::{Entry, Part, PartState, Stage};
use crate::loaded::{Snapshot, all_but};
pub use crate::schedule::Closed;
use crate::schedule::Link;
use crate::state::State;
use crate::tally::{Counts, Tallies, Waits, in_order};
use bridgehead_mail::{
    Addressee, Content, Envelope, Failure, LinkName, MessageId, Phase, Priority, Timestamp,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Everything that waits, grouped by link and final domain.
#[derive(Clone, Debug, Default)]
pub struct QueuePicture {
    /// Messages, without those that were deleted.
    pub messages: u64,
    /// Octets of their content.
    pub octets: u64,
    /// Messages that were deleted and can still be had back.
    pub deleted: u64,
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
    /// Parts in each phase.
    pub phases: BTreeMap<Phase, u64>,
    /// Parts being handed over.
    pub active: u64,
    /// Acceptance of the oldest.
    pub oldest: Option<Timestamp>,
    /// The next try.
    pub next_try: Option<Timestamp>,
    /// Why the last one that failed did.
    pub last_failure: Option<Arc<Failure>>,
    /// Who holds the link, if an operator does.
    pub frozen: Option<Decision>,
    /// Why the link isn't used now though nothing is wrong with it, if so.
    pub closed: Option<Closed>,
}

/// What is known of a message without a look at the disk.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Its id.
    pub id: MessageId,
    /// Its phase: that of the part which is furthest from being delivered.
    pub phase: Phase,
    /// Octets of content.
    pub size: u64,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When it is given up.
    pub expires: Timestamp,
    /// Its priority.
    pub priority: Priority,
    /// What operators decided.
    pub control: Control,
    /// What is left of it; none while no next hop is known.
    pub parts: Vec<PartPicture>,
}

/// One message.
#[derive(Clone)]
pub struct MessagePicture {
    /// What is known without a look at the disk; its parts with their addressees.
    pub summary: Summary,
    /// Its envelope as accepted.
    pub envelope: Arc<Envelope>,
    /// Its content.
    pub content: Arc<dyn Content>,
    /// Everybody who is left, whether a next hop is known or not; none while the recipients aren't known.
    pub left: Vec<Addressee>,
}

/// What is left for one next hop.
#[derive(Clone, Debug)]
pub struct PartPicture {
    /// The link.
    pub link: LinkName,
    /// The final domain.
    pub domain: Arc<str>,
    /// Its phase.
    pub phase: Phase,
    /// Whether it is being handed over.
    pub active: bool,
    /// The addressees that aren't settled; filled where a message is looked at alone.
    pub addressees: Vec<Addressee>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try: Option<Timestamp>,
    /// Why the last attempt failed, or why its link is held.
    pub last_failure: Option<Arc<Failure>>,
    /// Who holds its link, if an operator does.
    pub frozen: Option<Decision>,
    /// Why its link isn't used now though nothing is wrong with it, if so.
    pub closed: Option<Closed>,
}

impl Queue {
    /// Everything that waits, grouped, as it is at one moment. The counts are kept as messages change, so that a million of them hold
    /// mail up no longer than their groups do.
    #[must_use]
    pub fn picture(&self) -> QueuePicture {
        let refusing = self.refusing();
        let groups = self.shared.state.lock().entries.grouped.len();
        let mut on_links = Vec::new();
        on_links.resize_with(groups, || None);
        let state = self.shared.state.lock();
        let grouped = &state.entries.grouped;
        let (messages, octets, deleted) = (grouped.messages, grouped.octets, grouped.deleted);
        let without_link = grouped.without();
        grouped.on_links(&state.schedule, &mut on_links);
        drop(state);
        let on_links = on_links.into_iter().flatten().collect();
        let without_link = without_link.into_iter().map(Counts::group);
        QueuePicture {
            messages,
            octets,
            deleted,
            refusing,
            groups: without_link.chain(in_order(on_links)).collect(),
        }
    }

    /// What waits on the links for which something holds, grouped. For who asks often: nothing is made of the other groups.
    #[must_use]
    pub fn waiting_on(&self, meant: &dyn Fn(&LinkName) -> bool) -> Vec<Group> {
        let state = self.shared.state.lock();
        let some = state.entries.grouped.on_some(&state.schedule, meant);
        drop(state);
        in_order(some).collect()
    }

    /// [`Self::picture`] by a look at each message, which holds mail up while it lasts: what [`Self::picture`] must tell at any time, but for
    /// which of several failures is the last.
    #[must_use]
    pub fn picture_counted_anew(&self) -> QueuePicture {
        let refusing = self.refusing();
        let state = self.shared.state.lock();
        let mut picture = QueuePicture {
            refusing,
            ..QueuePicture::default()
        };
        let mut without_link: BTreeMap<Phase, Counts> = BTreeMap::new();
        let mut on_links = Tallies::default();
        for entry in state.entries.values() {
            if entry.deleted_until().is_some() {
                picture.deleted += 1;
                continue;
            }
            picture.messages += 1;
            picture.octets += entry.size;
            let Stage::Parts(parts) = &entry.stage else {
                let phase = phase_without_parts(entry);
                without_link.entry(phase).or_default().add(entry, phase);
                continue;
            };
            for part in parts.iter().filter(|part| part.state != PartState::Done) {
                if let Some(link) = state.schedule.link(part.link) {
                    on_links.add(entry, part, link, &state.entries.grouped);
                }
            }
        }
        drop(state);
        let without_link = without_link.into_values().map(Counts::group);
        let on_links = in_order(on_links.into_tallies());
        picture.groups = without_link.chain(on_links).collect();
        picture
    }

    /// The file to which something is to be written while the process is being aborted.
    #[must_use]
    pub fn abort_note(&self) -> PathBuf {
        self.shared.settings.directory.join(crate::in_hand::ABORTED)
    }

    /// The folders in which the queue lies, that for new mail first; the others are being emptied.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let folders = self.shared.folders.lock().clone();
        let present = std::iter::once(folders.present().path.clone());
        let left = folders.left().into_iter().filter(|left| !left.is_home());
        present.chain(left.map(|left| left.path.clone())).collect()
    }

    /// While the spool is being read: segments that were read, and how many there are.
    #[must_use]
    pub fn reading(&self) -> Option<(u64, u64)> {
        let (read, all) = &self.shared.read;
        let all = *all;
        (!self.shared.is_whole()).then(|| (read.load(Ordering::Relaxed), all))
    }

    /// The ids of all messages, the oldest first; also of those that were deleted and can still be had back.
    #[must_use]
    pub fn ids(&self) -> Vec<MessageId> {
        let mut ids: Vec<MessageId> = {
            let state = self.shared.state.lock();
            state.entries.keys().copied().collect()
        };
        ids.sort_unstable();
        ids
    }

    /// What is known of messages without a look at the disk; those that are gone are left out.
    #[must_use]
    pub fn summaries(&self, ids: &[MessageId]) -> Vec<Summary> {
        let state = self.shared.state.lock();
        let found = ids
            .iter()
            .filter_map(|id| Some((*id, state.entries.get(id)?)));
        let summaries = found.map(|(id, entry)| {
            let parts = part_pictures(&state, entry);
            let parts = parts.into_iter().map(|(part, _)| part).collect();
            summary(id, entry, parts)
        });
        summaries.collect()
    }

    /// Batches that were made durable since the start: each was one write and one sync.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.shared.batches.load(Ordering::Relaxed)
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
        let (snapshot, mut summary, numbers) = {
            let state = self.shared.state.lock();
            let Some(entry) = state.entries.get(&id) else {
                return Ok(None);
            };
            let (parts, numbers): (Vec<_>, Vec<_>) =
                part_pictures(&state, entry).into_iter().unzip();
            let summary = summary(id, entry, parts);
            (Snapshot::of(entry), summary, numbers)
        };
        let loaded = self.shared.load(id, &snapshot)?;
        let all = loaded.addressees.unwrap_or_else(|| Vec::new().into());
        for (part, numbers) in summary.parts.iter_mut().zip(numbers) {
            let numbers = numbers.iter();
            let named = numbers.filter_map(|number| all.get(usize::try_from(*number).ok()?));
            part.addressees = named.cloned().collect();
        }
        Ok(Some(MessagePicture {
            summary,
            envelope: loaded.envelope,
            content: loaded.content,
            left: all_but(&all, snapshot.settled()),
        }))
    }
}

fn summary(id: MessageId, entry: &Entry, parts: Vec<PartPicture>) -> Summary {
    let behind = parts.iter().map(|part| part.phase).max();
    Summary {
        id,
        phase: behind.unwrap_or_else(|| phase_without_parts(entry)),
        size: entry.size,
        accepted: entry.accepted,
        expires: entry.expires,
        priority: entry.urgency(),
        control: entry.control.as_deref().cloned().unwrap_or_default(),
        parts,
    }
}

/// The phase of a message without a next hop.
pub(crate) fn phase_without_parts(entry: &Entry) -> Phase {
    let known = entry.resolved.is_some() && !entry.is_resubmitted();
    if entry.deleted_until().is_some() {
        Phase::Deleted
    } else if entry.is_poison() {
        Phase::Poison
    } else if entry.is_frozen() || entry.adopting().is_some() {
        Phase::Frozen
    } else if known || entry.returned.is_some() {
        Phase::Routing
    } else if matches!(entry.stage, Stage::Taken) {
        Phase::Categorization
    } else {
        Phase::Submission
    }
}

pub(crate) fn phase_of(entry: &Entry, part: &Part, link: &Link) -> Phase {
    if entry.deleted_until().is_some() {
        return Phase::Deleted;
    }
    Waits::of(entry, part).phase(link)
}

pub(crate) fn next_try(part: &Part, link: &Link) -> Option<Timestamp> {
    if link.is_lost() {
        return None;
    }
    let held = link.held().map(|held| held.until);
    let closed = link.closed().map(|closed| closed.until);
    match part.state {
        PartState::Active => None,
        PartState::Retry(at) => held.max(closed).max(Some(at)),
        _ => held.max(closed),
    }
}

/// What is left of a message, with the numbers of the addressees.
fn part_pictures(state: &State, entry: &Entry) -> Vec<(PartPicture, Vec<u32>)> {
    let Stage::Parts(parts) = &entry.stage else {
        return Vec::new();
    };
    let open = parts.iter().filter(|part| part.state != PartState::Done);
    open.filter_map(|part| {
        let link = state.schedule.link(part.link)?;
        let held = link.held();
        let failure = part.carried.failure.clone();
        let picture = PartPicture {
            link: link.name.clone(),
            domain: state.entries.grouped.domain(part),
            phase: phase_of(entry, part, link),
            active: part.state == PartState::Active,
            addressees: Vec::new(),
            attempts: part.carried.attempts,
            next_try: next_try(part, link),
            last_failure: failure.or_else(|| held.map(|held| Arc::clone(&held.failure))),
            frozen: link.frozen().cloned(),
            closed: link.closed().cloned(),
        };
        Some((picture, part.numbers.as_slice().to_vec()))
    })
    .collect()
}
