//! Taking over the spool of a server that is gone, each message exactly once, also when that is interrupted.
//!
//! Three steps. A mark in the other spool says who takes it over, so that nobody else does, and no server starts on it any more. Its
//! messages are copied into this queue, where they stand still. Then the mark is renamed, which gives all of them away at once,
//! and they begin their way here. Interrupted before, the adoption is run again and goes on: what is here already can't have left.

use crate::Queue;
use crate::compact::{copy_of_resolved, copy_progress};
use crate::control::{Adoption, Control};
use crate::entry::{Entry, Place};
use crate::error::{OpenError, Refused};
use crate::folders::{Mark, finish_mark, identity, read_mark, write_mark};
use crate::gather::{Gather, Meaning};
use crate::loaded::{damaged, read_frame};
use crate::reading::Reading;
use crate::record::{Frame, Record, parse};
use crate::recovery::{Spool, open_spool};
use crate::shared::Shared;
use crate::small_file::FolderFault;
use bridgehead_mail::MessageId;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// Messages and octets that are copied between two commits.
const MESSAGES_AT_ONCE: usize = 200;
const OCTETS_AT_ONCE: u64 = 8 * 1024 * 1024;

/// What an adoption brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Messages that began their way here.
    pub messages: Vec<MessageId>,
    /// Messages of the other spool that were in this queue anyway; they stay as they are here.
    pub known: u64,
    /// What can't be read of the other spool, in words. It stays there.
    pub damage: Vec<String>,
}

