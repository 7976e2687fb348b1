//! Copying forward: a message that stays long doesn't keep the segment in which it was accepted.
//!
//! Guards: the copy is added to the batch under both locks, so that no record of a later step stands before it; numbers of
//! addressees stay what they were.

use crate::entry::{Entry, PartState, Stage};
use crate::gather::{Gather, Meaning};
use crate::record::Record;
use crate::shared::{Shared, deferred_record, read_frame};
use bridgehead_mail::MessageId;
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
        inside.map(|(id, _)| *id).collect()
    }
}

fn copy(id: MessageId, entry: &Entry, gather: &mut Gather) -> std::io::Result<()> {
    let accepted = read_frame(&entry.place)?;
    let resolved = entry.resolved.as_ref().map(read_frame).transpose()?;
    gather.add_raw(id, &accepted, Meaning::Moved);
    let Some(resolved) = resolved else {
        return Ok(());
    };
    gather.add_raw(id, &resolved, Meaning::Resolved);
    if !entry.settled.is_empty() {
        let numbers = entry.settled.clone();
        gather.add(id, &Record::Settled { numbers }, Meaning::Other);
    }
    let Stage::Parts(parts) = &entry.stage else {
        if let Some(carried) = &entry.carried
            && let Some(record) = deferred_record(&[], carried)
        {
            gather.add(id, &record, Meaning::Other);
        }
        return Ok(());
    };
    for part in parts.iter().filter(|part| part.state != PartState::Done) {
        if let Some(record) = deferred_record(&part.numbers, &part.carried) {
            gather.add(id, &record, Meaning::Other);
        }
    }
    Ok(())
}
