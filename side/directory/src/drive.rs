//! The directory as the process holds it: the newest snapshot for everybody, changes one at a time.
//!
//! Guards: readers never wait; a change is stored before anybody sees it.

mod sharing;

use crate::assemble::{Assembled, assemble};
use crate::change::Texts;
use crate::copying::{Copy, objects};
use crate::effect::effects;
use crate::embedded::{Author, Embedded};
use crate::follower::Follower;
use crate::metabase::Metabase;
use crate::organisation::{Knowledge, ObjectKey, parse_knowing};
use crate::password::hash_passwords;
use crate::recipients::Recipients;
use crate::stamp::stamp;
use crate::view::{Copied, Shared as SharedView};
use crate::{
    Bind, BindError, Change, Fault, Found, HistoryEntry, HistoryError, Object, ObjectChange,
    OpenError, Organisation, Rejected, Snapshot, View,
};
use arc_swap::ArcSwap;
use bridgehead_mail::Timestamp;
use parking_lot::Mutex;
use sharing::Sharing;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
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
    revision: watch::Sender<u64>,
    /// Held while a change is made.
    layers: Mutex<Layers>,
    copied: Mutex<Option<Copied>>,
    binder: OnceLock<Arc<dyn Bind>>,
    sharing: OnceLock<Sharing>,
    shared_view: Mutex<Option<SharedView>>,
}

/// What the configuration in force is put together from.
#[derive(Debug, Default)]
struct Layers {
    /// That of the embedded directory.
    embedded: Organisation,
    /// The objects of the copy with identity and DN.
    objects: Vec<(Box<str>, Box<str>, Object)>,
    /// Their forms that are in force.
    in_force: BTreeMap<Box<str>, String>,
    rejected: Vec<Rejected>,
}

/// A change that somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The organisation as it shall be.
    pub text: &'a str,
    /// What the text is called in faults.
    pub file: &'a str,
    /// Who wants it.
    pub who: &'a str,
    /// Why; may be empty.
    pub why: &'a str,
    /// When.
    pub now: Timestamp,
    /// Only if this is the version still; whatever it is, if none.
    pub expected: Option<u64>,
    /// Only tell what would change.
    pub dry_run: bool,
    /// Servers and routing groups that shall try it before the others; none if it is for all.
    pub trial_on: &'a [String],
}

impl Directory {
    /// Opens the embedded directory in this folder; makes an empty one if there is none. Blocks.
    ///
    /// # Errors
    /// If it can't be made, opened or understood.
    pub fn open_embedded(folder: impl AsRef<Path>) -> Result<Self, OpenError> {
        let embedded = Embedded::open(folder.as_ref())?;
        let (version, organisation) = embedded.load()?;
        let snapshot = Snapshot::build(version, organisation);
        let layers = Layers {
            embedded: snapshot.configuration().clone(),
            ..Layers::default()
        };
        let shared = Shared {
            embedded,
            revision: watch::Sender::new(snapshot.revision()),
            current: ArcSwap::from_pointee(snapshot),
            layers: Mutex::new(layers),
            copied: Mutex::new(None),
            binder: OnceLock::new(),
            sharing: OnceLock::new(),
            shared_view: Mutex::new(None),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Opens the embedded directory in this folder and the copy of another one beside it. `source` names that one and
    /// what is asked of it: a copy of something else is thrown away. A copy older than `stale_after` doesn't count.
    /// Blocks.
    ///
    /// # Errors
    /// If one of them can't be made, opened or understood.
    pub fn open_following(
        folder: impl AsRef<Path>,
        source: &str,
        stale_after: Option<Duration>,
    ) -> Result<(Self, Follower), OpenError> {
        let directory = Self::open_embedded(folder.as_ref())?;
        let copy = Copy::of(Metabase::open(folder.as_ref(), source)?);
        *directory.shared.copied.lock() = Some(Copied::of(source, &copy.kept));
        {
            let mut layers = directory.shared.layers.lock();
            layers.objects = objects(&copy.kept);
            layers.in_force.clone_from(&copy.kept.in_force);
            directory.publish(&mut layers, |snapshot| {
                snapshot.copy = copy.kept.recipients.clone();
                snapshot.complete = copy.kept.cursor.is_some();
            });
        }
        let follower = Follower::new(directory.clone(), copy, stale_after);
        Ok((directory, follower))
    }

    /// The organisation as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.load_full()
    }

    /// Tells of each new revision.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
    }