/// Why a spool isn't taken over now. What was copied until then stands still here, and is taken up when it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It can't be opened, or a part of it can't be read.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is this server's own, or another server has begun to take it over.
    #[error("{}: {why}", home.display())]
    NotOurs {
        /// The spool.
        home: PathBuf,
        /// Why not.
        why: String,
    },
    /// One of the marks can't be written or read.
    #[error(transparent)]
    Mark(#[from] FolderFault),
    /// Storing here failed.
    #[error("storing here failed: {0}")]
    Refused(#[from] Refused),
    /// The disk says no.
    #[error("can't {doing} {}", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
}

fn failed<'p>(doing: &'static str, path: &'p Path) -> impl Fn(io::Error) -> AdoptError + 'p {
    move |source| AdoptError::Disk {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// How what was gathered is made durable: by the committer, or by the caller himself.
type Sync<'s> = &'s dyn Fn() -> Result<(), Refused>;

impl Queue {
    /// Takes over the spool in this folder, which must be absolute. Blocks until all of it is durable here.
    ///
    /// # Errors
    /// If a server has that spool open, it can't be read, or storing here fails. To try it again is safe.
    pub fn adopt(&self, home: &Path) -> Result<Adopted, AdoptError> {
        let shared = &self.shared;
        self.adopt_by(home, &|| match shared.synced().blocking_recv() {
            Ok(outcome) => outcome,
            Err(_) => Err(Refused::Closed),
        })
    }

    /// [`Self::adopt`] without a committer. For deterministic tests.
    ///
    /// # Errors
    /// As [`Self::adopt`].
    pub fn adopt_now(&self, home: &Path) -> Result<Adopted, AdoptError> {
        self.adopt_by(home, &|| match self.shared.commit_once() {
            true => Ok(()),
            false => Err(Refused::Storage(self.refusing().unwrap_or_default())),
        })
    }

    fn adopt_by(&self, home: &Path, sync: Sync<'_>) -> Result<Adopted, AdoptError> {
        let shared = &*self.shared;
        let not_ours = |why: String| AdoptError::NotOurs {
            home: home.to_owned(),
            why,
        };
        if shared
            .folders
            .lock()
            .all()
            .iter()
            .any(|own| own.path == home)
        {
            return Err(not_ours("it is this server's own queue".to_owned()));
        }
        if !shared.is_whole() {
            return Err(not_ours(
                "this server's own queue isn't read yet".to_owned(),
            ));
        }
        let spool = open_spool(&*shared.disk, home, true)?;
        let own = identity(&*shared.disk, &shared.settings.directory, rand::random());
        let own = shared.heeded(own)?;
        let mark = read_mark(&*shared.disk, home).map_err(failed("read", home))?;
        let finished = mark.as_ref().is_some_and(|mark| mark.finished);
        let adoption = match mark {
            Some(mark) if mark.by == own => mark.adoption(home),
            Some(mark) => {
                let verb = if mark.finished {
                    "was taken over"
                } else {
                    "is being taken over"
                };
                return Err(not_ours(format!("it {verb} by the server of {}", mark.by)));
            }
            None => {
                let mark = Mark {
                    number: rand::random(),
                    by: own,
                    finished: false,
                };
                write_mark(&*shared.disk, home, &mark)?;
                mark.adoption(home)
            }
        };
        let mut adopted = Adopted::default();
        if !finished {
            // What an earlier try gathered is known from here on.
            sync()?;
            shared.copy_spool(spool, &adoption, &mut adopted, sync)?;
            finish_mark(&*shared.disk, home).map_err(failed("mark", home))?;
        }
        adopted.messages = shared.release(&adoption);
        sync()?;
        shared.changed.notify_one();
        Ok(adopted)
    }

    /// Adoptions that were interrupted: their messages stand still here.
    #[must_use]
    pub fn adoptions(&self) -> Vec<Adoption> {
        let state = self.shared.state.lock();
        let entries = state.entries.values();
        let adopting = entries.filter_map(|entry| entry.adopting());
        let distinct: BTreeSet<Adoption> = adopting.cloned().collect();
        distinct.into_iter().collect()
    }

    /// The other spool is lost for good: what was copied of it begins its way here. Returns how many messages that concerns.
    ///
    /// # Errors
    /// If storing here fails.
    pub fn abandon(&self, adoption: &Adoption) -> Result<Vec<MessageId>, Refused> {
        let released = self.shared.release(adoption);
        self.shared
            .synced()
            .blocking_recv()
            .unwrap_or(Err(Refused::Closed))?;
        Ok(released)
    }
}

impl Shared {
    /// Copies the messages of another spool, which stand still here.
    fn copy_spool(
        &self,
        mut spool: Spool,
        adoption: &Adoption,
        adopted: &mut Adopted,
        sync: Sync<'_>,
    ) -> Result<(), AdoptError> {
        let mut reading = Reading::new(self.present_folder());
        for path in spool.segments.values() {
            reading.segment(&*self.disk, path)?;
        }
        reading.finish(&mut spool.contents);
        adopted.damage = std::mem::take(&mut reading.recovery.damage);
        let found = reading.into_entries();
        self.must_fit(&found, adoption)?;
        let (mut octets, mut count) = (0, 0);
        for (id, entry) in found {
            match self.copy_here(id, &entry, adoption) {
                Copy::Other => {
                    adopted.known += 1;
                    continue;
                }
                Copy::Whole => continue,
                Copy::None | Copy::Torn => {}
            }
            octets += entry.size;
            count += 1;
            self.copy_in(id, entry, adoption)?;
            if count >= MESSAGES_AT_ONCE || octets >= OCTETS_AT_ONCE {
                sync()?;
                (octets, count) = (0, 0);
            }
        }
        Ok(sync()?)
    }

    /// What is here of a message of the other spool.
    fn copy_here(&self, id: MessageId, there: &Entry, adoption: &Adoption) -> Copy {
        let state = self.state.lock();
        let Some(here) = state.entries.get(&id) else {
            return Copy::None;
        };
        if here.adopting() != Some(adoption) {
            return Copy::Other;
        }
        let same_addressees = here.resolved.is_some() == there.resolved.is_some()
            && here.settled.as_slice() == there.settled.as_slice();
        match same_addressees && (is_decided(here) || !is_decided(there)) {
            true => Copy::Whole,
            false => Copy::Torn,
        }
    }

    /// There is room for all of it, and for new mail beside it.
    fn must_fit(
        &self,
        found: &[(MessageId, Box<Entry>)],
        adoption: &Adoption,
    ) -> Result<(), AdoptError> {
        let state = self.state.lock();
        let new = found
            .iter()
            .filter(|(id, _)| !state.entries.contains_key(id));
        let wanted: u64 = new
            .map(|(_, entry)| entry.size + u64::from(entry.place.length))
            .sum();
        drop(state);
        let folder = self.present_folder();
        let free = self.disk.free_space(&folder.path).unwrap_or(u64::MAX);
        let floor = self.limits.lock().free_space_floor;
        if free < floor.saturating_add(wanted) {
            return Err(AdoptError::NotOurs {
                home: PathBuf::from(&*adoption.home),
                why: format!(
                    "its messages need {wanted} octets; {free} are free in {}, of which {floor} must stay free",
                    folder.path.display()
                ),
            });
        }
        Ok(())
    }

    /// Copies one message. In the log with the next commit, and known then.
    fn copy_in(
        &self,
        id: MessageId,
        mut entry: Box<Entry>,
        adoption: &Adoption,
    ) -> Result<(), AdoptError> {
        let path = entry.place.segment.path.clone();
        let unreadable = failed("read a message out of", &path);
        let mut frames = Gather::default();
        copy_as_adopted(id, &entry, adoption, &mut frames).map_err(&unreadable)?;
        entry.control.get_or_insert_default().adopting = Some(adoption.clone());
        let read = |place: &Place| read_frame(place).map(Cow::Owned);
        let resolved = copy_of_resolved(&entry, &read).map_err(&unreadable)?;
        copy_progress(id, &entry, resolved.as_ref(), &mut frames);
        let here = self
            .state
            .lock()
            .entries
            .get(&id)
            .map(|here| here.folder.clone());
        if let Some(folder) = here {
            // Its content is here as long as its accept record is.
            entry.folder = folder;
        } else if let Some(from) = &entry.folder {
            let (from, to) = (from.content(id), self.present_folder());
            let path = to.content(id);
            // What an earlier try left.
            let _ = self.disk.remove(&path);
            let copied = self.copy(&from, &path, entry.size);
            copied.map_err(failed("copy", &from))?;
            frames.name_in(&to);
            entry.folder = Some(to);
        }
        // Its record is in this log once the batch is durable.
        entry.resolved = None;
        if let Some(accepted) = frames.notes.first_mut() {
            accepted.meaning = Meaning::Adopted(entry);
        }
        let mut gather = self.gather.lock();
        gather.append(frames);
        self.noted(gather);
        Ok(())
    }

    /// What stood still because of an adoption begins its way. Returns which messages.
    fn release(&self, adoption: &Adoption) -> Vec<MessageId> {
        let held: Vec<MessageId> = {
            let state = self.state.lock();
            let entries = state.entries.iter();
            let held = entries.filter(|(_, entry)| entry.adopting() == Some(adoption));
            held.map(|(id, _)| *id).collect()
        };
        for some in held.chunks(MESSAGES_AT_ONCE) {
            let mut state = self.state.lock();
            let mut gather = self.gather.lock();
            for id in some {
                state.end_adoption(*id, &mut gather);
            }
            self.noted(gather);
        }
        self.changed.notify_one();
        held
    }
}

/// What is here of a message of the other spool.
enum Copy {
    /// Nothing.
    None,
    /// The message was here without the adoption.
    Other,
    /// All that is known of it there.
    Whole,
    /// Its accept record, but not all that was known of it: a crash tore the batch. It must not be sent to who has had it.
    Torn,
}

/// Whether operators, or the server, have decided anything about a message.
fn is_decided(entry: &Entry) -> bool {
    entry.control.as_ref().is_some_and(|control| {
        let control = Control {
            adopting: None,
            ..Control::clone(control)
        };
        control != Control::default()
    })
}

/// The accept record, as one of an adoption: a tear must not come between the two.
fn copy_as_adopted(
    id: MessageId,
    entry: &Entry,
    adoption: &Adoption,
    frames: &mut Gather,
) -> io::Result<()> {
    let octets = read_frame(&entry.place)?;
    let Ok(Frame {
        message,
        record: Record::Accepted {
            envelope, content, ..
        },
        ..
    }) = parse(&octets)
    else {
        return Err(damaged(&entry.place));
    };
    if message != id {
        return Err(damaged(&entry.place));
    }
    let record = Record::Accepted {
        envelope,
        content,
        adoption: Some(Box::new(adoption.clone())),
    };
    frames.add(id, &record, Meaning::Other);
    Ok(())
}
