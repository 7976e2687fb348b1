//! The organisation as a file, in and out.

use crate::Difference;
use serde::{Deserialize, Serialize};

/// `POST /v1/organization`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ApplyRequest {
    /// The text of the file.
    pub text: String,
    /// Its name, for messages about faults.
    pub file: String,
    /// Why; kept in the history.
    #[serde(default)]
    pub why: String,
    /// The version that the change is based on: another one is a conflict, and nothing changes.
    #[serde(default)]
    pub expected_version: Option<u64>,
    /// Say what would change, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Servers and routing groups that try it before the others; none if it is for all.
    #[serde(default)]
    pub try_on: Vec<String>,
}

/// What an apply did, or why it did nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplyResult {
    /// The version of the organisation after it.
    pub version: u64,
    /// Objects made, as `mailbox alice`.
    pub created: Vec<String>,
    /// Objects changed.
    pub changed: Vec<String>,
    /// Objects removed.
    pub deleted: Vec<String>,
    /// How many stayed as they were.
    pub unchanged: u64,
    /// The servers that try it; none if it is for all.
    #[serde(default)]
    pub tried_on: Vec<String>,
    /// Of a dry run: what it would do, object by object.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Of a dry run: what it would mean for mail.
    #[serde(default)]
    pub effects: Vec<String>,
    /// Faults: with any that isn't a warning, nothing was changed.
    pub faults: Vec<Fault>,
    /// What could not be put in force although the file is right, as an address already in use.
    pub not_in_force: Vec<String>,
}

/// A fault in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fault {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 where the fault is of no line.
    pub line: u64,
    /// The object and key.
    pub key: String,
    /// What is wrong, and what is expected.
    pub reason: String,
    /// Whether it can be lived with.
    #[serde(default)]
    pub warning: bool,
}

/// `POST /v1/organization/trial`: ends the trial of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EndTrial {
    /// Whether the change comes into force on all servers; else on none.
    pub keep: bool,
}

/// What has become of a trial.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TrialEnded {
    /// The version that is in force on all servers now.
    pub version: u64,
    /// The version that was tried.
    pub tried: u64,
    /// Why nothing was done.
    pub faults: Vec<Fault>,
}

/// `GET /v1/organization`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Export {
    /// The version it shows.
    pub version: u64,
    /// The text of the file.
    pub text: String,
}
