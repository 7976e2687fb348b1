//! What became of a recipient, as one value from the place of failure to the report.
//!
//! Guards: the public text never holds the private cause, and an unknown failure is temporary: local trouble
//! is never the sender's fault.

use crate::{StatusClass, StatusCode};
use std::fmt;

/// What another server said, kept word for word for the operator and for the report (RFC 3464 §2.3.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteReply {
    /// Who said it: `name [address]:port`.
    pub host: Box<str>,
    /// The three digits.
    pub code: u16,
    /// The text of all its lines, joined by spaces, without control characters, at most 1,000 octets.
    pub text: Box<str>,
}

impl fmt::Display for RemoteReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Why a recipient couldn't be served.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The enhanced status code; its class says whether it is worth trying again.
    pub status: StatusCode,
    /// In plain words, for the sender too.
    pub text: Box<str>,
    /// What the other server said, if one said something.
    pub remote: Option<RemoteReply>,
    /// The cause, for the operator only.
    pub cause: Option<Box<str>>,
}

impl Failure {
    /// A failure that this server found by itself.
    #[must_use]
    pub fn new(status: StatusCode, text: &str) -> Self {
        Self {
            status,
            text: text.into(),
            remote: None,
            cause: None,
        }
    }

    /// The same with its private cause.
    #[must_use]
    pub fn because(mut self, cause: &impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// The same with more for the operator, behind the cause if there is one; as much of it as is worth keeping with a
    /// million messages.
    #[must_use]
    pub fn noting(mut self, more: &str) -> Self {
        const OCTETS_MAX: usize = 2_000;
        let mut cause = match self.cause.take() {
            Some(cause) => format!("{cause}; {more}"),
            None => more.to_owned(),
        };
        cause.truncate(cause.floor_char_boundary(OCTETS_MAX));
        self.cause = Some(cause.into());
        self
    }

    /// The same with the words of the other server.
    #[must_use]
    pub fn said(mut self, reply: RemoteReply) -> Self {
        self.remote = Some(reply);
        self
    }

    /// Whether trying again is pointless.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self.status.class(), StatusClass::Permanent)
    }

    /// A failure that comes from outside becomes an outcome by its class.
    #[must_use]
    pub const fn into_outcome(self) -> Outcome {
        if self.is_permanent() {
            Outcome::Failed(self)
        } else {
            Outcome::Deferred(self)
        }
    }
}

impl fmt::Display for Failure {
    /// For the operator: status, public text, the other server's words and the cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, self.text)?;
        if let Some(remote) = &self.remote {
            write!(f, "; {} said: {remote}", remote.host)?;
        }
        if let Some(cause) = &self.cause {
            write!(f, " ({cause})")?;
        }
        Ok(())
    }
}

/// What became of one recipient in one attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// In a mailbox, durably.
    Delivered {
        /// The mailbox's name.
        mailbox: Box<str>,
    },
    /// The next hop took responsibility.
    Relayed {
        /// Its final reply.
        reply: RemoteReply,
        /// Whether it took the wishes for reports over (DSN, RFC 3461 §5.2.1); if not, a wanted success
        /// is reported here as relayed.
        dsn: bool,
        /// How the connection was secured, for the operator: empty where nobody noted it.
        over: Box<str>,
    },
    /// It will not work.
    Failed(Failure),
    /// It did not work this time.
    Deferred(Failure),
}

/// One attempt on one link, as kept for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// Which attempt: the first is 1.
    pub number: u32,
    /// Why it did not work.
    pub failure: Failure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_stands_behind_the_cause_and_is_bounded() {
        let failure = Failure::new(StatusCode::transient(4, 1), "no answer").noting("in the clear");
        assert_eq!(failure.to_string(), "4.4.1 no answer (in the clear)");
        let failure = failure.noting("and more");
        assert_eq!(
            failure.to_string(),
            "4.4.1 no answer (in the clear; and more)"
        );
        let long = failure.noting(&"\u{e9}".repeat(2_000));
        assert!(long.cause.is_some_and(|cause| cause.len() <= 2_000));
    }

    #[test]
    fn the_class_decides_and_the_operator_reads_everything() {
        let failure = Failure::new(StatusCode::transient(4, 1), "no answer from host")
            .because(&"connection refused")
            .said(RemoteReply {
                host: "mx.example.net".into(),
                code: 421,
                text: "busy".into(),
            });
        assert_eq!(
            failure.to_string(),
            "4.4.1 no answer from host; mx.example.net said: 421 busy (connection refused)"
        );
        assert!(matches!(failure.into_outcome(), Outcome::Deferred(_)));
        let gone = Failure::new(StatusCode::permanent(1, 1), "no such mailbox");
        assert!(matches!(gone.into_outcome(), Outcome::Failed(_)));
    }
}
