//! One commit: the batch goes to the log in one write and one sync, then the state learns of it and those who
//! wait are told.
//!
//! Guards: nobody is told before the sync has succeeded. If it failed, those who wait are refused, and what must not be
//! lost waits for the next try.

use crate::entry::{Entry, Place, Stage};
use crate::error::Refused;
use crate::folders::Folder;
use crate::gather::{Answer, Committed, Gather, Meaning, NewMessage, Note};
use crate::log::{Log, LogFault, Written};
use crate::segment::Segment;
use crate::shared::Shared;
use crate::state::{Known, State};
use bridgehead_mail::MessageId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

/// A larger buffer isn't kept.
const SPARE_OCTETS_MAX: usize = 1024 * 1024;

impl Shared {
    /// Commits what was gathered. Returns whether there is nothing left that failed.
    pub(crate) fn commit_once(&self) -> bool {
        let mut batch = {
            let mut gather = self.gather.lock();
            if gather.is_empty() {
                return true;
            }
            let fresh = Gather {
                buffer: std::mem::take(&mut self.spare.lock()),
                closed: gather.closed,
                asleep: gather.asleep,
                ..Gather::default()
            };
            std::mem::replace(&mut *gather, fresh)
        };
        let waiting = std::mem::take(&mut batch.waiting);
        if batch.notes.is_empty() {
            // What they waited for went with the commit before.
            tell(waiting, &Ok(()));
            self.learn_marks(&batch.marks, &mut self.state.lock());
            self.collect_garbage();
            return true;
        }
        match self.write_batch(&mut batch) {
            Ok(written) => {
                self.batches.fetch_add(1, Ordering::Relaxed);
                let came = self.gather.lock().company;
                self.came.store(came, Ordering::Relaxed);
                tell(waiting, &Ok(()));
                let left_alone = self.learn(batch, &written);
                if self.works_again() || left_alone {
                    self.changed.notify_one();
                }
                self.collect_garbage();
                true
            }
            Err(fault) => {
                tracing::error!(why = fault.text(), "a commit failed");
                self.failing.store(true, Ordering::Release);
                self.refuse_batch(batch, &fault);
                tell(waiting, &Err(Refused::Storage(fault.text().to_owned())));
                false
            }
        }
    }

    /// A commit has succeeded. A sync elsewhere may have failed meanwhile. Returns whether storing had failed before.
    fn works_again(&self) -> bool {
        let log = self.log.lock();
        let refusing = log.refusing().is_some();
        self.failing.swap(refusing, Ordering::AcqRel) && !refusing
    }

    fn write_batch(&self, batch: &mut Gather) -> Result<Written, LogFault> {
        let mut log = self.log.lock();
        let written = self.write_to(&mut log, batch);
        let (made, left) = (log.take_made(), log.take_left());
        drop(log);
        // Also one whose first batch failed: what is in it must not outlive what came after it.
        let mut state = self.state.lock();
        for segment in &made {
            state.know_segment(segment);
        }
        state.half_moved.extend(left);
        written
    }

    fn write_to(&self, log: &mut Log, batch: &mut Gather) -> Result<Written, LogFault> {
        for folder in &batch.named {
            // The contents themselves were synced by their drafts; here their names are.
            if let Err(error) = self.disk.sync_dir(&folder.path) {
                return Err(log.sync_failed(&folder.path, &error));
            }
        }
        let lengths = batch.notes.iter().map(|note| note.length);
        log.commit(&mut batch.buffer, lengths)
    }

    /// The batch is durable. Returns whether new messages came that nobody waited for: whoever did says himself that
    /// there is work, which spares waking a thread for it.
    fn learn(&self, mut batch: Gather, written: &Written) -> bool {
        self.spare_buffer(std::mem::take(&mut batch.buffer));
        let mut offset = u32::try_from(written.offset).unwrap_or(u32::MAX);
        let mut answers = Vec::new();
        let mut left_alone = false;
        let mut state = self.state.lock();
        for note in batch.notes {
            let place = Place {
                segment: written.segment.clone(),
                offset,
                length: u32::try_from(note.length).unwrap_or(u32::MAX),
            };
            offset = offset.saturating_add(place.length);
            match note.meaning {
                Meaning::Accepted(new) => {
                    let answer = enter(&mut state, note.message, *new, place);
                    left_alone |= answer.is_none();
                    answers.extend(answer.map(|answer| (note.message, answer)));
                }
                Meaning::Adopted(mut entry) => {
                    entry.place = place;
                    // A copy that a crash had torn.
                    if let Some(torn) = state.remove(note.message) {
                        state.count_out(torn.place.segment.sequence, torn.place.length);
                    }
                    state.insert(note.message, entry);
                }
                Meaning::Moved => moved(&mut state, note.message, &place),
                Meaning::Resolved(number) => {
                    let room = state.hot <= self.settings.hot_messages;
                    resolved(&mut state, note.message, number, place, room);
                }
                Meaning::Done(segment, octets) => state.count_out(segment, octets),
                Meaning::Other | Meaning::Refused => {}
            }
        }
        self.learn_marks(&batch.marks, &mut state);
        let messages = state.entries.len() as u64;
        self.messages.store(messages, Ordering::Relaxed);
        self.hot.store(state.hot, Ordering::Relaxed);
        drop(state);
        for (message, answer) in answers {
            // A client that went away doesn't change that the message is ours.
            left_alone |= answer.send(Ok(Committed::new(message))).is_err();
        }
        self.remove_trash(&batch.trash);
        left_alone
    }

