//! The directory as the process holds it: the newest snapshot for everybody, changes one at a time.
//!
//! Guards: readers never wait; a change is stored before anybody sees it.

use crate::embedded::Embedded;
use crate::organisation::parse_organisation;
use crate::password::HashError;
use crate::{Change, Fault, HistoryEntry, OpenError, Organisation, Password, Snapshot};
use arc_swap::ArcSwap;
use bridgehead_mail::Timestamp;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tokio::sync::watch;

/// The directory. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    embedded: Embedded,
    current: ArcSwap<Snapshot>,
    version: watch::Sender<u64>,
    /// Held while a change is made.
    changing: Mutex<()>,
}

impl Directory {
    /// Opens the embedded directory in this folder; makes an empty one if there is none. Blocks.
    ///
    /// # Errors
    /// If it can't be made, opened or understood.
    pub fn open_embedded(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let (embedded, version, organisation) = Embedded::open(folder.as_ref())?;
        let snapshot = Snapshot::build(version, organisation);
        let shared = Shared {
            embedded,
            current: ArcSwap::from_pointee(snapshot),
            version: watch::Sender::new(version),
            changing: Mutex::new(()),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The organisation as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.load_full()
    }

    /// Tells of each new version.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// Makes the organisation what the text says: as a whole, or not at all. The same text again changes nothing. A
    /// dry run only says what would change. Blocks, for tens of milliseconds for each password in clear text.
    ///
    /// # Errors
    /// All faults of the text; or one without a line, if the change can't be stored.
    pub fn apply(
        &self,
        text: &str,
        file: &str,
        who: &str,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Change, Vec<Fault>> {
        let (mut organisation, warnings) = parse_organisation(text, file)?;
        let _changing = self.shared.changing.lock();
        let current = self.snapshot();
        hash_passwords(&mut organisation, current.organisation())
            .map_err(|error| local_trouble(file, &error))?;
        let (old, new) = (current.organisation().texts(), organisation.texts());
        let mut change = Change::between(&old, &new);
        change.warnings = warnings;
        change.version = current.version();
        if change.is_empty() {
            return Ok(change);
        }
        change.version = current.version().saturating_add(1);
        if dry_run {
            return Ok(change);
        }
        let stored = self.shared.embedded.write(&old, &new, &change, who, now);
        stored.map_err(|error| local_trouble(file, &error))?;
        let snapshot = Snapshot::build(change.version, organisation);
        self.shared.current.store(Arc::new(snapshot));
        self.shared.version.send_replace(change.version);
        Ok(change)
    }

    /// The version and the organisation as a text in canonical form, with hashes in the place of passwords. Applying
    /// it changes nothing.
    #[must_use]
    pub fn export(&self) -> (u64, String) {
        let snapshot = self.snapshot();
        (snapshot.version(), snapshot.organisation().to_text())
    }

    /// The last changes, newest first.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, redb::Error> {
        self.shared.embedded.history(most)
    }
}

/// A fault of ours, not of the file.
fn local_trouble(file: &str, error: &dyn Display) -> Vec<Fault> {
    vec![Fault {
        file: file.to_owned(),
        line: 0,
        key: "directory".to_owned(),
        reason: format!("the change can't be stored: {error}"),
    }]
}

/// Clear text becomes hashes, several at once; a hash the directory already has for the same text is kept.
fn hash_passwords(new: &mut Organisation, old: &Organisation) -> Result<(), HashError> {
    let known: HashMap<Box<str>, &Password> = old
        .mailboxes
        .iter()
        .filter_map(|mailbox| Some((mailbox.name.folded(), mailbox.password.as_ref()?)))
        .collect();
    let administrators: HashMap<Box<str>, &Password> = old
        .administrators
        .iter()
        .filter_map(|somebody| Some((somebody.name.folded(), somebody.password.as_ref()?)))
        .collect();
    let mut work: Vec<(&mut Password, Option<&Password>)> = Vec::new();
    for mailbox in &mut new.mailboxes {
        let before = known.get(&mailbox.name.folded()).copied();
        work.extend(mailbox.password.as_mut().map(|password| (password, before)));
    }
    for somebody in &mut new.administrators {
        let before = administrators.get(&somebody.name.folded()).copied();
        work.extend(
            somebody
                .password
                .as_mut()
                .map(|password| (password, before)),
        );
    }
    work.retain(|(password, _)| password.hash().is_none());
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let share = work.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let running: Vec<_> = work
            .chunks_mut(share)
            .map(|share| scope.spawn(|| hash_share(share)))
            .collect();
        // A panic in a thread goes on here, as it would without threads.
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
}

fn hash_share(share: &mut [(&mut Password, Option<&Password>)]) -> Result<(), HashError> {
    for (password, known) in share {
        **password = password.hashed(*known)?;
    }
    Ok(())
}
