//! Mail that waits until somebody asks for it: ETRN (RFC 1985) has it sent, ATRN (RFC 2645) turns the connection round.
//!
//! Guards: the connection is turned only for who authenticated, and never with octets behind the command: they were sent before the
//! client knew who it is from now on. What waits, and who may have it, the driver finds out.

use super::session::Session;
use super::state::{Question, State};
use super::{Proof, Verdict};
use bridgehead_mail::{Assent, Domain, Refusal};

impl<P: Proof> Session<P> {
    /// RFC 1985 §5.1: at any time but inside a transaction.
    pub(super) fn etrn(&mut self, domain: Domain) {
        let refusal = match (&self.hello, &self.state) {
            _ if !self.policy.etrn => Refusal::NotOffered,
            (None, _) => Refusal::HelloFirst,
            (Some(_), State::Idle) => {
                self.state = State::Asked(Question::Start(domain));
                return;
            }
            (Some(_), _) => Refusal::BadSequence,
        };
        self.refuse(refusal);
    }

    /// What was asked for by ETRN is under way, or isn't. Asking often brings no mail here.
    pub(super) fn started(&mut self, verdict: &Verdict<P>) {
        match verdict {
            Verdict::Started(0) => self.say(Assent::NothingWaits),
            Verdict::Started(count) => self.say_with(Assent::PendingStarted, count),
            Verdict::Refuse(refusal) => self.refuse(*refusal),
            _ => self.refuse(Refusal::Internal),
        }
        self.count_idle_command();
    }

    /// `behind` octets of input wait behind the command.
    pub(super) fn atrn(&mut self, domains: Vec<Domain>, behind: usize) {
        if let Err(refusal) = self.judge_atrn(behind) {
            return self.refuse(refusal);
        }
        self.state = State::Asked(Question::Turn(domains));
    }

    fn judge_atrn(&self, behind: usize) -> Result<(), Refusal> {
        // RFC 2645 §5.4: 502 for what isn't there.
        if !self.policy.atrn {
            return Err(Refusal::NotOffered);
        }
        // They could be taken for the greeting of the session that follows.
        if behind > 0 {
            return Err(Refusal::EarlyTalk);
        }
        if self.hello.is_none() {
            return Err(Refusal::HelloFirst);
        }
        if self.policy.require_tls && self.tls.is_none() {
            return Err(Refusal::TlsRequired);
        }
        // RFC 2645 §5.2: "The ATRN command MUST be rejected if the session has not been authenticated", with 530.
        if self.user.is_none() {
            return Err(Refusal::AuthRequired);
        }
        if !matches!(self.state, State::Idle) {
            return Err(Refusal::BadSequence);
        }
        Ok(())
    }

    /// The connection is turned round when the reply is out, or isn't.
    pub(super) fn turned(&mut self, verdict: &Verdict<P>) {
        match verdict {
            // Who is told to go goes; what waits, waits.
            Verdict::Turn if self.is_ending() => {}
            Verdict::Turn => {
                self.say(Assent::Turned);
                self.state = State::Turn;
            }
            Verdict::Refuse(refusal) => {
                self.refuse(*refusal);
                self.count_idle_command();
            }
            _ => self.refuse(Refusal::Internal),
        }
    }
}
