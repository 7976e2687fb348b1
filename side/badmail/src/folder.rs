//! The folder: files appear whole or not at all, and the oldest go when there are too many.

use crate::reason::reason;
use crate::{Bad, Settings};
use bridgehead_disk::{Disk, DiskFile};
use bridgehead_mail::Recipient;
use bridgehead_mime::{carried_lines, read_headers};
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const WINDOW: usize = 64 * 1024;
/// A reason is far shorter.
const REASON_OCTETS_MAX: u64 = 1024 * 1024;
const MESSAGE: &str = "eml";
const REASON: &str = "txt";
/// What a file is called until it is whole.
const UNFINISHED: &str = "new";

/// The folder. Cheap to copy.
#[derive(Clone)]
pub struct Badmail {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    settings: RwLock<Settings>,
    held: Mutex<Held>,
    /// One writes at a time. Who only looks doesn't wait for the disk.
    writing: Mutex<()>,
}

/// What is there: octets of both files by name. Names sort by the age of the messages.
#[derive(Default)]
struct Held {
    names: BTreeMap<Box<str>, u64>,
    octets: u64,
}

/// One message of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name: the message's id, and a number that stands for the recipients.
    pub name: Box<str>,
    /// Octets of its files.
    pub octets: u64,
}

/// One message of it with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where the message is.
    pub file: PathBuf,
    /// Octets of its files.
    pub octets: u64,
    /// Why it is there; empty if that is missing.
    pub reason: String,
}

impl Badmail {
    /// Opens the folder, made if need be. What a crash left unfinished is removed.
    ///
    /// # Errors
    /// If it can't be made or read.
    pub fn open(directory: &Path, disk: Arc<dyn Disk>) -> io::Result<Self> {
        disk.create_dir(directory)?;
        let mut held = Held::default();
        let mut reasons = BTreeMap::new();
        for entry in disk.list(directory)?.iter().filter(|entry| !entry.is_dir) {
            match ours(&entry.name) {
                Some((_, UNFINISHED)) => disk.remove(&directory.join(&entry.name))?,
                Some((name, MESSAGE)) => held.add(name, entry.size),
                Some((name, REASON)) => {
                    reasons.insert(name.to_owned(), entry.size);
                }
                _ => {}
            }
        }
        for (name, size) in reasons {
            match held.names.contains_key(name.as_str()) {
                true => held.add(&name, size),
                false => disk.remove(&directory.join(format!("{name}.{REASON}")))?,
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                directory: directory.to_owned(),
                disk,
                settings: RwLock::default(),
                held: Mutex::new(held),
                writing: Mutex::default(),
            }),
        })
    }

    /// New bounds; what is beyond them goes.
    pub fn apply(&self, settings: Settings) {
        *self.shared.settings.write() = settings;
        self.shared.trim(&mut self.shared.held.lock());
    }

    /// Keeps messages; one answer for each, with its name. What was kept is durable. Keeping the same once more changes
    /// nothing.
    pub fn keep(&self, all: &[Bad]) -> Vec<io::Result<String>> {
        let shared = &self.shared;
        let _turn = shared.writing.lock();
        let written: Vec<io::Result<(String, u64)>> =
            all.iter().map(|bad| shared.write(bad)).collect();
        let synced = shared.disk.sync_dir(&shared.directory);
        let mut held = shared.held.lock();
        let kept = written.into_iter().map(|one| {
            let (name, octets) = one?;
            // It is there, be it durable or not.
            held.forget(&name);
            held.add(&name, octets);
            match &synced {
                Ok(()) => Ok(name),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            }
        });
        let kept = kept.collect();
        shared.trim(&mut held);
        kept
    }

    /// What is there, the oldest messages first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let held = self.shared.held.lock();
        let names = held.names.iter();
        let listed = names.map(|(name, octets)| Listed {
            name: name.clone(),
            octets: *octets,
        });
        listed.collect()
    }

    /// One of them; none if it isn't there.
    ///
    /// # Errors
    /// If its reason can't be read.
    pub fn show(&self, name: &str) -> io::Result<Option<Kept>> {
        let octets = self.shared.held.lock().names.get(name).copied();
        let Some(octets) = octets else {
            return Ok(None);
        };
        let reason = match self.shared.read(name, REASON) {
            Ok(reason) => reason,
            // A crash came between, and the message is kept again; or an operator removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Some(Kept {
            file: self.shared.path(name, MESSAGE),
            octets,
            reason,
        }))
    }

    /// Removes these; says how many were there.
    ///
    /// # Errors
    /// If one can't be removed; those before it are gone.
    pub fn delete(&self, names: &[&str]) -> io::Result<usize> {
        let mut held = self.shared.held.lock();
        let mut gone = 0;
        for name in names {
            if held.names.contains_key(*name) {
                self.shared.remove(name)?;
                held.forget(name);
                gone += 1;
            }
        }
        Ok(gone)
    }
}

