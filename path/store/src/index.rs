//! The index: which messages are in which mailbox, and where their bodies lie. Kept in one transactional file.
//!
//! Guards: a message is in a mailbox once, however often it is delivered; uids only grow. Refuses: records it can't read.

use crate::error::StoreError;
use bridgehead_mail::{MessageId, Timestamp};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use std::path::Path;

/// Mailbox name -> its number and the next uid.
const MAILBOXES: TableDefinition<'_, &str, (u64, u64)> = TableDefinition::new("mailboxes");
/// Mailbox, folder, uid -> record.
const MESSAGES: TableDefinition<'_, (u64, u32, u64), &[u8]> = TableDefinition::new("messages");
/// Mailbox, message id -> uid.
const DELIVERED: TableDefinition<'_, (u64, u128), u64> = TableDefinition::new("delivered");
/// "number": the last mailbox number; "body-file", "body-end": where shared bodies end.
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");

/// The folder that mail is delivered into; others come with IMAP.
pub(crate) const INBOX: u32 = 0;

/// Where a body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyPlace {
    /// In a file shared with others.
    Shared { file: u64, offset: u64 },
    /// In a file named by the message's id.
    Own,
}

/// What the index knows of a message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageRecord {
    pub(crate) id: MessageId,
    pub(crate) received: Timestamp,
    pub(crate) place: BodyPlace,
    pub(crate) size: u64,
    pub(crate) checksum: u32,
    pub(crate) prefix: Vec<u8>,
}

/// One message for one or more mailboxes.
pub(crate) struct Entered<'a> {
    pub(crate) mailboxes: &'a [Box<str>],
    pub(crate) record: MessageRecord,
}

/// The store's index.
pub(crate) struct Index {
    database: Database,
}

impl Index {
    pub(crate) fn open(path: &Path, cache_octets: usize) -> Result<Self, StoreError> {
        let database = Database::builder()
            .set_cache_size(cache_octets)
            .create(path)
            .map_err(|e| StoreError::index(&e))?;
        let index = Self { database };
        index.make_tables().map_err(|e| StoreError::index(&e))?;
        Ok(index)
    }

    fn make_tables(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        transaction.open_table(MAILBOXES)?;
        transaction.open_table(MESSAGES)?;
        transaction.open_table(DELIVERED)?;
        transaction.open_table(NUMBERS)?;
        Ok(transaction.commit()?)
    }

    /// Where shared bodies end: file and octet.
    pub(crate) fn body_end(&self) -> Result<(u64, u64), StoreError> {
        let read = || -> Result<(u64, u64), redb::Error> {
            let transaction = self.database.begin_read()?;
            let numbers = transaction.open_table(NUMBERS)?;
            let file = numbers.get("body-file")?.map_or(1, |n| n.value());
            let end = numbers.get("body-end")?.map_or(0, |n| n.value());
            Ok((file, end))
        };
        read().map_err(|e| StoreError::index(&e))
    }

