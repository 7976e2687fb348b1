//! What the segments tell, read one after the other.
//!
//! Guards: a torn tail (the batch that was being written) is cut and reported. Damage to what was synced is reported, the readable
//! rest is kept, and the damaged file stays under another name.

use crate::entry::{Carried, Entry, Facts, Place};
use crate::error::OpenError;
use crate::failures::Failures;
use crate::folders::Folder;
use crate::record::{ContentRecord, Frame, Record};
use crate::recovery::{Flagged, Recovery};
use crate::scan::{Kept, Scan};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::stream::Stream;
use bridgehead_disk::Disk;
use bridgehead_mail::{MessageId, Timestamp};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A message as the log tells of it.
struct Found {
    entry: Box<Entry>,
    addressees: u32,
}

/// The contents that lie in the folders, by the message's id.
#[derive(Default)]
pub(crate) struct Contents {
    found: BTreeMap<String, Vec<(Arc<Folder>, u64)>>,
    /// Copies that were never finished.
    pub(crate) halves: Vec<PathBuf>,
}

impl Contents {
    pub(crate) fn add(&mut self, id: &str, folder: &Arc<Folder>, size: u64) {
        let found = self.found.entry(id.to_owned()).or_default();
        found.push((Arc::clone(folder), size));
    }

    /// The files of a message, which are nobody else's from now on.
    fn take(&mut self, id: MessageId) -> Vec<(Arc<Folder>, u64)> {
        self.found.remove(&id.to_string()).unwrap_or_default()
    }

    /// Where the content of a message lies; other copies are needless. Else what is wrong.
    fn place(&mut self, id: MessageId, size: u64) -> Result<Arc<Folder>, String> {
        let mut copies = self.take(id);
        let Some(whole) = copies.iter().position(|(_, found)| *found >= size) else {
            return Err(match copies.first() {
                Some((_, found)) => {
                    format!("message {id}: its content has {found} octets instead of {size}")
                }
                None => format!("message {id}: its content is gone"),
            });
        };
        let (folder, _) = copies.swap_remove(whole);
        let needless = copies.into_iter().map(|(folder, _)| folder.content(id));
        self.halves.extend(needless);
        Ok(folder)
    }

    /// The files that no message needs.
    pub(crate) fn needless(self) -> impl Iterator<Item = PathBuf> {
        let found = self.found.into_iter().flat_map(|(id, copies)| {
            let name = format!("{id}.content");
            copies
                .into_iter()
                .map(move |(folder, _)| folder.path.join(&name))
        });
        found.chain(self.halves)
    }
}

pub(crate) struct Reading {
    found: HashMap<MessageId, Found>,
    pub(crate) recovery: Recovery,
    last_batch: u64,
    segments: Vec<Arc<Segment>>,
    /// Segments of which a part may lie in another one too.
    half_moved: BTreeSet<u64>,
    /// Messages with a record in the last batch of the segment that was read last, and whether that is their accept record.
    in_last_batch: BTreeMap<MessageId, bool>,
    /// The same for all batches of which nobody knows whether they were synced.
    unproven: BTreeMap<MessageId, bool>,
    failures: Failures,
    /// Stands for the folder of a content that isn't looked for yet.
    somewhere: Arc<Folder>,
}

impl Reading {
    pub(crate) fn new(somewhere: Arc<Folder>) -> Self {
        Self {
            found: HashMap::new(),
            recovery: Recovery::default(),
            last_batch: 0,
            segments: Vec::new(),
            half_moved: BTreeSet::new(),
            in_last_batch: BTreeMap::new(),
            unproven: BTreeMap::new(),
            failures: Failures::default(),
            somewhere,
        }
    }

