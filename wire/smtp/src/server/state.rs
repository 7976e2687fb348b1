//! The states of a session, one struct each: what doesn't exist in a state can't be asked for in it.

use super::Credentials;
use super::member::Telling;
use super::policy::Policy;
use crate::command::Mail;
use crate::data::{Decoder, Rules};
use crate::header::HeaderWatch;
use crate::urgency::UrgencyWatch;
use bridgehead_mail::{BodyKind, Domain, Envelope, Recipient, Refusal};
use std::time::Instant;

/// Where a session is.
#[derive(Debug)]
pub(super) enum State {
    /// No transaction.
    Idle,
    /// After MAIL.
    Opened(Opened),
    /// After the first RCPT.
    Addressed(Addressed),
    /// Inside DATA.
    Data(Box<Incoming>),
    /// Inside a chunk of BDAT.
    Chunk(Box<Incoming>, Chunk),
    /// After a chunk that wasn't the last.
    Between(Box<Incoming>),
    /// Inside a chunk that is not wanted.
    Swallow(Swallow),
    /// Inside a chunk of a member's message about links.
    Telling(Telling),
    /// AUTH wants the next line.
    Auth(AuthStep),
    /// The driver was asked.
    Asked(Question),
    /// TLS starts when all replies are out.
    StartTls,
    /// The connection is turned round when all replies are out.
    Turn,
    /// The driver does the handshake.
    Handshake,
    /// The connection is closed when all replies are out.
    Closing,
    /// All is said.
    Closed,
}

/// A transaction with a sender.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) mail: Mail,
}

/// A transaction with at least one recipient: there is no way to make one without.
#[derive(Debug)]
pub(super) struct Addressed {
    opened: Opened,
    first: Recipient,
    others: Vec<Recipient>,
}

impl Addressed {
    pub(super) const fn new(opened: Opened, first: Recipient) -> Self {
        let others = Vec::new();
        Self {
            opened,
            first,
            others,
        }
    }

    pub(super) fn and(mut self, recipient: Recipient) -> Self {
        self.others.push(recipient);
        self
    }

    pub(super) const fn count(&self) -> usize {
        self.others.len() + 1
    }

    pub(super) const fn mail(&self) -> &Mail {
        &self.opened.mail
    }

    /// Its parts, to make an envelope of.
    pub(super) fn into_parts(self) -> (Mail, Vec<Recipient>) {
        let mut recipients = self.others;
        recipients.insert(0, self.first);
        (self.opened.mail, recipients)
    }
}

/// What a recipient is added to.
#[derive(Debug)]
pub(super) enum Addressing {
    First(Opened),
    Next(Addressed),
}

impl Addressing {
    pub(super) const fn mail(&self) -> &Mail {
        match self {
            Self::First(opened) => &opened.mail,
            Self::Next(addressed) => addressed.mail(),
        }
    }

    pub(super) fn admit(self, recipient: Recipient) -> Addressed {
        match self {
            Self::First(opened) => Addressed::new(opened, recipient),
            Self::Next(addressed) => addressed.and(recipient),
        }
    }

    pub(super) fn back(self) -> State {
        match self {
            Self::First(opened) => State::Opened(opened),
            Self::Next(addressed) => State::Addressed(addressed),
        }
    }
}

/// One chunk of BDAT.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk {
    pub(super) size: u64,
    pub(super) left: u64,
    pub(super) last: bool,
}

/// A chunk that is not wanted: its octets must pass before anything can be said (RFC 3030 §2).
#[derive(Debug)]
pub(super) struct Swallow {
    pub(super) left: u64,
    pub(super) refusal: Refusal,
    pub(super) started: Instant,
}

/// What AUTH waits for.
#[derive(Debug)]
pub(super) enum AuthStep {
    Plain,
    LoginName,
    LoginPassword(Box<str>),
}

/// How content comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Data,
    Bdat(Chunk),
}

/// What the driver was asked, with the state that waits for it.
#[derive(Debug)]
pub(super) enum Question {
    Sender(Opened),
    Recipient(Addressing, Recipient),
    Begin(Addressed, Way),
    /// The envelope is gone once the question was put.
    Commit(Option<Box<Envelope>>),
    Authenticate(Credentials),
    Start(Domain),
    Turn(Vec<Domain>),
    LinkState(Telling),
}

/// A message on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) addressed: Addressed,
    pub(super) started: Instant,
    decoder: Decoder,
    header: HeaderWatch,
    /// Only where the header may say how urgent it is, and the client didn't.
    urgency: Option<Box<UrgencyWatch>>,
    size: u64,
    fault: Option<Refusal>,
}

/// What a piece of input was.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) eaten: usize,
    /// Content to store; empty after a fault.
    pub(super) text: &'a [u8],
    /// The end of DATA.
    pub(super) end: bool,
}

impl Incoming {
    pub(super) fn new(addressed: Addressed, now: Instant, dots: bool, policy: &Policy) -> Self {
        let asked = policy.priority_from_header && !addressed.mail().level_said;
        Self {
            urgency: asked.then(Box::default),
            addressed,
            started: now,
            decoder: Decoder::new(Rules {
                dots,
                normalise: policy.normalise_line_ends,
                line_max: policy.max_line_size,
            }),
            header: HeaderWatch::new(),
            size: 0,
            fault: None,
        }
    }

    pub(super) const fn fault(&self) -> Option<Refusal> {
        self.fault
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// How urgent the header says it is, where it is asked.
    pub(super) fn level(&self) -> Option<i8> {
        self.urgency.as_ref().and_then(|urgency| urgency.level())
    }

    /// The first fault stays.
    pub(super) fn fail(&mut self, refusal: Refusal) {
        self.fault.get_or_insert(refusal);
    }

    /// Goes on through `input`.
    pub(super) fn take<'a>(&mut self, input: &'a [u8], policy: &Policy) -> Piece<'a> {
        if self.addressed.mail().body == BodyKind::BinaryMime {
            // RFC 3030 §3: any octet may come, and there are no lines. DATA never carries it.
            let text = self.judge(input, policy);
            let (eaten, end) = (input.len(), false);
            return Piece { eaten, text, end };
        }
        let step = self.decoder.step(input);
        if let Some(refusal) = self.decoder.fault() {
            self.fail(refusal);
        }
        Piece {
            eaten: step.eaten,
            text: self.judge(step.text, policy),
            end: step.end,
        }
    }

    /// Whether nothing is held back.
    pub(super) const fn is_settled(&self) -> bool {
        self.decoder.is_settled()
    }

    /// The end of the last chunk: content that was held back.
    pub(super) fn finish(&mut self, policy: &Policy) -> &'static [u8] {
        let owed = self.decoder.finish();
        if let Some(refusal) = self.decoder.fault() {
            self.fail(refusal);
        }
        self.judge(owed, policy)
    }

    /// Compares content with the limits; gives it back while there is no fault.
    fn judge<'a>(&mut self, text: &'a [u8], policy: &Policy) -> &'a [u8] {
        self.size = self.size.saturating_add(text.len() as u64);
        self.header.watch(text);
        if let Some(urgency) = &mut self.urgency {
            urgency.watch(text);
        }
        if self.size > policy.max_message_size {
            self.fail(Refusal::TooLarge);
        }
        if self.header.octets() > policy.max_header_size {
            self.fail(Refusal::HeaderTooLarge);
        }
        // RFC 5321 §6.3: a loop is found by counting Received fields.
        if self.header.hops() > policy.max_hops {
            self.fail(Refusal::TooManyHops);
        }
        match self.fault {
            None => text,
            Some(_) => &[],
        }
    }
}
