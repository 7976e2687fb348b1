//! Giving space back: a segment in which little is alive is emptied, its rest copied to the end of the log, and then removed,
//! whatever stands before it.
//!
//! Guards: what a removed segment said of messages whose accept record lies elsewhere is said again before it goes, or else they
//! would come back as they were. One segment at a time is on its way out, so that no message is ever in two that stay.

use crate::entry::{Entry, PartState, Place, Stage};
use crate::folders::Folder;
use crate::gather::{Gather, Meaning};
use crate::loaded::{damaged, deferred_record, read_frame};
use crate::record::{Frame, Record, parse};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::state::State;
use crate::stream::Stream;
use bridgehead_mail::MessageId;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Octets that are copied at the most between two commits.
const COPY_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Messages that are copied under one lock.
const CHUNK: usize = 16;
/// A segment is emptied when less than this part of it is alive: one in so many octets.
const ALIVE_PART: u64 = 4;

/// Whether a segment says that a message has ended, and in which segment its accept record lies, if that is said too.
type Ended = Option<Option<u64>>;

/// What came of a look for a segment to empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compacted {
    /// There is nothing to do now.
    Nothing,
    /// One was emptied.
    Emptied,
    /// One was begun: when that is durable, the rest of it follows.
    More,
    /// One was begun and can't be finished now: what was copied of it would be copied again with each try.
    Unfinished,
}

/// How much of what a segment says was said again.
enum Copied {
    All,
    /// As much as goes into one commit.
    Much,
    /// All but what can't be said again now.
    Part,
}

impl Shared {
    /// Empties one segment, if there are many and one of them is worth it.
    pub(crate) fn compact(&self) -> Compacted {
        // What isn't read yet may speak of any segment.
        if !self.is_whole() {
            return Compacted::Nothing;
        }
        let (active, left) = {
            let mut log = self.log.lock();
            (log.active_sequence(), log.take_left())
        };
        self.state.lock().half_moved.extend(left);
        // The copies of before aren't durable yet.
        if self.moving.load(Ordering::Acquire) {
            return Compacted::Nothing;
        }
        let Some(segment) = self.to_empty(active) else {
            return Compacted::Nothing;
        };
        match self.empty(&segment) {
            Ok(Copied::All) => Compacted::Emptied,
            Ok(Copied::Much) => Compacted::More,
            Ok(Copied::Part) => Compacted::Unfinished,
            Err(error) => {
                let path = segment.path.display();
                tracing::error!(%path, %error, "a segment can't be emptied now");
                Compacted::Unfinished
            }
        }
    }

    /// The segment to empty: one that was begun, else the one with the least alive in it, if that is little.
    fn to_empty(&self, active: Option<u64>) -> Option<Arc<Segment>> {
        let folders = self.folders.lock().clone();
        let state = self.state.lock();
        let is_other = |number: u64| Some(number) != active;
        // One that waits to be removed goes first.
        if !state.cleared.is_empty() {
            return None;
        }
        // Out of a folder that is left goes all of it.
        let mut elsewhere = state.segments.iter().filter(|(number, known)| {
            let path = &known.segment.path;
            is_other(**number) && folders.is_left(path) && !state.kept.contains(number)
        });
        let elsewhere = elsewhere.next().map(|(number, _)| *number);
        let few = state.segments.len() <= self.settings.segments_before_compaction;
        if elsewhere.is_none() && (few || active.is_none()) {
            return None;
        }
        let there = |begun: &u64| is_other(*begun) && state.segments.contains_key(begun);
        let unfinished = state.half_moved.iter().copied().find(there);
        // A part of it is elsewhere and it can't be read: what may depend on that stays as it is.
        if unfinished.is_some_and(|begun| state.kept.contains(&begun)) {
            return None;
        }
        let wanted = unfinished.or(elsewhere).or_else(|| {
            let segments = state.segments.iter();
            let candidates = segments.filter(|(number, known)| {
                let few = known.octets.saturating_mul(ALIVE_PART) < self.settings.segment_octets;
                is_other(**number) && few && !state.kept.contains(number)
            });
            let least = candidates.min_by_key(|(_, known)| known.octets);
            least.map(|(number, _)| *number)
        })?;
        state
            .segments
            .get(&wanted)
            .map(|known| Arc::clone(&known.segment))
    }

