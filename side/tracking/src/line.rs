//! A tracking event as one line of JSON, for people and programs alike.

use bridgehead_mail::{Address, Event, EventKind, LinkName, RemoteReply};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

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

impl TraceLine {
    /// An event in words.
    pub(crate) fn of(event: &Event) -> Self {
        let (step, recipient, text) = words(&event.kind);
        Self {
            at: event.at.as_millis(),
            id: event.message.to_string(),
            session: event.session.map(|session| session.to_string()),
            step: step.to_owned(),
            recipient: recipient.map(Address::to_string),
            text,
        }
    }

    /// Appends the line. A text that isn't whole JSON is never written.
    pub(crate) fn append(&self, to: &mut Vec<u8>) {
        let start = to.len();
        if serde_json::to_writer(&mut *to, self).is_ok() {
            to.push(b'\n');
        } else {
            to.truncate(start);
        }
    }

    /// Says it in the server's log: what an administrator follows mail by at level `info`, the steps between at
    /// `debug`.
    pub(crate) fn log(&self, kind: &EventKind) {
        let Self {
            id,
            session,
            step,
            text,
            ..
        } = self;
        match kind {
            EventKind::Categorized { .. }
            | EventKind::Expanded { .. }
            | EventKind::Routed { .. }
            | EventKind::Done => tracing::debug!(id, session, "{step} {text}"),
            _ => tracing::info!(id, session, "{step} {text}"),
        }
    }
}

/// An event in words: the step, the recipient, the rest.
fn words(kind: &EventKind) -> (&'static str, Option<&Address>, String) {
    match kind {
        EventKind::Accepted {
            from,
            recipients,
            size,
            virtual_server,
            client,
        } => {
            let mut text = format!("from {from} to ");
            list(recipients, &mut text);
            let _ = write!(text, ", {size} octets, by {virtual_server}");
            if let Some(client) = client {
                let _ = write!(text, " from {client}");
            }
            ("accepted", None, text)
        }
        EventKind::Categorized {
            recipients,
            directory,
        } => {
            let text =
                format!("{recipients} recipient(s), by version {directory} of the directory");
            ("categorized", None, text)
        }
        EventKind::Expanded { recipient, members } => (
            "expanded",
            Some(recipient),
            format!("{recipient} into {members} member(s)"),
        ),
        EventKind::Routed { recipient, link } => {
            ("routed", Some(recipient), routed(recipient, link))
        }
        EventKind::Delivered { recipient, mailbox } => (
            "delivered",
            Some(recipient),
            format!("{recipient} into mailbox {mailbox}"),
        ),
        EventKind::Relayed {
            recipient,
            reply,
            over,
        } => ("relayed", Some(recipient), relayed(recipient, reply, over)),
        EventKind::Deferred {
            recipient,
            failure,
            until,
        } => {
            let text = format!("{recipient}: {failure}; next try at {}", until.rfc3339());
            ("deferred", Some(recipient), text)
        }
        EventKind::Failed { recipient, failure } => {
            ("failed", Some(recipient), format!("{recipient}: {failure}"))
        }
        EventKind::Reported { report, action } => (
            "reported",
            None,
            format!("as {action}, in message {report}"),
        ),
        EventKind::Badmail { name } => {
            let text = format!("there is nobody to tell: kept as {name}");
            ("badmail", None, text)
        }
        EventKind::Controlled { action, by } => ("controlled", None, format!("{action} by {by}")),
        EventKind::Done => ("done", None, "nothing is left to do".to_owned()),
    }
}

fn relayed(recipient: &Address, reply: &RemoteReply, over: &str) -> String {
    let text = format!("{recipient} to {}, which said: {reply}", reply.host);
    match over {
        "" => text,
        over => format!("{text} ({over})"),
    }
}

fn routed(recipient: &Address, link: &LinkName) -> String {
    format!("{recipient} over {link}")
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
