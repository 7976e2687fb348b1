//! The embedded back-end: one redb file with each object as its canonical text, the version, and the history.
//!
//! Guards: a change is one transaction, synced before it counts; the file is readable by its owner only, since it
//! holds password hashes.

mod adopting;

use crate::change::Texts;
use crate::organisation::{ObjectKey, parse_unchecked};
use crate::{Change, HistoryEntry, ObjectChange, OpenError, Organisation};
use bridgehead_mail::Timestamp;
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// `rank/kind/name in lower case` to the object's text.
const OBJECTS: TableDefinition<'_, &str, &str> = TableDefinition::new("objects");
/// One row, `version`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Version to who, when (milliseconds since the Unix epoch) and what.
const HISTORY: TableDefinition<'_, u64, (&str, u64, &str)> = TableDefinition::new("history");
/// Version to why.
const REASONS: TableDefinition<'_, u64, &str> = TableDefinition::new("reasons");
/// Version and row to the object's text before and after; empty where it wasn't or isn't there.
const CHANGES: TableDefinition<'_, (u64, &str), (&str, &str)> = TableDefinition::new("changes");

/// One row, `change`: which change of a shared organisation led here.
const SHARED: TableDefinition<'_, &str, &str> = TableDefinition::new("shared");

const FILE_NAME: &str = "directory.redb";
/// What the database may keep in memory; it is read at a start and at a change only.
pub(crate) const CACHE_OCTETS: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Embedded {
    database: Database,
    path: PathBuf,
}

/// Who changes something, when and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author<'a> {
    pub(crate) who: &'a str,
    pub(crate) why: &'a str,
    pub(crate) now: Timestamp,
}

impl Embedded {
    /// Opens the directory in this folder, making both if need be.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(FILE_NAME);
        let file = open_file(folder, &path).map_err(|source| OpenError::File {
            path: path.clone(),
            source,
        })?;
        let database = open_database(file).map_err(|source| OpenError::Database {
            path: path.clone(),
            source,
        })?;
        Ok(Self { database, path })
    }

    /// The version and all objects.
    pub(crate) fn load(&self) -> Result<(u64, Organisation), OpenError> {
        let read = self.read().map_err(|source| OpenError::Database {
            path: self.path.clone(),
            source,
        });
        let (version, text) = read?;
        if version == 0 {
            return Ok((0, Organisation::default()));
        }
        let parsed = parse_unchecked(&text, FILE_NAME);
        let organisation = parsed.map_err(|faults| OpenError::Content {
            path: self.path.clone(),
            fault: faults.first().map(ToString::to_string).unwrap_or_default(),
        })?;
        Ok((version, organisation))
    }

    /// The version, and all objects as one text.
    fn read(&self) -> Result<(u64, String), redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut text = String::new();
        for object in transaction.open_table(OBJECTS)?.iter()? {
            text.push_str(object?.1.value());
            text.push('\n');
        }
        let version = transaction.open_table(META)?.get("version")?;
        Ok((version.map_or(0, |version| version.value()), text))
    }

    /// Makes `new` what the directory holds, in one transaction.
    pub(crate) fn write(
        &self,
        old: &Texts,
        new: &Texts,
        change: &Change,
        author: Author<'_>,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            let mut changes = transaction.open_table(CHANGES)?;
            for (key, (_, before)) in old.iter().filter(|(key, _)| !new.contains_key(*key)) {
                let row = row(key);
                objects.remove(row.as_str())?;
                changes.insert((change.version, row.as_str()), (before.as_str(), ""))?;
            }
            for (key, (_, text)) in new {
                let before = old.get(key).map_or("", |(_, before)| before);
                if before != text {
                    let row = row(key);
                    objects.insert(row.as_str(), text.as_str())?;
                    changes.insert((change.version, row.as_str()), (before, text.as_str()))?;
                }
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert("version", change.version)?;
            let mut history = transaction.open_table(HISTORY)?;
            let (summary, at) = (change.summary(), author.now.as_millis());
            history.insert(change.version, (author.who, at, summary.as_str()))?;
            let mut reasons = transaction.open_table(REASONS)?;
            reasons.insert(change.version, author.why)?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The last changes, newest first.
    pub(crate) fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let history = transaction.open_table(HISTORY)?;
        let reasons = transaction.open_table(REASONS)?;
        let mut entries = Vec::new();
        for row in history.iter()?.rev().take(most) {
            let (version, value) = row?;
            let (who, at, summary) = value.value();
            let why = reasons.get(version.value())?;
            entries.push(HistoryEntry {
                version: version.value(),
                at: Timestamp::from_millis(at),
                who: who.to_owned(),
                why: why.map_or_else(String::new, |why| why.value().to_owned()),
                summary: summary.to_owned(),
            });
        }
        Ok(entries)
    }

    /// What the changes from this version on did, newest first: each object's text before and after.
    pub(crate) fn changes_from(&self, version: u64) -> Result<Vec<ObjectChange>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let changes = transaction.open_table(CHANGES)?;
        let mut all = Vec::new();
        for row in changes.range((version, "")..)?.rev() {
            let (key, value) = row?;
            let (version, row) = key.value();
            let (before, after) = value.value();
            all.push(ObjectChange {
                version,
                row: row.to_owned(),
                before: before.to_owned(),
                after: after.to_owned(),
            });
        }
        Ok(all)
    }

    /// Whether a change that led to this version is remembered.
    pub(crate) fn remembers(&self, version: u64) -> Result<bool, redb::Error> {
        let transaction = self.database.begin_read()?;
        let entry = transaction.open_table(HISTORY)?.get(version)?;
        Ok(entry.is_some())
    }

    /// The rows of all objects with their texts.
    pub(crate) fn rows(&self) -> Result<BTreeMap<String, String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut rows = BTreeMap::new();
        for object in transaction.open_table(OBJECTS)?.iter()? {
            let (row, text) = object?;
            rows.insert(row.value().to_owned(), text.value().to_owned());
        }
        Ok(rows)
    }
}

fn row((rank, kind, name): &ObjectKey) -> String {
    format!("{rank}/{kind}/{name}")
}

/// The file with mode 0600, its name durable.
pub(crate) fn open_file(folder: &Path, path: &Path) -> io::Result<File> {
    const OWNER_ONLY: u32 = 0o600;
    const OWNER_ONLY_FOLDER: u32 = 0o700;
    let mut builder = DirBuilder::new();
    builder
        .recursive(true)
        .mode(OWNER_ONLY_FOLDER)
        .create(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(OWNER_ONLY).open(path)?;
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// The database with all its tables.
fn open_database(file: File) -> Result<Database, redb::Error> {
    let database = Builder::new()
        .set_cache_size(CACHE_OCTETS)
        .create_with_backend(FileBackend::new(file)?)?;
    let transaction = database.begin_write()?;
    transaction.open_table(META)?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(HISTORY)?;
    transaction.open_table(REASONS)?;
    transaction.open_table(CHANGES)?;
    transaction.open_table(SHARED)?;
    transaction.commit()?;
    Ok(database)
}
