//! What a choice of way is made on for one message: its facts, and what a connector says to them.

use crate::net::Net;
use crate::restricted::{Answers, Kind};
use crate::settings::Connector;
use bridgehead_linkstate::GroupId;
use bridgehead_mail::{Address, Failure, Journey, Priority, StatusCode, Timestamp};
use std::fmt;

/// Where a message is to go.
#[derive(Clone, Copy, Debug)]
pub enum Goal<'a> {
    /// An address that no store of the organisation has.
    Address(&'a Address),
    /// The server of this name, which has the mailbox.
    Server(&'a str),
}

/// What is known of a message.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Octets of its content.
    pub size: u64,
    /// How urgent it is.
    pub priority: Priority,
    /// Whether its sender may send over the connector of a name. Only asked where not everybody may, and of connectors with the
    /// same list only of one.
    pub sender_may: &'a dyn Fn(&str) -> bool,
    /// Now.
    pub at: Timestamp,
    /// Its way inside the organisation so far.
    pub journey: Option<&'a Journey>,
    /// A number that is spread evenly and stays the same for the message, as a hash of its id: by it ways of equal cost share
    /// the load.
    pub key: u64,
}

impl Facts<'_> {
    /// Those of a message that no restriction bars.
    #[must_use]
    pub fn at(at: Timestamp) -> Self {
        Self {
            size: 0,
            priority: Priority::Normal,
            sender_may: &|_| true,
            at,
            journey: None,
            key: 0,
        }
    }
}

/// Why a connector doesn't take a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bar {
    Size(u64),
    Priority,
    Sender,
    /// Not now: it is outside its hours.
    Closed,
}

impl Bar {
    /// Whether time doesn't change it.
    pub(crate) fn is_hard(self) -> bool {
        self != Self::Closed
    }

    /// What the sender is told if nothing else leads on.
    pub(crate) fn failure(self, connector: &Connector) -> Failure {
        let status = match self {
            // RFC 3463 §3.4: X.3.4, message too big for system.
            Self::Size(_) => StatusCode::permanent(3, 4),
            // RFC 3463 §3.8: X.7.1, delivery not authorized, message refused.
            Self::Priority | Self::Sender | Self::Closed => StatusCode::permanent(7, 1),
        };
        let words = format!("Connector {} {self}", connector.name);
        Failure::new(status, &words)
    }
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(most) => write!(f, "takes messages of up to {most} octets"),
            Self::Priority => f.write_str("doesn't take messages of this priority"),
            Self::Sender => f.write_str("doesn't take messages of this sender"),
            Self::Closed => f.write_str("is outside its schedule now"),
        }
    }
}

/// What connectors say to one message.
#[derive(Clone)]
pub(crate) struct Verdicts<'a> {
    pub(crate) facts: &'a Facts<'a>,
    /// Whether the message may go back into groups that it has left.
    pub(crate) goes_back: bool,
    answers: Answers<'a>,
}

impl<'a> Verdicts<'a> {
    pub(crate) fn new(net: &'a Net, facts: &'a Facts<'a>) -> Self {
        Self {
            facts,
            goes_back: false,
            answers: Answers::new(&net.restricted, facts),
        }
    }

    /// The same where it may go back.
    pub(crate) fn going_back(&self) -> Self {
        Self {
            goes_back: true,
            ..self.clone()
        }
    }

    /// Why a connector doesn't take the message; none if it does.
    pub(crate) fn bar(&self, place: usize) -> Option<Bar> {
        self.answers.bar(place)
    }

    /// The same without what time changes.
    pub(crate) fn hard_bar(&self, place: usize) -> Option<Bar> {
        self.bar(place).filter(|bar| bar.is_hard())
    }

    /// What kind of message it is, if it may not enter these groups.
    pub(crate) fn kind(&self, closed: Vec<GroupId>) -> Kind {
        self.answers.kind(self.goes_back, closed)
    }
}
