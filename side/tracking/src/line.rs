//! A tracking event as one line of JSON, for people and programs alike.

use bridgehead_mail::{Address, Event, EventKind, RemoteReply};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// One step of a message, as written and read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLine {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// The message.
    pub id: String,
    /// The session, if it happened in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What, in one word.
    pub step: String,
    /// The recipient it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The rest in words.
    pub text: String,
}

/// Writes events as lines. What is made for one line is used again for the next.
#[derive(Default)]
pub(crate) struct Writer {
    id: String,
    session: String,
    recipient: String,
    text: String,
}

/// The same as [`TraceLine`], borrowed.
#[derive(Serialize)]
struct Written<'a> {
    at: u64,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    step: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<&'a str>,
    text: &'a str,
}

impl Writer {
    /// Appends an event as a line, and says it in the server's log: what an administrator follows mail by at level `info`, the
    /// steps between at `debug`. A text that isn't whole JSON is never written.
    pub(crate) fn append(&mut self, event: &Event, to: &mut Vec<u8>) {
        let Self {
            id,
            session,
            recipient,
            text,
        } = self;
        for buffer in [&mut *id, &mut *session, &mut *recipient, &mut *text] {
            buffer.clear();
        }
        let (step, about) = words(&event.kind, text);
        // Writing into memory can't fail.
        let _ = write!(id, "{}", event.message);
        let session = event.session.map(|number| {
            let _ = write!(session, "{number}");
            session.as_str()
        });
        let recipient = about.map(|address| {
            let _ = write!(recipient, "{address}");
            recipient.as_str()
        });
        let line = Written {
            at: event.at.as_millis(),
            id,
            session,
            step,
            recipient,
            text,
        };
        let start = to.len();
        if serde_json::to_writer(&mut *to, &line).is_ok() {
            to.push(b'\n');
        } else {
            to.truncate(start);
        }
        match event.kind {
            EventKind::Categorized { .. }
            | EventKind::Expanded { .. }
            | EventKind::Routed { .. }
            | EventKind::Done => tracing::debug!(id, session, "{step} {text}"),
            _ => tracing::info!(id, session, "{step} {text}"),
        }
    }
}

/// An event in words: the step, the recipient, and the rest into `text`.
fn words<'a>(kind: &'a EventKind, text: &mut String) -> (&'static str, Option<&'a Address>) {
    // Writing into memory can't fail.
    let (step, recipient, written) = match kind {
        EventKind::Accepted { .. } => ("accepted", None, accepted(kind, text)),
        EventKind::Categorized {
            recipients: count,
            directory: version,
        } => {
            let written = write!(
                text,
                "{count} recipient(s), by version {version} of the directory"
            );
            ("categorized", None, written)
        }
        EventKind::Expanded { recipient, members } => (
            "expanded",
            Some(recipient),
            write!(text, "{recipient} into {members} member(s)"),
        ),
        EventKind::Routed { recipient, link } => {
            let written = write!(text, "{recipient} over {link}");
            ("routed", Some(recipient), written)
        }
        EventKind::Delivered { recipient, mailbox } => (
            "delivered",
            Some(recipient),
            write!(text, "{recipient} into mailbox {mailbox}"),
        ),
        EventKind::Relayed {
            recipient,
            reply,
            over,
        } => (
            "relayed",
            Some(recipient),
            relayed(recipient, reply, over, text),
        ),
        EventKind::Deferred {
            recipient,
            failure,
            until,
        } => (
            "deferred",
            Some(recipient),
            write!(
                text,
                "{recipient}: {failure}; next try at {}",
                until.rfc3339()
            ),
        ),
        EventKind::Failed { recipient, failure } => (
            "failed",
            Some(recipient),
            write!(text, "{recipient}: {failure}"),
        ),
        EventKind::Reported { report, action } => (
            "reported",
            None,
            write!(text, "as {action}, in message {report}"),
        ),
        EventKind::Badmail { name } => (
            "badmail",
            None,
            write!(text, "there is nobody to tell: kept as {name}"),
        ),
        EventKind::Controlled { action, by } => {
            ("controlled", None, write!(text, "{action} by {by}"))
        }
        EventKind::Done => ("done", None, write!(text, "nothing is left to do")),
    };
    debug_assert!(written.is_ok());
    (step, recipient)
}

/// To whom it went, and how the connection was secured.
fn relayed(recipient: &Address, reply: &RemoteReply, over: &str, text: &mut String) -> fmt::Result {
    write!(text, "{recipient} to {}, which said: {reply}", reply.host)?;
    match over {
        "" => Ok(()),
        over => write!(text, " ({over})"),
    }
}

/// Who sent it to whom, and from where it came.
fn accepted(kind: &EventKind, text: &mut String) -> fmt::Result {
    let EventKind::Accepted {
        from,
        recipients,
        size,
        virtual_server,
        client,
    } = kind
    else {
        return Ok(());
    };
    write!(text, "from {from} to ")?;
    list(recipients, text);
    write!(text, ", {size} octets, by {virtual_server}")?;
    match client {
        Some(client) => write!(text, " from {client}"),
        None => Ok(()),
    }
}

/// The first recipients, and how many more.
fn list(recipients: &[Address], to: &mut String) {
    const SHOWN: usize = 10;
    for (number, recipient) in recipients.iter().take(SHOWN).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        let _ = write!(to, "{comma}<{recipient}>");
    }
    if recipients.len() > SHOWN {
        let _ = write!(to, " and {} more", recipients.len() - SHOWN);
    }
}
