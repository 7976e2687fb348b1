//! Envelope journal reports: who sent a message and who gets it, with the message itself as an attachment.
//!
//! Guards: texts from outside can't add a line; the message is attached octet by octet.

use crate::{Headers, date_time};
use bridgehead_mail::{Address, Content, Domain, MessageId, Timestamp};
use std::io;

const WINDOW: usize = 64 * 1024;

/// A report about one message.
pub struct JournalReport<'a> {
    /// The id of the report itself.
    pub id: MessageId,
    /// When it is made.
    pub at: Timestamp,
    /// The server that makes it.
    pub server: &'a Domain,
    /// The domain of the `postmaster@` it comes from.
    pub from_domain: &'a Domain,
    /// Where it goes.
    pub to: &'a Address,
    /// The message's id.
    pub about: MessageId,
    /// When the message was accepted.
    pub accepted: Timestamp,
    /// Its reverse-path; none for the null one.
    pub sender: Option<&'a Address>,
    /// The user who sent it, if that is known.
    pub user: Option<&'a str>,
    /// Who gets it, and the recipient it was addressed to where that is another.
    pub recipients: &'a [(Address, Option<Address>)],
    /// Its headers.
    pub headers: &'a Headers,
    /// All of it.
    pub content: &'a dyn Content,
}

impl JournalReport<'_> {
    /// Writes the whole report, in pieces of bounded size.
    ///
    /// # Errors
    /// If the message can't be read, or `write` says no.
    pub fn write<E: From<io::Error>>(
        &self,
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let boundary = format!("=_journal_{}", self.id);
        write(self.head(&boundary).as_bytes())?;
        for (address, original) in self.recipients {
            let expanded = original.as_ref().map(|one| format!(", Expanded: {one}"));
            let line = format!("Recipient: {address}{}\r\n", expanded.unwrap_or_default());
            write(line.as_bytes())?;
        }
        let middle = format!(
            "\r\n--{boundary}\r\nContent-Type: message/rfc822\r\n\
             Content-Disposition: attachment\r\n\r\n"
        );
        write(middle.as_bytes())?;
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        loop {
            let count = self.content.read_at(at, &mut window)?;
            let Some(octets) = window.get(..count).filter(|octets| !octets.is_empty()) else {
                break;
            };
            write(octets)?;
            at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        write(format!("\r\n--{boundary}--\r\n").as_bytes())
    }

    fn head(&self, boundary: &str) -> String {
        let sender = self
            .sender
            .map_or_else(|| "<>".to_owned(), ToString::to_string);
        let utf8 = self.recipients.iter().any(|(one, _)| one.needs_smtputf8());
        let charset = if utf8 { "utf-8" } else { "us-ascii" };
        let mut head = format!(
            "From: postmaster@{}\r\nTo: {}\r\nSubject: Journal report of {}\r\nDate: {}\r\n\
             Message-ID: <{}@{}>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n\
             X-Bridgehead-Journal-Report: yes\r\n\
             Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\nContent-Type: text/plain; charset={charset}\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n\
             Sender: {sender}\r\n",
            self.from_domain,
            self.to,
            self.about,
            date_time(self.at),
            self.id,
            self.server,
        );
        if let Some(user) = self.user {
            head.push_str(&format!("On-Behalf-Of: {user}\r\n"));
        }
        for (name, field) in [("Subject", "subject"), ("Message-Id", "message-id")] {
            if let Some(value) = self.headers.first(field) {
                let value: String = value
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .collect();
                head.push_str(&format!("{name}: {}\r\n", value.trim()));
            }
        }
        head.push_str(&format!(
            "Queue-Id: {}\r\nReceived: {}\r\n",
            self.about,
            date_time(self.accepted)
        ));
        head
    }
}
