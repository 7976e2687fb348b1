//! Addresses: who they are, where they go, what is in their mailboxes.

use serde::{Deserialize, Serialize};

/// `GET /v1/routes/explain?address=ADDRESS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteExplanation {
    /// The address asked about.
    pub address: String,
    /// Each addressee it resolves to, with its way.
    pub routes: Vec<RecipientRoute>,
    /// Why there is no way, for each recipient that has none.
    pub failures: Vec<String>,
}

/// The way to one addressee.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipientRoute {
    /// The addressee.
    pub recipient: String,
    /// The link it takes.
    pub link: String,
    /// In words, as `mailbox alice on this server` or `smart host relay.example.net:25`.
    pub next_hop: String,
    /// What was chosen from, the chosen one first.
    pub candidates: Vec<Candidate>,
}

/// A connector that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Candidate {
    /// The connector.
    pub connector: String,
    /// The address space that matched.
    pub address_space: String,
    /// Its cost.
    pub cost: u32,
    /// Why it won or lost.
    pub verdict: String,
}

/// `GET /v1/recipients/explain?address=ADDRESS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipientExplanation {
    /// The address asked about.
    pub address: String,
    /// The version of the directory's snapshot.
    pub directory: u64,
    /// Each step, with the object behind it.
    pub steps: Vec<ExplainStep>,
    /// Whom it resolves to.
    pub addressees: Vec<String>,
}

/// One step of the categorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ExplainStep {
    /// The address looked at.
    pub address: String,
    /// The object that was found, as `group staff`; empty if none.
    pub object: String,
    /// What followed from it.
    pub text: String,
}

/// `GET /v1/mailboxes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxList {
    /// All mailboxes, by name.
    pub mailboxes: Vec<MailboxSummary>,
}

/// One mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxSummary {
    /// Its name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Their octets.
    pub octets: u64,
}

/// `GET /v1/mailboxes/NAME/messages`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxMessages {
    /// The mailbox.
    pub mailbox: String,
    /// Its messages by uid.
    pub messages: Vec<MailboxMessage>,
}

/// One message in a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MailboxMessage {
    /// Its number in the mailbox, never used again.
    pub uid: u64,
    /// The id under which it was transported.
    pub id: String,
    /// When it was delivered.
    pub received: u64,
    /// Octets, trace fields included.
    pub size: u64,
    /// The From field as written.
    pub from: String,
    /// The Subject field as written.
    pub subject: String,
}
