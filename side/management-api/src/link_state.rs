//! Link state: which links between servers of the organisation work.
//!
//! Times are seconds before or after now, because each server counts its own.

use serde::{Deserialize, Serialize};

/// `GET /v1/links/state`: what this server knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkState {
    /// Whether it takes part: it is one of several servers of the organisation.
    pub takes_part: bool,
    /// This server.
    pub server: String,
    /// How many servers the organisation has.
    pub servers: u64,
    /// How many routing groups.
    pub groups: u64,
    /// How many connectors between them.
    pub connectors: u64,
    /// The same on all servers that have the same configuration.
    pub topology: String,
    /// How often the picture has changed.
    pub version: u64,
    /// Connectors that are out.
    pub down: Vec<String>,
    /// Connectors that work, but not for all of their source bridgeheads.
    #[serde(default)]
    pub partly: Vec<PartlyDown>,
    /// Connectors that load makes dearer.
    pub dearer: Vec<Surcharge>,
    /// Servers that their groups can't reach.
    pub out: Vec<String>,
    /// This server's own links that aren't entirely well.
    pub links: Vec<LinkWatched>,
    /// The servers that this one exchanges link state with.
    pub neighbours: Vec<Neighbour>,
    /// What servers have said.
    pub said: Vec<Word>,
    /// Reports that weren't logged because there were too many.
    pub untold: u64,
}

/// A connector that works, but not for all of its source bridgeheads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PartlyDown {
    /// The connector.
    pub connector: String,
    /// The source bridgeheads for which it is down.
    pub servers: Vec<String>,
}

/// What load adds to a connector's cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Surcharge {
    /// The connector.
    pub connector: String,
    /// What is added.
    pub surcharge: u32,
}

/// One of the server's own links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkWatched {
    /// `connector` or `server`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// `works`, `suspected`, `down` or `held`: it works, but came and went too often.
    pub state: String,
    /// For how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// When it is tried next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// When it is let go if it stays well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_for: Option<u64>,
    /// Messages that wait for it.
    pub queued: u32,
    /// How long the oldest has waited.
    pub oldest: u64,
    /// What that adds to its cost.
    pub surcharge: u8,
}

/// How the conversation with a neighbour is going.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub answers: bool,
    /// Messages that it hasn't acknowledged.
    pub unanswered: u64,
    /// Messages that wait to be carried.
    pub waiting: u64,
    /// Messages that were carried.
    pub carried: u64,
    /// Messages that couldn't be.
    pub failed: u64,
    /// Messages that went since too many waited.
    pub dropped: u64,
    /// Why the last couldn't be carried, if it couldn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a server has said of its links.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Word {
    /// The server.
    pub origin: String,
    /// How long ago.
    pub age: u64,
    /// When it is forgotten.
    pub left: u64,
    /// The start of the server and the number of what it said since.
    pub version: String,
    /// The links that aren't as configured; none: all is well again.
    pub links: Vec<LinkSaid>,
}

/// A link that a server speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkSaid {
    /// `connector` or `server`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Nothing gets through.
    pub down: bool,
    /// What load adds to its cost.
    pub surcharge: u8,
    /// Messages that waited for it.
    pub queued: u32,
    /// How long the oldest had waited.
    pub oldest: u64,
}
