//! What the operator may set of delivery. Plain and checked; the config room fills it.

pub use bridgehead_smtp::client::EightBit;

use crate::pace::Most;
use bridgehead_mail::{Domain, Host, Hours, Rate};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// All settings of delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the server calls itself in EHLO.
    pub hostname: Domain,
    /// Where this server listens: an MX that leads back here is a loop.
    pub own_addresses: Vec<SocketAddr>,
    /// The connectors by name. One that isn't here has the defaults.
    pub connectors: HashMap<Box<str>, Arc<ConnectorSettings>>,
    /// The other servers of the organisation by name.
    pub members: HashMap<Box<str>, Member>,
    /// Where mail waits for this server and is asked for, by the connector whose settings hold for that.
    pub fetches: HashMap<Box<str>, Arc<FetchSettings>>,
}

/// By which command mail is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchBy {
    /// ETRN (RFC 1985): it comes by connections of its own.
    Etrn,
    /// ATRN (RFC 2645): it comes over the connection on which it is asked for.
    Atrn,
}

/// Mail that waits at another server, and how it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSettings {
    /// The server to ask.
    pub host: Host,
    /// By which command.
    pub by: FetchBy,
    /// For which domains; without any all that may be had, by ATRN.
    pub domains: Vec<Domain>,
    /// How often. Default: 15 minutes.
    pub every: Duration,
    /// The virtual server whose rules hold for what comes by ATRN.
    pub virtual_server: Box<str>,
}

/// Another server of the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where it is reached, tried in this order; at least one.
    pub hosts: Vec<Host>,
    /// Its public keys (Ed25519): with one of them it proves that it is this server.
    pub keys: Vec<[u8; 32]>,
}

impl Settings {
    /// The defaults for a server of this name.
    #[must_use]
    pub fn for_host(hostname: Domain) -> Self {
        Self {
            hostname,
            own_addresses: Vec::new(),
            connectors: HashMap::new(),
            members: HashMap::new(),
            fetches: HashMap::new(),
        }
    }
}

/// Whether and how connections are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// If the other server offers it, with whatever certificate it has (RFC 7435).
    #[default]
    Opportunistic,
    /// Always, with whatever certificate it has.
    Required,
    /// Always, and the certificate must be valid for the host's name.
    Verify,
    /// Never.
    Never,
}

/// What to authenticate with at smart hosts.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub user: Box<str>,
    /// The password.
    pub password: Box<str>,
}

impl fmt::Debug for Credentials {
    /// Never the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:…", self.user)
    }
}

/// Which final domains a limit is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Domains {
    /// `*`: each of them.
    All,
    /// `example.net`: this one.
    One(Domain),
    /// `*.example.net`: each below it.
    Below(Domain),
}

impl Domains {
    /// How well it fits a domain, the more specific the higher; none if it doesn't.
    fn fit(&self, domain: &Domain) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::One(one) => (one == domain).then_some(usize::MAX),
            Self::Below(parent) => {
                let below = domain != parent && domain.is_within(parent);
                below.then(|| parent.as_str().len())
            }
        }
    }
}

impl fmt::Display for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::One(domain) => write!(f, "{domain}"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// Bounds for each domain of a pattern. What it doesn't say holds as for the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainLimit {
    /// Which domains.
    pub domains: Domains,
    /// Connections at once.
    pub connections_max: Option<usize>,
    /// How often a message.
    pub message_rate: Option<Rate>,
    /// How often a new connection.
    pub connection_rate: Option<Rate>,
}

