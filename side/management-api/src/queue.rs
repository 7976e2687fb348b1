//! Queues and what an operator does to them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /v1/queue`: everything that waits, grouped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueList {
    /// Messages in the queue, without those that were deleted.
    pub messages: u64,
    /// Octets of their content.
    pub octets: u64,
    /// Messages that were deleted and can still be had back.
    #[serde(default)]
    pub deleted: u64,
    /// Syncs of the log since the server was started.
    #[serde(default)]
    pub syncs: u64,
    /// The folders in which the queue lies, that for new mail first; the others are being emptied.
    #[serde(default)]
    pub folders: Vec<String>,
    /// While the queue is being read after a start, and counts grow: segments that were read, and how many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<(u64, u64)>,
    /// Whether mail is refused because storing failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// How hard it is for the server: `normal`, `slow` (replies to new mail are delayed) or `refusing`.
    #[serde(default)]
    pub pressure: String,
    /// What that follows from, unless it is normal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure_because: Option<String>,
    /// Who holds all mail for other servers, if somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_held: Option<Held>,
    /// Who has the server drained, if somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draining: Option<Held>,
    /// Links that are frozen by name, whether mail waits on them or not.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub frozen_links: BTreeMap<String, Held>,
    /// One row for each link and final domain, and one for each phase before a link is known.
    pub groups: Vec<QueueGroup>,
}

/// An operator's decision to hold something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Held {
    /// Who.
    pub by: String,
    /// When.
    pub at: u64,
}

/// Messages with one next hop and one final domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueGroup {
    /// The link, or the phase in brackets where no link is known yet, as `(submission)`.
    pub link: String,
    /// The final domain; empty where it isn't known yet.
    pub domain: String,
    /// Parts of messages that wait here or are being handed over.
    pub count: u64,
    /// Octets of their content.
    pub octets: u64,
    /// How many of them are in each phase.
    pub phases: BTreeMap<String, u64>,
    /// How many of them are being handed over now.
    pub active: u64,
    /// Acceptance of the oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u64>,
    /// When the next of them is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// Why the last one that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Who holds the link, if an operator does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Held>,
    /// Why nothing is handed over now though nothing is wrong: its schedule, or a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<String>,
}

/// Which messages are meant: those of a predicate, or these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Selection {
    /// A predicate, as `from:*@example.org age>2h`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub predicate: Option<String>,
    /// Ids of messages; each of them must be in the queue.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

/// `POST /v1/queue/adopt`: take over the queue of a server that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdoptRequest {
    /// The folder of that queue, an absolute path on this machine.
    pub folder: String,
    /// The folder is lost for good: what an interrupted adoption has copied of it is let go.
    #[serde(default)]
    pub lost: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AdoptAnswer {
    /// Messages that begin their way on this server.
    pub messages: u64,
    /// Messages that were in this server's queue anyway.
    pub known: u64,
    /// What can't be read of the other queue. It stays there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<String>,
}

/// `POST /v1/queue/find`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FindRequest {
    /// Which messages are meant.
    pub selection: Selection,
    /// How many are shown at the most; all of them count.
    pub limit: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// How many messages are meant.
    pub matched: u64,
    /// Octets of their content.
    pub octets: u64,
    /// How many of them are partly meant: they have recipients on other links that aren't.
    pub partly: u64,
    /// Messages that can't be read, so that nobody knows whether they are meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// The first of them, the oldest first.
    pub messages: Vec<FoundMessage>,
}

/// A message that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FoundMessage {
    /// Its id.
    pub id: String,
    /// Its phase.
    pub phase: String,
    /// Octets of content.
    pub size: u64,
    /// When it was accepted.
    pub accepted: u64,
    /// Its priority.
    pub priority: String,
    /// The reverse-path; empty for the null reverse-path.
    pub from: String,
    /// The recipients that are left.
    pub to: Vec<String>,
    /// Its subject.
    pub subject: String,
    /// Its links.
    pub links: Vec<String>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// `POST /v1/queue/control`: an order for messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ControlRequest {
    /// Which messages are meant.
    pub selection: Selection,
    /// What is to be done with them.
    pub order: MessageOrder,
    /// Only say what it would touch.
    #[serde(default)]
    pub dry_run: bool,
    /// With `retry`: also links that their schedule keeps closed go, until their schedule opens them.
    #[serde(default)]
    pub outside_schedule: bool,
    /// With what decides about a message as a whole (delete, redirect, expire): also messages that have recipients on other links,
    /// who aren't meant. Without it these are left alone.
    #[serde(default)]
    pub whole_messages: bool,
}

/// What is to be done with messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum MessageOrder {
    /// Hold them where they are.
    Freeze,
    /// Let them go on.
    Thaw,
    /// Try them now, on a path that is found anew.
    Retry,
    /// Find out again who the recipients are that are left.
    Resubmit,
    /// Remove them when the undo window ends.
    Delete {
        /// Whether their senders are told.
        report: bool,
        /// At once, without a way back.
        now: bool,
    },
    /// Take a deletion back.
    Restore,
    /// Send them by a connector; by what routing says if none.
    Redirect {
        /// Its name.
        connector: Option<String>,
    },
    /// Another priority: `high`, `normal` or `low`.
    Prioritize {
        /// The priority.
        priority: String,
    },
    /// Give them up so many seconds from now.
    Expire {
        /// Seconds.
        seconds: u64,
    },
}

/// What an order did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Controlled {
    /// Whether it was only tried.
    pub dry_run: bool,
    /// Messages that are meant.
    pub matched: u64,
    /// How many of them were changed.
    pub changed: u64,
    /// How many were so already.
    pub already: u64,
    /// How many had left the queue meanwhile.
    pub gone: u64,
    /// How many are being handed over or categorized, where that is in the way.
    pub busy: u64,
    /// How many of the meant have recipients on other links that aren't meant; the order concerns these too.
    pub partly: u64,
    /// How many were left alone, because they have recipients on other links that aren't meant.
    #[serde(default)]
    pub left_alone: u64,
    /// Messages that can't be read, so that nobody knows whether they are meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Until when deleted messages can be had back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_until: Option<u64>,
    /// Links that were let through though their schedule keeps them closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub let_through: Vec<String>,
}

/// `POST /v1/queue/hold`: what is held.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HoldRequest {
    /// The link; none for all mail to other servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Instead of that, new mail: the server is drained.
    #[serde(default)]
    pub new_mail: bool,
    /// Whether it is held from now on.
    pub held: bool,
}

/// What a hold or a release did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HoldAnswer {
    /// Whether that was a change.
    pub changed: bool,
    /// Whether mail has waited on the link since the start of the server.
    pub known: bool,
}

/// What an import made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Imported {
    /// The id of the new message.
    pub id: String,
}
