//! Mail that waits at other servers and is asked for.

use serde::{Deserialize, Serialize};

/// `POST /v1/links/fetch`: ask for the mail of a connector now. The answer is [`Fetched`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FetchRequest {
    /// The connector.
    pub connector: String,
}

/// A connector by which mail is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fetch {
    /// The connector.
    pub connector: String,
    /// The server that is asked.
    pub host: String,
    /// By which command: `ETRN` or `ATRN`.
    pub by: String,
    /// How often, in seconds.
    pub every: u64,
    /// Whether it is being asked now.
    pub asking: bool,
    /// When it is asked next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// How often in a row that failed.
    pub failures: u32,
    /// What came of it the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Fetched>,
}

/// What came of asking once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Fetched {
    /// When.
    pub at: u64,
    /// Whether all that was asked for was granted, or nothing waits.
    pub worked: bool,
    /// What was asked, with what the other server said.
    pub said: Vec<FetchSaid>,
    /// Messages that came over the connection, when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Whether mail that was asked for still comes over its connection.
    pub coming: bool,
    /// Why nothing could be asked, or what was asked for couldn't be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A question, and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FetchSaid {
    /// The command.
    pub asked: String,
    /// The reply.
    pub reply: String,
}
