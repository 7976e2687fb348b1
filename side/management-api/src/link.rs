//! Links: what waits on them, and at what pace it goes.

use crate::{Fetch, Held};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /v1/links`: every link on which mail waits or that was used lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkList {
    /// The links, by name.
    pub links: Vec<Link>,
    /// Mail that is asked for at other servers, by connector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetches: Vec<Fetch>,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Link {
    /// Its name, as `internet/example.net`.
    pub link: String,
    /// Parts of messages on it.
    pub count: u64,
    /// How many of them are in each phase.
    pub phases: BTreeMap<String, u64>,
    /// How many of them are being handed over now.
    pub active: u64,
    /// Its pace; none for the mailboxes of this server, and for links that weren't used lately.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Why its mail waits, a sentence for each reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<String>,
    /// When the next of it is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<u64>,
    /// Who holds it, if an operator does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Held>,
}

/// How much goes to another server at once, and how often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pace {
    /// Open connections, with those that are kept for the next message.
    pub connections: u64,
    /// Couriers at work: each hands one message over.
    pub couriers: u64,
    /// How many there may be now.
    pub window: u64,
    /// How many there may be at the most.
    pub bound: u64,
    /// The rates in force, as `5/s messages`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<String>,
    /// The domain pattern of the limit that holds instead of the connector's own, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How often in a row nobody got through.
    pub failures: u32,
    /// The last answer that meant "too much".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowed: Option<Slowed>,
}

/// An answer that meant "too much".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Slowed {
    /// When.
    pub at: u64,
    /// Who said it: `name [address]:port`.
    pub host: String,
    /// The reply.
    pub said: String,
    /// What it is taken for.
    pub means: String,
}
