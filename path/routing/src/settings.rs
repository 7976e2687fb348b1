//! What the operator may set of routing: connectors, their address spaces and restrictions, and the organisation around this
//! server. Plain and checked; the config room fills it.

use bridgehead_linkstate::Topology;
use bridgehead_mail::{Domain, Host, Hours, Priority};
use jiff::tz::TimeZone;
use std::sync::Arc;

/// All settings of routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// This server's name in the directory.
    pub server: Box<str>,
    /// The routing groups, their servers and the connectors between them. None where the organisation has no groups: then
    /// all its servers reach each other.
    pub topology: Option<Arc<Topology>>,
    /// All connectors of the organisation.
    pub connectors: Vec<Connector>,
}

/// A way to address spaces, or to another routing group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name; no two share one.
    pub name: Box<str>,
    /// The routing group that it leads out of; empty where there are none.
    pub group: Box<str>,
    /// The servers that may use it, in the order in which others try them. None: all of its group.
    pub sources: Vec<Box<str>>,
    /// The servers of the other group that it leads to, tried in this order. None: all of the group.
    pub targets: Vec<Box<str>>,
    /// Who may use its address spaces.
    pub scope: Scope,
    /// Its share among ways of equal cost that have a share; without one the first in name order takes all.
    pub weight: Option<u32>,
    /// For which domains it may be used.
    pub address_spaces: Vec<AddressSpace>,
    /// Where mail goes over it.
    pub next_hop: ConnectorHop,
    /// Domains that have limits of their own: at smart hosts their mail waits apart from the rest.
    pub apart: Vec<Pattern>,
    /// Which messages it takes.
    pub restrictions: Restrictions,
}

impl Connector {
    /// A connector of this name to nowhere yet, by MX records, without restrictions.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            group: "".into(),
            sources: Vec::new(),
            targets: Vec::new(),
            scope: Scope::default(),
            weight: None,
            address_spaces: Vec::new(),
            next_hop: ConnectorHop::Mx,
            apart: Vec::new(),
            restrictions: Restrictions::default(),
        }
    }
}

/// Who may use the address spaces of a connector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All servers.
    #[default]
    Organisation,
    /// The servers of its own routing group.
    Group,
}

/// Which messages a connector takes, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restrictions {
    /// Octets of a message.
    pub size_max: Option<u64>,
    /// Of which priorities; none: of all.
    pub priorities: Vec<Priority>,
    /// Whose messages it takes, if not everybody's: who may is asked for each message. Connectors with the same list have the same
    /// number here.
    pub senders: Option<u32>,
    /// When; none: always.
    pub hours: Vec<Hours>,
    /// The time zone of the hours.
    pub zone: TimeZone,
}

impl Default for Restrictions {
    fn default() -> Self {
        Self {
            size_max: None,
            priorities: Vec::new(),
            senders: None,
            hours: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl Restrictions {
    /// Whether there is one at all.
    pub(crate) fn any(&self) -> bool {
        self.size_max.is_some()
            || !self.priorities.is_empty()
            || self.senders.is_some()
            || !self.hours.is_empty()
    }
}

/// Domains that a connector serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// Which.
    pub pattern: Pattern,
    /// What it costs: 1 to 100. The cheaper of two equally specific ones wins.
    pub cost: u32,
}

/// Which domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `*`: all.
    All,
    /// `example.net`: this one.
    Domain(Domain),
    /// `*.example.net`: all below it.
    Below(Domain),
}

impl Pattern {
    /// Whether a domain is one of these.
    #[must_use]
    pub fn covers(&self, domain: &Domain) -> bool {
        match self {
            Self::All => true,
            Self::Domain(one) => one == domain,
            Self::Below(parent) => domain != parent && domain.is_within(parent),
        }
    }
}

/// Where mail goes over a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectorHop {
    /// To the mail exchangers that DNS names.
    Mx,
    /// To these hosts, in this order; none where mail waits until its receiver asks for it.
    SmartHosts(Box<[Host]>),
    /// To another routing group: the topology says which.
    Group,
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Domain(domain) => write!(f, "{domain}"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}
