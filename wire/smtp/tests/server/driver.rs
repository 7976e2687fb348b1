//! A driver without a socket: a directory of three people, a queue in memory, a clock that is moved by hand.

use bridgehead_mail::{Domain, Envelope, MessageId, Refusal, Timestamp};
use bridgehead_smtp::server::{Action, Ask, Client, Policy, Proof, Session, Verdict};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The proof that this test stored a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept(MessageId);

impl Proof for Kept {
    fn id(&self) -> MessageId {
        self.0
    }
}

/// What the world around the session is like.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) trusted: bool,
    /// Who the client proves to be when TLS starts.
    pub(crate) member: Option<Box<str>>,
    pub(crate) disk_full: bool,
    pub(crate) storage_failed: bool,
}

impl Default for World {
    fn default() -> Self {
        let domain = |name| Domain::parse(name).unwrap();
        Self {
            policy: Policy::new(domain("mail.example.test"), domain("example.test")),
            trusted: false,
            member: None,
            disk_full: false,
            storage_failed: false,
        }
    }
}

/// A session with everything around it.
pub(crate) struct Play {
    world: World,
    session: Session<Kept>,
    now: Instant,
    input: Vec<u8>,
    draft: Option<Vec<u8>>,
    /// What the server sent and nobody looked at yet.
    pub(crate) output: Vec<u8>,
    /// How many writes that took.
    pub(crate) writes: usize,
    pub(crate) closed: bool,
    /// What the client called itself that has become the server.
    pub(crate) turned: Option<Box<str>>,
    /// What was stored.
    pub(crate) stored: Vec<(Envelope, Vec<u8>)>,
    /// The largest the session's buffers have been.
    pub(crate) largest_write: usize,
}

impl Play {
    pub(crate) fn new(world: World) -> Self {
        let now = Instant::now();
        let client = Client {
            address: Some([192, 0, 2, 7].into()),
            trusted: world.trusted,
            connected: Timestamp::EPOCH,
        };
        let session = Session::new(Arc::new(world.policy.clone()), client, None, now);
        Self {
            world,
            session,
            now,
            input: Vec::new(),
            draft: None,
            output: Vec::new(),
            writes: 0,
            closed: false,
            turned: None,
            stored: Vec::new(),
            largest_write: 0,
        }
    }

    /// The client sends these octets.
    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
        self.pump();
    }

    /// The clock moves.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.expire(self.now);
        self.pump();
    }

    pub(crate) fn shut_down(&mut self) {
        self.session.shut_down();
        self.pump();
    }

    pub(crate) fn has_draft(&self) -> bool {
        self.draft.is_some()
    }

    /// What every driver does.
    pub(crate) fn pump(&mut self) {
        while !self.closed {
            let taken = self.session.receive(self.now, &self.input);
            let idle = taken.is_nothing();
            if !taken.body.is_empty() {
                let draft = self.draft.as_mut().expect("content only after Begin");
                draft.extend_from_slice(taken.body);
            }
            let eaten = taken.eaten;
            assert!(eaten <= self.input.len());
            self.input.drain(..eaten);
            if !self.act() && idle {
                return;
            }
        }
    }

    fn act(&mut self) -> bool {
        let mut acted = false;
        while let Some(action) = self.session.poll() {
            acted = true;
            let verdict = match action {
                Action::Write(octets) => {
                    assert!(
                        !octets.is_empty(),
                        "a write without octets is a wasted syscall"
                    );
                    self.writes += 1;
                    self.largest_write = self.largest_write.max(octets.len());
                    self.output.extend_from_slice(octets);
                    continue;
                }
                Action::Discard => {
                    assert!(self.draft.take().is_some(), "nothing to discard");
                    continue;
                }
                Action::StartTls => {
                    assert!(
                        self.input.is_empty(),
                        "octets in clear would cross into TLS"
                    );
                    self.session.tls_started(
                        self.now,
                        "TLS1_3 TEST".into(),
                        self.world.member.clone(),
                    );
                    continue;
                }
                Action::Turn { hello, tls } => {
                    assert_eq!(tls, Some("TLS1_3 TEST"));
                    self.turned = Some(hello.into());
                    self.closed = true;
                    assert!(self.session.poll().is_none(), "nothing more comes");
                    assert!(self.session.deadline().is_none());
                    return true;
                }
                Action::Close => {
                    self.closed = true;
                    self.draft = None;
                    return true;
                }
                Action::Ask(ask) => verdict(&self.world, ask, &mut self.draft, &mut self.stored),
            };
            self.session.answer(self.now, verdict);
        }
        acted
    }
}

