//! What the operator may set of delivery. Plain and checked; the config room fills it.

pub use bridgehead_smtp::client::EightBit;

use bridgehead_mail::Domain;
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// All settings of delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the server calls itself in EHLO.
    pub hostname: Domain,
    /// Where this server listens: an MX that leads back here is a loop.
    pub own_addresses: Vec<SocketAddr>,
    /// The connectors by name. One that isn't here has the defaults.
    pub connectors: HashMap<Box<str>, ConnectorSettings>,
}

impl Settings {
    /// The defaults for a server of this name.
    #[must_use]
    pub fn for_host(hostname: Domain) -> Self {
        Self {
            hostname,
            own_addresses: Vec::new(),
            connectors: HashMap::new(),
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

/// The settings of one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorSettings {
    /// Encryption. Default: opportunistic.
    pub tls: Tls,
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
            mx_port: 25,
            credentials: None,
            eight_bit: EightBit::default(),
            connect_timeout: Duration::from_secs(30),
            hosts_timeout: Duration::from_secs(15 * 60),
            command_timeout: Duration::from_secs(300),
            data_timeout: Duration::from_secs(600),
            message_timeout: Duration::from_secs(2 * 60 * 60),
            connections_max: 10,
            messages_per_connection: 100,
            recipients_per_transaction: 100,
            nameservers: Vec::new(),
            dns_timeout: Duration::from_secs(10),
        }
    }
}
