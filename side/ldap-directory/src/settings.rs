//! Where the directory is and how it is asked.

use bridgehead_mail::Domain;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A server of the directory, as `ldaps://dc1.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    /// TLS from the start (`ldaps`).
    pub tls: bool,
    /// Its name, as in its certificate, or its address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl ServerUrl {
    /// From its text: `ldap://HOST[:PORT]` or `ldaps://HOST[:PORT]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tls, rest) = match text.split_once("://")? {
            ("ldap", rest) => (false, rest),
            ("ldaps", rest) => (true, rest),
            _ => return None,
        };
        let rest = rest.trim_end_matches('/');
        let default = if tls { 636 } else { 389 };
        let (host, port) = match rest.strip_prefix('[') {
            Some(six) => {
                let (host, after) = six.split_once(']')?;
                (host, after.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = port.map_or(Some(default), |port| port.parse().ok())?;
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
        let good = !host.is_empty() && host.len() <= 255 && host.chars().all(fits);
        good.then(|| Self {
            tls,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "ldaps" } else { "ldap" };
        if self.host.contains(':') {
            return write!(f, "{scheme}://[{}]:{}", self.host, self.port);
        }
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// How a server says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoginBy {
    /// A simple bind with user and password (RFC 4513 §5.1.3).
    #[default]
    Password,
    /// GSSAPI with Kerberos (RFC 4752), as the user with the password; without a user as whoever the machine's Kerberos
    /// says.
    Kerberos,
}

/// Where the directory is and how it is asked.
#[derive(Clone)]
pub struct LdapSettings {
    /// The servers, tried in this order.
    pub servers: Vec<ServerUrl>,
    /// Where no server is named: the domain whose `_ldap._tcp` SRV records name them (RFC 2782).
    pub domain: Option<Domain>,
    /// The DN below which recipients are; empty for the server's default.
    pub base: String,
    /// The DN below which configuration objects are; none where there are none, or below `base`.
    pub configuration_base: Option<String>,
    /// The DNS servers to ask; those of the machine, if none.
    pub nameservers: Vec<SocketAddr>,
    /// Only entries for which this filter holds.
    pub filter: Option<String>,
    /// How the server says who it is.
    pub login: LoginBy,
    /// The DN or user principal to bind as.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Start TLS (RFC 4511 §4.14) on `ldap://`.
    pub start_tls: bool,
    /// Whether a server at a loopback address may be asked without TLS.
    pub clear_text_on_loopback: bool,
    /// A PEM file with the certificates to trust, and no others. Without it those of the web's public authorities count.
    pub ca_file: Option<PathBuf>,
    /// Ask Active Directory by DirSync where it is allowed; else always by uSNChanged.
    pub dir_sync: bool,
    /// Where the user may not see Active Directory's deleted objects: how often, at most, all entries are listed to find
    /// out which are gone.
    pub compare: Duration,
    /// How often a server that doesn't tell of changes is asked.
    pub poll: Duration,
    /// How long to wait for a connection or an answer.
    pub timeout: Duration,
}

impl fmt::Debug for LdapSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LdapSettings")
            .field("servers", &self.servers)
            .field("domain", &self.domain)
            .field("base", &self.base)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl LdapSettings {
    /// These servers, this base, this user; defaults for the rest: StartTLS, poll every 5 s, wait 10 s.
    #[must_use]
    pub fn new(servers: Vec<ServerUrl>, base: &str, user: &str, password: &str) -> Self {
        Self {
            servers,
            domain: None,
            base: base.to_owned(),
            configuration_base: None,
            nameservers: Vec::new(),
            filter: None,
            login: LoginBy::Password,
            user: user.to_owned(),
            password: password.to_owned(),
            start_tls: true,
            clear_text_on_loopback: false,
            ca_file: None,
            dir_sync: true,
            compare: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            timeout: Duration::from_secs(10),
        }
    }

    /// What is asked of whom: a copy of something else is another copy.
    #[must_use]
    pub fn source(&self) -> String {
        let mut from: Vec<String> = self.servers.iter().map(ToString::to_string).collect();
        from.extend(self.domain.iter().map(|domain| format!("dns:{domain}")));
        from.join(" ")
    }
}
