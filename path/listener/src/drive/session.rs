//! One session: the loop between a connection, the session's state machine, the directory and the queue.
//!
//! Guards: the reply to a message is made from the queue's proof. Gathers: one read may hold many commands, and their
//! replies go out in one write.

mod answers;

use super::World;
use super::accept::{Phase, Rules, Seat, ServerState};
use super::stream::{KEPT_OCTETS, Line, NotSecured, Stream};
use crate::members::{Changes, Proved};
use crate::settings::TlsMode;
use crate::waiting::{Turn, Turned};
use bridgehead_mail::{MessageId, Refusal, SessionId, Timestamp};
use bridgehead_queue::{Committed, Draft, Refused};
use bridgehead_smtp::server::{Action, Client, Proof, Session, Taken, Verdict};
use bytes::{Buf, BytesMut};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep_until};
use tracing::Span;

/// Room for one read: commands and small messages, more than that, the content of a large message.
const READ_OCTETS: usize = KEPT_OCTETS;
const READ_OCTETS_MORE: usize = 16 * 1024;
const READ_OCTETS_LARGE: usize = 128 * 1024;

/// The proof that the queue has a message. Only the queue makes what is inside.
struct Stored(Committed);

impl Proof for Stored {
    fn id(&self) -> MessageId {
        self.0.id()
    }
}

/// Why the loop woke up.
enum Woken {
    Input,
    End,
    Timer,
    Phase,
    Members,
}

/// What came of the session's wishes.
enum Acted {
    Nothing,
    Something,
    Closed,
    Turned(Reversed),
}

/// Who ended the session. A client that didn't may still be sending, and must be able to read why.
enum Ended {
    ByClient,
    ByServer,
    /// Not at all: the client is the server now.
    Turned(Reversed),
}

/// What is known of a client that is the server now.
struct Reversed {
    hello: Box<str>,
    tls: Option<Box<str>>,
}

/// What stands around the state machine.
struct Conversation {
    world: Arc<World>,
    server: Arc<ServerState>,
    rules: Arc<Rules>,
    id: SessionId,
    client: Client,
    address: IpAddr,
    stream: Stream,
    input: BytesMut,
    /// Whether the last read left something behind.
    more: bool,
    draft: Option<Draft>,
    /// The server of the organisation that the client has proved to be, and what may change about that.
    member: Option<(Proved, Changes)>,
    /// Messages that were taken.
    taken: u64,
    /// What takes the connection over when it is turned round.
    turn: Option<Box<dyn Turn>>,
    /// What all log lines of the session carry: made when there is one to write.
    span: OnceLock<Span>,
}

/// A connection on which nothing was said yet.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) address: IpAddr,
    /// Version and cipher, if it is inside TLS already.
    pub(super) tls: Option<Box<str>>,
}

/// Serves one client until either side has enough. Returns how many messages were taken.
pub(super) async fn converse(
    world: Arc<World>,
    server: Arc<ServerState>,
    rules: Arc<Rules>,
    arrived: Arrived,
    id: SessionId,
    seat: Seat,
) -> u64 {
    let address = arrived.address;
    let networks = &rules.settings.relay_from;
    let client = Client {
        address: Some(address),
        trusted: networks.iter().any(|network| network.contains(address)),
        connected: wall_clock(),
    };
    let mut conversation = Conversation {
        world,
        server,
        rules,
        id,
        client,
        address,
        stream: arrived.stream,
        input: BytesMut::new(),
        more: false,
        draft: None,
        member: None,
        taken: 0,
        turn: None,
        span: OnceLock::new(),
    };
    tracing::debug!(parent: conversation.span(), "connected");
    let last_word = match conversation.run(arrived.tls).await {
        Ok(ended) => {
            tracing::debug!(parent: conversation.span(), "closed");
            ended
        }
        Err(error) => {
            tracing::debug!(parent: conversation.span(), %error, "connection lost");
            Ended::ByClient
        }
    };
    conversation.draft = None;
    if conversation.member.is_some()
        && let Some(sink) = conversation.world.members.sink()
    {
        sink.ended(id);
    }
    let taken = conversation.taken;
    match last_word {
        Ended::Turned(reversed) => conversation.turn_round(reversed, seat),
        Ended::ByServer => conversation.stream.close(true).await,
        Ended::ByClient => conversation.stream.close(false).await,
    }
    taken
}

