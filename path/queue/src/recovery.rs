//! A start: the spool is opened so that new mail can be taken at once, and what lies in it is read beside that.
//!
//! Guards: nothing that was answered `250` is lost, whatever the crash left. Nothing that is read begins its way before all is read
//! and what no sync proves is on its way to the log again; until then no segment and no content is removed. Refuses: a spool of
//! a later version, one that is in use, and one of which a folder isn't there.

use crate::error::OpenError;
use crate::folders::{Folder, Folders, LOCK, read_mark};
use crate::gather::Meaning;
use crate::in_hand::{InHand, Suspects};
use crate::log::Log;
use crate::reading::{Contents, Reading};
use crate::record::Record;
use crate::segment::{Segment, sequence_of};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::state::State;
use crate::stream::Stream;
use bridgehead_disk::{Disk, Lock};
use bridgehead_mail::{MessageId, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Messages that become known, or begin their way, under one lock.
const CHUNK: usize = 500;

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
    /// Messages that are set aside from this start on, because they were in hand when the process was aborted; with why.
    pub set_aside: Vec<(MessageId, Box<str>)>,
}

/// What lies in the spool and isn't read yet.
pub struct Unread {
    shared: Arc<Shared>,
    /// The segments in the order in which they were written.
    segments: BTreeMap<u64, PathBuf>,
    contents: Contents,
    /// What is wrong with what operators hold, if something is.
    damage: Option<String>,
    /// What was in hand when the process was aborted.
    suspects: Suspects,
}

/// A spool that nobody else has open.
pub(crate) struct Spool {
    pub(crate) folders: Folders,
    /// The segments in the order in which they were written.
    pub(crate) segments: BTreeMap<u64, PathBuf>,
    pub(crate) contents: Contents,
    lock: Box<dyn Lock>,
}

/// Looks what lies in a spool. `adopted` says whether it may be one that is being taken over.
pub(crate) fn open_spool(
    disk: &dyn Disk,
    directory: &Path,
    adopted: bool,
) -> Result<Spool, OpenError> {
    // Listed before anything is made: a spool that isn't there isn't made by looking for it.
    disk.list(directory).map_err(failed("list", directory))?;
    let lock_path = directory.join(LOCK);
    let lock = match disk.lock(&lock_path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            let directory = directory.to_owned();
            return Err(OpenError::InUse { directory });
        }
        Err(error) => return Err(failed("lock", &lock_path)(error)),
    };
    let mark = read_mark(disk, directory).map_err(failed("read the marks in", directory))?;
    if let Some(mark) = mark.filter(|_| !adopted) {
        let verb = match mark.finished {
            true => "was taken over",
            false => "is being taken over",
        };
        return Err(OpenError::Folder {
            path: directory.to_owned(),
            why: format!("this queue {verb} by the server of {}", mark.by),
        });
    }
    let folders = Folders::open(disk, directory)?;
    let mut segments = BTreeMap::new();
    let mut contents = Contents::default();
    for folder in folders.all() {
        look_into(disk, &folder, &mut segments, &mut contents)?;
    }
    for path in segments.values() {
        Segment::open_head(disk, path)?;
    }
    Ok(Spool {
        folders,
        segments,
        contents,
        lock,
    })
}

