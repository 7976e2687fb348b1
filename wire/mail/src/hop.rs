//! Next hops, and the links that share one.

use crate::Domain;
use std::fmt;
use std::sync::Arc;

/// A host to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its name or address literal.
    pub name: Domain,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// Where routing sends a recipient next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// The store of this server.
    Local,
    /// The smart hosts of a connector, tried in this order.
    SmartHosts {
        /// The connector's name; its settings hold for the connection.
        connector: Box<str>,
        /// None where nobody is connected to: mail waits until its receiver asks for it.
        hosts: Box<[Host]>,
        /// The final domain, where it has limits of its own: its mail then waits apart from the rest.
        apart: Option<Domain>,
    },
    /// The mail exchangers that DNS names for a domain (RFC 5321 §5.1).
    Mx {
        /// The connector's name; its settings hold for the connection.
        connector: Box<str>,
        /// The recipient's domain.
        domain: Domain,
    },
    /// Servers of this organisation.
    Servers {
        /// The connector to another routing group, of which this server is a source bridgehead; its settings hold for the
        /// connection. None inside the group.
        connector: Option<Box<str>>,
        /// Their names in the directory, tried in this order; at least one.
        servers: Box<[Box<str>]>,
    },
    /// Nowhere for now: no path leads on. It waits here until routing knows another way.
    Unreachable {
        /// Where it would go: a server, or the domain of an address.
        goal: Box<str>,
        /// Why it can't, in words.
        why: Box<str>,
    },
}

impl NextHop {
    /// The connector whose settings hold; none for the store.
    #[must_use]
    pub fn connector(&self) -> Option<&str> {
        match self {
            Self::Local | Self::Unreachable { .. } => None,
            Self::SmartHosts { connector, .. } | Self::Mx { connector, .. } => Some(connector),
            Self::Servers { connector, .. } => connector.as_deref(),
        }
    }

    /// The one final domain of all its mail, where it has only one.
    #[must_use]
    pub const fn domain(&self) -> Option<&Domain> {
        match self {
            Self::Local | Self::Servers { .. } | Self::Unreachable { .. } => None,
            Self::SmartHosts { apart, .. } => apart.as_ref(),
            Self::Mx { domain, .. } => Some(domain),
        }
    }

    /// The name of the link that all mail for this next hop shares. The connector is part of it, so that
    /// mail under different settings never shares a connection.
    #[must_use]
    pub fn link(&self) -> LinkName {
        LinkName(match self {
            Self::Local => Arc::from("local"),
            Self::SmartHosts {
                connector,
                hosts,
                apart,
            } => {
                let mut name = format!("{connector}/");
                match hosts.first() {
                    Some(first) => name.push_str(&first.to_string()),
                    None => name.push_str("asked"),
                }
                if let Some(domain) = apart {
                    name.push('/');
                    name.push_str(domain.as_str());
                }
                name.into()
            }
            Self::Mx { connector, domain } => format!("{connector}/{domain}").into(),
            // Which of them takes the mail doesn't make another link of it; `servers` can't be a connector that leads there.
            Self::Servers {
                connector: Some(connector),
                ..
            } => format!("{connector}/group").into(),
            Self::Servers {
                connector: None,
                servers,
            } => format!("server/{}", servers.join("+")).into(),
            Self::Unreachable { goal, .. } => format!("unreachable/{goal}").into(),
        })
    }
}

/// The name of a link, as in `internet/example.net` or `local`. Cheap to copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkName(Arc<str>);

impl LinkName {
    /// From its text, as an operator gives it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connectors_do_not_share_links() {
        let domain = Domain::parse("example.net").unwrap();
        let hop = |connector: &str| NextHop::Mx {
            connector: connector.into(),
            domain: domain.clone(),
        };
        assert_ne!(hop("a").link(), hop("b").link());
        assert_eq!(hop("a").link().as_str(), "a/example.net");
        assert_eq!(NextHop::Local.link().as_str(), "local");
    }

    #[test]
    fn a_domain_apart_has_a_link_of_its_own() {
        let host = Host {
            name: Domain::parse("relay.example.net").unwrap(),
            port: 25,
        };
        let hop = |apart| NextHop::SmartHosts {
            connector: "out".into(),
            hosts: [host.clone()].into(),
            apart,
        };
        let domain = Domain::parse("example.org").unwrap();
        assert_eq!(hop(None).link().as_str(), "out/relay.example.net:25");
        let asked = NextHop::SmartHosts {
            connector: "out".into(),
            hosts: Box::default(),
            apart: None,
        };
        assert_eq!(asked.link().as_str(), "out/asked");
        assert_eq!(
            hop(Some(domain)).link().as_str(),
            "out/relay.example.net:25/example.org"
        );
    }
}
