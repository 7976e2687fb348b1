//! AUTH (RFC 4954) with PLAIN (RFC 4616) and LOGIN: only inside TLS, only where offered.
//!
//! Guards: a password never gets into a log line or a debug text. Who it belongs to, the driver finds out.

use super::session::Session;
use super::state::{AuthStep, Question, State};
use super::{Credentials, Proof, Verdict};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bridgehead_mail::{Assent, Refusal};

/// `Username:` and `Password:`, as every client of LOGIN expects them.
const ASK_NAME: &str = "VXNlcm5hbWU6";
const ASK_PASSWORD: &str = "UGFzc3dvcmQ6";

impl<P: Proof> Session<P> {
    pub(super) fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        if let Err(refusal) = self.judge_auth() {
            return self.refuse(refusal);
        }
        let step = if mechanism.eq_ignore_ascii_case("PLAIN") {
            AuthStep::Plain
        } else if mechanism.eq_ignore_ascii_case("LOGIN") {
            AuthStep::LoginName
        } else {
            return self.refuse(Refusal::UnknownMechanism);
        };
        match (initial, step) {
            // RFC 4954 §4: `=` is an initial response of nothing.
            (Some("="), step) => self.auth_line(step, b""),
            (Some(initial), step) => self.auth_line(step, initial.as_bytes()),
            (None, AuthStep::Plain) => self.challenge(AuthStep::Plain, ""),
            (None, step) => self.challenge(step, ASK_NAME),
        }
    }

    fn judge_auth(&self) -> Result<(), Refusal> {
        if !self.policy.auth {
            return Err(Refusal::NotOffered);
        }
        if self.tls.is_none() {
            return Err(Refusal::AuthNeedsTls);
        }
        if self.hello.is_none() {
            return Err(Refusal::HelloFirst);
        }
        // RFC 4954 §4: once, and not during a transaction.
        if self.user.is_some() || !matches!(self.state, State::Idle) {
            return Err(Refusal::BadSequence);
        }
        Ok(())
    }

    fn challenge(&mut self, step: AuthStep, text: &str) {
        self.say_with(Assent::Challenge, &text);
        self.state = State::Auth(step);
    }

    /// A response of the client.
    pub(super) fn auth_line(&mut self, step: AuthStep, line: &[u8]) {
        if line == b"*" {
            return self.refuse(Refusal::AuthCancelled);
        }
        let Ok(plain) = STANDARD.decode(line) else {
            return self.refuse(Refusal::BadBase64);
        };
        match step {
            AuthStep::Plain => match plain_credentials(&plain) {
                Some(credentials) => self.check(credentials),
                None => self.auth_failed(Refusal::AuthFailed),
            },
            AuthStep::LoginName => match std::str::from_utf8(&plain) {
                Ok(user) => self.challenge(AuthStep::LoginPassword(user.into()), ASK_PASSWORD),
                Err(_) => self.auth_failed(Refusal::AuthFailed),
            },
            AuthStep::LoginPassword(user) => self.check(Credentials {
                user,
                password: plain.into_boxed_slice(),
            }),
        }
    }

    fn check(&mut self, credentials: Credentials) {
        self.state = State::Asked(Question::Authenticate(credentials));
    }

    pub(super) fn authenticated(&mut self, verdict: Verdict<P>) {
        match verdict {
            Verdict::Authenticated(user) => {
                self.user = Some(user);
                self.say(Assent::Authenticated);
            }
            Verdict::Refuse(refusal) => self.auth_failed(refusal),
            _ => self.refuse(Refusal::Internal),
        }
    }

    fn auth_failed(&mut self, refusal: Refusal) {
        self.refuse(refusal);
        if refusal == Refusal::AuthFailed && self.is_open() {
            self.tally.auth_failures = self.tally.auth_failures.saturating_add(1);
            if self.tally.auth_failures >= self.policy.max_auth_failures {
                self.refuse(Refusal::TooManyAuthFailures);
            }
        }
    }
}

/// `[authzid] NUL authcid NUL passwd` (RFC 4616 §2). To act for another identity is granted to nobody.
fn plain_credentials(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.splitn(3, |octet| *octet == 0);
    let (acts_for, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    let fits =
        !name.is_empty() && !password.contains(&0) && (acts_for.is_empty() || acts_for == name);
    if !fits {
        return None;
    }
    Some(Credentials {
        user: std::str::from_utf8(name).ok()?.into(),
        password: password.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_taken_apart_and_other_identities_are_not_granted() {
        let good = plain_credentials(b"\0alice\0secret").unwrap();
        assert_eq!((&*good.user, &*good.password), ("alice", &b"secret"[..]));
        assert!(plain_credentials(b"alice\0alice\0secret").is_some());
        for message in [
            &b""[..],
            b"alice",
            b"\0alice",
            b"bob\0alice\0x",
            b"\0\0x",
            b"\0a\0x\0y",
            b"\0\xff\0x",
        ] {
            assert_eq!(plain_credentials(message), None);
        }
    }

    #[test]
    fn a_password_is_not_in_the_debug_text() {
        let credentials = plain_credentials(b"\0alice\0secret").unwrap();
        assert!(!format!("{credentials:?}").contains("secret"));
    }
}