    /// The next batch but one gathers in the memory of this one.
    fn spare_buffer(&self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_OCTETS_MAX {
            buffer.clear();
            *self.spare.lock() = buffer;
        }
    }

    /// What was copied out of segments is durable.
    fn learn_marks(&self, marks: &[(u64, bool)], state: &mut State) {
        for (sequence, complete) in marks {
            self.moving.store(false, Ordering::Release);
            if *complete {
                state.cleared.insert(*sequence);
            }
            // A part was copied: who empties segments goes on with the rest.
            self.tidy.notify_one();
        }
    }

    fn remove_trash(&self, trash: &[(Arc<Folder>, MessageId)]) {
        for (folder, id) in trash {
            let path = folder.content(*id);
            if let Err(error) = self.disk.remove(&path) {
                tracing::warn!(%error, path = %path.display(), "a content that nobody needs can't be removed");
            }
        }
    }

    /// The batch isn't durable: who waits is refused, the rest goes into the next one.
    fn refuse_batch(&self, mut batch: Gather, fault: &LogFault) {
        let refused = Refused::Storage(fault.text().to_owned());
        let mut files = Vec::new();
        let mut answers = Vec::new();
        for Note {
            message, meaning, ..
        } in &mut batch.notes
        {
            let Meaning::Accepted(new) = meaning else {
                continue;
            };
            let Some(answer) = new.answer.take() else {
                continue;
            };
            let folder = new.facts.folder.as_ref();
            files.extend(folder.map(|folder| (Arc::clone(folder), *message)));
            answers.push(answer);
            *meaning = Meaning::Refused;
        }
        let mut gather = self.gather.lock();
        gather.put_back(batch);
        gather.trash.extend(files);
        drop(gather);
        for answer in answers {
            let _ = answer.send(Err(refused.clone()));
        }
    }

    /// Removes segments that nobody needs: the oldest while no message lies in them, because nothing stands before them that
    /// they could speak of, and those that were emptied. Each removal is durable before the next, or else what a later
    /// segment has ended would come back.
    fn collect_garbage(&self) {
        // What isn't read yet may speak of any segment.
        if !self.is_whole() {
            return;
        }
        let active = self.log.lock().active_sequence();
        while let Some(segment) = self.needless(active) {
            let removed = self.disk.remove(&segment.path);
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %segment.path.display(), "an empty segment can't be removed");
                return;
            }
            let folder = segment.path.parent().unwrap_or(&self.settings.directory);
            if let Err(error) = self.disk.sync_dir(folder) {
                let why = format!(
                    "a sync of {} failed ({error}); mend the disk, then resume",
                    folder.display()
                );
                self.refuse(&why);
                return;
            }
            let mut state = self.state.lock();
            state.segments.remove(&segment.sequence);
            state.cleared.remove(&segment.sequence);
            state.half_moved.remove(&segment.sequence);
            state.kept.remove(&segment.sequence);
            drop(state);
            self.tidy.notify_one();
        }
    }

    fn needless(&self, active: Option<u64>) -> Option<Arc<Segment>> {
        let mut state = self.state.lock();
        let goes = |sequence: &u64, known: &Known| known.messages == 0 && Some(*sequence) != active;
        if let Some((sequence, known)) = state.segments.first_key_value()
            && goes(sequence, known)
        {
            return Some(Arc::clone(&known.segment));
        }
        let cleared = state.cleared.first().copied()?;
        let known = state.segments.get(&cleared);
        match known.filter(|known| goes(&cleared, known)) {
            Some(known) => Some(Arc::clone(&known.segment)),
            None => {
                // Something came back to it; the next look takes it.
                state.cleared.remove(&cleared);
                None
            }
        }
    }
}

fn tell(waiting: Vec<oneshot::Sender<Result<(), Refused>>>, outcome: &Result<(), Refused>) {
    for one in waiting {
        // Whoever went away doesn't want to know.
        let _ = one.send(outcome.clone());
    }
}

/// A new message is known from now on; gives back who waits for that.
fn enter(state: &mut State, message: MessageId, new: NewMessage, place: Place) -> Option<Answer> {
    let mut entry = Entry::new(place, new.facts);
    entry.hot = new.hot;
    state.insert(message, Box::new(entry));
    new.answer
}

/// The accept record was copied: the old segment may go.
fn moved(state: &mut State, message: MessageId, place: &Place) {
    let Some(mut entry) = state.entries.get_mut(&message) else {
        return;
    };
    let old = std::mem::replace(&mut entry.place, place.clone());
    drop(entry);
    state.count_in(place);
    state.count_out(old.segment.sequence, old.length);
}

/// The addressees can be read again: what is kept for speed may go once it was used, and goes at once where there is no room for it.
fn resolved(state: &mut State, message: MessageId, number: u32, place: Place, room: bool) {
    let entry = state.entries.get_mut(&message);
    let Some(mut entry) = entry.filter(|entry| entry.assignments == number) else {
        return;
    };
    entry.resolved = Some(place);
    let tried = match &entry.stage {
        Stage::Parts(parts) => parts.iter().any(|part| part.carried.attempts > 0),
        Stage::Submission | Stage::Taken => false,
    };
    drop(entry);
    if tried || !room {
        state.cool(message);
    }
    state.reroute_if_idle(message);
}
