//! The log: where a batch goes, and what happens when it can't.
//!
//! Guards: a batch is one write and one sync; the segment of a failed sync is left for good. Refuses: everything while
//! the last sync has failed, until the operator resumes.

use crate::record::stamp;
use crate::segment::{CreateFault, Head, SEGMENT_HEAD, Segment};
use bridgehead_disk::Disk;
use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a batch isn't durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogFault {
    /// It couldn't be written; the next batch goes to a new segment.
    Write(String),
    /// It couldn't be synced: nothing is known about it, and the operator must act.
    Sync(String),
}

impl LogFault {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Write(text) | Self::Sync(text) => text,
        }
    }
}

/// Where a batch was written.
pub(crate) struct Written {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
}

/// The append-only log.
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) segment_octets: u64,
    pub(crate) next_sequence: u64,
    pub(crate) next_batch: u64,
    active: Option<Active>,
    refusing: Option<String>,
    /// Segments that the state hasn't heard of yet.
    made: Vec<Arc<Segment>>,
    /// Segments that were left although nobody knows whether all that was written to them is in them.
    left: Vec<u64>,
    /// Whether the last segment was left with every batch in it synced.
    whole: bool,
}

struct Active {
    segment: Arc<Segment>,
    position: u64,
    /// Up to here there is written what is overwritten: zeros, beyond the position.
    prepared: u64,
}

/// So much is filled with zeros beyond the end whenever a batch reaches it. To sync what overwrites written blocks costs a file
/// system less than half of what blocks cost that are new to it.
const PREPARED_OCTETS: u64 = 512 * 1024;
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

impl Log {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        segment_octets: u64,
        next_sequence: u64,
        next_batch: u64,
    ) -> Self {
        Self {
            disk,
            directory,
            segment_octets,
            next_sequence,
            next_batch,
            active: None,
            refusing: None,
            made: Vec::new(),
            left: Vec::new(),
            whole: false,
        }
    }

    /// Segments that were made since this was asked last, whatever became of them.
    pub(crate) fn take_made(&mut self) -> Vec<Arc<Segment>> {
        std::mem::take(&mut self.made)
    }

    /// Segments that were left since this was asked last although something may be in them that was written again elsewhere.
    pub(crate) fn take_left(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.left)
    }

    /// The next batch goes to a new segment, in this folder.
    pub(crate) fn turn_to(&mut self, directory: PathBuf) {
        self.directory = directory;
        self.leave_whole();
    }

    /// Every batch in the active segment was synced.
    fn leave_whole(&mut self) {
        if let Some(active) = self.active.take() {
            // What was preallocated and not used is given back; nothing depends on it.
            let _ = active.segment.file.truncate(active.position);
            self.whole = true;
        }
    }

    fn leave(&mut self) {
        self.whole = false;
        let left = self.active.take();
        self.left.extend(left.map(|active| active.segment.sequence));
    }

    /// Why nothing is stored, if so.
    pub(crate) fn refusing(&self) -> Option<&str> {
        self.refusing.as_deref()
    }

    /// The segment that is written now.
    pub(crate) fn active_sequence(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.segment.sequence)
    }

    /// The operator says that the disk is well again: the next batch tries a new segment.
    pub(crate) fn resume(&mut self) {
        self.refusing = None;
        self.leave();
    }

    /// Nothing is stored from here on.
    pub(crate) fn refuse(&mut self, why: &str) {
        self.refusing = Some(why.to_owned());
        self.leave();
    }

    /// Writes one batch of frames and makes it durable.
    pub(crate) fn commit(
        &mut self,
        batch: &mut [u8],
        frames: impl Iterator<Item = usize>,
    ) -> Result<Written, LogFault> {
        if let Some(why) = &self.refusing {
            return Err(LogFault::Sync(why.clone()));
        }
        let number = self.next_batch;
        let mut rest = &mut *batch;
        for length in frames {
            let cut = length.min(rest.len());
            let (frame, after) = rest.split_at_mut(cut);
            stamp(frame, number);
            rest = after;
        }
        let size = batch.len() as u64;
        let (segment, position) = self.room_for(size)?;
        let end = position.saturating_add(size);
        let zeros = self.zeros_behind(end);
        let pieces: Vec<IoSlice<'_>> = std::iter::once(IoSlice::new(batch))
            .chain(slices_of(zeros))
            .collect();
        if let Err(error) = segment.file.write_at(position, &pieces) {
            // What was written of it is unknown: leave the segment, the next batch starts another.
            self.leave();
            return Err(LogFault::Write(error.to_string()));
        }
        if let Err(error) = segment.file.sync_data() {
            return Err(self.sync_failed(&segment.path, &error));
        }
        // Counted only now: where the numbers leave one out, something durable is missing.
        self.next_batch = number.saturating_add(1);
        if let Some(active) = &mut self.active {
            active.position = end;
            active.prepared = active.prepared.max(end.saturating_add(zeros));
        }
        Ok(Written {
            segment,
            offset: position,
        })
    }

    /// How many zeros are to be written behind a batch that ends here.
    fn zeros_behind(&self, end: u64) -> u64 {
        let active = self.active.as_ref();
        let reaches = active.is_some_and(|active| end > active.prepared);
        let room = self.segment_octets.saturating_sub(end);
        if reaches {
            room.min(PREPARED_OCTETS)
        } else {
            0
        }
    }

    /// A sync failed: nothing more is stored until the operator acts.
    pub(crate) fn sync_failed(&mut self, path: &Path, error: &std::io::Error) -> LogFault {
        let why = format!(
            "a sync of {} failed ({error}); mend the disk, then resume",
            path.display()
        );
        self.refuse(&why);
        LogFault::Sync(why)
    }

    /// The segment and position for a batch; a new segment where the present one is full.
    fn room_for(&mut self, size: u64) -> Result<(Arc<Segment>, u64), LogFault> {
        if let Some(active) = &self.active {
            if active.position.saturating_add(size) <= self.segment_octets {
                return Ok((Arc::clone(&active.segment), active.position));
            }
            self.leave_whole();
        }
        let after_whole = std::mem::take(&mut self.whole);
        let sequence = self.next_sequence;
        self.next_sequence = self.next_sequence.saturating_add(1);
        let octets = self.segment_octets.max(size + SEGMENT_HEAD as u64);
        let head = Head {
            sequence,
            first_batch: self.next_batch,
            after_whole,
        };
        let segment = match Segment::create(&*self.disk, &self.directory, head, octets) {
            Ok(segment) => Arc::new(segment),
            Err(CreateFault::Write(error)) => return Err(LogFault::Write(error.to_string())),
            Err(CreateFault::Sync(error)) => {
                return Err(self.sync_failed(&self.directory.clone(), &error));
            }
        };
        self.made.push(Arc::clone(&segment));
        let position = SEGMENT_HEAD as u64;
        self.active = Some(Active {
            segment: Arc::clone(&segment),
            position,
            prepared: position,
        });
        Ok((segment, position))
    }
}

/// So many zeros.
fn slices_of<'a>(zeros: u64) -> impl Iterator<Item = IoSlice<'a>> {
    let mut left = usize::try_from(zeros).unwrap_or(0);
    std::iter::from_fn(move || {
        let some = ZEROS.get(..left.min(ZEROS.len())).unwrap_or_default();
        left -= some.len();
        (!some.is_empty()).then(|| IoSlice::new(some))
    })
}
