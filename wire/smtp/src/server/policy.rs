//! What a session offers and allows: one value for all sessions of a virtual server.

use bridgehead_mail::Domain;
use std::time::Duration;

/// Offers and limits. Each limit is the largest value that is still taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The name in the greeting.
    pub hostname: Domain,
    /// The domain of `<postmaster>` without one (RFC 5321 §4.5.1).
    pub postmaster_domain: Domain,
    /// Offer STARTTLS outside TLS.
    pub starttls: bool,
    /// Offer AUTH inside TLS.
    pub auth: bool,
    /// Offer ETRN (RFC 1985).
    pub etrn: bool,
    /// Offer ATRN (RFC 2645).
    pub atrn: bool,
    /// Refuse MAIL outside TLS.
    pub require_tls: bool,
    /// Refuse MAIL from clients that neither authenticated nor are trusted.
    pub require_auth: bool,
    /// Offer BINARYMIME.
    pub binarymime: bool,
    /// Make a bare CR or LF a CRLF; else refuse it.
    pub normalise_line_ends: bool,
    /// Refuse clients that speak before their turn.
    pub refuse_early_talk: bool,
    /// Offer FUTURERELEASE up to so many seconds ahead; none to not offer it (RFC 4865 §3: it is for submission only).
    pub max_hold: Option<u32>,
    /// Let the header say how urgent a message is, where the client didn't (MT-PRIORITY).
    pub priority_from_header: bool,
    /// Octets of content.
    pub max_message_size: u64,
    /// Recipients of one message.
    pub max_recipients: usize,
    /// Octets of header.
    pub max_header_size: u64,
    /// Octets of a text line with its end.
    pub max_line_size: Option<u64>,
    /// Received fields.
    pub max_hops: u32,
    /// Octets of a command line with its end.
    pub max_command_size: usize,
    /// Errors of one session.
    pub max_errors: u32,
    /// Commands in a row that bring no mail.
    pub max_idle_commands: u32,
    /// Wrong passwords of one session.
    pub max_auth_failures: u32,
    /// Octets swallowed in one session.
    pub max_discarded: u64,
    /// The wait for a command.
    pub command_timeout: Duration,
    /// The wait for more octets of a message.
    pub data_timeout: Duration,
    /// The time for one message.
    pub message_timeout: Duration,
}

impl Policy {
    /// The defaults of a server for other servers, without TLS and AUTH.
    #[must_use]
    pub const fn new(hostname: Domain, postmaster_domain: Domain) -> Self {
        Self {
            hostname,
            postmaster_domain,
            starttls: false,
            auth: false,
            etrn: false,
            atrn: false,
            require_tls: false,
            require_auth: false,
            binarymime: false,
            normalise_line_ends: false,
            refuse_early_talk: true,
            max_hold: None,
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
            command_timeout: Duration::from_secs(5 * 60),
            data_timeout: Duration::from_secs(3 * 60),
            message_timeout: Duration::from_secs(2 * 60 * 60),
        }
    }
}