impl Held {
    fn add(&mut self, name: &str, octets: u64) {
        *self.names.entry(name.into()).or_insert(0) += octets;
        self.octets = self.octets.saturating_add(octets);
    }

    fn forget(&mut self, name: &str) {
        let octets = self.names.remove(name).unwrap_or(0);
        self.octets = self.octets.saturating_sub(octets);
    }
}

impl Shared {
    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.directory.join(format!("{name}.{ending}"))
    }

    /// Both files, whole. Their names are durable only when the folder was synced.
    fn write(&self, bad: &Bad) -> io::Result<(String, u64)> {
        let name = name(bad);
        let failed: Vec<Recipient> = bad.failed.iter().map(|(one, _)| one.clone()).collect();
        let lines = carried_lines(bad.id, &bad.envelope, &failed)?;
        let whole = bad.content.size() <= self.settings.read().octets_max / 2;
        let reason = reason(bad, &name, whole);
        let octets = self.file(&name, REASON, |file| append(file, 0, reason.as_bytes()))?;
        let message = self.file(&name, MESSAGE, |file| {
            let start = append(file, 0, lines.as_bytes())?;
            if whole {
                return copy(bad, file, start);
            }
            let headers = read_headers(&*bad.content)?;
            let end = append(file, start, &headers.octets)?;
            append(file, end, b"\r\n")
        })?;
        Ok((name, octets.saturating_add(message)))
    }

    /// A file that has its name only when it is whole and durable.
    fn file(
        &self,
        name: &str,
        ending: &str,
        fill: impl FnOnce(&dyn DiskFile) -> io::Result<u64>,
    ) -> io::Result<u64> {
        let unfinished = self.path(name, UNFINISHED);
        // One may be there from a try that failed.
        let _ = self.disk.remove(&unfinished);
        let file = self.disk.create(&unfinished)?;
        let filled = fill(&*file).and_then(|octets| file.sync_data().map(|()| octets));
        drop(file);
        let named = filled.and_then(|octets| {
            self.disk
                .rename(&unfinished, &self.path(name, ending))
                .map(|()| octets)
        });
        if named.is_err() {
            let _ = self.disk.remove(&unfinished);
        }
        named
    }

    fn read(&self, name: &str, ending: &str) -> io::Result<String> {
        let file = self.disk.open(&self.path(name, ending))?;
        let length = file.length()?.min(REASON_OCTETS_MAX);
        let mut octets = vec![0; usize::try_from(length).unwrap_or(0)];
        let count = file.read_at(0, &mut octets)?;
        octets.truncate(count);
        Ok(String::from_utf8_lossy(&octets).into_owned())
    }

    /// The message first: a reason alone is removed at the next start.
    fn remove(&self, name: &str) -> io::Result<()> {
        for ending in [MESSAGE, REASON] {
            match self.disk.remove(&self.path(name, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// The oldest go until what is left is within the bounds. The last one stays.
    fn trim(&self, held: &mut Held) {
        let settings = *self.settings.read();
        while held.names.len() > 1
            && (held.octets > settings.octets_max || held.names.len() > settings.messages_max)
        {
            let Some(oldest) = held.names.keys().next().cloned() else {
                return;
            };
            match self.remove(&oldest) {
                Ok(()) => {
                    tracing::warn!(name = %oldest, "badmail is full: the oldest of it is gone")
                }
                Err(error) => {
                    return tracing::error!(name = %oldest, %error, "badmail can't be removed");
                }
            }
            held.forget(&oldest);
        }
    }
}

fn append(file: &dyn DiskFile, at: u64, octets: &[u8]) -> io::Result<u64> {
    file.write_at(at, &[IoSlice::new(octets)])?;
    Ok(at.saturating_add(octets.len() as u64))
}

/// The content, in windows.
fn copy(bad: &Bad, file: &dyn DiskFile, start: u64) -> io::Result<u64> {
    let mut window = vec![0; WINDOW];
    let mut at = 0;
    while at < bad.content.size() {
        let count = bad.content.read_at(at, &mut window)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let octets = window.get(..count).unwrap_or_default();
        append(file, start.saturating_add(at), octets)?;
        at = at.saturating_add(count as u64);
    }
    Ok(start.saturating_add(at))
}

/// The same for the same recipients of the same message, so that what is kept twice is there once.
fn name(bad: &Bad) -> String {
    // FNV-1a: no more than a number that stands for a list of addresses.
    let mut number: u64 = 0xcbf2_9ce4_8422_2325;
    for (recipient, _) in &bad.failed {
        for octet in recipient.address.to_string().bytes().chain([0]) {
            number = (number ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{}-{number:016x}", bad.id)
}

/// A file of ours: its name and its ending.
fn ours(file: &str) -> Option<(&str, &str)> {
    let (name, ending) = file.rsplit_once('.')?;
    let (id, number) = name.split_once('-')?;
    let is_id = id.parse::<bridgehead_mail::MessageId>().is_ok();
    let is_number = number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && is_number).then_some((name, ending))
}
