//! Connections to the other servers of the organisation: with whom, by which keys, and what is told outside of mail.
//!
//! Guards: a server without a key in the directory is no place for anything; what is told of links takes a bounded time, over one
//! connection for each server at the most, which proves itself anew when its key has changed.

use super::connection::Connection;
use super::doubt::Progress;
use super::opening::{MemberTls, NotOpened, Opening};
use super::reach::out_of_time;
use super::{Delivery, Shared};
use crate::settings::{ConnectorSettings, Member, Settings};
use bridgehead_mail::{Failure, NextHop, RemoteReply, StatusCode};
use bridgehead_membership::{OwnKey, client_config};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// For all of what is told at once, and for a probe.
const TELL_PATIENCE: Duration = Duration::from_secs(30);
const PROBE_PATIENCE: Duration = Duration::from_secs(10);
/// For one step of a probe, each of which is a round trip: where a connection is taken and nothing comes of it, the line is dead
/// behind whoever has taken it.
const PROBE_STEP: Duration = Duration::from_secs(3);
/// How long a connection is kept for what will be told next.
const IDLE: Duration = Duration::from_secs(60);

/// Who is told whether other servers of the organisation can be reached. Called from couriers, so that it must not block.
pub trait LinkWatcher: Send + Sync {
    /// A connection to `server` for mail to `hop`, which is of [`NextHop::Servers`], was tried. `worked`: the server was reached and
    /// has proved itself. If not, the line or the server is to blame for it, never a bound of this server or a server that is busy.
    fn used(&self, hop: &NextHop, server: &str, worked: bool);

    /// Something that `server` should have answered long ago isn't answered yet.
    fn doubted(&self, hop: &NextHop, server: &str);
}

/// What is needed to be a member.
#[derive(Default)]
pub(super) struct Members {
    own: RwLock<Option<OwnKey>>,
    watcher: RwLock<Option<Arc<dyn LinkWatcher>>>,
    lines: Mutex<HashMap<Box<str>, Arc<Line>>>,
    /// Short patience, for what is told again soon anyway.
    hasty: Arc<ConnectorSettings>,
    /// The same for each step of a probe.
    probing: Arc<ConnectorSettings>,
}

/// What is told to one server goes over this, one after the other.
#[derive(Default)]
struct Line {
    idle: tokio::sync::Mutex<Option<Idle>>,
    /// Whether somebody will close what nobody uses.
    watched: AtomicBool,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

impl Members {
    pub(super) fn new() -> Self {
        let hasty = ConnectorSettings {
            connect_timeout: Duration::from_secs(2),
            command_timeout: Duration::from_secs(10),
            dns_timeout: Duration::from_secs(5),
            ..ConnectorSettings::default()
        };
        Self {
            probing: Arc::new(ConnectorSettings {
                command_timeout: PROBE_STEP,
                ..hasty.clone()
            }),
            hasty: Arc::new(hasty),
            ..Self::default()
        }
    }

    /// How a server is recognised.
    pub(super) fn tls<'a>(
        &self,
        settings: &'a Settings,
        server: &str,
    ) -> Result<(&'a Member, Arc<MemberTls>), Failure> {
        let no = |text: String| Failure::new(StatusCode::transient(7, 5), &text);
        let Some(member) = settings.members.get(server) else {
            return Err(no(format!(
                "The directory knows no server {server} of the organisation"
            )));
        };
        if member.keys.is_empty() {
            return Err(no(format!(
                "The directory has no key of the server {server}, so that it can't prove that it is that server"
            )));
        }
        if member.hosts.is_empty() {
            return Err(no(format!(
                "The directory doesn't say where the server {server} is reached"
            )));
        }
        let own = self.own.read().clone();
        let own = own.ok_or_else(|| no("This server has no key of its own".to_owned()))?;
        let config = client_config(&own, &member.keys)
            .map_err(|error| no("This server's key can't be used".to_owned()).because(&error))?;
        let server = server.into();
        Ok((member, Arc::new(MemberTls { server, config })))
    }

    pub(super) fn used(&self, hop: &NextHop, server: &str, worked: bool) {
        let watcher = self.watcher.read().clone();
        if let Some(watcher) = watcher {
            watcher.used(hop, server, worked);
        }
    }

    pub(super) fn doubted(&self, hop: &NextHop, server: &str) {
        let watcher = self.watcher.read().clone();
        if let Some(watcher) = watcher {
            watcher.doubted(hop, server);
        }
    }

    fn line(&self, server: &str) -> Arc<Line> {
        let mut lines = self.lines.lock();
        Arc::clone(lines.entry(server.into()).or_default())
    }

    /// Lines to servers that are gone are no longer kept.
    pub(super) fn retain(&self, settings: &Settings) {
        let mut lines = self.lines.lock();
        lines.retain(|server, _| settings.members.contains_key(server));
    }
}

impl Delivery {
    /// By which key this server proves itself to the others of the organisation.
    pub fn set_member_identity(&self, own: OwnKey) {
        *self.shared.members.own.write() = Some(own);
    }

    /// Who is told whether other servers of the organisation can be reached.
    pub fn watch_links(&self, watcher: Arc<dyn LinkWatcher>) {
        *self.shared.members.watcher.write() = Some(watcher);
    }

    /// Tells a server of the organisation something about links, in chunks: place (ONLY, FIRST, NEXT, LAST), number, and octets.
    ///
    /// # Errors
    /// If it can't be reached in time, doesn't prove itself, or refuses a chunk.
    pub async fn tell_member(
        &self,
        server: &str,
        chunks: &[(&str, u32, Vec<u8>)],
    ) -> Result<(), Failure> {
        let told = timeout(TELL_PATIENCE, self.shared.tell(server, chunks)).await;
        told.unwrap_or_else(|_| Err(out_of_time()))
    }

