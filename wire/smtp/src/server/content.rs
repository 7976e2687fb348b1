//! Content on its way in: DATA and BDAT, up to the question that stores it.
//!
//! Guards: after a fault everything up to the true end is swallowed, up to a bound; then it is refused and the
//! transaction is gone.

use super::session::{Session, nothing};
use super::state::{Addressed, Chunk, Incoming, Question, State, Swallow, Way};
use super::{Proof, Taken, Verdict};
use bridgehead_mail::{Assent, Envelope, Handling, Origin, Protocol, Refusal, Timestamp};
use std::time::Instant;

impl<P: Proof> Session<P> {
    /// The driver has begun to store.
    pub(super) fn begin(&mut self, now: Instant, addressed: Addressed, way: Way) {
        let dots = matches!(way, Way::Data);
        let incoming = Box::new(Incoming::new(addressed, now, dots, &self.policy));
        match way {
            Way::Data => {
                self.say(Assent::StartMail);
                self.await_content(now, incoming.started);
                self.state = State::Data(incoming);
            }
            Way::Bdat(chunk) => self.enter_chunk(now, incoming, chunk),
        }
    }

    /// The driver can't store: the transaction is over.
    pub(super) fn not_begun(&mut self, now: Instant, way: Way, refusal: Refusal) {
        match way {
            Way::Data => self.refuse(refusal),
            Way::Bdat(chunk) => self.swallow(now, chunk.left, refusal),
        }
    }

    /// A refusal while content comes in.
    pub(super) fn fail_content(&mut self, incoming: &mut Incoming, verdict: Verdict<P>) {
        if let (Verdict::Refuse(refusal), None) = (verdict, incoming.fault()) {
            incoming.fail(refusal);
            self.discard = true;
        }
    }

    pub(super) fn enter_chunk(&mut self, now: Instant, incoming: Box<Incoming>, chunk: Chunk) {
        self.await_content(now, incoming.started);
        if chunk.left == 0 {
            self.deadline = now + self.policy.command_timeout;
            self.end_chunk(incoming, chunk);
        } else {
            self.state = State::Chunk(incoming, chunk);
        }
    }

    /// Throws the octets of a chunk away, then refuses. More than may be thrown away is not waited for.
    pub(super) fn swallow(&mut self, now: Instant, left: u64, refusal: Refusal) {
        let budget = self
            .policy
            .max_discarded
            .saturating_sub(self.tally.discarded);
        if left > budget {
            self.refuse(refusal);
            return self.close();
        }
        if left == 0 {
            return self.refuse(refusal);
        }
        self.await_content(now, now);
        self.state = State::Swallow(Swallow {
            left,
            refusal,
            started: now,
        });
    }

    /// The next octets must come soon, and all of them in good time (RFC 5321 §4.5.3.2.5).
    pub(super) fn await_content(&mut self, now: Instant, started: Instant) {
        let next = now + self.policy.data_timeout;
        self.deadline = next.min(started + self.policy.message_timeout);
    }