    /// Enters a batch, durably. The bodies must be durable already.
    pub(crate) fn enter(
        &self,
        batch: &[Entered<'_>],
        body_end: (u64, u64),
    ) -> Result<(), StoreError> {
        let write = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut mailboxes = transaction.open_table(MAILBOXES)?;
                let mut messages = transaction.open_table(MESSAGES)?;
                let mut delivered = transaction.open_table(DELIVERED)?;
                let mut numbers = transaction.open_table(NUMBERS)?;
                for entered in batch {
                    let octets = encode(&entered.record);
                    for name in entered.mailboxes {
                        let known = mailboxes.get(&**name)?.map(|found| found.value());
                        let (mailbox, uid) = match known {
                            Some(known) => known,
                            None => (next_number(&mut numbers)?, 1),
                        };
                        let key = (mailbox, entered.record.id.as_u128());
                        // Delivered before a crash, and now again: once is enough.
                        if delivered.get(key)?.is_some() {
                            continue;
                        }
                        messages.insert((mailbox, INBOX, uid), octets.as_slice())?;
                        delivered.insert(key, uid)?;
                        mailboxes.insert(&**name, (mailbox, uid + 1))?;
                    }
                }
                numbers.insert("body-file", body_end.0)?;
                numbers.insert("body-end", body_end.1)?;
            }
            Ok(transaction.commit()?)
        };
        write().map_err(|e| StoreError::index(&e))
    }

    /// All mailboxes: name and number.
    pub(crate) fn mailboxes(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let read = || -> Result<Vec<(String, u64)>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(MAILBOXES)?;
            let mut all = Vec::new();
            for row in table.iter()? {
                let (name, value) = row?;
                all.push((name.value().to_owned(), value.value().0));
            }
            Ok(all)
        };
        read().map_err(|e| StoreError::index(&e))
    }

    /// The number of a mailbox.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, StoreError> {
        let read = || -> Result<Option<u64>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(MAILBOXES)?;
            Ok(table.get(name)?.map(|found| found.value().0))
        };
        read().map_err(|e| StoreError::index(&e))
    }

    /// The messages of a mailbox, by uid.
    pub(crate) fn messages(&self, mailbox: u64) -> Result<Vec<(u64, MessageRecord)>, StoreError> {
        let read = || -> Result<Vec<(u64, Vec<u8>)>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(MESSAGES)?;
            let range = (mailbox, INBOX, 0)..=(mailbox, INBOX, u64::MAX);
            let mut all = Vec::new();
            for row in table.range(range)? {
                let (key, value) = row?;
                all.push((key.value().2, value.value().to_vec()));
            }
            Ok(all)
        };
        let rows = read().map_err(|e| StoreError::index(&e))?;
        rows.into_iter()
            .map(|(uid, octets)| Ok((uid, decode(&octets)?)))
            .collect()
    }

    /// One message.
    pub(crate) fn message(
        &self,
        mailbox: u64,
        uid: u64,
    ) -> Result<Option<MessageRecord>, StoreError> {
        let read = || -> Result<Option<Vec<u8>>, redb::Error> {
            let transaction = self.database.begin_read()?;
            let table = transaction.open_table(MESSAGES)?;
            let found = table.get((mailbox, INBOX, uid))?;
            Ok(found.map(|value| value.value().to_vec()))
        };
        let octets = read().map_err(|e| StoreError::index(&e))?;
        octets.map(|octets| decode(&octets)).transpose()
    }
}

fn next_number(numbers: &mut redb::Table<'_, &str, u64>) -> Result<u64, redb::Error> {
    let last = numbers.get("number")?.map_or(0, |found| found.value());
    numbers.insert("number", last + 1)?;
    Ok(last + 1)
}

/// Version, id, received, place, size, checksum, prefix (docs/formats/store.md).
fn encode(record: &MessageRecord) -> Vec<u8> {
    let mut octets = Vec::with_capacity(80 + record.prefix.len());
    octets.push(1);
    octets.extend_from_slice(&record.id.as_u128().to_le_bytes());
    octets.extend_from_slice(&record.received.as_millis().to_le_bytes());
    let (file, offset) = match record.place {
        BodyPlace::Own => (0, 0),
        BodyPlace::Shared { file, offset } => (file, offset),
    };
    octets.extend_from_slice(&file.to_le_bytes());
    octets.extend_from_slice(&offset.to_le_bytes());
    octets.extend_from_slice(&record.size.to_le_bytes());
    octets.extend_from_slice(&record.checksum.to_le_bytes());
    octets.extend_from_slice(&record.prefix);
    octets
}

fn decode(octets: &[u8]) -> Result<MessageRecord, StoreError> {
    let mut rest = octets;
    let malformed = || StoreError::Damaged("a record of the index".to_owned());
    let mut take = |count: usize| {
        let (taken, after) = rest.split_at_checked(count).ok_or_else(malformed)?;
        rest = after;
        Ok::<&[u8], StoreError>(taken)
    };
    let number = |octets: &[u8]| {
        let octets: [u8; 8] = octets.try_into().map_err(|_| malformed())?;
        Ok::<u64, StoreError>(u64::from_le_bytes(octets))
    };
    if take(1)? != [1] {
        return Err(malformed());
    }
    let id: [u8; 16] = take(16)?.try_into().map_err(|_| malformed())?;
    let received = number(take(8)?)?;
    let file = number(take(8)?)?;
    let offset = number(take(8)?)?;
    let size = number(take(8)?)?;
    let checksum: [u8; 4] = take(4)?.try_into().map_err(|_| malformed())?;
    Ok(MessageRecord {
        id: MessageId::from_u128(u128::from_le_bytes(id)),
        received: Timestamp::from_millis(received),
        place: match file {
            0 => BodyPlace::Own,
            file => BodyPlace::Shared { file, offset },
        },
        size,
        checksum: u32::from_le_bytes(checksum),
        prefix: rest.to_vec(),
    })
}
