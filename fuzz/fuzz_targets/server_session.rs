//! A whole session against a hostile client: never a panic, never a standstill, replies well formed, content only for a
//! message that was begun, a `250` for a message only when it was stored.

#![no_main]

use bridgehead_mail::{Domain, MessageId, Refusal};
use bridgehead_smtp::server::{Action, Ask, Client, Policy, Proof, Session, Verdict};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Stored;

impl Proof for Stored {
    fn id(&self) -> MessageId {
        MessageId::from_u128(1)
    }
}

/// More actions for one input than this is a standstill.
const ACTIONS_MAX: usize = 100_000;

struct Driver {
    session: Session<Stored>,
    now: Instant,
    /// Where decisions come from.
    choices: Vec<u8>,
    choice: usize,
    /// Who the client proves to be when TLS starts.
    member: Option<Box<str>>,
    /// Whether it has.
    proved: bool,
    /// Whose password was said last.
    authenticated: Option<Box<str>>,
    /// Whether a message was begun and neither committed nor thrown away.
    begun: bool,
    closed: bool,
    actions: usize,
}

fuzz_target!(|input: &[u8]| {
    let Some((head, text)) = input.split_at_checked(12) else {
        return;
    };
    let now = Instant::now();
    let client = Client {
        address: None,
        trusted: head[0] & 1 == 0,
        connected: bridgehead_mail::Timestamp::EPOCH,
    };
    let tls = (head[0] & 2 == 0).then(|| "TLSv1.3".into());
    let member: Option<Box<str>> = (head[0] & 4 == 0).then(|| "b1".into());
    // Only inside TLS has anybody proved anything.
    let at_once = member.clone().filter(|_| head[0] & 2 == 0);
    let mut driver = Driver {
        session: Session::new(Arc::new(policy(head)), client, tls, now).of_member(at_once.clone()),
        proved: at_once.is_some(),
        member,
        now,
        choices: head.to_vec(),
        choice: 0,
        authenticated: None,
        begun: false,
        closed: false,
        actions: 0,
    };
    driver.run(text, usize::from(head[1]) + 1);
});

fn policy(head: &[u8]) -> Policy {
    let domain = Domain::parse("mail.example.test").expect("a domain");
    let mut policy = Policy::new(domain.clone(), domain);
    policy.starttls = head[2] & 1 != 0;
    policy.auth = head[2] & 2 != 0;
    policy.require_tls = head[2] & 4 != 0;
    policy.require_auth = head[2] & 8 != 0;
    policy.binarymime = head[2] & 16 != 0;
    policy.normalise_line_ends = head[2] & 32 != 0;
    policy.refuse_early_talk = head[2] & 64 != 0;
    policy.atrn = head[3] & 1 != 0;
    policy.etrn = head[3] & 2 != 0;
    if head[2] & 128 != 0 {
        policy.max_message_size = 200;
        policy.max_header_size = 100;
        policy.max_line_size = Some(40);
        policy.max_command_size = 64;
        policy.max_recipients = 2;
        policy.max_errors = 3;
        policy.max_idle_commands = 6;
        policy.max_discarded = 300;
        policy.max_hops = 2;
    }
    policy
}

impl Driver {
    fn run(&mut self, text: &[u8], piece: usize) {
        self.act();
        let mut waiting: Vec<u8> = Vec::new();
        for piece in text.chunks(piece) {
            waiting.extend_from_slice(piece);
            self.feed(&mut waiting);
            if self.closed {
                return;
            }
        }
        if self.choose() & 1 == 0 {
            self.session.shut_down();
        } else {
            self.now += Duration::from_secs(24 * 60 * 60);
            self.session.expire(self.now);
        }
        self.act();
        self.feed(&mut waiting);
    }

    fn feed(&mut self, waiting: &mut Vec<u8>) {
        loop {
            self.count();
            let taken = self.session.receive(self.now, waiting);
            assert!(taken.eaten <= waiting.len());
            assert!(taken.body.is_empty() || self.begun, "content of no message");
            let (eaten, nothing) = (taken.eaten, taken.is_nothing());
            waiting.drain(..eaten);
            self.act();
            if nothing || self.closed {
                return;
            }
        }
    }

