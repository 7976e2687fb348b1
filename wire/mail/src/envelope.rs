//! The envelope (RFC 5321 §2.3.1, RFC 5598 §4.1): who sent it, to whom, and what was asked for it.

use crate::{Address, Handling, Journey, Timestamp};
use std::fmt;
use std::net::IpAddr;

/// The argument of MAIL: where failures are reported (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReversePath {
    /// `<>`: nobody is to be told; what carries it never causes a report (RFC 5321 §4.5.5).
    Null,
    /// The sender.
    Address(Address),
}

impl ReversePath {
    /// The sender, if there is one.
    #[must_use]
    pub const fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl fmt::Display for ReversePath {
    /// With angle brackets, as on the wire.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("<>"),
            Self::Address(address) => write!(f, "<{address}>"),
        }
    }
}

/// What the content is declared to be (`BODY=`, RFC 6152 and RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BodyKind {
    /// `7BIT`, also when nothing was said.
    #[default]
    SevenBit,
    /// `8BITMIME`: lines with octets above 127.
    EightBitMime,
    /// `BINARYMIME`: no lines at all; only a next hop with BINARYMIME and CHUNKING can take it.
    BinaryMime,
}

/// How much of a failed message comes back (`RET=`, RFC 3461 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its headers.
    Headers,
}

/// When a recipient's sender wants to be told (`NOTIFY=`, RFC 3461 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notify {
    /// Nothing was said: failures, and delays if the server sees fit.
    Unsaid,
    /// `NEVER`.
    Never,
    /// A list of occasions; at least one is true.
    On {
        /// `SUCCESS`.
        success: bool,
        /// `FAILURE`.
        failure: bool,
        /// `DELAY`.
        delay: bool,
    },
}

impl Notify {
    /// Whether a delivery is to be reported.
    #[must_use]
    pub const fn wants_success(self) -> bool {
        matches!(self, Self::On { success: true, .. })
    }

    /// Whether a failure is to be reported.
    #[must_use]
    pub const fn wants_failure(self) -> bool {
        matches!(self, Self::Unsaid | Self::On { failure: true, .. })
    }

    /// Whether a delay may be reported.
    #[must_use]
    pub const fn wants_delay(self) -> bool {
        matches!(self, Self::Unsaid | Self::On { delay: true, .. })
    }
}

/// RFC 3461 §4.4: an ENVID has at most 100 characters. §4.2: an ORCPT at most 500.
const DSN_TEXT_OCTETS_MAX: usize = 500;

/// A text that a client gave for use in reports, decoded from `xtext` (RFC 3461 §4): printable ASCII (or, where
/// SMTPUTF8 was asked for, any UTF-8) without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DsnText(Box<str>);

/// The text is empty, too long, or has a control character in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("1 to 500 octets without control characters are expected")]
pub struct DsnTextError;

impl DsnText {
    /// From the decoded text.
    ///
    /// # Errors
    /// If it is empty, longer than 500 octets, or has a control character in it.
    pub fn new(text: &str) -> Result<Self, DsnTextError> {
        let fits = (1..=DSN_TEXT_OCTETS_MAX).contains(&text.len());
        if fits && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(DsnTextError)
        }
    }

    /// The decoded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The recipient as the sender named it (`ORCPT=`, RFC 3461 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Orcpt {
    /// The kind of address: `rfc822`, `utf-8` (RFC 6533 §3) or another registered one.
    pub kind: DsnText,
    /// The address in the form of its kind.
    pub address: DsnText,
}

/// One recipient of an envelope (RFC 5321 §4.1.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recipient {
    /// The forward-path.
    pub address: Address,
    /// When the sender wants to be told.
    pub notify: Notify,
    /// The recipient as the sender named it, if it said so.
    pub orcpt: Option<Orcpt>,
}

impl Recipient {
    /// A recipient about whom nothing was said but the address.
    #[must_use]
    pub const fn plain(address: Address) -> Self {
        Self {
            address,
            notify: Notify::Unsaid,
            orcpt: None,
        }
    }
}

/// The `WITH` of a Received field (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// EHLO was said: `ESMTP`; else `SMTP`.
    pub extended: bool,
    /// Inside TLS: `S`.
    pub tls: bool,
    /// Authenticated: `A`.
    pub authenticated: bool,
    /// SMTPUTF8 was asked for: `UTF8SMTP`.
    pub utf8: bool,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.utf8, self.extended) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => "SMTP",
        })?;
        // RFC 3848 registers the suffixes only for the extended protocol.
        if self.extended && self.tls {
            f.write_str("S")?;
        }
        if self.extended && self.authenticated {
            f.write_str("A")?;
        }
        Ok(())
    }
}

/// Where a message came from: what its Received field and its tracking events say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The virtual server that took it, or the room that made it (`report`).
    pub virtual_server: Box<str>,
    /// The client's address; none if this server made the message.
    pub client: Option<IpAddr>,
    /// What the client called itself, checked to hold no control character; empty if this server made the
    /// message.
    pub helo: Box<str>,
    /// How it came.
    pub protocol: Protocol,
    /// The TLS version and cipher suite, as in `TLS1_3 TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<Box<str>>,
    /// The authenticated user.
    pub user: Option<Box<str>>,
}

/// The envelope of one message, as accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// Who is told of failures.
    pub reverse_path: ReversePath,
    /// To whom it goes; at least one.
    pub recipients: Vec<Recipient>,
    /// What the content is declared to be.
    pub body: BodyKind,
    /// Whether SMTPUTF8 was asked for (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// How much comes back with a failure.
    pub ret: Option<Ret>,
    /// The sender's own name for this transaction (`ENVID=`, RFC 3461 §4.4).
    pub envid: Option<DsnText>,
    /// What the sender asked for beyond delivery.
    pub handling: Handling,
    /// Where it came from.
    pub origin: Origin,
    /// When the server took responsibility for it.
    pub accepted: Timestamp,
    /// Its way inside the organisation, if it came from another server of it.
    pub journey: Option<Box<Journey>>,
}

impl Origin {
    /// Of a message that a room of this server made.
    #[must_use]
    pub fn of_room(room: &str) -> Self {
        Self {
            virtual_server: room.into(),
            client: None,
            helo: Box::default(),
            protocol: Protocol {
                extended: false,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        }
    }
}

impl Envelope {
    /// Before this time it isn't handed over, if its sender wished so.
    #[must_use]
    pub fn release(&self) -> Option<Timestamp> {
        self.handling.hold.map(|hold| hold.end(self.accepted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_has_its_registered_name() {
        let all = |extended, tls, authenticated, utf8| {
            Protocol {
                extended,
                tls,
                authenticated,
                utf8,
            }
            .to_string()
        };
        assert_eq!(all(false, false, false, false), "SMTP");
        assert_eq!(all(true, false, false, false), "ESMTP");
        assert_eq!(all(true, true, true, false), "ESMTPSA");
        assert_eq!(all(true, true, false, true), "UTF8SMTPS");
    }

    #[test]
    fn text_for_reports_cannot_break_a_line() {
        assert!(DsnText::new("a\r\nX: b").is_err());
        assert!(DsnText::new("").is_err());
        assert!(DsnText::new(&"a".repeat(501)).is_err());
        assert_eq!(DsnText::new("QQ314159").unwrap().as_str(), "QQ314159");
    }

    #[test]
    fn nothing_said_means_failures_and_delays() {
        assert!(Notify::Unsaid.wants_failure() && Notify::Unsaid.wants_delay());
        assert!(!Notify::Unsaid.wants_success());
        assert!(!Notify::Never.wants_failure() && !Notify::Never.wants_delay());
    }
}
