//! What is to be sent, and where: checked before the first octet.

use std::net::SocketAddr;
use std::time::Duration;

/// The most sessions at once.
const SESSIONS_MAX: u32 = 20_000;
/// The most messages of one run.
const MESSAGES_MAX: u64 = 1_000_000_000;
/// The largest content, in octets.
const SIZE_MAX: usize = 1 << 30;
/// The smallest content: its header must fit in.
pub(crate) const SIZE_MIN: usize = 64;
/// RFC 5321 §4.5.3.1.8: so many a server must take.
const RECIPIENTS_MAX: u32 = 1_000;
/// The longest run.
const SECONDS_MAX: u64 = 24 * 60 * 60;

/// How long connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Each carries messages until there are none left.
    Reused,
    /// Each carries one message.
    OneEach,
}

/// How much is sent before replies are waited for, where the server offers PIPELINING (RFC 2920).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipelining {
    /// Each command waits for the reply to the one before: five round trips a message.
    Off,
    /// MAIL, RCPT and DATA go out together: two round trips.
    Envelope,
    /// The next MAIL, RCPT and DATA also go out with the content before them: one round trip.
    Through,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to; sessions are spread over them evenly.
    pub targets: Vec<SocketAddr>,
    /// Sessions at once.
    pub sessions: u32,
    /// Messages in all.
    pub messages: u64,
    /// Octets of content, header included.
    pub size: usize,
    /// Recipients of each message.
    pub recipients: u32,
    /// The reverse-path.
    pub from: String,
    /// The forward-path of the first recipient; the others have a number before theirs.
    pub to: String,
    /// How long connections live.
    pub connections: Connections,
    /// How much is sent at once.
    pub pipelining: Pipelining,
    /// When the run ends at the latest.
    pub time: Duration,
    /// Addresses beyond loopback are meant.
    pub beyond_loopback: bool,
}

/// Why a run can't be.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A number is out of its bounds.
    #[error("{what} must be between {least} and {most}, not {found}")]
    Bounds {
        /// What it counts.
        what: &'static str,
        /// The smallest that is taken.
        least: u64,
        /// The largest that is taken.
        most: u64,
        /// What was given.
        found: u64,
    },
    /// No target.
    #[error("no address to send to")]
    NoTarget,
    /// A target that could be somebody else's server.
    #[error(
        "{0} isn't on loopback: load is only sent to others where --beyond-loopback says that it is meant"
    )]
    BeyondLoopback(SocketAddr),
    /// An address that would break the conversation.
    #[error("{0:?} can't be an address in a command")]
    Address(String),
    /// The operating system said no.
    #[error("can't {doing}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: std::io::Error,
    },
}

impl Plan {
    /// A small run against one server: ten messages of 1 KiB over one session.
    #[must_use]
    pub fn to(target: SocketAddr) -> Self {
        Self {
            targets: vec![target],
            sessions: 1,
            messages: 10,
            size: 1024,
            recipients: 1,
            from: "a@example.org".to_owned(),
            to: "b@example.net".to_owned(),
            connections: Connections::Reused,
            pipelining: Pipelining::Off,
            time: Duration::from_secs(300),
            beyond_loopback: false,
        }
    }

    /// Whether it may be run.
    ///
    /// # Errors
    /// What of it may not.
    pub fn check(&self) -> Result<(), LoadError> {
        let seconds = self.time.as_secs();
        let size = (SIZE_MIN as u64, SIZE_MAX as u64);
        let numbers = [
            (
                "sessions",
                1,
                u64::from(SESSIONS_MAX),
                u64::from(self.sessions),
            ),
            ("messages", 1, MESSAGES_MAX, self.messages),
            ("octets", size.0, size.1, self.size as u64),
            (
                "recipients",
                1,
                u64::from(RECIPIENTS_MAX),
                u64::from(self.recipients),
            ),
            ("seconds", 1, SECONDS_MAX, seconds),
        ];
        for (what, least, most, found) in numbers {
            if !(least..=most).contains(&found) {
                return Err(LoadError::Bounds {
                    what,
                    least,
                    most,
                    found,
                });
            }
        }
        if self.targets.is_empty() {
            return Err(LoadError::NoTarget);
        }
        let far = |target: &&SocketAddr| !target.ip().to_canonical().is_loopback();
        if let (Some(far), false) = (self.targets.iter().find(far), self.beyond_loopback) {
            return Err(LoadError::BeyondLoopback(*far));
        }
        for address in [&self.from, &self.to] {
            let bad = |octet: u8| !octet.is_ascii_graphic() || matches!(octet, b'<' | b'>');
            if address.len() > 254 || address.bytes().any(bad) {
                return Err(LoadError::Address(address.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Plan {
        Plan::to(([127, 0, 0, 1], 25).into())
    }

    #[test]
    fn others_are_never_sent_load_by_accident() {
        assert!(local().check().is_ok());
        for far in [
            "192.0.2.1:25",
            "[2001:db8::1]:25",
            "[::ffff:192.0.2.1]:25",
            "0.0.0.0:25",
        ] {
            let mut plan = local();
            plan.targets.push(far.parse().unwrap());
            let refused = plan.check();
            assert!(
                matches!(refused, Err(LoadError::BeyondLoopback(_))),
                "{far}"
            );
            plan.beyond_loopback = true;
            assert!(plan.check().is_ok());
        }
        for near in ["[::1]:25", "127.3.2.1:25", "[::ffff:127.0.0.1]:25"] {
            let mut plan = local();
            plan.targets = vec![near.parse().unwrap()];
            assert!(plan.check().is_ok(), "{near}");
        }
    }

    #[test]
    fn every_number_has_bounds() {
        let spoil: [fn(&mut Plan); 9] = [
            |plan| plan.sessions = 0,
            |plan| plan.sessions = SESSIONS_MAX + 1,
            |plan| plan.messages = 0,
            |plan| plan.messages = MESSAGES_MAX + 1,
            |plan| plan.size = SIZE_MIN - 1,
            |plan| plan.size = SIZE_MAX + 1,
            |plan| plan.recipients = 0,
            |plan| plan.recipients = RECIPIENTS_MAX + 1,
            |plan| plan.time = Duration::from_secs(SECONDS_MAX + 1),
        ];
        for spoil in spoil {
            let mut plan = local();
            spoil(&mut plan);
            assert!(
                matches!(plan.check(), Err(LoadError::Bounds { .. })),
                "{plan:?}"
            );
        }
        let mut plan = local();
        plan.targets.clear();
        assert!(matches!(plan.check(), Err(LoadError::NoTarget)));
    }

    #[test]
    fn an_address_cant_smuggle_a_command() {
        for bad in ["a@b>\r\nRSET", "a b@c", "<a@b>", "ä@b"] {
            let mut plan = local();
            bad.clone_into(&mut plan.to);
            assert!(matches!(plan.check(), Err(LoadError::Address(_))), "{bad}");
        }
    }
}
