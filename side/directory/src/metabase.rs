//! The metabase: what another directory told, kept in one transactional file, with the cursor to go on from.
//!
//! Guards: what was told together is stored together. The file is readable by its owner only. A file of another version is
//! emptied: everything is told again.

use crate::embedded::{CACHE_OCTETS, open_file};
use crate::recipients::{Recipients, packed};
use crate::{OpenError, StoredPart};
use redb::backends::FileBackend;
use redb::{Builder, Database, ReadableTable, TableDefinition, WriteTransaction};
use std::collections::BTreeMap;
use std::path::Path;

/// Identity to the record of a recipient.
const RECIPIENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("recipients");
/// Identity to DN and text of another object.
const CONFIGURATION: TableDefinition<'_, &str, (&str, &str)> =
    TableDefinition::new("configuration");
/// Identity to the form of such an object that was in force last.
const IN_FORCE: TableDefinition<'_, &str, &str> = TableDefinition::new("in-force");
/// Identity to DN and reason, of what can't be used in its newest form.
const FAULTS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("faults");
/// Identity to DN and text of a part of the shared organisation.
const PARTS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("parts");
/// One row, `cursor`.
const CURSOR: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("cursor");
/// `revision`, `format`, `heard`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// One row, `source`: what the copy is of.
const SOURCE: TableDefinition<'_, &str, &str> = TableDefinition::new("source");

const FILE_NAME: &str = "metabase.redb";
/// Grows with every change of the tables; that of the records counts as well.
const FORMAT: u64 = 512 + packed::VERSION as u64;

/// The file.
#[derive(Debug)]
pub(crate) struct Metabase {
    database: Database,
}

/// A text at a DN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) place: Box<str>,
    /// An object's text, or a reason.
    pub(crate) text: String,
}

/// What the file holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) recipients: Recipients,
    pub(crate) configuration: BTreeMap<Box<str>, Placed>,
    pub(crate) in_force: BTreeMap<Box<str>, String>,
    pub(crate) faults: BTreeMap<Box<str>, Placed>,
    pub(crate) parts: BTreeMap<Box<str>, StoredPart>,
    pub(crate) cursor: Option<Vec<u8>>,
    pub(crate) revision: u64,
    /// When the directory was heard of last, in milliseconds since the Unix epoch.
    pub(crate) heard: u64,
}

impl Metabase {
    /// Opens the file in this folder, making both if need be. What it has of another source is thrown away.
    pub(crate) fn open(folder: &Path, source: &str) -> Result<(Self, Kept), OpenError> {
        let path = folder.join(FILE_NAME);
        let file = open_file(folder, &path).map_err(|source| OpenError::File {
            path: path.clone(),
            source,
        })?;
        let open = || -> Result<(Self, Kept), redb::Error> {
            let database = Builder::new()
                .set_cache_size(CACHE_OCTETS)
                .create_with_backend(FileBackend::new(file)?)?;
            let metabase = Self { database };
            let kept = metabase.read(source)?;
            Ok((metabase, kept))
        };
        open().map_err(|source| OpenError::Database { path, source })
    }

    fn read(&self, source: &str) -> Result<Kept, redb::Error> {
        let transaction = self.database.begin_write()?;
        let revision = get(&transaction, "revision")?;
        let same = {
            let table = transaction.open_table(SOURCE)?;
            table
                .get("source")?
                .is_some_and(|kept| kept.value() == source)
        };
        let kept = if same && get(&transaction, "format")? == FORMAT {
            read_all(&transaction, revision)?
        } else {
            let mut writing = Writing { transaction };
            writing.clear()?;
            let transaction = writing.transaction;
            transaction.open_table(META)?.insert("format", FORMAT)?;
            transaction.open_table(SOURCE)?.insert("source", source)?;
            transaction.open_table(CURSOR)?.remove("cursor")?;
            transaction.commit()?;
            return Ok(Kept {
                revision,
                ..Kept::default()
            });
        };
        transaction.commit()?;
        Ok(kept)
    }

    /// Notes when the directory was heard of last.
    pub(crate) fn note_heard(&self, millis: u64) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(META)?.insert("heard", millis)?;
        transaction.commit()?;
        Ok(())
    }

    /// Begins to write what is told together.
    pub(crate) fn write(&self) -> Result<Writing, redb::Error> {
        let transaction = self.database.begin_write()?;
        Ok(Writing { transaction })
    }
}

fn get(transaction: &WriteTransaction, row: &str) -> Result<u64, redb::Error> {
    let meta = transaction.open_table(META)?;
    let value = meta.get(row)?.map_or(0, |value| value.value());
    Ok(value)
}