    /// Makes the organisation what the text says: as a whole, or not at all. The same text again changes nothing. A
    /// dry run only says what would change. Blocks, for tens of milliseconds for each password in clear text.
    ///
    /// # Errors
    /// All faults of the text; or one without a line, if the change can't be stored or somebody else was faster.
    pub fn apply(&self, wish: &Wish<'_>) -> Result<Change, Vec<Fault>> {
        if let Some(sharing) = self.shared.sharing.get() {
            return self.apply_shared(sharing, wish);
        }
        let file = wish.file;
        if !wish.trial_on.is_empty() {
            return Err(sharing::not_shared(file));
        }
        let here = self.snapshot();
        let knowledge = self.knowledge(&here);
        let (mut organisation, warnings) = parse_knowing(wish.text, file, knowledge)?;
        stamp(&mut organisation);
        let mut layers = self.shared.layers.lock();
        let before = self.shared.embedded.load();
        let (version, before) = before.map_err(|error| local_trouble(file, &error))?;
        if let Some(expected) = wish.expected.filter(|expected| *expected != version) {
            return Err(conflict(file, expected, version));
        }
        hash_passwords(&mut organisation, &before).map_err(|error| local_trouble(file, &error))?;
        let (old, new) = (before.texts(), organisation.texts());
        let mut change = Change::between(&old, &new);
        change.warnings = warnings;
        change.version = version;
        if change.is_empty() {
            return Ok(change);
        }
        change.version = version.saturating_add(1);
        if wish.dry_run {
            change.differences = Change::differences(&old, &new);
            change.effects = self.effects(organisation, &old, &new);
            return Ok(change);
        }
        let author = Author {
            who: wish.who,
            why: wish.why,
            now: wish.now,
        };
        let stored = self.shared.embedded.write(&old, &new, &change, author);
        stored.map_err(|error| local_trouble(file, &error))?;
        let (configuration, recipients) = organisation.split();
        layers.embedded = configuration;
        self.publish(&mut layers, |snapshot| {
            snapshot.version = change.version;
            replace(&mut snapshot.embedded, &old, &new, &recipients);
        });
        Ok(change)
    }

    /// What a new organisation would mean for mail.
    fn effects(&self, organisation: Organisation, old: &Texts, new: &Texts) -> Vec<String> {
        let before = self.snapshot();
        let (configuration, recipients) = organisation.split();
        let mut after = Snapshot::clone(&before);
        replace(&mut after.embedded, old, new, &recipients);
        effects(&before, &after.with_configuration(configuration))
    }

    /// Puts the layers in force, with what `edit` does to the snapshot. The lock on the layers is held.
    fn publish(&self, layers: &mut Layers, edit: impl FnOnce(&mut Snapshot)) {
        let mut next = Snapshot::clone(&self.snapshot());
        edit(&mut next);
        let objects = layers.objects.clone();
        let assembled = assemble(&layers.embedded, objects, &layers.in_force);
        layers.rejected = assembled.rejected;
        next = next.with_configuration(assembled.configuration);
        next.revision = next.revision.saturating_add(1);
        let revision = next.revision;
        self.shared.current.store(Arc::new(next));
        self.shared.revision.send_replace(revision);
    }

    /// What the configuration will be with these objects in the copy.
    pub(crate) fn assembled(&self, objects: Vec<(Box<str>, Box<str>, Object)>) -> Assembled {
        let layers = self.shared.layers.lock();
        assemble(&layers.embedded, objects, &layers.in_force)
    }

    /// Puts a new state of the copy in force.
    pub(crate) fn follow(&self, copy: &Copy) {
        let mut layers = self.shared.layers.lock();
        layers.objects = objects(&copy.kept);
        layers.in_force.clone_from(&copy.kept.in_force);
        self.publish(&mut layers, |snapshot| {
            snapshot.copy = copy.kept.recipients.clone();
            snapshot.complete = copy.kept.cursor.is_some();
        });
    }

    /// Says whether the copy counts as all recipients there are.
    pub(crate) fn trust_copy(&self, complete: bool) {
        if self.snapshot().complete != complete {
            let mut layers = self.shared.layers.lock();
            self.publish(&mut layers, |snapshot| snapshot.complete = complete);
        }
    }

