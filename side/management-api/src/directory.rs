//! How the directory is, and what was changed in it.

use serde::{Deserialize, Serialize};

/// `GET /v1/directory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DirectoryStatus {
    /// The version of the organisation that is in force here.
    pub version: u64,
    /// Grows with every change.
    pub revision: u64,
    /// Whether all recipients are known; else mail for unknown ones is refused for now.
    pub complete: bool,
    /// The mailboxes.
    pub mailboxes: u64,
    /// The groups.
    pub groups: u64,
    /// The contacts.
    pub contacts: u64,
    /// The directory that is followed, if one is.
    pub followed: Option<FollowedDirectory>,
    /// The organisation that several servers share, if this one does.
    #[serde(default)]
    pub shared: Option<SharedOrganization>,
    /// Objects that aren't in force, or not in their newest form.
    pub rejected: Vec<RejectedObject>,
    /// Objects that are in force, but hardly as they were meant.
    #[serde(default)]
    pub doubtful: Vec<RejectedObject>,
}

/// An organisation that several servers share, as the copy of its directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SharedOrganization {
    /// The version for all servers; 0 before the first.
    pub version: u64,
    /// The version that some servers try.
    pub trial: Option<u64>,
    /// Those servers.
    pub tried_on: Vec<String>,
    /// Why what this server should have in force isn't.
    pub waiting: Option<String>,
}

/// A directory that is followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FollowedDirectory {
    /// Its servers.
    pub source: String,
    /// Whether it answers.
    pub connected: bool,
    /// Whether the copy is older than allowed.
    pub stale: bool,
    /// When it was heard of last.
    pub heard: Option<u64>,
    /// How many milliseconds ago that was.
    pub lag: Option<u64>,
    /// When something changed last.
    pub changed: Option<u64>,
    /// Recipients in the copy.
    pub recipients: u64,
    /// What was wrong last.
    pub trouble: Option<String>,
    /// When that was.
    pub trouble_at: Option<u64>,
}

/// An object of which something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RejectedObject {
    /// Its DN.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// `GET /v1/organization/history`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct History {
    /// The changes, newest first.
    pub changes: Vec<HistoryItem>,
}

/// One change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HistoryItem {
    /// The version it led to.
    pub version: u64,
    /// When.
    pub at: u64,
    /// Who made it.
    pub who: String,
    /// Why.
    pub why: String,
    /// What it did.
    pub summary: String,
}

/// `GET /v1/organization/history/{version}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeDetail {
    /// The version it led to.
    pub version: u64,
    /// What it did, object by object.
    pub objects: Vec<Difference>,
}

/// What a change does to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Difference {
    /// Its text before; empty if it wasn't there.
    pub before: String,
    /// Its text after; empty if it is deleted.
    pub after: String,
}

/// `POST /v1/organization/rollback`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RollbackRequest {
    /// The version whose state shall be again.
    pub version: u64,
    /// Why; kept in the history.
    #[serde(default)]
    pub why: String,
    /// Say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}