impl Conversation {
    fn span(&self) -> &Span {
        self.span.get_or_init(|| {
            let (session, client) = (self.id, self.address);
            let name = &*self.server.name;
            tracing::info_span!("session", %session, virtual_server = name, %client)
        })
    }

    async fn run(&mut self, begun: Option<Box<str>>) -> io::Result<Ended> {
        let tls = match self.rules.settings.tls {
            TlsMode::Implicit => Some(self.start_tls().await?),
            _ => begun,
        };
        let mut phase = self.server.phase.subscribe();
        let mut now = Instant::now();
        let policy = Arc::clone(&self.rules.policy);
        let member = self.member();
        let session = Session::<Stored>::new(policy, self.client, tls, now);
        let mut session = session.of_member(member);
        let deadline = session.deadline().unwrap_or(now);
        let mut timer = std::pin::pin!(sleep_until(deadline.into()));
        self.await_early_talk().await?;
        if *phase.borrow_and_update() != Phase::Open {
            session.shut_down();
        }
        loop {
            let taken = session.receive(now, &self.input);
            let idle = taken.is_nothing();
            let stored = store(&mut self.draft, taken);
            self.input.advance(taken.eaten);
            if let Err(refused) = stored {
                tracing::warn!(parent: self.span(), %refused, "can't store content");
                session.answer(now, Verdict::Refuse(refused.refusal()));
            }
            match self.act(&mut session, &mut now).await? {
                Acted::Closed if session.has_quit() => return Ok(Ended::ByClient),
                Acted::Closed => return Ok(Ended::ByServer),
                Acted::Turned(reversed) => return Ok(Ended::Turned(reversed)),
                Acted::Something => continue,
                Acted::Nothing if !idle => continue,
                Acted::Nothing => {}
            }
            if let Some(deadline) = session.deadline() {
                arm(timer.as_mut(), deadline);
            }
            let woken = self.wait(timer.as_mut(), &mut phase).await?;
            now = Instant::now();
            match woken {
                Woken::Input => {}
                Woken::End => return Ok(Ended::ByClient),
                Woken::Timer => {
                    session.expire(now);
                    let next = session.deadline().unwrap_or(now);
                    timer.as_mut().reset(next.into());
                }
                Woken::Members if !self.is_member_still() => {
                    session.end_with(Refusal::NoMember);
                }
                Woken::Members => {}
                Woken::Phase => match *phase.borrow_and_update() {
                    Phase::Open => {}
                    Phase::Ending => session.shut_down(),
                    Phase::Over => session.abort(Refusal::ShuttingDown),
                },
            }
        }
    }

    /// Does all that the session wants done now.
    async fn act(&mut self, session: &mut Session<Stored>, now: &mut Instant) -> io::Result<Acted> {
        let mut acted = Acted::Nothing;
        while let Some(action) = session.poll() {
            acted = Acted::Something;
            match action {
                Action::Close => return Ok(Acted::Closed),
                Action::Turn { hello, tls } => {
                    let (hello, tls) = (hello.into(), tls.map(Into::into));
                    return Ok(Acted::Turned(Reversed { hello, tls }));
                }
                Action::Write(octets) => {
                    let patience = self.rules.settings.write_timeout;
                    self.stream.write(octets, patience).await?;
                }
                Action::Discard => self.draft = None,
                Action::StartTls => {
                    let description = self.start_tls().await?;
                    *now = Instant::now();
                    session.tls_started(*now, description, self.member());
                }
                Action::Ask(ask) => {
                    let verdict = self.answer(ask).await;
                    *now = Instant::now();
                    session.answer(*now, verdict);
                }
            }
        }
        Ok(acted)
    }