    /// Notes something about the copy.
    pub(crate) fn note(&self, edit: impl FnOnce(&mut Copied)) {
        if let Some(copied) = self.shared.copied.lock().as_mut() {
            edit(copied);
        }
    }

    /// What the checks of a text can know.
    fn knowledge<'s>(&self, snapshot: &'s Snapshot) -> Knowledge<'s> {
        match *self.shared.copied.lock() {
            None => Knowledge::Everything,
            Some(_) if snapshot.complete => Knowledge::Copy(&snapshot.copy),
            Some(_) => Knowledge::Configuration,
        }
    }

    /// The version and the objects of the embedded directory as a text in canonical form, with hashes in the place of
    /// passwords. Applying it changes nothing.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn export(&self) -> Result<(u64, String), OpenError> {
        let (version, organisation) = self.shared.embedded.load()?;
        Ok((version, organisation.to_text()))
    }

    /// The version and the objects of the embedded directory.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn organisation(&self) -> Result<(u64, Organisation), OpenError> {
        self.shared.embedded.load()
    }

    /// How the directory is.
    #[must_use]
    pub fn view(&self) -> View {
        let rejected = self.shared.layers.lock().rejected.clone();
        let copied = self.shared.copied.lock().clone();
        let shared = self.shared.shared_view.lock().clone();
        View::of(&self.snapshot(), copied, shared, rejected)
    }

    /// Who asks the directory that is followed about passwords; the first one stays.
    pub fn ask_by(&self, binder: Arc<dyn Bind>) {
        let _ = self.shared.binder.set(binder);
    }

    /// Whether the directory that is followed says that this is the password of the entry with this DN.
    ///
    /// # Errors
    /// If it can't be asked.
    pub async fn bind(&self, place: &str, password: &str) -> Result<bool, BindError> {
        match self.shared.binder.get() {
            Some(binder) => binder.bind(place, password).await,
            None => Err(BindError("no directory is followed".to_owned())),
        }
    }

    /// The last changes, newest first.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, HistoryError> {
        Ok(self.shared.embedded.history(most)?)
    }

    /// What one change did, object by object.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn change(&self, version: u64) -> Result<Vec<ObjectChange>, HistoryError> {
        let mut changes = self.shared.embedded.changes_from(version)?;
        changes.retain(|change| change.version == version);
        changes.reverse();
        Ok(changes)
    }

    /// The text of the organisation as it was at a version.
    ///
    /// # Errors
    /// If the file can't be read, or no change that led to this version is remembered.
    pub fn at_version(&self, version: u64) -> Result<String, HistoryError> {
        if !self.shared.embedded.remembers(version)? {
            return Err(HistoryError::Unknown(version));
        }
        let mut rows = self.shared.embedded.rows()?;
        for change in self
            .shared
            .embedded
            .changes_from(version.saturating_add(1))?
        {
            if change.before.is_empty() {
                rows.remove(&change.row);
            } else {
                rows.insert(change.row, change.before);
            }
        }
        let texts: Vec<String> = rows.into_values().collect();
        Ok(texts.join("\n"))
    }
}

/// Makes the table of the embedded directory's recipients what the new texts say.
fn replace(table: &mut Recipients, old: &Texts, new: &Texts, recipients: &[Found]) {
    let label = |found: &Found| (found.kind(), found.name().as_str().to_lowercase());
    let label_of = |(_, kind, name): &ObjectKey| (*kind, name.clone());
    let text = |texts: &Texts| -> BTreeMap<_, _> {
        let texts = texts.iter();
        texts
            .map(|(key, (_, text))| (label_of(key), text.clone()))
            .collect()
    };
    let (old, new) = (text(old), text(new));
    let recipient = ["mailbox", "group", "contact", "dynamic-group"];
    for (kind, name) in old.keys().filter(|key| !new.contains_key(*key)) {
        if recipient.contains(kind) {
            table.remove(name);
        }
    }
    for found in recipients {
        let key = label(found);
        if old.get(&key) != new.get(&key) {
            table.put_embedded(found);
        }
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

/// Somebody else changed the organisation in between.
fn conflict(file: &str, expected: u64, version: u64) -> Vec<Fault> {
    vec![Fault {
        file: file.to_owned(),
        line: 0,
        key: "version".to_owned(),
        reason: format!(
            "the organisation is at version {version}, not {expected}: somebody has changed it; \
             look at what changed, and apply again"
        ),
    }]
}
