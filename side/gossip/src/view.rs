//! What management may see: names, sentences and times, as of now.

use std::time::Duration;

/// The link state as this server knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// This server.
    pub server: Box<str>,
    /// Whether it takes part at all; else it isn't in the topology.
    pub is_member: bool,
    /// Servers, groups and connectors of the topology.
    pub objects: (usize, usize, usize),
    /// The fingerprint of the topology: the same on all servers that have the same configuration.
    pub fingerprint: u64,
    /// How often the picture has changed.
    pub version: u64,
    /// Connectors that are out.
    pub down: Vec<Box<str>>,
    /// Connectors that work, but are down for these of their source bridgeheads.
    pub partly: Vec<(Box<str>, Vec<Box<str>>)>,
    /// What load adds to the cost of connectors.
    pub surcharges: Vec<(Box<str>, u32)>,
    /// Servers that their groups can't reach.
    pub out: Vec<Box<str>>,
    /// This server's own links that aren't entirely well.
    pub links: Vec<OwnLink>,
    /// The neighbours.
    pub neighbours: Vec<Neighbour>,
    /// What servers have said, by origin.
    pub records: Vec<Said>,
    /// Reports that weren't told because there were too many.
    pub untold: u64,
}

/// A connector, or the way to a server of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connector of which this server is a source bridgehead.
    Connector,
    /// Another server of the group.
    Server,
}

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It works; it is only loaded, or was down lately.
    Works,
    /// It failed, but not often enough to say so.
    Suspected,
    /// Nothing gets through.
    Down,
    /// It works, but came and went too often: it is held down.
    Held,
}

/// One of this server's own links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnLink {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Box<str>,
    /// How it is.
    pub state: State,
    /// For how long; none if that isn't known.
    pub age: Option<Duration>,
    /// When it is tried next, from now; none if it isn't.
    pub next_probe: Option<Duration>,
    /// When it is let go if it is held down and stays well, from now.
    pub held_for: Option<Duration>,
    /// Messages that wait for it.
    pub queued: u32,
    /// How long the oldest has waited.
    pub delay: Duration,
    /// What that adds to its cost.
    pub surcharge: u8,
}

/// How the conversation with a neighbour is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub name: Box<str>,
    /// Whether it doesn't answer.
    pub is_away: bool,
    /// Messages that it hasn't acknowledged.
    pub unanswered: usize,
    /// Messages that wait to be carried.
    pub waiting: usize,
    /// Messages that were carried since it became a neighbour.
    pub carried: u64,
    /// Messages that couldn't be.
    pub failed: u64,
    /// Messages that went since there was no room.
    pub dropped: u64,
    /// Why the last message couldn't be carried, if it couldn't.
    pub failure: Option<String>,
}

/// What a server has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The server.
    pub origin: Box<str>,
    /// How old that is.
    pub age: Duration,
    /// When it is forgotten, from now.
    pub left: Duration,
    /// The start of the server and the number of the record.
    pub version: (u64, u32),
    /// Its links, as far as they aren't as configured; none: all is well again.
    pub entries: Vec<SaidLink>,
}

/// A link that a server speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidLink {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Box<str>,
    /// Nothing gets through.
    pub is_down: bool,
    /// What its load adds to its cost.
    pub surcharge: u8,
    /// Messages that waited for it.
    pub queued: u32,
    /// How long the oldest had waited.
    pub delay: Duration,
}