/// Opens the spool: new mail can be taken from now on.
pub(crate) fn begin(
    settings: Settings,
    disk: Arc<dyn Disk>,
    now: Timestamp,
) -> Result<(Arc<Shared>, Unread), OpenError> {
    let directory = settings.directory.clone();
    disk.create_dir(&directory)
        .map_err(failed("make", &directory))?;
    let Spool {
        folders,
        segments,
        contents,
        lock,
    } = open_spool(&*disk, &directory, false)?;
    let (next_sequence, next_batch) = next_numbers(&*disk, &segments)?;
    let log = Log::new(
        Arc::clone(&disk),
        folders.present().path.clone(),
        settings.segment_octets,
        next_sequence,
        next_batch,
    );
    let (steering, damage) = crate::steering::load(&*disk, &directory, now)
        .map_err(failed("read what is held in", &directory))?;
    let mut state = State::default();
    state.expire_after = settings.limits.expire_after;
    state.schedule.steer(steering);
    let read = (folders, segments.len() as u64);
    let (in_hand, suspects) = InHand::open(&*disk, &directory);
    let shared = Shared::new(settings, disk, state, log, read, in_hand, lock);
    let shared = Arc::new(shared);
    let unread = Unread {
        shared: Arc::clone(&shared),
        segments,
        contents,
        damage,
        suspects,
    };
    Ok((shared, unread))
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl Fn(std::io::Error) -> OpenError + 'p {
    move |source| OpenError::Disk {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// The segments and contents of one folder.
fn look_into(
    disk: &dyn Disk,
    folder: &Arc<Folder>,
    segments: &mut BTreeMap<u64, PathBuf>,
    contents: &mut Contents,
) -> Result<(), OpenError> {
    let directory = &folder.path;
    for entry in disk.list(directory).map_err(failed("list", directory))? {
        let path = directory.join(&entry.name);
        if let Some(sequence) = sequence_of(&entry.name) {
            if let Some(other) = segments.insert(sequence, path.clone()) {
                let why = format!("{} has the same number", other.display());
                return Err(OpenError::Folder { path, why });
            }
        } else if let Some(id) = entry.name.strip_suffix(".content") {
            contents.add(id, folder, entry.size);
        } else if entry.name.ends_with(".moving") {
            contents.halves.push(path);
        }
    }
    Ok(())
}

/// The numbers of the next segment and the next batch: behind all that was ever synced.
fn next_numbers(
    disk: &dyn Disk,
    segments: &BTreeMap<u64, PathBuf>,
) -> Result<(u64, u64), OpenError> {
    let last_sequence = segments.last_key_value().map_or(0, |(number, _)| *number);
    let mut last_batch = 0;
    for path in segments.values().rev() {
        let segment = Segment::open_head(disk, path)?;
        let read = || {
            let mut stream = Stream::new(&*segment.file, 0)?;
            let head = stream.head;
            stream.each(|_, _| {})?;
            Ok((head, stream.rest()?.scan().last_batch))
        };
        let (head, latest) = read().map_err(failed("read", path))?;
        last_batch = last_batch.max(latest);
        // One before it has earlier batches only; a head that is torn says nothing.
        if head.is_some() {
            break;
        }
    }
    Ok((last_sequence + 1, last_batch + 1))
}

impl Unread {
    /// Reads all of it; the messages begin their way at the end. May take long.
    ///
    /// # Errors
    /// If something can't be read: then mail is refused from now on, and what waits stays as it is.
    pub fn read(self) -> Result<Recovery, OpenError> {
        let shared = Arc::clone(&self.shared);
        let outcome = self.read_all();
        if let Err(error) = &outcome {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            let cause = cause.unwrap_or_default();
            shared.refuse(&format!("the spool can't be read: {error}{cause}"));
        }
        outcome
    }

    fn read_all(self) -> Result<Recovery, OpenError> {
        let Self {
            shared,
            segments,
            mut contents,
            damage,
            suspects,
        } = self;
        let disk = &*shared.disk;
        let mut reading = Reading::new(shared.present_folder());
        for path in segments.values() {
            if shared.gather.lock().closed {
                return Err(OpenError::Closed);
            }
            reading.segment(disk, path)?;
            shared.read.0.fetch_add(1, Ordering::Relaxed);
        }
        reading.finish(&mut contents);
        let (live, done) = reading.take_unproven(&mut contents);
        reading.recovery.damage.extend(damage);
        let mut recovery = std::mem::take(&mut reading.recovery);
        // Where records are damaged, a content may be all that is left of a message.
        if recovery.damage.is_empty() {
            recovery.orphans = shared.throw_orphans_away(contents);
        }
        let ids = reading.enter(&shared, CHUNK);
        shared
            .repeat(&live, &done)
            .map_err(failed("read again", &shared.settings.directory))?;
        recovery.messages = ids.len() as u64;
        recovery.set_aside = shared.suspect(&suspects);
        for some in ids.chunks(CHUNK) {
            let mut state = shared.state.lock();
            for id in some {
                state.begin(*id);
            }
        }
        let messages = shared.state.lock().entries.len() as u64;
        shared.messages.store(messages, Ordering::Relaxed);
        shared.note_whole();
        Ok(recovery)
    }
}

impl Shared {
    /// What was in hand when the process was aborted is worked on one at a time, or set aside when that has happened before.
    fn suspect(&self, suspects: &Suspects) -> Vec<(MessageId, Box<str>)> {
        let mut state = self.state.lock();
        let mut gather = self.gather.lock();
        let set_aside = state.suspect(suspects);
        for (id, _) in &set_aside {
            let entry = state.entries.get(id);
            if let Some(control) = entry.and_then(|entry| entry.control.clone()) {
                gather.add(*id, &Record::Controlled(control), Meaning::Other);
            }
        }
        self.suspicious
            .store(!state.suspects.is_empty(), Ordering::Release);
        self.in_hand.note_suspects(&state.suspicions());
        self.noted(gather);
        set_aside
    }

    /// Contents that no message needs go. Returns how many.
    fn throw_orphans_away(&self, contents: Contents) -> u64 {
        let mut orphans = 0;
        for path in contents.needless() {
            match self.disk.remove(&path) {
                Ok(()) => orphans += 1,
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "a content that nobody needs can't be removed");
                }
            }
        }
        orphans
    }
}

/// Messages of which nothing proves that they are durable, each with a truth about it.
pub(crate) type Flagged<T> = Vec<(MessageId, T)>;
