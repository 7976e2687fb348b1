//! What a start finds: the segments are read in order, checked, and what isn't done comes back.
//!
//! Guards: nothing that was answered `250` is lost, whatever the crash left. A torn tail (the batch that was being written)
//! is cut and reported. Damage to what was synced is reported, the readable rest is kept, and the damaged file stays under
//! another name.

use crate::control::Control;
use crate::entry::{Carried, Entry, Facts, Place};
use crate::error::OpenError;
use crate::log::Log;
use crate::record::{ContentRecord, Frame, Record};
use crate::scan::{Kept, Scan};
use crate::segment::{Head, Segment, scan_segment, sequence_of};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::State;
use bridgehead_disk::Disk;
use bridgehead_mail::{MessageId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Messages that wait.
    pub messages: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Torn tails that were cut: never answered `250`, nothing is lost.
    pub torn: Vec<String>,
    /// Damage to what had been durable: something may be lost.
    pub damage: Vec<String>,
    /// Contents without a message that were removed.
    pub orphans: u64,
}

/// A message as the log tells of it.
struct Found {
    place: Place,
    facts: Facts,
    expires: Timestamp,
    delay_notice: Timestamp,
    resolved: Option<Place>,
    addressees: usize,
    settled: BTreeSet<u32>,
    carried: Carried,
    control: Option<Box<Control>>,
}

/// Messages, each with a truth about it.
type Flagged = Vec<(MessageId, bool)>;

struct Reading {
    found: BTreeMap<MessageId, Found>,
    recovery: Recovery,
    last_batch: u64,
    last_sequence: u64,
    segments: Vec<Arc<Segment>>,
    /// Segments of which a part may lie in another one too.
    half_moved: BTreeSet<u64>,
    /// Messages with a record in the last batch of the segment that was read last, and whether that is their accept record.
    in_last_batch: BTreeMap<MessageId, bool>,
    /// The same for all batches of which nobody knows whether they were synced.
    unproven: BTreeMap<MessageId, bool>,
}

/// Opens the spool and reads all of it.
pub(crate) fn recover(
    settings: Settings,
    disk: Arc<dyn Disk>,
    now: Timestamp,
) -> Result<(Shared, Recovery), OpenError> {
    let directory = settings.directory.clone();
    let failed = |doing: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Disk {
            doing,
            path,
            source,
        }
    };
    disk.create_dir(&directory)
        .map_err(failed("make", &directory))?;
    let lock_path = directory.join("lock");
    let lock = match disk.lock(&lock_path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(OpenError::InUse { directory });
        }
        Err(error) => return Err(failed("lock", &lock_path)(error)),
    };
    let entries = disk.list(&directory).map_err(failed("list", &directory))?;
    let mut reading = Reading {
        found: BTreeMap::new(),
        recovery: Recovery::default(),
        last_batch: 0,
        last_sequence: 0,
        segments: Vec::new(),
        half_moved: BTreeSet::new(),
        in_last_batch: BTreeMap::new(),
        unproven: BTreeMap::new(),
    };
    let mut contents = BTreeMap::new();
    for entry in entries {
        if let Some(sequence) = sequence_of(&entry.name) {
            reading.last_sequence = reading.last_sequence.max(sequence);
            reading.segment(&*disk, &directory.join(&entry.name))?;
        } else if let Some(id) = entry.name.strip_suffix(".content") {
            contents.insert(id.to_owned(), entry.size);
        }
    }
    reading.leave_segment();
    reading.check_contents(&mut contents);
    let (live, done) = reading.unproven(&mut contents);
    // Where records are damaged, a content may be all that is left of a message.
    if reading.recovery.damage.is_empty() {
        for id in contents.into_keys() {
            let path: PathBuf = directory.join(format!("{id}.content"));
            match disk.remove(&path) {
                Ok(()) => reading.recovery.orphans += 1,
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "a content that nobody needs can't be removed");
                }
            }
        }
    }
    let log = Log::new(
        Arc::clone(&disk),
        directory.clone(),
        settings.segment_octets,
        reading.last_sequence + 1,
        reading.last_batch + 1,
    );
    let (steering, damage) = crate::steering::load(&*disk, &directory, now)
        .map_err(failed("read what is held in", &directory))?;
    reading.recovery.damage.extend(damage);
    let (mut state, recovery) = reading.into_state(settings.limits.expire_after);
    state.schedule.steer(steering);
    let shared = Shared::new(settings, disk, state, log, lock);
    shared
        .repeat(&live, &done)
        .map_err(failed("read again", &directory))?;
    Ok((shared, recovery))
}

