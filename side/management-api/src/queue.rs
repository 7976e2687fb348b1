//! Queues and what an operator does to them.

use serde::{Deserialize, Serialize};

/// `GET /v1/queue`: everything that waits, grouped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueList {
    /// Messages in the queue.
    pub messages: u64,
    /// Octets of their content.
    pub octets: u64,
    /// Whether mail is refused because storing failed, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusing: Option<String>,
    /// One row for each link and final domain, and one for each phase before a link is known.
    pub groups: Vec<QueueGroup>,
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
    /// How many of them are being handed over now.
    pub active: u64,
    /// How many of them wait for their next try.
    pub deferred: u64,
    /// Acceptance of the oldest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u64>,
    /// When the next of them is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// Why the last one that failed did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// `POST /v1/queue/retry`: what to try now. Exactly one of the fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RetryRequest {
    /// One message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// All that wait on a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// All that wait.
    #[serde(default)]
    pub all: bool,
}

/// What a control changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Touched {
    /// How many messages it touched.
    pub messages: u64,
}