    /// Reads the next segment.
    pub(crate) fn segment(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
        let failed = |source| OpenError::Disk {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let segment = Arc::new(Segment::open_head(disk, path)?);
        let mut stream = Stream::new(&*segment.file, self.last_batch).map_err(failed)?;
        let head = stream.head;
        let before = self.segments.last().map(|before| before.sequence);
        let follows = before.and_then(|before| before.checked_add(1)) == Some(segment.sequence);
        if follows && head.is_some_and(|head| head.after_whole) {
            self.in_last_batch.clear();
        } else {
            self.half_moved.extend(before);
        }
        self.leave_segment();
        self.last_batch = 0;
        let each = stream.each(|offset, frame| {
            self.note_batch(&frame);
            self.apply(&segment, offset, frame);
        });
        each.map_err(failed)?;
        let rest = stream.rest().map_err(failed)?;
        let Scan {
            kept,
            torn,
            damage,
            last_batch,
        } = rest.scan();
        let salvaged = kept.iter().any(|kept| kept.after_gap);
        for Kept { offset, frame, .. } in kept {
            self.note_batch(&frame);
            self.apply(&segment, offset, frame);
        }
        if self.last_batch < last_batch {
            self.in_last_batch.clear();
        }
        self.last_batch = last_batch;
        self.recovery.segments += 1;
        let file = path.display();
        if let Some(torn) = torn {
            self.recovery.torn.push(format!(
                "{file}: a torn tail at octet {}: {} octets cut",
                torn.offset, torn.octets
            ));
            // Cut for good, unless something behind it was kept. If this fails, the next start does it.
            if !salvaged {
                let _ = segment.file.truncate(torn.offset as u64);
            }
        }
        for gap in damage {
            self.recovery.damage.push(format!(
                "{file}: damaged at octet {}: {} octets can't be read",
                gap.offset, gap.octets
            ));
            let _ = disk.link(path, &path.with_extension("damaged"));
        }
        self.segments.push(segment);
        Ok(())
    }

    /// A frame was read: what stands in earlier batches of its segment was synced.
    fn note_batch(&mut self, frame: &Frame<'_>) {
        if frame.batch > self.last_batch {
            self.in_last_batch.clear();
            self.last_batch = frame.batch;
        }
        if frame.batch == self.last_batch {
            let accepted = matches!(frame.record, Record::Accepted { .. });
            let known = self.in_last_batch.entry(frame.message).or_default();
            *known |= accepted;
        }
    }

    /// All segments were read.
    pub(crate) fn finish(&mut self, contents: &mut Contents) {
        self.leave_segment();
        self.check_contents(contents);
    }

    /// Nothing proves that the last batch of the segment that was read last was synced.
    fn leave_segment(&mut self) {
        for (id, accepted) in std::mem::take(&mut self.in_last_batch) {
            *self.unproven.entry(id).or_default() |= accepted;
        }
    }

    /// Of the messages whose records must be repeated: those that wait; and those that are done, with the folders of their contents,
    /// which are kept until that is durable.
    pub(crate) fn take_unproven(
        &mut self,
        contents: &mut Contents,
    ) -> (Flagged<bool>, Flagged<Vec<Arc<Folder>>>) {
        let all = std::mem::take(&mut self.unproven);
        let is_live = |(id, _): &(MessageId, bool)| self.found.contains_key(id);
        let (live, done): (Vec<_>, Vec<_>) = all.into_iter().partition(is_live);
        let done = done.into_iter().map(|(id, _)| {
            let copies = contents.take(id).into_iter();
            (id, copies.map(|(folder, _)| folder).collect())
        });
        (live, done.collect())
    }

    fn apply(&mut self, segment: &Arc<Segment>, offset: usize, frame: Frame<'_>) {
        let place = Place {
            segment: Arc::clone(segment),
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: u32::try_from(frame.length).unwrap_or(u32::MAX),
        };
        if let Record::Accepted {
            envelope,
            content,
            adoption,
        } = &frame.record
        {
            let (size, folder) = match content {
                ContentRecord::Inline(octets) => (octets.len() as u64, None),
                ContentRecord::File { size } => (*size, Some(Arc::clone(&self.somewhere))),
            };
            let known = self.found.entry(frame.message).or_insert_with(|| {
                let facts = Facts::of(envelope, size, folder);
                let mut entry = Box::new(Entry::new(place.clone(), facts));
                if let Some(adoption) = adoption {
                    entry.control.get_or_insert_default().adopting = Some((**adoption).clone());
                }
                Found {
                    entry,
                    addressees: 0,
                }
            });
            // Copied forward, or written again after a failure: only the place is new.
            let old = &mut known.entry.place;
            if old.segment.sequence != segment.sequence {
                self.half_moved.insert(old.segment.sequence);
            }
            *old = place;
            return;
        }
        if matches!(frame.record, Record::Done | Record::Ended { .. }) {
            self.found.remove(&frame.message);
            return;
        }
        if let Some(found) = self.found.get_mut(&frame.message) {
            found.learn(frame.record, place, &mut self.failures);
        }
    }

    /// A message whose content's own file is gone or short can't be delivered: reported, not guessed at.
    fn check_contents(&mut self, contents: &mut Contents) {
        let mut faults = BTreeMap::new();
        self.found.retain(|id, found| {
            found.entry.settled.sort();
            let settled = found.entry.settled.as_slice().len();
            if found.addressees > 0 && settled >= found.addressees as usize {
                return false;
            }
            if found.entry.folder.is_none() {
                return true;
            }
            match contents.place(*id, found.entry.size) {
                Ok(folder) => {
                    found.entry.folder = Some(folder);
                    true
                }
                Err(fault) => {
                    faults.insert(*id, fault);
                    false
                }
            }
        });
        self.recovery.damage.extend(faults.into_values());
    }

    /// Everything that was found, the oldest first.
    pub(crate) fn into_entries(self) -> Vec<(MessageId, Box<Entry>)> {
        let found = self.found.into_iter();
        let mut entries: Vec<_> = found.map(|(id, found)| (id, found.into_entry())).collect();
        entries.sort_unstable_by_key(|(id, _)| *id);
        entries
    }

    /// The queue knows of everything that was found, some of it at a time; nothing begins its way yet. Returns the ids, the oldest
    /// first.
    pub(crate) fn enter(self, shared: &Shared, at_once: usize) -> Vec<MessageId> {
        let mut state = shared.state.lock();
        for segment in &self.segments {
            state.know_segment(segment);
        }
        state.half_moved.extend(&self.half_moved);
        let last = self.segments.last();
        state.half_moved.extend(last.map(|last| last.sequence));
        // What grows by doubling has twice of it in memory meanwhile.
        state.reserve(self.found.len());
        drop(state);
        let entries = self.into_entries();
        let ids = entries.iter().map(|(id, _)| *id).collect();
        let mut entries = entries.into_iter();
        while entries.len() > 0 {
            let mut state = shared.state.lock();
            for (id, entry) in entries.by_ref().take(at_once) {
                state.enter(id, entry);
            }
        }
        ids
    }
}

impl Found {
    fn learn(&mut self, record: Record<'_>, place: Place, failures: &mut Failures) {
        match record {
            Record::Resolved {
                expires,
                delay_notice,
                addressees,
                settled,
            } => {
                let entry = &mut self.entry;
                entry.expires = expires;
                entry.delay_notice = delay_notice;
                entry.resolved = Some(place);
                if let Some(control) = &mut entry.control {
                    control.resubmit = false;
                }
                self.addressees = u32::try_from(addressees.len()).unwrap_or(u32::MAX);
                self.entry.settled = settled.into();
            }
            Record::Settled { numbers } => self.entry.settled.extend(&numbers),
            Record::Deferred {
                until,
                attempts,
                delay_reported,
                failure,
                ..
            } => {
                let carried = self.entry.carried.get_or_insert_default();
                **carried = Carried {
                    attempts: carried.attempts.max(attempts),
                    until,
                    delay_reported: carried.delay_reported || delay_reported,
                    failure: Some(failures.one(Arc::from(failure))),
                };
            }
            Record::Controlled(control) => self.entry.set_control(control),
            Record::Accepted { .. } | Record::Done | Record::Ended { .. } | Record::Steering(_) => {
            }
        }
    }

    fn into_entry(self) -> Box<Entry> {
        let mut entry = self.entry;
        let decided = entry.control.as_ref().and_then(|control| control.expires);
        entry.expires = decided.unwrap_or(entry.expires);
        let says_something =
            |carried: &Carried| carried.attempts > 0 || carried.until > Timestamp::EPOCH;
        entry.carried = entry.carried.filter(|carried| says_something(carried));
        entry
    }
}