/// alice, bob and the postmaster live at example.test; alice may log in and send as herself.
fn verdict(
    world: &World,
    ask: Ask<'_>,
    draft: &mut Option<Vec<u8>>,
    stored: &mut Vec<(Envelope, Vec<u8>)>,
) -> Verdict<Kept> {
    let judged = match ask {
        Ask::Sender(asked) => match (asked.user, asked.reverse_path.address()) {
            (Some(user), Some(address)) if address.local().as_str() != user => {
                Err(Refusal::NotYourAddress)
            }
            _ => Ok(Verdict::Admit),
        },
        Ask::Recipient(asked) => {
            let ours = asked.address.domain().as_str() == "example.test";
            let people = ["alice", "bob", "postmaster", "j\u{f6}rg"];
            let known = asked.user.is_some() || world.trusted || asked.resolved;
            match (ours, known) {
                (true, _) if !people.contains(&asked.address.local().as_str()) => {
                    Err(Refusal::UnknownRecipient)
                }
                (false, false) => Err(Refusal::RelayDenied),
                _ => Ok(Verdict::Admit),
            }
        }
        Ask::Begin { .. } if world.disk_full => Err(Refusal::DiskFull),
        Ask::Begin { .. } => {
            assert!(draft.is_none(), "the last draft was left over");
            *draft = Some(Vec::new());
            Ok(Verdict::Admit)
        }
        Ask::Commit(_) if world.storage_failed => {
            *draft = None;
            Err(Refusal::StorageFailed)
        }
        Ask::Commit(envelope) => {
            let content = draft.take().expect("a commit needs what was begun");
            stored.push((*envelope, content));
            let number = stored.len() as u128;
            Ok(Verdict::Stored(Kept(MessageId::new(
                Timestamp::EPOCH,
                number,
            ))))
        }
        Ask::LinkState(told) => match told.octets {
            b"good" => Ok(Verdict::Admit),
            b"busy" => Err(Refusal::Internal),
            octets => {
                let (who, place, number) = (told.member, told.place, told.number);
                let (count, line_end) = (octets.len(), "\r\n250 OK");
                let why = format!("{who} {place} {number} {count}{line_end}");
                Ok(Verdict::Reject(why.into()))
            }
        },
        Ask::Turn { user, domains } => turn(user, domains),
        Ask::Start { domain, .. } => match domain.as_str() {
            "kept.example.test" => Ok(Verdict::Started(3)),
            "empty.example.test" => Ok(Verdict::Started(0)),
            "broken.example.test" => Err(Refusal::CannotStart),
            _ => Err(Refusal::NotToBeAsked),
        },
        Ask::Authenticate(credentials) => match (&*credentials.user, &*credentials.password) {
            ("alice", b"secret") => Ok(Verdict::Authenticated("alice".into())),
            _ => Err(Refusal::AuthFailed),
        },
    };
    judged.unwrap_or_else(Verdict::Refuse)
}

/// What waits for alice.
fn turn(user: &str, domains: &[Domain]) -> Result<Verdict<Kept>, Refusal> {
    assert_eq!(user, "alice", "nobody else can have authenticated");
    let domains: Vec<&str> = domains.iter().map(Domain::as_str).collect();
    match domains[..] {
        [] | ["kept.example.test"] | ["kept.example.test", "empty.example.test"] => {
            Ok(Verdict::Turn)
        }
        ["empty.example.test"] => Err(Refusal::NoMail),
        ["broken.example.test"] => Err(Refusal::CannotTurn),
        _ => Err(Refusal::TurnRefused),
    }
}