    /// Listens for a while before the greeting, if that is asked for (RFC 5321 §4.3.1).
    async fn await_early_talk(&mut self) -> io::Result<()> {
        let delay = self.rules.settings.greeting_delay;
        if delay.is_zero() {
            return Ok(());
        }
        let read = self.stream.read(&mut self.input, READ_OCTETS);
        match tokio::time::timeout(delay, read).await {
            Ok(Ok(0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    async fn wait(
        &mut self,
        timer: Pin<&mut Sleep>,
        phase: &mut watch::Receiver<Phase>,
    ) -> io::Result<Woken> {
        let large = self.draft.as_ref().is_some_and(Draft::is_large);
        let room = match (large, self.more) {
            (true, _) => READ_OCTETS_LARGE,
            (false, true) => READ_OCTETS_MORE,
            (false, false) => READ_OCTETS,
        };
        tokio::select! {
            biased;
            // Before what it sends: who is no member any more doesn't go on by never pausing.
            () = changed(&mut self.member) => Ok(Woken::Members),
            read = self.stream.read(&mut self.input, room) => match read? {
                0 => Ok(Woken::End),
                count => {
                    self.more = count >= READ_OCTETS;
                    Ok(Woken::Input)
                }
            },
            () = timer => Ok(Woken::Timer),
            // The sender lives as long as the virtual server, which we hold.
            _ = phase.changed() => Ok(Woken::Phase),
        }
    }

    async fn start_tls(&mut self) -> io::Result<Box<str>> {
        let Some(config) = self.rules.tls.clone() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let patience = self.rules.settings.handshake_timeout;
        let mut changes = self.world.members.watch();
        let known = changes.borrow_and_update().clone();
        let secured = self.stream.start_tls(config, known.as_deref(), patience);
        let secured = match secured.await {
            Ok(secured) => secured,
            Err(not) => return Err(self.not_secured(not)),
        };
        let proved = known.zip(secured.key);
        if let Some(proved) = proved.and_then(|(known, key)| known.prove(key)) {
            let server = &*proved.name;
            tracing::debug!(parent: self.span(), server, "a server of the organisation has proved itself");
            self.member = Some((proved, changes));
        }
        Ok(secured.description)
    }

    /// Gives the connection to who takes it over, with its place.
    fn turn_round(self, reversed: Reversed, seat: Seat) {
        let line: Option<Box<dyn Line>> = match self.stream {
            Stream::Plain(stream) => Some(Box::new(stream)),
            Stream::Tls(stream) => Some(stream),
            Stream::Given(line) => Some(line),
            Stream::Gone => None,
        };
        // What the client has sent before it was told that the roles turn can't be meant for it in its new one.
        if let (Some(line), Some(turn), true) = (line, self.turn, self.input.is_empty()) {
            turn.take(Turned {
                line,
                address: self.address,
                hello: reversed.hello,
                tls: reversed.tls,
                place: Box::new(seat.without_session()),
            });
        }
    }

    /// Who wants to be taken for a member and isn't is worth a word, once.
    fn not_secured(&self, not: NotSecured) -> io::Error {
        if not.member {
            let why = bridgehead_membership::why(&not.error);
            if self.world.members.is_news(self.address, &why) {
                tracing::warn!(parent: self.span(), why, "not taken for a server of the organisation");
            }
        }
        not.error
    }

    fn member(&self) -> Option<Box<str>> {
        let (proved, _) = self.member.as_ref()?;
        Some(proved.name.clone())
    }

    /// Whether the directory still names the key by which the client has proved itself.
    fn is_member_still(&mut self) -> bool {
        let Some((proved, changes)) = &mut self.member else {
            return true;
        };
        let known = changes.borrow_and_update();
        known.as_ref().is_some_and(|known| known.confirms(proved))
    }
}

/// Writes content to the draft; what may wait for the disk doesn't hold up other sessions.
fn store(draft: &mut Option<Draft>, taken: Taken<'_>) -> Result<(), Refused> {
    if taken.body.is_empty() {
        return Ok(());
    }
    // Content only comes after a draft was begun.
    let draft = draft.as_mut();
    let draft = draft.ok_or_else(|| Refused::Storage("no message was begun".to_owned()))?;
    if draft.is_large() && may_block() {
        tokio::task::block_in_place(|| draft.write(taken.body))
    } else {
        draft.write(taken.body)
    }
}

fn may_block() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

/// When what is known of members changes, for a session of one.
async fn changed(member: &mut Option<(Proved, Changes)>) {
    match member {
        // The sender lives as long as the listener, which the session holds.
        Some((_, changes)) => drop(changes.changed().await),
        None => std::future::pending().await,
    }
}

/// The timer may fire early, never late: moving it for each command would cost more than a needless wake-up.
fn arm(timer: Pin<&mut Sleep>, deadline: Instant) {
    if deadline < timer.deadline().into_std() {
        timer.reset(deadline.into());
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
