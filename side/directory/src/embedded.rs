//! The embedded back-end: one redb file with each object as its canonical text, the version, and the history.
//!
//! Guards: a change is one transaction, synced before it counts; the file is readable by its owner only, since it
//! holds password hashes.

use crate::organisation::{ObjectKey, parse_unchecked};
use crate::{Change, HistoryEntry, OpenError, Organisation};
use bridgehead_mail::Timestamp;
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// `rank/kind/name in lower case` to the object's text.
const OBJECTS: TableDefinition<'_, &str, &str> = TableDefinition::new("objects");
/// One row, `version`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Version to who, when (milliseconds since the Unix epoch) and what.
const HISTORY: TableDefinition<'_, u64, (&str, u64, &str)> = TableDefinition::new("history");

const FILE_NAME: &str = "directory.redb";

#[derive(Debug)]
pub(crate) struct Embedded {
    database: Database,
}

impl Embedded {
    /// Opens the directory in this folder, making both if need be.
    pub(crate) fn open(folder: &Path) -> Result<(Self, u64, Organisation), OpenError> {
        let path = folder.join(FILE_NAME);
        let file = open_file(folder, &path).map_err(|source| OpenError::File {
            path: path.clone(),
            source,
        })?;
        let opened = open_database(file).map_err(|source| OpenError::Database {
            path: path.clone(),
            source,
        })?;
        let (database, version, text) = opened;
        let organisation = match version {
            0 => Organisation::default(),
            _ => parse_unchecked(&text, FILE_NAME).map_err(|faults| OpenError::Content {
                path: path.clone(),
                fault: faults.first().map(ToString::to_string).unwrap_or_default(),
            })?,
        };
        Ok((Self { database }, version, organisation))
    }

    /// Makes `new` what the directory holds, in one transaction.
    pub(crate) fn write(
        &self,
        old: &BTreeMap<ObjectKey, (String, String)>,
        new: &BTreeMap<ObjectKey, (String, String)>,
        change: &Change,
        who: &str,
        now: Timestamp,
    ) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                objects.remove(row(key).as_str())?;
            }
            for (key, (_, text)) in new {
                let same = old.get(key).is_some_and(|(_, before)| before == text);
                if !same {
                    objects.insert(row(key).as_str(), text.as_str())?;
                }
            }
            let mut meta = transaction.open_table(META)?;
            meta.insert("version", change.version)?;
            let mut history = transaction.open_table(HISTORY)?;
            let summary = change.summary();
            history.insert(change.version, (who, now.as_millis(), summary.as_str()))?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// The last changes, newest first.
    pub(crate) fn history(&self, most: usize) -> Result<Vec<HistoryEntry>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let history = transaction.open_table(HISTORY)?;
        let mut entries = Vec::new();
        for row in history.iter()?.rev().take(most) {
            let (version, value) = row?;
            let (who, at, summary) = value.value();
            entries.push(HistoryEntry {
                version: version.value(),
                at: Timestamp::from_millis(at),
                who: who.to_owned(),
                summary: summary.to_owned(),
            });
        }
        Ok(entries)
    }
}

fn row((rank, kind, name): &ObjectKey) -> String {
    format!("{rank}/{kind}/{name}")
}

/// The file with mode 0600, its name durable.
fn open_file(folder: &Path, path: &Path) -> io::Result<File> {
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

/// The database, its version, and all objects as one text.
fn open_database(file: File) -> Result<(Database, u64, String), redb::Error> {
    let database = Builder::new().create_with_backend(FileBackend::new(file)?)?;
    let transaction = database.begin_write()?;
    let mut text = String::new();
    let version = {
        let meta = transaction.open_table(META)?;
        let objects = transaction.open_table(OBJECTS)?;
        transaction.open_table(HISTORY)?;
        for object in objects.iter()? {
            let (_, object) = object?;
            text.push_str(object.value());
            text.push('\n');
        }
        meta.get("version")?.map_or(0, |version| version.value())
    };
    transaction.commit()?;
    Ok((database, version, text))
}
