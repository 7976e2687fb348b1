//! The read-only picture of the store for management.

use crate::error::StoreError;
use crate::{Store, StoredMessage, read_all};
use bridgehead_mail::{MessageId, Timestamp};
use bridgehead_mime::read_headers;

/// One mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPicture {
    /// Its name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their octets, trace fields included.
    pub octets: u64,
}

/// One message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageSummary {
    /// Its number in the mailbox.
    pub uid: u64,
    /// The id under which it was transported.
    pub id: MessageId,
    /// When it was delivered.
    pub received: Timestamp,
    /// Octets, trace fields included.
    pub size: u64,
    /// The From field as written; empty if there is none.
    pub from: String,
    /// The Subject field as written; empty if there is none.
    pub subject: String,
}

impl Store {
    /// All mailboxes that hold or held mail, by name.
    ///
    /// # Errors
    /// If the index can't be read.
    pub fn mailboxes(&self) -> Result<Vec<MailboxPicture>, StoreError> {
        let mut all = Vec::new();
        for (name, number) in self.shared.index.mailboxes()? {
            let messages = self.shared.index.messages(number)?;
            let octets = messages
                .iter()
                .map(|(_, record)| record.size + record.prefix.len() as u64);
            all.push(MailboxPicture {
                name,
                octets: octets.sum(),
                messages: messages.len() as u64,
            });
        }
        Ok(all)
    }

    /// The messages of a mailbox, by uid; none if nothing was ever delivered into it.
    ///
    /// # Errors
    /// If the index or a body can't be read.
    pub fn messages(&self, mailbox: &str) -> Result<Vec<MessageSummary>, StoreError> {
        let Some(number) = self.shared.index.number(mailbox)? else {
            return Ok(Vec::new());
        };
        let mut all = Vec::new();
        for (uid, record) in self.shared.index.messages(number)? {
            let body = self
                .shared
                .bodies
                .read(record.id, record.place, record.size)?;
            let headers = read_headers(&*body).map_err(|e| StoreError::Index(e.to_string()))?;
            all.push(MessageSummary {
                uid,
                id: record.id,
                received: record.received,
                size: record.size + record.prefix.len() as u64,
                from: headers.first("From").unwrap_or_default(),
                subject: headers.first("Subject").unwrap_or_default(),
            });
        }
        Ok(all)
    }

    /// One message.
    ///
    /// # Errors
    /// If there is none, or it can't be read or is damaged.
    pub fn read(&self, mailbox: &str, uid: u64) -> Result<StoredMessage, StoreError> {
        let unknown = || StoreError::Unknown(format!("message {uid} in mailbox {mailbox}"));
        let number = self.shared.index.number(mailbox)?.ok_or_else(unknown)?;
        let record = self
            .shared
            .index
            .message(number, uid)?
            .ok_or_else(unknown)?;
        let body = self
            .shared
            .bodies
            .read(record.id, record.place, record.size)?;
        if record.size <= self.shared.settings.shared_octets_max
            && crc32c::crc32c(&read_all(&*body)?) != record.checksum
        {
            return Err(StoreError::Damaged(format!(
                "message {uid} in mailbox {mailbox}"
            )));
        }
        Ok(StoredMessage {
            id: record.id,
            prefix: record.prefix,
            content: body,
        })
    }
}