    pub(super) fn receive_content<'a>(&mut self, now: Instant, bytes: &'a [u8]) -> Taken<'a> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Data(incoming) => self.receive_data(now, incoming, bytes),
            State::Chunk(incoming, chunk) => self.receive_chunk(now, incoming, chunk, bytes),
            State::Swallow(swallow) => self.receive_unwanted(now, swallow, bytes),
            State::Telling(telling) => self.receive_telling(now, telling, bytes),
            other => {
                self.state = other;
                nothing(0)
            }
        }
    }

    fn receive_data<'a>(
        &mut self,
        now: Instant,
        mut incoming: Box<Incoming>,
        bytes: &'a [u8],
    ) -> Taken<'a> {
        let well = incoming.fault().is_none();
        let piece = incoming.take(bytes, &self.policy);
        let taken = Taken {
            eaten: piece.eaten,
            body: piece.text,
        };
        if piece.eaten > 0 {
            self.await_content(now, incoming.started);
        }
        self.discard |= well && incoming.fault().is_some();
        if !self.may_go_on(&incoming, piece.eaten) {
            self.close();
        } else if piece.end {
            self.deadline = now + self.policy.command_timeout;
            self.content_complete(*incoming);
        } else {
            self.state = State::Data(incoming);
        }
        taken
    }

    fn receive_chunk<'a>(
        &mut self,
        now: Instant,
        mut incoming: Box<Incoming>,
        mut chunk: Chunk,
        bytes: &'a [u8],
    ) -> Taken<'a> {
        if chunk.left == 0 {
            let body = incoming.finish(&self.policy);
            self.discard |= incoming.fault().is_some();
            self.content_complete(*incoming);
            return Taken { eaten: 0, body };
        }
        let most = usize::try_from(chunk.left).unwrap_or(usize::MAX);
        let part = bytes.get(..most).unwrap_or(bytes);
        let well = incoming.fault().is_none();
        let piece = incoming.take(part, &self.policy);
        chunk.left = chunk.left.saturating_sub(piece.eaten as u64);
        if piece.eaten > 0 {
            self.await_content(now, incoming.started);
        }
        self.discard |= well && incoming.fault().is_some();
        if !self.may_go_on(&incoming, piece.eaten) {
            self.close();
        } else if chunk.left == 0 {
            self.deadline = now + self.policy.command_timeout;
            self.end_chunk(incoming, chunk);
        } else {
            self.state = State::Chunk(incoming, chunk);
        }
        Taken {
            eaten: piece.eaten,
            body: piece.text,
        }
    }

    /// All octets of a chunk are here.
    fn end_chunk(&mut self, incoming: Box<Incoming>, chunk: Chunk) {
        match incoming.fault() {
            // A failed chunk ends the transaction; the client must not send more of it (RFC 3030 §2).
            Some(refusal) => self.refuse(refusal),
            None if !chunk.last => {
                self.say_with(Assent::ChunkOk, &chunk.size);
                self.state = State::Between(incoming);
            }
            None if incoming.is_settled() => self.content_complete(*incoming),
            // What the decoder holds back is handed out by the next call, alone.
            None => self.state = State::Chunk(incoming, chunk),
        }
    }

    fn receive_unwanted<'a>(
        &mut self,
        now: Instant,
        mut swallow: Swallow,
        bytes: &[u8],
    ) -> Taken<'a> {
        let most = usize::try_from(swallow.left).unwrap_or(usize::MAX);
        let eaten = bytes.len().min(most);
        swallow.left = swallow.left.saturating_sub(eaten as u64);
        self.tally.discarded = self.tally.discarded.saturating_add(eaten as u64);
        if eaten > 0 {
            self.await_content(now, swallow.started);
        }
        if swallow.left == 0 {
            self.deadline = now + self.policy.command_timeout;
            self.refuse(swallow.refusal);
        } else {
            self.state = State::Swallow(swallow);
        }
        nothing(eaten)
    }

    /// Whether more may be read of this message. After a fault only so much is thrown away.
    fn may_go_on(&mut self, incoming: &Incoming, eaten: usize) -> bool {
        let Some(refusal) = incoming.fault() else {
            return true;
        };
        self.tally.discarded = self.tally.discarded.saturating_add(eaten as u64);
        let may = self.tally.discarded <= self.policy.max_discarded;
        if !may {
            self.refuse(refusal);
        }
        may
    }

    /// The end of the message is here: refuse it or have it stored. The transaction is over in any case.
    fn content_complete(&mut self, incoming: Incoming) {
        match incoming.fault() {
            Some(refusal) => self.refuse(refusal),
            None => {
                let level = incoming.level();
                let envelope = Box::new(self.envelope(incoming.addressed, level));
                self.state = State::Asked(Question::Commit(Some(envelope)));
            }
        }
    }

    /// RFC 6710: who isn't known may ask for less than normal, not for more.
    fn trusted_handling(&self, wished: Handling) -> Handling {
        let known = self.user.is_some() || self.client.trusted || self.member.is_some();
        Handling {
            level: if known {
                wished.level
            } else {
                wished.level.min(0)
            },
            ..wished
        }
    }

    /// `level` is what the header says of its urgency, where that counts.
    fn envelope(&self, addressed: Addressed, level: Option<i8>) -> Envelope {
        let (mail, recipients) = addressed.into_parts();
        let wished = Handling {
            level: level.unwrap_or(mail.handling.level),
            ..mail.handling
        };
        let hello = self.hello.as_ref();
        let journey = mail.journey.and_then(Result::ok);
        Envelope {
            handling: self.trusted_handling(wished),
            reverse_path: mail.reverse_path,
            recipients,
            body: mail.body,
            smtputf8: mail.smtputf8,
            ret: mail.ret,
            envid: mail.envid,
            origin: Origin {
                virtual_server: Box::default(),
                client: self.client.address,
                helo: hello.map(|hello| hello.name.clone()).unwrap_or_default(),
                protocol: Protocol {
                    extended: hello.is_some_and(|hello| hello.extended),
                    tls: self.tls.is_some(),
                    authenticated: self.user.is_some(),
                    utf8: mail.smtputf8,
                },
                tls: self.tls.clone(),
                user: self.user.clone(),
            },
            accepted: Timestamp::EPOCH,
            journey,
        }
    }
}
