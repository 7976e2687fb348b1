//! One message: where it is, and what happened to it.

use serde::{Deserialize, Serialize};

/// `GET /v1/messages/ID`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageDetail {
    /// Its id.
    pub id: String,
    /// Its phase, in one word.
    pub phase: String,
    /// Its priority.
    pub priority: String,
    /// Octets of content.
    pub size: u64,
    /// When it was accepted.
    pub accepted: u64,
    /// What operators decided, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decided: Vec<String>,
    /// When it is given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// Its envelope as accepted.
    pub envelope: MessageEnvelope,
    /// What is left of it, one part for each next hop.
    pub parts: Vec<PartDetail>,
}

/// The envelope of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MessageEnvelope {
    /// The reverse-path; empty for the null reverse-path.
    pub from: String,
    /// The forward-paths.
    pub recipients: Vec<String>,
    /// The virtual server that took it.
    pub virtual_server: String,
    /// The client's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The authenticated user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// The recipients of a message that share a next hop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartDetail {
    /// The link.
    pub link: String,
    /// The phase of this part: `link`, `local-delivery`, `retry`, `deferred` or `frozen`.
    pub phase: String,
    /// Whether it is being handed over now.
    pub active: bool,
    /// The recipients not settled yet.
    pub recipients: Vec<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// Why the last attempt failed, with the other server's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// `GET /v1/messages/ID/why`: why a message is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Why {
    /// The message, if it is in the queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageDetail>,
    /// The phase that it is in, or `gone`.
    pub phase: String,
    /// What keeps it there, a sentence each.
    pub causes: Vec<String>,
    /// What happens next, and when.
    pub next: Vec<String>,
    /// Attempts and decisions before those that are told of; `message trace` has them.
    #[serde(default)]
    pub earlier: u64,
    /// The last attempts and decisions, in order of time.
    pub attempts: Vec<TraceStep>,
}

/// `GET /v1/messages/ID/trace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Trace {
    /// The message.
    pub id: String,
    /// Its steps in order of time.
    pub steps: Vec<TraceStep>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TraceStep {
    /// When.
    pub at: u64,
    /// What, in one word: `accepted`, `categorized`, `routed`, `delivered`.
    pub step: String,
    /// The rest in words.
    pub text: String,
}
