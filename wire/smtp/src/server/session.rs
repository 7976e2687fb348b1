//! The session itself: what goes in, what comes out, and what every state has in common.

use super::policy::Policy;
use super::state::{Question, State};
use super::{Action, Ask, Client, Proof, RecipientQuestion, SenderQuestion, Taken, Verdict};
use crate::MEMBER_COMMAND_OCTETS_MAX;
use bridgehead_mail::{Assent, Refusal};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Instant;

/// Replies are sent when so many octets wait, even if more commands do.
const REPLY_OCTETS_MAX: usize = 16 * 1024;
/// A buffer for replies keeps so much.
const REPLY_OCTETS_KEPT: usize = 1_024;
/// RFC 4954 §4: a line of AUTH may have so many octets.
const AUTH_LINE_OCTETS_MAX: usize = 12_288;

/// What the client calls itself.
#[derive(Debug)]
pub(super) struct Hello {
    /// With nothing in it that could break a header field.
    pub(super) name: Box<str>,
    /// Whether it said EHLO.
    pub(super) extended: bool,
}

/// What is counted against a limit.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) errors: u32,
    pub(super) idle_commands: u32,
    pub(super) auth_failures: u32,
    pub(super) discarded: u64,
}

/// One session. `P` is the proof that a message is stored.
#[derive(Debug)]
pub struct Session<P> {
    pub(super) policy: Arc<Policy>,
    pub(super) client: Client,
    pub(super) tls: Option<Box<str>>,
    pub(super) user: Option<Box<str>>,
    /// The server of the organisation that the client has proved to be.
    pub(super) member: Option<Box<str>>,
    pub(super) hello: Option<Hello>,
    pub(super) state: State,
    pub(super) tally: Tally,
    pub(super) discard: bool,
    pub(super) deadline: Instant,
    out: Vec<u8>,
    /// Replies that are being sent.
    sending: Vec<u8>,
    /// Whether the greeting has gone out.
    greeted: bool,
    /// Whether the question of this state has been put.
    put: bool,
    /// Whether the rest of a bad command line is thrown away.
    skipping: bool,
    /// Whether the last octets handed in made no progress.
    stalled: bool,
    /// Why the session ends with the transaction, if it does.
    ending: Option<Refusal>,
    /// Whether the client said QUIT.
    pub(super) quit: bool,
    proof: PhantomData<fn(P)>,
}

impl<P: Proof> Session<P> {
    /// A session with a client that just connected. `tls` describes TLS that has already started (RFC 8314 §3).
    #[must_use]
    pub fn new(policy: Arc<Policy>, client: Client, tls: Option<Box<str>>, now: Instant) -> Self {
        let deadline = now + policy.command_timeout;
        let mut out = Vec::with_capacity(128);
        Assent::Greeting
            .row()
            .write_with(&mut out, &policy.hostname);
        Self {
            policy,
            client,
            tls,
            user: None,
            member: None,
            hello: None,
            state: State::Idle,
            tally: Tally::default(),
            discard: false,
            deadline,
            out,
            sending: Vec::new(),
            greeted: false,
            put: false,
            skipping: false,
            stalled: false,
            ending: None,
            quit: false,
            proof: PhantomData,
        }
    }

    /// The client has proved, in the TLS that has already started, that it is this server of the organisation.
    #[must_use]
    pub fn of_member(mut self, member: Option<Box<str>>) -> Self {
        self.member = member;
        self
    }

