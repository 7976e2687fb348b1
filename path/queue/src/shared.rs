//! What all handles of one queue share.
//!
//! Guards: the state's lock is taken before the batch's, so that records stand in the log in the order of the steps
//! they record.

use crate::Draft;
use crate::entry::Entry;
use crate::error::Refused;
use crate::folders::{Folder, Folders};
use crate::gather::{Answer, Gather, Meaning};
use crate::in_hand::InHand;
use crate::loaded::{Snapshot, Taken};
use crate::log::Log;
use crate::pressure::{Level, Pressure, Readings, judge};
use crate::record::Record;
use crate::settings::{Limits, Settings};
use crate::small_file::FolderFault;
use crate::state::State;
use bridgehead_disk::{Disk, Lock};
use bridgehead_mail::{Envelope, MessageId, Timestamp};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long a look at disk, memory and queue is good for.
const LOOK_AGE_MAX_MS: u64 = 1_000;

/// What was seen at the last look.
#[derive(Default)]
pub(crate) struct Looked {
    at: Timestamp,
    free: u64,
    floor: u64,
    pub(crate) pressure: Pressure,
}

pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) state: Mutex<State>,
    pub(crate) gather: Mutex<Gather>,
    pub(crate) log: Mutex<Log>,
    /// Wakes the committer.
    pub(crate) wake: Condvar,
    /// Wakes those who wait for work.
    pub(crate) changed: Notify,
    /// Storing failed: nothing is lent out, because settlements couldn't be recorded.
    pub(crate) failing: AtomicBool,
    /// What was copied out of a segment isn't durable yet.
    pub(crate) moving: AtomicBool,
    /// Wakes who empties segments.
    pub(crate) tidy: Condvar,
    /// The limits in force.
    pub(crate) limits: Mutex<Limits>,
    /// Batches that were made durable since the start.
    pub(crate) batches: AtomicU64,
    /// The server takes no new mail.
    pub(crate) draining: AtomicBool,
    /// Messages in the queue, as of the last commit.
    pub(crate) messages: AtomicU64,
    /// Messages whose envelopes are in memory, as of the last commit.
    pub(crate) hot: AtomicUsize,
    /// Clients who came while the last batch was written: those who were answered for it can't be among them.
    pub(crate) came: AtomicUsize,
    /// Memory for a batch to come.
    pub(crate) spare: Mutex<Vec<u8>>,
    /// Resident memory of the server, in octets, as it was told last.
    pub(crate) memory: AtomicU64,
    /// One change of what is held, or of the folders, at a time. Whether what is on the disk may be another than what is held, because
    /// a change of that failed.
    pub(crate) steering: Mutex<bool>,
    /// What is in somebody's hands.
    pub(crate) in_hand: InHand,
    /// Whether some messages were in hand when the process was aborted.
    pub(crate) suspicious: AtomicBool,
    /// Where segments and contents lie.
    pub(crate) folders: Mutex<Folders>,
    /// Messages whose contents may lie in a folder that is being emptied.
    pub(crate) relocating: Mutex<Vec<MessageId>>,
    /// Whether everything that lies in the spool is known.
    whole: AtomicBool,
    /// Segments that were read since the start, and how many there were.
    pub(crate) read: (AtomicU64, u64),
    looked: Mutex<Looked>,
    pub(crate) _lock: Box<dyn Lock>,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        disk: Arc<dyn Disk>,
        state: State,
        log: Log,
        (folders, segments): (Folders, u64),
        in_hand: InHand,
        lock: Box<dyn Lock>,
    ) -> Self {
        let limits = settings.limits;
        let draining = state.schedule.steering().draining.is_some();
        let messages = state.entries.len() as u64;
        let hot = AtomicUsize::new(state.hot);
        Self {
            settings,
            disk,
            state: Mutex::new(state),
            gather: Mutex::new(Gather::default()),
            log: Mutex::new(log),
            wake: Condvar::new(),
            changed: Notify::new(),
            failing: AtomicBool::new(false),
            moving: AtomicBool::new(false),
            tidy: Condvar::new(),
            limits: Mutex::new(limits),
            batches: AtomicU64::new(0),
            draining: AtomicBool::new(draining),
            messages: AtomicU64::new(messages),
            hot,
            came: AtomicUsize::new(0),
            spare: Mutex::default(),
            memory: AtomicU64::new(0),
            steering: Mutex::default(),
            in_hand,
            suspicious: AtomicBool::new(false),
            folders: Mutex::new(folders),
            relocating: Mutex::default(),
            whole: AtomicBool::new(false),
            read: (AtomicU64::new(0), segments),
            looked: Mutex::default(),
            _lock: lock,
        }
    }

    /// The folder for what is new.
    pub(crate) fn present_folder(&self) -> Arc<Folder> {
        Arc::clone(self.folders.lock().present())
    }

    /// Whether everything that lies in the spool is known; until then nothing of it is removed.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Acquire)
    }

    /// Everything that lies in the spool is known.
    pub(crate) fn note_whole(&self) {
        self.whole.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// New mail goes to this folder from now on, and what lies elsewhere is brought there. Durable when this returns. Returns
    /// whether that was a change.
    pub(crate) fn turn_to(&self, path: &Path) -> Result<bool, FolderFault> {
        let _one_at_a_time = self.steering.lock();
        let before = self.folders.lock().clone();
        let Some(after) = before.turned_to(&*self.disk, path, rand::random())? else {
            return Ok(false);
        };
        self.save_folders(&after)?;
        *self.folders.lock() = after;
        self.log.lock().turn_to(path.to_owned());
        self.looked.lock().at = Timestamp::EPOCH;
        self.tidy.notify_one();
        Ok(true)
    }

    /// Makes the list of folders durable. After a failed sync nobody knows which one counts, so nothing is stored any more.
    pub(crate) fn save_folders(&self, folders: &Folders) -> Result<(), FolderFault> {
        self.heeded(folders.save(&*self.disk))
    }

    /// After a failed sync in the home nothing is stored any more.
    pub(crate) fn heeded<T>(&self, outcome: Result<T, FolderFault>) -> Result<T, FolderFault> {
        if let Err(fault @ FolderFault::Disk { of_sync: true, .. }) = &outcome {
            self.refuse(&fault.to_string());
        }
        outcome
    }

    /// Whether a message of this size may come in now, and how long the reply to it is to be delayed.
    pub(crate) fn may_accept(&self, now: Timestamp, size: u64) -> Result<Duration, Refused> {
        self.may_store()?;
        if self.draining.load(Ordering::Acquire) {
            return Err(Refused::Draining);
        }
        let looked = self.look(now);
        let refusing = looked.pressure.level == Level::Refusing;
        let too_full = refusing && looked.pressure.of_disk;
        if too_full || looked.free < looked.floor.saturating_add(size) {
            return Err(self.disk_full(looked.free, looked.floor));
        }
        match refusing {
            true => Err(Refused::Overloaded(looked.pressure.why.clone())),
            false => Ok(looked.pressure.delay()),
        }
    }

    /// The same for what the server itself has to say: for that some room is kept.
    pub(crate) fn may_accept_own(&self, now: Timestamp) -> Result<(), Refused> {
        self.may_store()?;
        let looked = self.look(now);
        let floor = looked.floor / 4;
        match looked.free < floor {
            true => Err(self.disk_full(looked.free, floor)),
            false => Ok(()),
        }
    }

    /// Whether storing has failed.
    pub(crate) fn failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    fn may_store(&self) -> Result<(), Refused> {
        if self.failing.load(Ordering::Acquire)
            && let Some(why) = self.log.lock().refusing()
        {
            return Err(Refused::Storage(why.to_owned()));
        }
        Ok(())
    }

    fn disk_full(&self, free: u64, floor: u64) -> Refused {
        Refused::DiskFull {
            directory: self.present_folder().path.clone(),
            free,
            floor,
        }
    }

    /// Free space and pressure, looked at once a second.
    pub(crate) fn look(&self, now: Timestamp) -> MutexGuard<'_, Looked> {
        let mut looked = self.looked.lock();
        let seen = looked.at;
        if seen != Timestamp::EPOCH && now.as_millis().abs_diff(seen.as_millis()) < LOOK_AGE_MAX_MS
        {
            return looked;
        }
        let limits = *self.limits.lock();
        // A look that fails must not stop mail; the writes will tell.
        let free = self.disk.free_space(&self.present_folder().path);
        let readings = Readings {
            free: free.unwrap_or(u64::MAX),
            messages: self.messages.load(Ordering::Relaxed),
            memory: self.memory.load(Ordering::Relaxed),
        };
        let before = looked.pressure.level;
        let pressure = judge(&limits, readings, before);
        if pressure.level != before {
            let (from, to) = (before.as_str(), pressure.level.as_str());
            tracing::warn!(from, to, why = %pressure.why, "back pressure changes");
        }
        *looked = Looked {
            at: now.max(Timestamp::from_millis(1)),
            free: readings.free,
            floor: limits.free_space_floor,
            pressure,
        };
        looked
    }

    /// New limits: what was seen under the old ones doesn't count.
    pub(crate) fn limit(&self, limits: Limits) {
        *self.limits.lock() = limits;
        self.looked.lock().at = Timestamp::EPOCH;
    }

    /// Nothing is stored until the operator resumes.
    pub(crate) fn refuse(&self, why: &str) {
        let mut log = self.log.lock();
        log.refuse(why);
        self.failing.store(true, Ordering::Release);
        drop(log);
        tracing::error!(why, "mail is refused: storing failed");
    }

    /// Adds a draft to the batch and wakes the committer.
    pub(crate) fn gather_draft(
        &self,
        draft: Draft,
        envelope: Envelope,
        answer: Option<Answer>,
    ) -> Result<(), Refused> {
        let keep_hot = self.has_room_for_hot();
        let mut gather = self.gather.lock();
        if gather.closed {
            return Err(Refused::Closed);
        }
        draft.gather(envelope, answer, &mut gather, keep_hot);
        let enough = gather.company >= gather.wanted;
        drop(gather);
        if enough {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Something was added for which nobody waits.
    pub(crate) fn noted(&self, gather: MutexGuard<'_, Gather>) {
        let asleep = gather.asleep;
        drop(gather);
        if asleep {
            self.wake.notify_one();
        }
    }

    /// Tells when all that was gathered until now is durable, or that it isn't yet.
    pub(crate) fn synced(&self) -> oneshot::Receiver<Result<(), Refused>> {
        let (tell, told) = oneshot::channel();
        let mut gather = self.gather.lock();
        gather.waiting.push(tell);
        gather.urgent = true;
        drop(gather);
        self.wake.notify_one();
        told
    }

    /// Whether a new message's envelope stays in memory: until it was assigned there is twice the room, because it is needed soon.
    fn has_room_for_hot(&self) -> bool {
        self.hot.load(Ordering::Relaxed) < self.settings.hot_messages.saturating_mul(2)
    }

    /// Takes the next message to categorize or route, with what is needed for it.
    pub(crate) fn take(&self) -> Option<(MessageId, Result<Taken, io::Error>)> {
        if self.failing.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state.lock();
        let id = state.take()?;
        let entry = state.entries.get(&id)?;
        let snapshot = Snapshot::of(entry);
        let returned = entry.returned;
        let (resubmitted, redirect) = (entry.is_resubmitted(), entry.redirect());
        let priority = entry.urgency();
        drop(state);
        let loaded = self.load(id, &snapshot).map(|mut taken| {
            taken.redirect = redirect;
            taken.priority = priority;
            taken.change_work(returned, resubmitted);
            taken
        });
        if loaded.is_err() {
            self.state.lock().note_unreadable(id);
        }
        Some((id, loaded))
    }

    /// Nothing is left to do for a message.
    pub(crate) fn end(&self, id: MessageId, state: &mut State, gather: &mut Gather) {
        let Some(entry) = state.remove(id) else {
            return;
        };
        let (segment, octets) = (entry.place.segment.sequence, entry.place.length);
        let record = Record::Ended { segment };
        gather.add(id, &record, Meaning::Done(segment, octets));
        self.throw_away(id, &entry, gather);
    }

    /// A content's own file goes once the record that nobody needs it is durable.
    fn throw_away(&self, id: MessageId, entry: &Entry, gather: &mut Gather) {
        let folder = entry.folder.as_ref();
        gather
            .trash
            .extend(folder.map(|folder| (Arc::clone(folder), id)));
    }

    /// A message is in nobody's hands any more.
    pub(crate) fn let_go(&self, id: MessageId, slot: Option<u32>) {
        self.in_hand.give_back(slot);
        if self.suspicious.load(Ordering::Acquire) {
            let mut state = self.state.lock();
            state.let_go(id);
            self.suspicious
                .store(!state.suspects.is_empty(), Ordering::Release);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// A message was worked on to an end: it is no suspect.
    pub(crate) fn acquit(&self, id: MessageId, state: &mut State) {
        if self.suspicious.load(Ordering::Acquire) && state.acquit(id) {
            self.in_hand.note_suspects(&state.suspicions());
        }
    }

    pub(crate) fn untake(&self, id: MessageId) {
        self.state.lock().untake(id);
        self.changed.notify_one();
    }

    pub(crate) fn give_back(&self, id: MessageId, part: u32) {
        self.state.lock().give_back(id, part);
        self.changed.notify_one();
    }
}
