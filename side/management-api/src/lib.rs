//! What the management interface says and hears: plain request and response types, shared by the server side and by
//! every face (command line now, console later).
//!
//! Times are milliseconds since the Unix epoch in UTC, sizes are octets, identities are texts. A field that may be unknown
//! is an `Option` and left out when it is. Deliberately absent: behaviour, and any other room's types.

mod badmail;
mod directory;
mod fetch;
mod link;
mod link_state;
mod message;
mod organization;
mod queue;
mod recipient;
mod status;

pub use badmail::{BadmailDeleted, BadmailDeletion, BadmailDetail, BadmailList, BadmailSummary};
pub use directory::{
    ChangeDetail, Difference, DirectoryStatus, FollowedDirectory, History, HistoryItem,
    RejectedObject, RollbackRequest, SharedOrganization,
};
pub use fetch::{Fetch, FetchRequest, FetchSaid, Fetched};
pub use link::{Link, LinkList, Pace, Slowed};
pub use link_state::{LinkSaid, LinkState, LinkWatched, Neighbour, PartlyDown, Surcharge, Word};
pub use message::{MessageDetail, MessageEnvelope, PartDetail, Trace, TraceStep, Why};
pub use organization::{ApplyRequest, ApplyResult, EndTrial, Export, Fault, TrialEnded};
pub use queue::{
    AdoptAnswer, AdoptRequest, ControlRequest, Controlled, FindRequest, Found, FoundMessage, Held,
    HoldAnswer, HoldRequest, Imported, MessageOrder, QueueGroup, QueueList, Selection,
};
pub use recipient::{
    Candidate, ExplainStep, MailboxList, MailboxMessage, MailboxMessages, MailboxSummary, PathStep,
    RecipientExplanation, RecipientRoute, RouteExplanation, RouteRow, RouteTable, RunnerUp,
};
pub use status::{ListenerStatus, Problem, Status};

/// The prefix of every path of this version of the interface.
pub const PATH_PREFIX: &str = "/v1";