fn read_all(transaction: &WriteTransaction, revision: u64) -> Result<Kept, redb::Error> {
    let mut kept = Kept {
        revision,
        heard: get(transaction, "heard")?,
        ..Kept::default()
    };
    let mut whole = true;
    for row in transaction.open_table(RECIPIENTS)?.iter()? {
        whole &= kept.recipients.put(row?.1.value().to_vec()).is_some();
    }
    for row in transaction.open_table(IN_FORCE)?.iter()? {
        let (id, text) = row?;
        kept.in_force
            .insert(id.value().into(), text.value().to_owned());
    }
    kept.configuration = read_placed(transaction, CONFIGURATION)?;
    kept.faults = read_placed(transaction, FAULTS)?;
    let parts = read_placed(transaction, PARTS)?.into_iter();
    kept.parts = parts
        .map(|(id, Placed { place, text })| (id, StoredPart { place, text }))
        .collect();
    if let Some(octets) = transaction.open_table(CURSOR)?.get("cursor")? {
        // A record that can't be read is told again, with everything.
        kept.cursor = whole.then(|| octets.value().to_vec());
    }
    Ok(kept)
}

fn read_placed(
    transaction: &WriteTransaction,
    table: TableDefinition<'_, &str, (&str, &str)>,
) -> Result<BTreeMap<Box<str>, Placed>, redb::Error> {
    let mut all = BTreeMap::new();
    for row in transaction.open_table(table)?.iter()? {
        let (id, value) = row?;
        let (place, text) = value.value();
        let placed = Placed {
            place: place.into(),
            text: text.to_owned(),
        };
        all.insert(id.value().into(), placed);
    }
    Ok(all)
}

/// A transaction being written; dropped, it leaves nothing.
pub(crate) struct Writing {
    transaction: WriteTransaction,
}

impl Writing {
    /// Takes everything out: a full picture follows.
    pub(crate) fn clear(&mut self) -> Result<(), redb::Error> {
        self.transaction
            .open_table(RECIPIENTS)?
            .retain(|_, _| false)?;
        self.transaction.open_table(FAULTS)?.retain(|_, _| false)?;
        let mut configuration = self.transaction.open_table(CONFIGURATION)?;
        configuration.retain(|_, _| false)?;
        self.transaction.open_table(PARTS)?.retain(|_, _| false)?;
        Ok(())
    }

    /// Stores the records of recipients; those without octets are taken out.
    pub(crate) fn recipients<'a>(
        &mut self,
        records: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> Result<(), redb::Error> {
        let mut table = self.transaction.open_table(RECIPIENTS)?;
        for (id, octets) in records {
            match octets {
                Some(octets) => drop(table.insert(id, octets)?),
                None => drop(table.remove(id)?),
            }
        }
        Ok(())
    }

    /// Stores an object that is no recipient, or takes it out.
    pub(crate) fn configuration(
        &mut self,
        id: &str,
        placed: Option<&Placed>,
    ) -> Result<(), redb::Error> {
        self.placed(CONFIGURATION, id, placed)
    }

    /// Stores a part of the shared organisation, or takes it out.
    pub(crate) fn part(&mut self, id: &str, part: Option<&StoredPart>) -> Result<(), redb::Error> {
        let mut table = self.transaction.open_table(PARTS)?;
        match part {
            Some(part) => drop(table.insert(id, (&*part.place, part.text.as_str()))?),
            None => drop(table.remove(id)?),
        }
        Ok(())
    }

    /// Stores why an entry can't be used, or takes that out.
    pub(crate) fn fault(&mut self, id: &str, placed: Option<&Placed>) -> Result<(), redb::Error> {
        self.placed(FAULTS, id, placed)
    }

    fn placed(
        &mut self,
        table: TableDefinition<'_, &str, (&str, &str)>,
        id: &str,
        placed: Option<&Placed>,
    ) -> Result<(), redb::Error> {
        let mut table = self.transaction.open_table(table)?;
        match placed {
            Some(placed) => drop(table.insert(id, (&*placed.place, placed.text.as_str()))?),
            None => drop(table.remove(id)?),
        }
        Ok(())
    }

    /// Stores all forms that are in force.
    pub(crate) fn in_force(
        &mut self,
        forms: &BTreeMap<Box<str>, String>,
    ) -> Result<(), redb::Error> {
        let mut table = self.transaction.open_table(IN_FORCE)?;
        table.retain(|id, _| forms.contains_key(id))?;
        for (id, text) in forms {
            table.insert(&**id, text.as_str())?;
        }
        Ok(())
    }

    /// Makes it durable, with the cursor.
    pub(crate) fn commit(self, cursor: &[u8], revision: u64) -> Result<(), redb::Error> {
        self.transaction
            .open_table(CURSOR)?
            .insert("cursor", cursor)?;
        self.transaction
            .open_table(META)?
            .insert("revision", revision)?;
        self.transaction.commit()?;
        Ok(())
    }
}