    /// Says again what a segment says that still counts. It is removed when that is durable, if it was all of it.
    fn empty(&self, segment: &Segment) -> io::Result<Copied> {
        let Some(said) = said(segment)? else {
            // It stays as it is.
            self.state.lock().kept.insert(segment.sequence);
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is damaged"));
        };
        self.state.lock().half_moved.insert(segment.sequence);
        let mut copied = Copied::All;
        let ids: Vec<(MessageId, Ended)> = said.into_iter().collect();
        for some in ids.chunks(CHUNK) {
            let state = self.state.lock();
            let mut gather = self.gather.lock();
            if gather.buffer.len() > COPY_OCTETS_MAX {
                copied = match copied {
                    Copied::Part => Copied::Part,
                    Copied::All | Copied::Much => Copied::Much,
                };
                break;
            }
            for (id, ended) in some {
                // One that can't be read keeps the segment, not the others in it.
                let again = say_again(*id, *ended, segment.sequence, &state, &mut gather);
                let again = again.unwrap_or_else(|error| {
                    tracing::error!(%id, %error, "a message can't be copied out of a segment");
                    false
                });
                if !again {
                    copied = Copied::Part;
                }
            }
            self.noted(gather);
        }
        let mut gather = self.gather.lock();
        let complete = matches!(copied, Copied::All);
        gather.marks.push((segment.sequence, complete));
        self.moving.store(true, Ordering::Release);
        self.noted(gather);
        Ok(copied)
    }

    /// Writes down again what a start has found in batches of which nobody knows whether they were synced (the process was
    /// killed before, or the sync had failed): such a batch may be in memory only. Nothing may be built on it, and nothing
    /// that it supersedes may be removed, before it is in the log once more. Of each live one: whether its accept record is one of them.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn repeat(
        &self,
        live: &[(MessageId, bool)],
        done: &[(MessageId, Vec<Arc<Folder>>)],
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let mut gather = self.gather.lock();
        let mut half_moved = BTreeSet::new();
        let read = |place: &Place| read_frame(place).map(Cow::Owned);
        let entries = || {
            live.iter()
                .filter_map(|(id, accepted)| Some((*id, *accepted, state.entries.get(id)?)))
        };
        // All messages before what became of any: a torn batch is believed up to the tear, and a settlement must not be in it
        // without the report that it made.
        for (id, accepted, entry) in entries() {
            if accepted {
                half_moved.insert(entry.place.segment.sequence);
                copy_accepted(id, entry, &read, &mut gather)?;
            }
        }
        for (id, _, entry) in entries() {
            let resolved = copy_of_resolved(entry, &read)?;
            copy_progress(id, entry, resolved.as_ref(), &mut gather);
        }
        for (id, folders) in done {
            gather.add(*id, &Record::Done, Meaning::Other);
            gather
                .trash
                .extend(folders.iter().map(|folder| (Arc::clone(folder), *id)));
        }
        state.half_moved.extend(half_moved);
        Ok(())
    }
}

/// Whom a segment speaks of, and of whom it says that nothing is left to do; none if it is damaged.
fn said(segment: &Segment) -> io::Result<Option<BTreeMap<MessageId, Ended>>> {
    let mut said: BTreeMap<MessageId, Ended> = BTreeMap::new();
    let mut note = |frame: &Frame<'_>| {
        let known = said.entry(frame.message).or_default();
        match frame.record {
            Record::Done => *known = Some(None),
            Record::Ended { segment } => *known = Some(Some(segment)),
            _ => {}
        }
    };
    let mut stream = Stream::new(&*segment.file, 0)?;
    stream.each(|_, frame| note(&frame))?;
    let rest = stream.rest()?;
    let rest = rest.scan();
    if !rest.damage.is_empty() {
        return Ok(None);
    }
    for kept in rest.kept {
        note(&kept.frame);
    }
    Ok(Some(said))
}