    /// Takes octets from the client: one command or one piece of content at a time. Call it again with what was
    /// not eaten, also with nothing at all, until [`Taken::is_nothing`].
    pub fn receive<'a>(&mut self, now: Instant, bytes: &'a [u8]) -> Taken<'a> {
        let taken = if !self.greeted {
            self.early(bytes)
        } else {
            match self.state {
                State::Data(_) | State::Chunk(..) | State::Swallow(_) | State::Telling(_) => {
                    self.receive_content(now, bytes)
                }
                State::Idle
                | State::Opened(_)
                | State::Addressed(_)
                | State::Between(_)
                | State::Auth(_) => self.receive_line(now, bytes),
                _ => nothing(0),
            }
        };
        self.stalled = taken.is_nothing();
        self.end_if_idle();
        taken
    }

    /// RFC 5321 §3.1: a client waits for the greeting. One that doesn't gets another greeting.
    fn early<'a>(&mut self, bytes: &[u8]) -> Taken<'a> {
        if bytes.is_empty() || !self.policy.refuse_early_talk {
            return nothing(0);
        }
        self.out.clear();
        self.greeted = true;
        self.refuse(Refusal::EarlyTalk);
        nothing(bytes.len())
    }

    /// One line up to its CRLF; nothing else ends a line (RFC 5321 §2.3.8).
    fn receive_line<'a>(&mut self, now: Instant, bytes: &'a [u8]) -> Taken<'a> {
        let most = match self.state {
            State::Auth(_) => AUTH_LINE_OCTETS_MAX,
            _ if self.member.is_some() => MEMBER_COMMAND_OCTETS_MAX,
            _ => self.policy.max_command_size,
        };
        let found = memchr::memchr(b'\n', bytes);
        let end = found.map_or(bytes.len(), |at| at + 1);
        let head = bytes.get(..end).unwrap_or_default();
        let whole = head.strip_suffix(b"\r\n");
        if self.skipping {
            return self.skip(head, whole.is_some());
        }
        if found.is_none() && end < most {
            return nothing(0);
        }
        if end > most || found.is_none() {
            self.refuse_line(now, Refusal::CommandTooLong);
            return self.skip(head, whole.is_some());
        }
        let line = match (whole, self.policy.normalise_line_ends) {
            (Some(line), _) => line,
            (None, true) => head.strip_suffix(b"\n").unwrap_or(head),
            (None, false) => {
                self.skipping = true;
                self.refuse_line(now, Refusal::BadCommandOctets);
                return nothing(end);
            }
        };
        self.deadline = now + self.policy.command_timeout;
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Auth(step) => self.auth_line(step, line),
            state => {
                self.state = state;
                self.command(now, line, bytes.len() - end);
            }
        }
        nothing(end)
    }

    /// Throws the rest of a bad line away. Its deadline stays that of the line.
    fn skip<'a>(&mut self, head: &[u8], ends: bool) -> Taken<'a> {
        // The CR at the end may be half of the CRLF that ends the line.
        let kept = usize::from(!ends && head.ends_with(b"\r"));
        let eaten = head.len() - kept;
        self.skipping = !ends;
        self.tally.discarded = self.tally.discarded.saturating_add(eaten as u64);
        if self.tally.discarded > self.policy.max_discarded && self.is_open() {
            self.refuse(Refusal::TooManyErrors);
        }
        nothing(eaten)
    }

    /// A line that isn't even a command. It ends AUTH; it doesn't touch a transaction.
    fn refuse_line(&mut self, now: Instant, refusal: Refusal) {
        self.deadline = now + self.policy.command_timeout;
        if matches!(self.state, State::Auth(_)) {
            self.state = State::Idle;
        }
        self.refuse(refusal);
    }

    /// Takes the answer to the last [`Ask`], or a refusal of content that is coming in.
    pub fn answer(&mut self, now: Instant, verdict: Verdict<P>) {
        self.put = false;
        self.stalled = false;
        self.deadline = now + self.policy.command_timeout;
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Asked(question) => self.answered(now, question, verdict),
            State::Data(mut incoming) => {
                self.fail_content(&mut incoming, verdict);
                self.state = State::Data(incoming);
            }
            State::Chunk(mut incoming, chunk) => {
                self.fail_content(&mut incoming, verdict);
                self.state = State::Chunk(incoming, chunk);
            }
            State::Between(mut incoming) => {
                self.fail_content(&mut incoming, verdict);
                self.state = State::Between(incoming);
            }
            other => self.state = other,
        }
        self.end_if_idle();
    }

    fn answered(&mut self, now: Instant, question: Question, verdict: Verdict<P>) {
        match (question, verdict) {
            (Question::Sender(opened), Verdict::Admit) => {
                self.state = State::Opened(opened);
                self.say(Assent::SenderOk);
            }
            (Question::Recipient(addressing, recipient), Verdict::Admit) => {
                self.state = State::Addressed(addressing.admit(recipient));
                self.say(Assent::RecipientOk);
            }
            (Question::Recipient(addressing, _), verdict) => {
                self.state = addressing.back();
                self.refuse(refusal(&verdict));
            }
            (Question::Begin(addressed, way), Verdict::Admit) => self.begin(now, addressed, way),
            (Question::Begin(_, way), verdict) => self.not_begun(now, way, refusal(&verdict)),
            (Question::Commit(_), Verdict::Stored(proof)) => self.end_of_data(&proof),
            (Question::Authenticate(_), verdict) => self.authenticated(verdict),
            (Question::LinkState(_), verdict) => self.told(&verdict),
            (Question::Start(_), verdict) => self.started(&verdict),
            (Question::Turn(_), verdict) => self.turned(&verdict),
            (Question::Sender(_) | Question::Commit(_), verdict) => self.refuse(refusal(&verdict)),
        }
    }

    /// The only maker of this reply: without a proof there is none.
    fn end_of_data(&mut self, proof: &P) {
        self.tally.idle_commands = 0;
        Assent::Accepted
            .row()
            .write_with(&mut self.out, &proof.id());
    }

    /// When [`Self::expire`] is to be called; none while the session waits for its driver.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Asked(_)
            | State::StartTls
            | State::Turn
            | State::Handshake
            | State::Closing
            | State::Closed => None,
            _ => Some(self.deadline),
        }
    }

    /// Ends the session if its deadline has passed (RFC 5321 §4.5.3.2.7).
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.greeted = true;
            self.refuse(Refusal::TimedOut);
        }
    }

    /// Ends the session: at once if no transaction runs, else after its end (RFC 5321 §3.8).
    pub fn shut_down(&mut self) {
        self.end_with(Refusal::ShuttingDown);
    }

    /// Ends the session with these words: at once if no transaction runs, else after its end.
    pub fn end_with(&mut self, refusal: Refusal) {
        self.ending.get_or_insert(refusal);
        self.end_if_idle();
    }

    /// Ends the session at once, whatever runs.
    pub fn abort(&mut self, refusal: Refusal) {
        if self.is_open() {
            self.greeted = true;
            self.refuse(refusal);
            self.close();
        }
    }

    /// Whether the session ends with what runs.
    pub(super) const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether no transaction is open.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle | State::Auth(_))
    }

    /// Whether the session has not been closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closing | State::Closed)
    }

    /// Whether the client said QUIT: then it has nothing more to say, and its octets needn't be waited for.
    #[must_use]
    pub const fn has_quit(&self) -> bool {
        self.quit
    }

    /// The authenticated user.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The handshake is done; `description` is for the trace field, and `member` is the server of the organisation that the
    /// client has proved to be in it. All that was said before is forgotten (RFC 3207 §4.2).
    pub fn tls_started(&mut self, now: Instant, description: Box<str>, member: Option<Box<str>>) {
        if matches!(self.state, State::Handshake) {
            self.state = State::Idle;
            self.tls = Some(description);
            self.hello = None;
            self.user = None;
            self.member = member;
            self.deadline = now + self.policy.command_timeout;
            self.end_if_idle();
        }
    }

    /// What is to be done next, if anything.
    pub fn poll(&mut self) -> Option<Action<'_>> {
        if std::mem::take(&mut self.discard) {
            return Some(Action::Discard);
        }
        if self.must_write() {
            self.greeted = true;
            // Both buffers are used again and again, unless they grew large.
            std::mem::swap(&mut self.out, &mut self.sending);
            self.out.clear();
            self.out.shrink_to(REPLY_OCTETS_KEPT);
            return Some(Action::Write(&self.sending));
        }
        if matches!(self.state, State::StartTls) {
            self.state = State::Handshake;
            return Some(Action::StartTls);
        }
        if matches!(self.state, State::Turn) {
            self.state = State::Closed;
            let hello = self.hello.as_ref().map_or("", |hello| &hello.name);
            let tls = self.tls.as_deref();
            return Some(Action::Turn { hello, tls });
        }
        if matches!(self.state, State::Closing) {
            self.state = State::Closed;
            return Some(Action::Close);
        }
        if std::mem::replace(&mut self.put, true) {
            return None;
        }
        let asked = self.ask();
        asked.map(Action::Ask)
    }

    fn must_write(&self) -> bool {
        let now = match self.state {
            State::StartTls | State::Turn | State::Closing => true,
            State::Asked(_) => false,
            _ => self.stalled || !self.greeted || self.out.len() > REPLY_OCTETS_MAX,
        };
        now && !self.out.is_empty()
    }

    fn ask(&mut self) -> Option<Ask<'_>> {
        let State::Asked(question) = &mut self.state else {
            self.put = false;
            return None;
        };
        let user = self.user.as_deref();
        let member = self.member.as_deref();
        match question {
            Question::Sender(opened) => Some(Ask::Sender(SenderQuestion {
                reverse_path: &opened.mail.reverse_path,
                size: opened.mail.size,
                body: opened.mail.body,
                handling: opened.mail.handling,
                user,
                resolved: opened.mail.journey.is_some(),
            })),
            Question::Recipient(opened, recipient) => Some(Ask::Recipient(RecipientQuestion {
                address: &recipient.address,
                reverse_path: &opened.mail().reverse_path,
                size: opened.mail().size,
                user,
                resolved: opened.mail().journey.is_some(),
            })),
            Question::Begin(addressed, _) => Some(Ask::Begin {
                size: addressed.mail().size,
            }),
            Question::Commit(envelope) => envelope.take().map(Ask::Commit),
            Question::Authenticate(credentials) => Some(Ask::Authenticate(credentials)),
            Question::Start(domain) => Some(Ask::Start { domain, user }),
            Question::Turn(domains) => Some(Ask::Turn {
                user: user.unwrap_or_default(),
                domains,
            }),
            Question::LinkState(telling) => {
                Some(Ask::LinkState(telling.question(member.unwrap_or_default())))
            }
        }
    }

    pub(super) fn say(&mut self, assent: Assent) {
        assent.row().write(&mut self.out);
    }

    pub(super) fn say_with(&mut self, assent: Assent, value: &dyn fmt::Display) {
        assent.row().write_with(&mut self.out, value);
    }

    pub(super) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Says no, counts it, and closes where the reply or the count says so.
    pub(super) fn refuse(&mut self, refusal: Refusal) {
        self.refuse_with(refusal, &"");
    }

    /// The same for a reply with a value in it, which must hold no line end.
    pub(super) fn refuse_with(&mut self, refusal: Refusal, value: &dyn fmt::Display) {
        refusal.row().write_with(&mut self.out, value);
        if refusal.closes() {
            self.close();
        } else if refusal.is_error() {
            self.tally.errors = self.tally.errors.saturating_add(1);
            if self.tally.errors > self.policy.max_errors {
                self.refuse(Refusal::TooManyErrors);
            }
        }
    }

    pub(super) fn close(&mut self) {
        self.reset();
        self.state = State::Closing;
    }

    /// Drops the transaction as a whole.
    pub(super) fn reset(&mut self) {
        let begun = matches!(
            self.state,
            State::Data(_) | State::Chunk(..) | State::Between(_)
        );
        self.discard |= begun;
        self.state = State::Idle;
    }

    fn end_if_idle(&mut self) {
        if let Some(refusal) = self.ending
            && self.is_idle()
        {
            self.greeted = true;
            self.refuse(refusal);
            self.close();
        }
    }
}

/// A verdict that doesn't fit its question is trouble in the driver, which is ours.
const fn refusal<P>(verdict: &Verdict<P>) -> Refusal {
    match verdict {
        Verdict::Refuse(refusal) => *refusal,
        _ => Refusal::Internal,
    }
}

pub(super) const fn nothing<'a>(eaten: usize) -> Taken<'a> {
    Taken { eaten, body: &[] }
}
