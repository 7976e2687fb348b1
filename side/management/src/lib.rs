//! The management interface: HTTP over the local admin socket.
//!
//! What it is: requests and answers of `management-api`, asked of the rooms' pictures and controls. What it guards: only the
//! server's own user and root get in; every control is logged with who asked for it; requests are bounded. What it may
//! refuse: what isn't there, and files with faults. Deliberately absent: any state of its own.

mod adopting;
mod badmail;
mod carrying;
mod changes;
mod controls;
mod directory;
mod drive;
mod error;
mod fetching;
mod link_state;
mod links;
mod mailboxes;
mod messages;
mod queue;
mod router;
mod selection;
mod why;

pub use drive::serve;
pub use error::StartError;

use bridgehead_badmail::Badmail;
use bridgehead_delivery::Delivery;
use bridgehead_directory::{Directory, Fault};
use bridgehead_gossip::Gossip;
use bridgehead_mail::{Address, Priority, Timestamp};
use bridgehead_management_api::{RecipientExplanation, RouteExplanation, RouteTable, Status};
use bridgehead_queue::Queue;
use bridgehead_store::Store;
use bridgehead_tracking::Tracker;
use std::sync::Arc;
use tokio::sync::watch;

/// Who acts through the admin socket: it lets in only the server's own user and root.
pub(crate) const OPERATOR: &str = "administrator at the admin socket";

/// What is in force on this server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The version of the organisation.
    pub version: u64,
    /// What of it could not be put in force.
    pub faults: Vec<String>,
}

/// Questions that only the composition root can answer, because they concern several rooms.
pub trait Explain: Send + Sync {
    /// Where mail of a sender for an address goes, and why.
    fn route(&self, address: &Address, from: &From, priority: Priority) -> RouteExplanation;
    /// How each routing group is reached from here.
    fn route_table(&self) -> RouteTable;
    /// What becomes of mail of a sender for an address, and by which objects.
    fn recipient(&self, address: &Address, from: &From) -> RecipientExplanation;
    /// Whether there is a connector of this name here.
    fn knows_connector(&self, name: &str) -> bool;
    /// What of an organisation file can't be in force on this server.
    fn faults_here(&self, text: &str, file: &str) -> Vec<Fault>;
    /// Whether all recipients are known.
    fn directory_is_complete(&self) -> bool;
    /// The server as a whole.
    fn status(&self) -> Status;
    /// The time of day.
    fn now(&self) -> Timestamp;
}

/// The sender of a message that is only thought of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct From {
    /// Its address; none for the null reverse-path. One of a mailbox stands for its user.
    pub address: Option<Address>,
    /// Whether it hasn't authenticated.
    pub stranger: bool,
    /// Octets of the message.
    pub size: Option<u64>,
}

/// The rooms that management looks into.
#[derive(Clone)]
pub struct Rooms {
    /// The queue.
    pub queue: Queue,
    /// The pace of links.
    pub delivery: Delivery,
    /// The store.
    pub store: Store,
    /// What failed and has nobody who could be told.
    pub badmail: Badmail,
    /// The directory.
    pub directory: Directory,
    /// The message-tracking log.
    pub tracker: Tracker,
    /// Everything that concerns several rooms.
    pub explain: Arc<dyn Explain>,
    /// What is in force.
    pub in_force: watch::Receiver<InForce>,
    /// Link state, where this server is one of several of an organisation.
    pub gossip: watch::Receiver<Option<Gossip>>,
}