    /// Whether a server of the organisation can be reached and proves itself.
    ///
    /// # Errors
    /// If not, why.
    pub async fn probe_member(&self, server: &str) -> Result<(), Failure> {
        let probed = async {
            let probing = &self.shared.members.probing;
            self.shared.open(server, probing).await?.quit().await;
            Ok(())
        };
        let probed = timeout(PROBE_PATIENCE, probed).await;
        probed.unwrap_or_else(|_| Err(out_of_time()))
    }
}

impl Shared {
    async fn tell(&self, server: &str, chunks: &[(&str, u32, Vec<u8>)]) -> Result<(), Failure> {
        let line = self.members.line(server);
        let mut held = line.idle.lock().await;
        if let Some(mut idle) = held.take()
            && self.proves(server, &idle.connection)
        {
            let said = say(&mut idle.connection, chunks).await;
            match said {
                Ok(()) => {
                    *held = Some(kept(idle.connection));
                    return Ok(());
                }
                Err(Unsaid::Refused(failure)) => return Err(failure),
                // It had been given up: that says nothing of the server.
                Err(Unsaid::Lost(_)) => {}
            }
        }
        let mut connection = self.open(server, &self.members.hasty).await?;
        if !connection.offered.link_state {
            let text = format!("The server {server} takes no link state (X-LINK2STATE)");
            return Err(Failure::new(StatusCode::transient(3, 3), &text));
        }
        match say(&mut connection, chunks).await {
            Ok(()) => {}
            Err(Unsaid::Refused(failure) | Unsaid::Lost(failure)) => return Err(failure),
        }
        *held = Some(kept(connection));
        if !line.watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(close_when_idle(Arc::clone(&line)));
        }
        Ok(())
    }

    /// Whether the key that a connection stands on is still one of the server's.
    fn proves(&self, server: &str, connection: &Connection) -> bool {
        let settings = Arc::clone(&self.settings.read());
        let member = settings.members.get(server);
        let key = connection.peer_key();
        member
            .zip(key)
            .is_some_and(|(member, key)| member.keys.contains(&key))
    }

    /// A connection to a server that has proved itself.
    async fn open(
        &self,
        server: &str,
        connector: &Arc<ConnectorSettings>,
    ) -> Result<Connection, Failure> {
        let settings = Arc::clone(&self.settings.read());
        let (member, tls) = self.members.tls(&settings, server)?;
        let own_tls = self.trust.of(connector);
        let mut last = None;
        for host in &member.hosts {
            let found = self.resolvers.addresses(&host.name, connector).await;
            let found = match found {
                Ok(found) => found,
                Err(failure) => {
                    last = Some(failure);
                    continue;
                }
            };
            for ip in found {
                let opening = Opening {
                    hostname: &settings.hostname,
                    connector,
                    tls: &own_tls,
                    host: &host.name,
                    address: SocketAddr::new(ip, host.port),
                    own_addresses: &settings.own_addresses,
                    is_mx: false,
                    member: Some(&tls),
                    progress: &Progress::begin(),
                };
                match opening.open().await {
                    Ok(connection) => return Ok(connection),
                    Err(NotOpened::Failure(failure)) => last = Some(failure),
                    // Only asked of hosts that DNS names.
                    Err(NotOpened::ThisServer) => {}
                }
            }
        }
        Err(last.unwrap_or_else(out_of_time))
    }
}

/// What wasn't said.
enum Unsaid {
    /// The other side answered, and said no.
    Refused(Failure),
    /// The connection broke.
    Lost(Failure),
}

impl From<Failure> for Unsaid {
    fn from(failure: Failure) -> Self {
        Self::Lost(failure)
    }
}

async fn say(connection: &mut Connection, chunks: &[(&str, u32, Vec<u8>)]) -> Result<(), Unsaid> {
    let mut answered = false;
    for (place, number, octets) in chunks {
        let size = octets.len();
        let mut out = format!("X-LINK2STATE {place} {number} {size}\r\n").into_bytes();
        out.extend_from_slice(octets);
        let reply = match connection.write(&out).await {
            Ok(()) => connection.reply_in_time().await,
            Err(failure) => Err(failure),
        };
        let reply = match reply {
            Ok(reply) => reply,
            // The other side forgets a message that isn't whole, and only a whole one may be told again.
            Err(failure) if answered => return Err(Unsaid::Refused(failure)),
            Err(failure) => return Err(Unsaid::Lost(failure)),
        };
        answered = true;
        if !reply.is_success() {
            let said = RemoteReply {
                host: connection.label().into(),
                code: reply.code,
                text: reply.text().into(),
            };
            let closing = reply.code == 421;
            let text = "The other server does not take the link state";
            let failure = Failure::new(StatusCode::transient(5, 0), text).said(said);
            return Err(match closing {
                true => Unsaid::Lost(failure),
                false => Unsaid::Refused(failure),
            });
        }
    }
    Ok(())
}

fn kept(connection: Connection) -> Idle {
    let since = Instant::now();
    Idle { connection, since }
}

/// Closes the connection of a line when nothing was told for a while.
async fn close_when_idle(line: Arc<Line>) {
    loop {
        sleep(IDLE / 2).await;
        let mut held = line.idle.lock().await;
        if held
            .as_ref()
            .is_some_and(|idle| idle.since.elapsed() < IDLE)
        {
            continue;
        }
        line.watched.store(false, Ordering::Relaxed);
        if let Some(idle) = held.take() {
            idle.connection.quit().await;
        }
        return;
    }
}
