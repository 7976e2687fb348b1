//! What the operator may set of routing: connectors and their address spaces. Plain and checked; the config room
//! fills it.

use bridgehead_mail::{Domain, Host};

/// All settings of routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The ways out of this server.
    pub connectors: Vec<Connector>,
}

/// A way to address spaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name; no two share one.
    pub name: Box<str>,
    /// For which domains it may be used.
    pub address_spaces: Vec<AddressSpace>,
    /// Where mail goes over it.
    pub next_hop: ConnectorHop,
    /// Domains that have limits of their own: at smart hosts their mail waits apart from the rest.
    pub apart: Vec<Pattern>,
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
            Self::Below(parent) => {
                let front = domain.as_str().strip_suffix(parent.as_str());
                front.is_some_and(|front| front.ends_with('.'))
            }
        }
    }
}

/// Where mail goes over a connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectorHop {
    /// To the mail exchangers that DNS names.
    Mx,
    /// To these hosts, in this order; at least one.
    SmartHosts(Box<[Host]>),
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
