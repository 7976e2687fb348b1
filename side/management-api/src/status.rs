//! The server as a whole, and how the interface says no.

use serde::{Deserialize, Serialize};

/// `GET /v1/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    /// The server's name in the directory.
    pub server: String,
    /// The version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// When it started.
    pub started: u64,
    /// The version of the organisation that is in force.
    pub organization: u64,
    /// What could not be put in force.
    pub not_in_force: Vec<String>,
    /// Where it listens.
    pub listeners: Vec<ListenerStatus>,
    /// Messages in the queue.
    pub queued: u64,
}

/// One listening address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ListenerStatus {
    /// The virtual server.
    pub virtual_server: String,
    /// The address and port.
    pub address: String,
    /// Sessions now.
    pub sessions: u64,
}

/// Why a request failed; the body of every answer that isn't a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// What is wrong, in a sentence.
    pub reason: String,
}