/// The settings of one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// Encryption. Default: opportunistic.
    pub tls: Tls,
    /// A file of the certificates that are trusted, and no others. Default: the web's public authorities.
    pub trusted_certificates: Option<PathBuf>,
    /// The port of mail exchangers. Default: 25.
    pub mx_port: u16,
    /// What to authenticate with. Default: nothing.
    pub credentials: Option<Credentials>,
    /// 8-bit content for servers without 8BITMIME. Default: sent.
    pub eight_bit: EightBit,
    /// For the connection to be made. Default: 30 s.
    pub connect_timeout: Duration,
    /// For finding a host that takes mail: all hosts of a next hop and all their addresses together, each of which gets
    /// its share. Default: 15 minutes.
    pub hosts_timeout: Duration,
    /// For a reply, and for the other side to take what is written. Default: 5 minutes (RFC 5321 §4.5.3.2).
    pub command_timeout: Duration,
    /// For the reply after the content. Default: 10 minutes (RFC 5321 §4.5.3.2.6).
    pub data_timeout: Duration,
    /// For one message with all its recipients, from MAIL to the last reply. Default: 2 hours.
    pub message_timeout: Duration,
    /// Connections to one next hop at once. Default: 10. Bound: 1 to 1,000.
    pub connections_max: usize,
    /// Connections to begin with; what works grows, up to the bound. Default: 2. Bound: from 1 up.
    pub connections_first: usize,
    /// Connections to one remote address at once, whatever next hops it serves. Default: 20. Bound: from 1 up.
    pub connections_per_address: usize,
    /// How often a message is handed over, for each next hop. Default: as often as it goes.
    pub message_rate: Option<Rate>,
    /// How often a connection is made, for each next hop. Default: as often as one is needed.
    pub connection_rate: Option<Rate>,
    /// Bounds for single final domains; the most specific one holds.
    pub limits: Vec<DomainLimit>,
    /// When mail is handed over. Default: always, unless it waits to be asked for.
    pub hours: Vec<Hours>,
    /// By which commands somebody must ask for mail before it goes, as `ETRN or ATRN`. Default: it doesn't wait to be asked for.
    pub asked_for_by: Option<&'static str>,
    /// The time zone of these hours. Default: UTC.
    pub zone: TimeZone,
    /// Messages over one connection. Default: 100.
    pub messages_per_connection: usize,
    /// Recipients in one transaction. Default: 100 (RFC 5321 §4.5.3.1.8 has every server take so many).
    pub recipients_per_transaction: usize,
    /// DNS servers to ask. Default: the system's.
    pub nameservers: Vec<SocketAddr>,
    /// For an answer from DNS. Default: 10 s.
    pub dns_timeout: Duration,
}

impl Default for ConnectorSettings {
    fn default() -> Self {
        Self {
            tls: Tls::default(),
            trusted_certificates: None,
            mx_port: 25,
            credentials: None,
            eight_bit: EightBit::default(),
            connect_timeout: Duration::from_secs(30),
            hosts_timeout: Duration::from_secs(15 * 60),
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(600),
            message_timeout: Duration::from_secs(2 * 60 * 60),
            connections_max: 10,
            connections_first: 2,
            connections_per_address: 20,
            message_rate: None,
            connection_rate: None,
            limits: Vec::new(),
            hours: Vec::new(),
            asked_for_by: None,
            zone: TimeZone::UTC,
            messages_per_connection: 100,
            recipients_per_transaction: 100,
            nameservers: Vec::new(),
            dns_timeout: Duration::from_secs(10),
        }
    }
}

impl ConnectorSettings {
    /// The bounds for mail to a final domain, or to many.
    pub(crate) fn most(&self, domain: Option<&Domain>) -> Most {
        let fitting = domain.and_then(|domain| {
            let fits = |limit: &&DomainLimit| limit.domains.fit(domain);
            let limits = self.limits.iter().filter(|limit| fits(limit).is_some());
            limits.max_by_key(fits)
        });
        let connections = fitting.and_then(|limit| limit.connections_max);
        Most {
            first: self.connections_first,
            connections: connections.unwrap_or(self.connections_max).max(1),
            messages: fitting
                .and_then(|limit| limit.message_rate)
                .or(self.message_rate),
            new_connections: fitting
                .and_then(|limit| limit.connection_rate)
                .or(self.connection_rate),
            by: fitting.map(|limit| limit.domains.to_string().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_limit_holds() {
        let domain = |text| Domain::parse(text).unwrap();
        let limit = |domains, connections| DomainLimit {
            domains,
            connections_max: Some(connections),
            message_rate: None,
            connection_rate: None,
        };
        let settings = ConnectorSettings {
            message_rate: Rate::parse("7/s"),
            limits: vec![
                limit(Domains::All, 1),
                limit(Domains::Below(domain("example.net")), 2),
                limit(Domains::Below(domain("a.example.net")), 3),
                limit(Domains::One(domain("b.a.example.net")), 4),
            ],
            ..ConnectorSettings::default()
        };
        for (name, connections) in [
            ("example.org", 1),
            ("example.net", 1),
            ("badexample.net", 1),
            ("x.example.net", 2),
            ("x.a.example.net", 3),
            ("b.a.example.net", 4),
        ] {
            let most = settings.most(Some(&domain(name)));
            assert_eq!(most.connections, connections, "{name}");
            assert_eq!(most.messages, Rate::parse("7/s"));
        }
        assert_eq!(settings.most(None).connections, 10, "of many domains");
    }
}