/// Says again what a segment says of a message, if it still counts. Returns false if that can't be done yet.
fn say_again(
    id: MessageId,
    ended: Ended,
    sequence: u64,
    state: &State,
    gather: &mut Gather,
) -> io::Result<bool> {
    let Some(entry) = state.entries.get(&id) else {
        // Its accept record, if it is elsewhere, must not bring it back.
        let needed = match ended {
            // Or a copy of it, that was on its way when the message ended: behind it, and before this.
            Some(Some(accepted)) if accepted < sequence => {
                state.segments.range(accepted..sequence).next().is_some()
            }
            // Nobody knows where it lies: in an older segment, if in any.
            Some(None) => state.segments.range(..sequence).next().is_some(),
            Some(Some(_)) | None => false,
        };
        if let (true, Some(segment)) = (needed, ended) {
            let record = segment.map_or(Record::Done, |segment| Record::Ended { segment });
            gather.add(id, &record, Meaning::Other);
        }
        return Ok(true);
    };
    // The record of its addressees is under way: in the log it would stand before the copy, and be of a stranger once the
    // segment is gone. The next look takes it.
    if entry.resolved.is_none() && matches!(entry.stage, Stage::Parts(_)) {
        return Ok(false);
    }
    // Each is read and checked: a copy gets a new checksum, and must not make damage look sound. What lies in the segment was read
    // just before.
    let read = |place: &Place| read_frame(place).map(Cow::Owned);
    let resolved = copy_of_resolved(entry, &read)?;
    if entry.place.segment.sequence == sequence {
        copy_accepted(id, entry, &read, gather)?;
    }
    copy_progress(id, entry, resolved.as_ref(), gather);
    Ok(true)
}

/// Reads a frame.
pub(crate) type Read<'a, 'o> = &'a dyn Fn(&Place) -> io::Result<Cow<'o, [u8]>>;

fn copy_accepted(
    id: MessageId,
    entry: &Entry,
    read: Read<'_, '_>,
    gather: &mut Gather,
) -> io::Result<()> {
    let accepted = read(&entry.place)?;
    if !is_accepted(id, &accepted) {
        return Err(damaged(&entry.place));
    }
    gather.add_raw(id, &accepted, Meaning::Moved);
    Ok(())
}

/// What became of it since it was accepted.
pub(crate) fn copy_progress(
    id: MessageId,
    entry: &Entry,
    resolved: Option<&Record<'_>>,
    gather: &mut Gather,
) {
    let Some(resolved) = resolved else {
        copy_control(id, entry, gather);
        return;
    };
    gather.add(id, resolved, Meaning::Resolved(entry.assignments));
    copy_control(id, entry, gather);
    let Stage::Parts(parts) = &entry.stage else {
        if let Some(carried) = &entry.carried
            && let Some(record) = deferred_record(&[], carried)
        {
            gather.add(id, &record, Meaning::Other);
        }
        return;
    };
    for part in parts.iter().filter(|part| part.state != PartState::Done) {
        if let Some(record) = deferred_record(part.numbers.as_slice(), &part.carried) {
            gather.add(id, &record, Meaning::Other);
        }
    }
}

/// After the record of the addressees, which ends a resubmission.
fn copy_control(id: MessageId, entry: &Entry, gather: &mut Gather) {
    if entry.control.is_some() || entry.uncontrolled {
        let record = Record::Controlled(entry.control.clone().unwrap_or_default());
        gather.add(id, &record, Meaning::Other);
    }
}

fn is_accepted(id: MessageId, frame: &[u8]) -> bool {
    let parsed = parse(frame);
    parsed.is_ok_and(|frame| frame.message == id && matches!(frame.record, Record::Accepted { .. }))
}

/// The record of the addressees, if it has been written, with what became of them since.
pub(crate) fn copy_of_resolved(
    entry: &Entry,
    read: Read<'_, '_>,
) -> io::Result<Option<Record<'static>>> {
    let Some(place) = &entry.resolved else {
        return Ok(None);
    };
    let octets = read(place)?;
    match parse(&octets).map(|frame| frame.record) {
        Ok(Record::Resolved {
            expires,
            delay_notice,
            addressees,
            ..
        }) => Ok(Some(Record::Resolved {
            expires,
            delay_notice,
            addressees,
            settled: entry.settled.as_slice().to_vec(),
        })),
        _ => Err(damaged(place)),
    }
}
