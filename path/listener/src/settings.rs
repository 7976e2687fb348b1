//! The listener's settings: plain, checked values; nothing here knows where they came from.
//!
//! Guards: every limit has a default, so that a virtual server is never without one.

use bridgehead_mail::{Domain, IpNetwork};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the listener of one server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The server's name: what the greeting says and what stands after `by` in Received, unless a virtual server
    /// has its own.
    pub hostname: Domain,
    /// Domain of the mailbox that `RCPT TO:<postmaster>` without a domain means (RFC 5321 §4.5.1). None: the
    /// directory's default domain.
    pub postmaster_domain: Option<Domain>,
    /// Whether mail waits to be asked for by ETRN (RFC 1985). Default: no.
    pub etrn: bool,
    /// Whether mail waits to be asked for by ATRN (RFC 2645). Offered by virtual servers that offer AUTH. Default: no.
    pub atrn: bool,
    /// The virtual servers; names are unique.
    pub virtual_servers: Vec<VirtualServer>,
}

/// Whom a virtual server is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Other servers, which bring mail for us (RFC 5321).
    #[default]
    Mx,
    /// Our own users, who must authenticate (RFC 6409).
    Submission,
}

/// When TLS starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never; AUTH is then never offered.
    Off,
    /// After STARTTLS (RFC 3207).
    #[default]
    StartTls,
    /// At once, before the greeting (RFC 8314 §3).
    Implicit,
}

/// What to do with a CR or LF that stands alone in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BareLineEnds {
    /// Refuse the message with `550 5.6.0` after its end, a command with `500 5.5.2`.
    #[default]
    Refuse,
    /// Make it CRLF. The end of the message is still only a real CRLF.CRLF.
    Normalise,
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// One virtual server: addresses and ports, identity, policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualServer {
    /// Its name.
    pub name: Box<str>,
    /// Whom it is for. Default: other servers.
    pub role: Role,
    /// Where it listens; port 0 takes a free one. Default: nowhere.
    pub listen: Vec<SocketAddr>,
    /// Its own name in the greeting. Default: the server's.
    pub hostname: Option<Domain>,
    /// Clients that may send to anywhere without authenticating. Default: nobody.
    pub relay_from: Vec<IpNetwork>,
    /// When TLS starts. Default: after STARTTLS.
    pub tls: TlsMode,
    /// Certificate and key. Default: a self-signed certificate, made on first use and kept in the data directory.
    pub certificate: Option<CertificateFiles>,
    /// Refuse mail outside TLS with `530 5.7.0`. Default: no.
    pub require_tls: bool,
    /// Offer AUTH (inside TLS only). Default: submission only.
    pub auth: bool,
    /// Refuse mail from a client that neither authenticated nor is in `relay_from`. Default: submission only.
    pub require_auth: bool,
    /// An authenticated user may name only an address of its own mailbox, or none, as reverse-path. Default: yes.
    pub own_addresses_only: bool,
    /// What to do with a CR or LF that stands alone. Default: refuse.
    pub bare_line_ends: BareLineEnds,
    /// Refuse clients that send before they may: before the greeting, right behind EHLO or DATA, or several
    /// commands after HELO. Default: yes.
    pub refuse_early_talk: bool,
    /// How long to listen for a client that talks before the greeting. Default: not at all; at most 60 s.
    pub greeting_delay: Duration,
    /// Offer BINARYMIME (RFC 3030). Only for where every next hop can carry it. Default: no.
    pub binarymime: bool,
    /// How long a client may have a message held (FUTURERELEASE); none to not offer it. Default: 7 days for submission, else none.
    pub max_hold: Option<Duration>,
    /// Let the header say how urgent a message is (Priority, Importance, X-Priority), where the client didn't. Default: no.
    pub priority_from_header: bool,
    /// Octets of content of one message. Default: 50 MiB.
    pub max_message_size: u64,
    /// Recipients of one message; RFC 5321 §4.5.3.1.8 asks for 100 at least. Default: 1,000.
    pub max_recipients: usize,
    /// Octets of the header of one message. Default: 1 MiB.
    pub max_header_size: u64,
    /// Octets of one text line of a message, with its line end. Default: none but the size of the message: lines
    /// longer than the 1,000 octets of RFC 5321 §4.5.3.1.6 are common.
    pub max_line_size: Option<u64>,
    /// Received fields in one message (RFC 5321 §6.3 asks for 100 at least). Default: 100.
    pub max_hops: u32,
    /// Octets of one command line with its line end; RFC 5321 §4.5.3.1.4 asks for 512 and extensions add to it.
    /// Default: 4,096.
    pub max_command_size: usize,
    /// Errors in one session before it is closed with `421 4.7.0`. Default: 20.
    pub max_errors: u32,
    /// Commands in a row that bring no mail, before the session is closed with `421 4.7.0`. Default: 100.
    pub max_idle_commands: u32,
    /// Failed authentications in one session before it is closed. Default: 3.
    pub max_auth_failures: u32,
    /// Octets that are read and thrown away in one session after refusals. Default: 64 MiB.
    pub max_discarded: u64,
    /// Sessions at once. Default: 1,000; more are answered `421 4.3.2` and closed.
    pub max_sessions: usize,
    /// Sessions at once from one client address (one /64 in IPv6). Default: 100; more are answered `421 4.7.0` and
    /// closed.
    pub max_sessions_per_client: usize,
    /// How long to wait for the next command (RFC 5321 §4.5.3.2.7). Default: 5 min.
    pub command_timeout: Duration,
    /// How long to wait for more octets inside a message (RFC 5321 §4.5.3.2.5). Default: 3 min.
    pub data_timeout: Duration,
    /// How long one message may take in all. Default: 2 h.
    pub message_timeout: Duration,
    /// How long a client may take to accept our octets. Default: 1 min.
    pub write_timeout: Duration,
    /// How long the TLS handshake may take. Default: 30 s.
    pub handshake_timeout: Duration,
}

impl VirtualServer {
    /// A virtual server with the defaults of its role, listening nowhere.
    #[must_use]
    pub fn new(name: &str, role: Role) -> Self {
        let submission = role == Role::Submission;
        Self {
            name: name.into(),
            role,
            listen: Vec::new(),
            hostname: None,
            relay_from: Vec::new(),
            tls: TlsMode::default(),
            certificate: None,
            require_tls: false,
            auth: submission,
            require_auth: submission,
            own_addresses_only: true,
            bare_line_ends: BareLineEnds::default(),
            refuse_early_talk: true,
            greeting_delay: Duration::ZERO,
            binarymime: false,
            max_hold: submission.then_some(Duration::from_secs(7 * 86_400)),
            priority_from_header: false,
            max_message_size: 50 << 20,
            max_recipients: 1_000,
            max_header_size: 1 << 20,
            max_line_size: None,
            max_hops: 100,
            max_command_size: 4_096,
            max_errors: 20,
            max_idle_commands: 100,
            max_auth_failures: 3,
            max_discarded: 64 << 20,
            max_sessions: 1_000,
            max_sessions_per_client: 100,
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(3 * 60),
            message_timeout: Duration::from_secs(2 * 60 * 60),
            write_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(30),
        }
    }
}

impl Default for VirtualServer {
    fn default() -> Self {
        Self::new("default", Role::Mx)
    }
}
