//! Badmail: what failed and has nobody who could be told.

use serde::{Deserialize, Serialize};

/// `GET /v1/badmail`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BadmailList {
    /// Octets of all of it.
    pub octets: u64,
    /// The messages, the oldest first.
    pub messages: Vec<BadmailSummary>,
}

/// One message of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BadmailSummary {
    /// Its name.
    pub name: String,
    /// When the message was accepted.
    pub accepted: u64,
    /// Octets of its files.
    pub octets: u64,
}

/// `GET /v1/badmail/NAME`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BadmailDetail {
    /// Its name.
    pub name: String,
    /// Octets of its files.
    pub octets: u64,
    /// Where the message is on the server, as `queue import` takes it.
    pub file: String,
    /// Why it is there.
    pub reason: String,
}

/// `POST /v1/badmail/delete`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BadmailDeletion {
    /// These.
    #[serde(default)]
    pub names: Vec<String>,
    /// All of it.
    #[serde(default)]
    pub all: bool,
}

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BadmailDeleted {
    /// How many messages.
    pub deleted: u64,
}