    /// Does what the session wants until it wants nothing.
    fn act(&mut self) {
        while let Some(action) = self.session.poll() {
            self.actions += 1;
            assert!(self.actions < ACTIONS_MAX, "no end of actions");
            let (verdict, begins, ends) = match action {
                Action::Write(octets) => {
                    check_replies(octets);
                    continue;
                }
                Action::Discard => {
                    self.begun = false;
                    continue;
                }
                Action::StartTls => {
                    self.proved = self.member.is_some();
                    self.authenticated = None;
                    self.session
                        .tls_started(self.now, "TLSv1.3".into(), self.member.clone());
                    continue;
                }
                Action::Turn { .. } => {
                    self.closed = true;
                    assert!(!self.begun, "turned round in the middle of a message");
                    assert!(self.session.poll().is_none());
                    return;
                }
                Action::Close => {
                    self.closed = true;
                    assert!(
                        !self.begun,
                        "closed with a message that is neither kept nor thrown away"
                    );
                    assert!(self.session.poll().is_none());
                    return;
                }
                Action::Ask(Ask::Commit(envelope)) => {
                    assert!(self.begun, "a message that was never begun");
                    assert!(!envelope.recipients.is_empty());
                    assert!(envelope.journey.is_none() || self.proved);
                    (Verdict::Stored(Stored), false, true)
                }
                Action::Ask(Ask::Begin { .. }) => {
                    assert!(!self.begun, "two messages at once");
                    (Verdict::Admit, true, false)
                }
                Action::Ask(Ask::Authenticate(credentials)) => {
                    let user = credentials.user.clone();
                    self.authenticated = Some(user.clone());
                    (Verdict::Authenticated(user), false, false)
                }
                Action::Ask(Ask::LinkState(told)) => {
                    assert!(self.proved, "private verbs without a proof");
                    assert!((1..=16_384).contains(&told.octets.len()));
                    let why = String::from_utf8_lossy(told.octets).into();
                    let verdict = match told.number % 2 {
                        0 => Verdict::Admit,
                        _ => Verdict::Reject(why),
                    };
                    (verdict, false, false)
                }
                Action::Ask(Ask::Start { .. }) => (Verdict::Started(1), false, false),
                Action::Ask(Ask::Turn { user, .. }) => {
                    assert_eq!(self.authenticated.as_deref(), Some(user), "a turn without AUTH");
                    (Verdict::Turn, false, false)
                }
                Action::Ask(Ask::Sender(_) | Ask::Recipient(_)) => (Verdict::Admit, false, false),
            };
            let refuse = self.choose() & 7 == 0;
            self.begun = (self.begun || (begins && !refuse)) && !ends;
            let verdict = if refuse {
                Verdict::Refuse(REFUSALS[self.choice % REFUSALS.len()])
            } else {
                verdict
            };
            self.session.answer(self.now, verdict);
        }
    }

    fn choose(&mut self) -> u8 {
        self.choice += 1;
        let choice = self.choices[self.choice % self.choices.len()];
        choice.wrapping_add(u8::try_from(self.choice / 12 % 251).unwrap_or(0))
    }

    fn count(&mut self) {
        self.actions += 1;
        assert!(self.actions < ACTIONS_MAX, "a standstill");
    }
}

const REFUSALS: &[Refusal] = &[
    Refusal::Internal,
    Refusal::DiskFull,
    Refusal::StorageFailed,
    Refusal::DirectoryUnavailable,
    Refusal::ShuttingDown,
];

/// Each line is three digits, a space or hyphen, and text without control characters.
fn check_replies(octets: &[u8]) {
    let text = std::str::from_utf8(octets).expect("replies are text");
    let text = text.strip_suffix("\r\n").expect("replies end with CRLF");
    for line in text.split("\r\n") {
        let (code, rest) = line.split_at_checked(3).expect("three digits");
        assert!(
            code.parse::<u16>()
                .is_ok_and(|code| (200..600).contains(&code)),
            "{line:?}"
        );
        assert!(rest.is_empty() || rest.starts_with([' ', '-']), "{line:?}");
        assert!(
            !line.chars().any(|letter| letter.is_ascii_control()),
            "{line:?}"
        );
    }
}
