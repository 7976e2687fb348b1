//! Steady mail from every site to every other, over SMTP (RFC 5321) as any program would send it.
//!
//! Guards: a bounded number of connections; each answer is bounded in size and time. What a server took is in the account before the
//! answer is waited for, so that nothing that might arrive is unknown.

use super::Shared;
use crate::account::Sent;
use crate::organization::{DOMAIN, mailbox};
use crate::plan::Plan;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
const LINE_OCTETS_MAX: u64 = 4096;
const LINES_MAX: usize = 100;
/// One connection sends this many messages a second at most.
const RATE_PER_SENDER: f64 = 25.0;
/// After so many messages a sender turns to another server of its site.
const MESSAGES_PER_SESSION: u32 = 10;
const SENDERS_PER_SITE_MAX: usize = 16;

/// Starts the senders of all sites; they end when `stop` is true.
pub(super) fn start(
    plan: &Plan,
    rate: f64,
    shared: &Arc<Shared>,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let count = plan.sites.len().max(1);
    #[expect(clippy::cast_precision_loss, reason = "40 sites at most")]
    let per_site = rate / count as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small positive number"
    )]
    let senders = ((per_site / RATE_PER_SENDER).ceil() as usize).clamp(1, SENDERS_PER_SITE_MAX);
    #[expect(clippy::cast_precision_loss, reason = "16 senders at most")]
    let pause = Duration::from_secs_f64(senders as f64 / per_site);
    for site in &plan.sites {
        let elsewhere = plan.servers().filter(|(other, _)| other.name != site.name);
        let mut targets: Vec<String> = elsewhere.map(|(_, server)| server.clone()).collect();
        if targets.is_empty() {
            targets.clone_from(&site.servers);
        }
        for number in 0..senders {
            // Not all begin with the same.
            let mut targets = targets.clone();
            let places = targets.len().max(1);
            targets.rotate_left(number % places);
            let sender = Sender {
                servers: site.servers.clone(),
                targets,
                shared: Arc::clone(shared),
                session: None,
            };
            tasks.spawn(sender.run(pause, stop.clone()));
        }
    }
    tasks
}

struct Sender {
    servers: Vec<String>,
    targets: Vec<String>,
    shared: Arc<Shared>,
    session: Option<Session>,
}

/// How sending one message ended.
enum Outcome {
    Taken,
    /// Nobody has it.
    NotTaken,
    /// The answer didn't come.
    Doubtful,
}

impl Sender {
    async fn run(mut self, pause: Duration, mut stop: watch::Receiver<bool>) {
        let mut ticks = interval(pause);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let targets = self.targets.clone();
        for target in targets.iter().cycle() {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => break,
            }
            self.send(target).await;
        }
        if let Some(session) = &mut self.session {
            let _ = session.say("QUIT\r\n").await;
        }
    }

    async fn send(&mut self, to: &str) {
        let is_spent = |session: &mut Session| session.messages >= MESSAGES_PER_SESSION;
        if let Some(mut spent) = self.session.take_if(is_spent) {
            let _ = spent.say("QUIT\r\n").await;
        }
        // One more try where a kept connection turned out to be dead.
        for _ in 0..2 {
            if self.session.is_none() {
                self.session = self.connect().await;
            }
            let Some(session) = &mut self.session else {
                break;
            };
            let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
            let sent = Sent {
                through: session.server.clone(),
                to: to.to_owned(),
                at: now(),
                accepted: false,
            };
            self.shared.account.lock().sent.insert(id, sent);
            match session.send(&self.shared.run, id, to).await {
                Outcome::Taken => {
                    if let Some(sent) = self.shared.account.lock().sent.get_mut(&id) {
                        sent.accepted = true;
                    }
                    return;
                }
                Outcome::Doubtful => {
                    self.session = None;
                    return;
                }
                Outcome::NotTaken => {
                    self.session = None;
                    self.shared.account.lock().sent.remove(&id);
                }
            }
        }
        self.shared.account.lock().refused += 1;
    }

    /// A connection to a server of the site that is up, another one than last time.
    async fn connect(&mut self) -> Option<Session> {
        for _ in 0..self.servers.len() {
            self.servers.rotate_left(1);
            let name = self.servers.first()?;
            let address = self.shared.addresses.lock().get(name).copied();
            let Some(address) = address else {
                continue;
            };
            if let Ok(session) = Session::open(name, address).await {
                return Some(session);
            }
        }
        None
    }
}

/// Milliseconds of the day's clock, as servers say when they delivered.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

struct Session {
    server: String,
    /// How many were sent in it.
    messages: u32,
    stream: BufReader<TcpStream>,
}

impl Session {
    async fn open(server: &str, address: SocketAddr) -> io::Result<Self> {
        let stream = timeout(ANSWER_PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        let mut session = Self {
            server: server.to_owned(),
            messages: 0,
            stream: BufReader::new(stream),
        };
        session.answer(b'2').await?;
        session.ask("EHLO lab.localhost\r\n", b'2').await?;
        Ok(session)
    }

    async fn send(&mut self, run: &str, id: u64, to: &str) -> Outcome {
        self.messages += 1;
        let from = mailbox(&self.server);
        let to = mailbox(to);
        let envelope = async {
            self.ask(&format!("MAIL FROM:<{from}@{DOMAIN}>\r\n"), b'2')
                .await?;
            self.ask(&format!("RCPT TO:<{to}@{DOMAIN}>\r\n"), b'2')
                .await?;
            self.ask("DATA\r\n", b'3').await
        };
        if envelope.await.is_err() {
            return Outcome::NotTaken;
        }
        let content = format!(
            "From: <{from}@{DOMAIN}>\r\nTo: <{to}@{DOMAIN}>\r\nSubject: lab {run} {id}\r\n\
             Message-ID: <{run}.{id}@{DOMAIN}>\r\nX-Lab-Id: {run} {id}\r\n\r\nMessage {id} of lab {run}.\r\n.\r\n"
        );
        if self.say(&content).await.is_err() {
            return Outcome::Doubtful;
        }
        match self.answer(b'2').await {
            Ok(()) => Outcome::Taken,
            // RFC 5321 §4.2.1: a negative answer says that it wasn't taken.
            Err(error) if error.kind() == io::ErrorKind::Other => Outcome::NotTaken,
            Err(_) => Outcome::Doubtful,
        }
    }

    async fn ask(&mut self, command: &str, wanted: u8) -> io::Result<()> {
        self.say(command).await?;
        self.answer(wanted).await
    }

    async fn say(&mut self, text: &str) -> io::Result<()> {
        let write = self.stream.get_mut().write_all(text.as_bytes());
        timeout(ANSWER_PATIENCE, write).await?
    }

    /// One answer, which may have several lines; `Other` if it isn't the one that is wanted.
    async fn answer(&mut self, wanted: u8) -> io::Result<()> {
        for _ in 0..LINES_MAX {
            let mut line = Vec::new();
            let mut bounded = (&mut self.stream).take(LINE_OCTETS_MAX);
            let read = timeout(ANSWER_PATIENCE, bounded.read_until(b'\n', &mut line)).await??;
            if read == 0 || line.last() != Some(&b'\n') {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.get(3) == Some(&b'-') {
                continue;
            }
            return match line.first() == Some(&wanted) {
                true => Ok(()),
                false => Err(io::Error::other(
                    String::from_utf8_lossy(&line).into_owned(),
                )),
            };
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}
