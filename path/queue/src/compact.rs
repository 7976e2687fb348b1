//! Copying forward: a message that stays long doesn't keep the segment in which it was accepted.
//!
//! Guards: the copy is added to the batch under both locks, so that no record of a later step stands before it; numbers of
//! addressees stay what they were.

use crate::entry::{Entry, PartState, Stage};
use crate::gather::{Gather, Meaning};
use crate::record::{Record, parse};
use crate::shared::{Shared, damaged, deferred_record, read_frame};
use bridgehead_mail::MessageId;
use std::io;
use std::sync::atomic::Ordering;

/// Octets that are copied forward at the most between two commits.
const COPY_OCTETS_MAX: usize = 16 * 1024 * 1024;

impl Shared {
    /// Copies what is left in the oldest segment to the end of the log, if there are too many segments. Looks once for
    /// each new segment.
    pub(crate) fn compact(&self) {
        let Some(active) = self.log.lock().active_sequence() else {
            return;
        };
        if self.compacted.swap(active, Ordering::Relaxed) == active {
            return;
        }
        for id in self.in_oldest_segment(active) {
            let mut state = self.state.lock();
            let Some(entry) = state.entries.get_mut(&id) else {
                continue;
            };
            let mut gather = self.gather.lock();
            if gather.buffer.len() > COPY_OCTETS_MAX {
                return;
            }
            if let Err(error) = copy(id, entry, &mut gather) {
                tracing::error!(id = %id, %error, "a queued message can't be copied forward");
            }
        }
    }

    fn in_oldest_segment(&self, active: u64) -> Vec<MessageId> {
        let state = self.state.lock();
        if state.segments.len() <= self.settings.segments_before_compaction {
            return Vec::new();
        }
        let oldest = state.segments.first_key_value().map(|(number, _)| *number);
        let Some(oldest) = oldest.filter(|oldest| *oldest != active) else {
            return Vec::new();
        };
        let inside = state
            .entries
            .iter()
            .filter(|(_, entry)| entry.place.segment.sequence == oldest);
        let mut ids: Vec<MessageId> = inside.map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }

    /// Writes down again what a start has found in batches of which nobody knows whether they were synced (the process was
    /// killed before, or the sync had failed): such a batch may be in memory only. Nothing may be built on it, and nothing
    /// that it supersedes may be removed, before it is in the log once more.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn repeat(&self, live: &[MessageId], done: &[(MessageId, bool)]) -> io::Result<()> {
        let state = self.state.lock();
        let mut gather = self.gather.lock();
        let entries = || {
            live.iter()
                .filter_map(|id| Some((*id, state.entries.get(id)?)))
        };
        // All messages before what became of any: a torn batch is believed up to the tear, and a settlement must not be in it
        // without the report that it made.
        for (id, entry) in entries() {
            copy_accepted(id, entry, &mut gather)?;
        }
        for (id, entry) in entries() {
            let resolved = copy_of_resolved(entry)?;
            copy_progress(id, entry, resolved.as_ref(), &mut gather);
        }
        for (id, has_file) in done {
            gather.add(*id, &Record::Done, Meaning::Other);
            if *has_file {
                gather.trash.push(self.content_path(*id));
            }
        }
        Ok(())
    }
}

/// Adds copies of a message's records. Each is read and checked: a copy gets a new checksum, and must not make damage look sound.
fn copy(id: MessageId, entry: &Entry, gather: &mut Gather) -> io::Result<()> {
    // The record of its addressees is under way: in the log it would stand before the copy, and be of a stranger once the
    // old segment is gone. The next look takes it.
    if entry.resolved.is_none() && matches!(entry.stage, Stage::Parts(_)) {
        return Ok(());
    }
    // Both or nothing: the old segment is kept for the sake of the accept record only.
    let resolved = copy_of_resolved(entry)?;
    copy_accepted(id, entry, gather)?;
    copy_progress(id, entry, resolved.as_ref(), gather);
    Ok(())
}

fn copy_accepted(id: MessageId, entry: &Entry, gather: &mut Gather) -> io::Result<()> {
    let accepted = read_frame(&entry.place)?;
    if !is_accepted(id, &accepted) {
        return Err(damaged(&entry.place));
    }
    gather.add_raw(id, &accepted, Meaning::Moved);
    Ok(())
}

/// What became of it since it was accepted.
fn copy_progress(id: MessageId, entry: &Entry, resolved: Option<&Record<'_>>, gather: &mut Gather) {
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
    if let Some(control) = &entry.control {
        let record = Record::Controlled(control.clone());
        gather.add(id, &record, Meaning::Other);
    }
}

fn is_accepted(id: MessageId, frame: &[u8]) -> bool {
    let parsed = parse(frame);
    parsed.is_ok_and(|frame| frame.message == id && matches!(frame.record, Record::Accepted { .. }))
}

/// The record of the addressees, if it has been written, with what became of them since.
fn copy_of_resolved(entry: &Entry) -> io::Result<Option<Record<'static>>> {
    let Some(place) = &entry.resolved else {
        return Ok(None);
    };
    let octets = read_frame(place)?;
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
