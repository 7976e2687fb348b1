//! Tracking events: what happened to a message, one value for each step of its way.

use crate::{
    Address, Failure, LinkName, MessageId, RemoteReply, ReversePath, SessionId, Timestamp,
};

/// One step in the life of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Which message.
    pub message: MessageId,
    /// The session in which it happened, if in one.
    pub session: Option<SessionId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The server took responsibility: the message is on stable storage.
    Accepted {
        /// The reverse-path.
        from: ReversePath,
        /// The forward-paths.
        recipients: Vec<Address>,
        /// Octets of content.
        size: u64,
        /// The virtual server or the room that made it.
        virtual_server: Box<str>,
        /// The client's address and name, if it came from one.
        client: Option<Box<str>>,
    },
    /// The categorizer found out who the recipients are.
    Categorized {
        /// How many it resolved to.
        recipients: u32,
        /// The version of the directory's snapshot it asked.
        directory: u64,
    },
    /// A group or a forwarding put others in the place of a recipient.
    Expanded {
        /// The address that was expanded.
        recipient: Address,
        /// Into how many.
        members: u32,
    },
    /// Routing chose the next hop.
    Routed {
        /// The recipient.
        recipient: Address,
        /// The link.
        link: LinkName,
    },
    /// In a mailbox.
    Delivered {
        /// The recipient.
        recipient: Address,
        /// The mailbox's name.
        mailbox: Box<str>,
    },
    /// The next hop took responsibility.
    Relayed {
        /// The recipient.
        recipient: Address,
        /// What it said.
        reply: RemoteReply,
        /// How the connection was secured; empty where nobody noted it.
        over: Box<str>,
    },
    /// Did not work this time.
    Deferred {
        /// The recipient.
        recipient: Address,
        /// Why.
        failure: Failure,
        /// When it is tried next.
        until: Timestamp,
    },
    /// Will not work.
    Failed {
        /// The recipient.
        recipient: Address,
        /// Why.
        failure: Failure,
    },
    /// A report was made about it.
    Reported {
        /// The report's own id.
        report: MessageId,
        /// What it says: `failed`, `delayed`, `delivered`, `relayed` or `expanded`.
        action: &'static str,
    },
    /// It failed, nobody can be told, and it is kept as badmail.
    Badmail {
        /// Its name there.
        name: Box<str>,
    },
    /// An operator did something.
    Controlled {
        /// What, in one word: `delete`, `retry`.
        action: &'static str,
        /// Who.
        by: Box<str>,
    },
    /// Nothing is left to do.
    Done,
}

/// Takes tracking events. Never blocks for long and never fails: tracking must not hold mail up.
pub trait Track: Send + Sync {
    /// Takes one event.
    fn track(&self, event: Event);
}