impl Reading {
    fn segment(&mut self, disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
        let (segment, octets) = Segment::open(disk, path)?;
        let segment = Arc::new(segment);
        let head = Head::read(&octets);
        let before = self.segments.last().map(|before| before.sequence);
        let follows = before.and_then(|before| before.checked_add(1)) == Some(segment.sequence);
        if follows && head.is_some_and(|head| head.after_whole) {
            self.in_last_batch.clear();
        } else {
            self.half_moved.extend(before);
        }
        self.leave_segment();
        let Scan {
            kept,
            torn,
            damage,
            last_batch,
        } = scan_segment(&octets, self.last_batch);
        let salvaged = kept.iter().any(|kept| kept.after_gap);
        for Kept { offset, frame, .. } in kept {
            if frame.batch == last_batch {
                let accepted = matches!(frame.record, Record::Accepted { .. });
                let known = self.in_last_batch.entry(frame.message).or_default();
                *known |= accepted;
            }
            self.apply(&segment, offset, frame);
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

    /// Nothing proves that the last batch of the segment that was read last was synced.
    fn leave_segment(&mut self) {
        for (id, accepted) in std::mem::take(&mut self.in_last_batch) {
            *self.unproven.entry(id).or_default() |= accepted;
        }
    }

    /// Of the messages whose records must be repeated: those that wait; and those that are done, with whether they have a
    /// content of their own, which is kept until that is durable.
    fn unproven(&mut self, contents: &mut BTreeMap<String, u64>) -> (Flagged, Flagged) {
        let all = std::mem::take(&mut self.unproven);
        let is_live = |(id, _): &(MessageId, bool)| self.found.contains_key(id);
        let (live, done): (Vec<_>, Vec<_>) = all.into_iter().partition(is_live);
        let done = done
            .into_iter()
            .map(|(id, _)| (id, contents.remove(&id.to_string()).is_some()));
        (live, done.collect())
    }

    fn apply(&mut self, segment: &Arc<Segment>, offset: usize, frame: Frame<'_>) {
        let place = Place {
            segment: Arc::clone(segment),
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: u32::try_from(frame.length).unwrap_or(u32::MAX),
        };
        if let Record::Accepted { envelope, content } = &frame.record {
            let (size, inline) = match content {
                ContentRecord::Inline(octets) => (octets.len() as u64, true),
                ContentRecord::File { size } => (*size, false),
            };
            let known = self.found.entry(frame.message).or_insert_with(|| Found {
                place: place.clone(),
                facts: Facts::of(envelope, size, inline),
                expires: Timestamp::NEVER,
                delay_notice: Timestamp::NEVER,
                resolved: None,
                addressees: 0,
                settled: BTreeSet::new(),
                carried: Carried {
                    until: envelope.release().unwrap_or_default(),
                    ..Carried::default()
                },
                control: None,
            });
            // Copied forward, or written again after a failure: only the place is new.
            if known.place.segment.sequence != segment.sequence {
                self.half_moved.insert(known.place.segment.sequence);
            }
            known.place = place;
            return;
        }
        if matches!(frame.record, Record::Done | Record::Ended { .. }) {
            self.found.remove(&frame.message);
            return;
        }
        if let Some(found) = self.found.get_mut(&frame.message) {
            found.learn(frame.record, place);
        }
    }

    /// A message whose content's own file is gone or short can't be delivered: reported, not guessed at.
    fn check_contents(&mut self, contents: &mut BTreeMap<String, u64>) {
        let recovery = &mut self.recovery;
        self.found.retain(|id, found| {
            if found.addressees > 0 && found.settled.len() >= found.addressees {
                return false;
            }
            if found.facts.inline {
                return true;
            }
            match contents.remove(&id.to_string()) {
                Some(size) if size >= found.facts.size => true,
                Some(size) => {
                    recovery.damage.push(format!(
                        "message {id}: its content has {size} octets instead of {}",
                        found.facts.size
                    ));
                    false
                }
                None => {
                    recovery
                        .damage
                        .push(format!("message {id}: its content is gone"));
                    false
                }
            }
        });
    }

    fn into_state(self, expire_after: Duration) -> (State, Recovery) {
        let mut state = State::default();
        state.expire_after = expire_after;
        let mut recovery = self.recovery;
        for segment in &self.segments {
            state.know_segment(segment);
        }
        state.half_moved = self.half_moved;
        let last = self.segments.last();
        state.half_moved.extend(last.map(|last| last.sequence));
        recovery.messages = self.found.len() as u64;
        for (id, found) in self.found {
            state.insert(id, found.into_entry());
        }
        (state, recovery)
    }
}

impl Found {
    fn learn(&mut self, record: Record<'_>, place: Place) {
        match record {
            Record::Resolved {
                expires,
                delay_notice,
                addressees,
                settled,
            } => {
                self.expires = expires;
                self.delay_notice = delay_notice;
                self.resolved = Some(place);
                self.addressees = addressees.len();
                self.settled = settled.into_iter().collect();
                if let Some(control) = &mut self.control {
                    control.resubmit = false;
                }
            }
            Record::Settled { numbers } => self.settled.extend(numbers),
            Record::Deferred {
                until,
                attempts,
                delay_reported,
                failure,
                ..
            } => {
                self.carried = Carried {
                    attempts: self.carried.attempts.max(attempts),
                    until,
                    delay_reported: self.carried.delay_reported || delay_reported,
                    failure: Some(Arc::from(failure)),
                };
            }
            Record::Controlled(control) => self.control = Some(control),
            Record::Accepted { .. } | Record::Done | Record::Ended { .. } | Record::Steering(_) => {
            }
        }
    }

    fn into_entry(self) -> Entry {
        let mut entry = Entry::new(self.place, self.facts);
        let decided = self.control.as_ref().and_then(|control| control.expires);
        entry.expires = decided.unwrap_or(self.expires);
        entry.delay_notice = self.delay_notice;
        entry.resolved = self.resolved;
        entry.settled = self.settled.into_iter().collect::<Vec<u32>>().into();
        let carried = self.carried;
        let says_something = carried.attempts > 0 || carried.until > Timestamp::EPOCH;
        entry.carried = says_something.then(|| Box::new(carried));
        entry.control = self.control;
        entry
    }
}
