//! What only another server of the organisation may say: chunks of messages about links.
//!
//! Guards: outside a session of a member the verb doesn't exist; of a chunk no more is held than its line announced, and that is
//! bounded. Whatever is wrong with a chunk whose size is known, its octets pass first.

use super::session::{Session, nothing};
use super::state::{Question, State};
use super::{LinkStateQuestion, Proof, Taken, Verdict};
use crate::command::LinkState;
use bridgehead_mail::{Assent, Refusal};
use std::fmt;
use std::time::Instant;

/// A chunk on its way in, or all here.
#[derive(Debug)]
pub(super) struct Telling {
    place: &'static str,
    number: u32,
    size: usize,
    octets: Vec<u8>,
    started: Instant,
}

impl Telling {
    /// What the driver is asked.
    pub(super) fn question<'a>(&'a self, member: &'a str) -> LinkStateQuestion<'a> {
        LinkStateQuestion {
            member,
            place: self.place,
            number: self.number,
            octets: &self.octets,
        }
    }
}

impl<P: Proof> Session<P> {
    /// Takes the line if it is one of a member's own; returns whether it was.
    pub(super) fn member_command(&mut self, now: Instant, line: &[u8]) -> bool {
        if self.member.is_none() {
            return false;
        }
        match LinkState::parse(line) {
            None => return false,
            // Where the next command begins isn't known: the session ends.
            Some(Err(refusal)) => self.refuse(refusal),
            Some(Ok(told)) => self.link_state(now, told),
        }
        true
    }

    fn link_state(&mut self, now: Instant, told: LinkState) {
        let LinkState { size, place } = told;
        let place = match (&self.hello, &self.state, place) {
            (None, ..) => Err(Refusal::HelloFirst),
            (Some(_), State::Idle, place) => place,
            (Some(_), ..) => Err(Refusal::BadSequence),
        };
        match place {
            Ok((place, number)) => {
                self.await_content(now, now);
                self.state = State::Telling(Telling {
                    place,
                    number,
                    size: usize::from(size),
                    octets: Vec::with_capacity(usize::from(size)),
                    started: now,
                });
            }
            Err(refusal) => {
                // As after a failed BDAT, no transaction is left.
                self.reset();
                self.swallow(now, u64::from(size), refusal);
            }
        }
    }

    pub(super) fn receive_telling<'a>(
        &mut self,
        now: Instant,
        mut telling: Telling,
        bytes: &[u8],
    ) -> Taken<'a> {
        let left = telling.size.saturating_sub(telling.octets.len());
        let part = bytes.get(..left).unwrap_or(bytes);
        telling.octets.extend_from_slice(part);
        if !part.is_empty() {
            self.await_content(now, telling.started);
        }
        self.state = match telling.octets.len() == telling.size {
            true => State::Asked(Question::LinkState(telling)),
            false => State::Telling(telling),
        };
        nothing(part.len())
    }

    /// What the driver made of it.
    pub(super) fn told(&mut self, verdict: &Verdict<P>) {
        match verdict {
            Verdict::Admit => {
                self.tally.idle_commands = 0;
                self.say(Assent::LinkStateTaken);
            }
            Verdict::Reject(reason) => {
                self.refuse_with(Refusal::LinkStateRefused, &Harmless(reason));
            }
            Verdict::Refuse(refusal) => self.refuse(*refusal),
            _ => self.refuse(Refusal::Internal),
        }
    }
}

/// A reason as it may stand in a reply: one short line of plain letters (RFC 5321 §4.5.3.1.5).
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        const LETTERS_MAX: usize = 300;
        for letter in self.0.chars().take(LETTERS_MAX) {
            f.write_char(match letter {
                ' '..='~' => letter,
                _ => '?',
            })?;
        }
        Ok(())
    }
}
