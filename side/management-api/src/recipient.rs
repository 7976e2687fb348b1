//! Addresses: who they are, where they go, what is in their mailboxes.

use serde::{Deserialize, Serialize};

/// `GET /v1/routes/explain?address=ADDRESS&from=ADDRESS&stranger=BOOL&size=OCTETS&priority=WORD`; all but the address may be
/// missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteExplanation {
    /// The address asked about.
    pub address: String,
    /// Each addressee it resolves to, with its way.
    pub routes: Vec<RecipientRoute>,
    /// Why there is nobody to find a way to, for each recipient that isn't anybody.
    pub failures: Vec<String>,
}

/// The way to one addressee.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RecipientRoute {
    /// The addressee.
    pub recipient: String,
    /// The link it takes; empty if there is no way.
    pub link: String,
    /// In words, as `mailbox alice on this server` or `smart host relay.example.net:25`; empty if there is no way.
    pub next_hop: String,
    /// Why there is no way, as the sender is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What was chosen from, the chosen one first.
    pub candidates: Vec<Candidate>,
    /// The path over routing groups; empty inside this server's group.
    #[serde(default)]
    pub path: Vec<PathStep>,
    /// The other connectors that this server's group could have begun with.
    #[serde(default)]
    pub runners_up: Vec<RunnerUp>,
}

/// A connector on a path between routing groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathStep {
    /// The connector.
    pub connector: String,
    /// The routing group that it leads out of.
    pub from: String,
    /// The routing group that it leads to.
    pub to: String,
    /// What it costs now; as configured where it is down.
    pub cost: u32,
    /// Whether it is down.
    pub down: bool,
    /// Whether it works, but not for this server: another of its bridgeheads takes the mail.
    #[serde(default)]
    pub down_here: bool,
}

/// A first connector that wasn't taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunnerUp {
    /// The connector.
    pub connector: String,
    /// The best way over it.
    pub path: Vec<PathStep>,
    /// What that costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// Why it wasn't taken.
    pub why: String,
}

/// `GET /v1/routes/table`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteTable {
    /// The routing groups, in the order of their names.
    pub groups: Vec<RouteRow>,
}

/// A routing group, as this server reaches it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RouteRow {
    /// The routing group.
    pub group: String,
    /// What the way there costs; none if no way works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<u32>,
    /// How many connectors it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
    /// The connectors that mail for it takes first.
    pub next: Vec<String>,
    /// How things stand, in words.
    pub state: String,
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
    /// What it costs with the path to its routing group; none if no way there works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// The path to its routing group.
    #[serde(default)]
    pub path: Vec<PathStep>,
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
