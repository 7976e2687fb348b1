//! A virtual server as it runs: its sockets, its sessions and what is counted of them.
//!
//! Guards: an error of accept never spins (it waits, longer each time); a session beyond a limit gets its `421`.

use super::session::{Arrived, converse};
use super::sockets::Bound;
use super::stream::{Stream, send_now};
use super::{Alive, World};
use crate::admission::Admission;
use crate::settings::{TlsMode, VirtualServer};
use crate::view::VirtualServerView;
use arc_swap::ArcSwap;
use bridgehead_mail::Refusal;
use bridgehead_smtp::server::Policy;
use parking_lot::Mutex;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The pause after accept failed for want of descriptors or memory: from, and up to.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Whether sessions go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They do.
    Open,
    /// Each ends with its transaction.
    Ending,
    /// All end now.
    Over,
}

/// What holds for new sessions of a virtual server.
pub(crate) struct Rules {
    pub(crate) settings: VirtualServer,
    pub(crate) policy: Arc<Policy>,
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

/// What is counted since the virtual server started.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) sessions: AtomicU64,
    pub(crate) turned_away: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) octets: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// A virtual server, whatever its settings are at the moment.
pub(crate) struct ServerState {
    pub(crate) name: Box<str>,
    pub(crate) rules: ArcSwap<Rules>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) counters: Counters,
    door: Mutex<Admission>,
}

impl ServerState {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            name: rules.settings.name.clone(),
            rules: ArcSwap::from_pointee(Rules {
                settings: rules.settings.clone(),
                policy: Arc::clone(&rules.policy),
                tls: rules.tls.clone(),
            }),
            phase: watch::Sender::new(Phase::Open),
            counters: Counters::default(),
            door: Mutex::default(),
        }
    }

    /// A place for a session, if there is one.
    pub(super) fn seat(
        self: &Arc<Self>,
        client: IpAddr,
        rules: &Rules,
        alive: &Alive,
    ) -> Result<Seat, Refusal> {
        let counters = &self.counters;
        let entered = self.door.lock().enter(client, &rules.settings);
        if let Err(refusal) = entered {
            counters.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(refusal);
        }
        counters.sessions.fetch_add(1, Ordering::Relaxed);
        Ok(Seat {
            server: Arc::clone(self),
            client,
            alive: Some(alive.clone()),
        })
    }
}

/// A session's place; given back when it is dropped.
pub(crate) struct Seat {
    server: Arc<ServerState>,
    client: IpAddr,
    alive: Option<Alive>,
}

impl Seat {
    /// The connection lives on, and counts; the session is over, and the listener doesn't wait for it when it ends.
    pub(super) fn without_session(mut self) -> Self {
        drop(self.alive.take());
        self
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.server.door.lock().leave(self.client);
    }
}

/// A virtual server with its sockets.
pub(super) struct Running {
    pub(super) state: Arc<ServerState>,
    sockets: Vec<(Bound, JoinHandle<()>)>,
}

impl Drop for Running {
    /// Sessions are tasks of their own and go on.
    fn drop(&mut self) {
        for (_, task) in &self.sockets {
            task.abort();
        }
    }
}

impl Running {
    pub(super) fn start(
        world: &Arc<World>,
        state: Arc<ServerState>,
        sockets: Vec<Bound>,
        alive: &Alive,
    ) -> Self {
        let sockets = sockets.into_iter().map(|bound| {
            let door = Door {
                world: Arc::clone(world),
                server: Arc::clone(&state),
                alive: alive.clone(),
            };
            let listener = Arc::clone(&bound.listener);
            (bound, tokio::spawn(door.keep(listener)))
        });
        let sockets = sockets.collect();
        Self { state, sockets }
    }

    pub(super) fn bound(&self) -> impl Iterator<Item = &Bound> {
        self.sockets.iter().map(|(bound, _)| bound)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.bound().map(|bound| bound.local)
    }

    pub(super) fn view(&self) -> VirtualServerView {
        let counters = &self.state.counters;
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        VirtualServerView {
            name: self.state.name.clone(),
            addresses: self.addresses().collect(),
            sessions: self.state.door.lock().total(),
            sessions_total: count(&counters.sessions),
            turned_away: count(&counters.turned_away),
            messages: count(&counters.messages),
            octets: count(&counters.octets),
            refused: count(&counters.refused),
        }
    }
}

/// Where sessions come in.
struct Door {
    world: Arc<World>,
    server: Arc<ServerState>,
    alive: Alive,
}

impl Door {
    async fn keep(self, listener: Arc<TcpListener>) {
        let mut pause = PAUSE_MIN;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    pause = PAUSE_MIN;
                    self.admit(stream, peer.ip().to_canonical());
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    let name = &*self.server.name;
                    tracing::warn!(virtual_server = name, %error, "can't accept, waiting");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, client: IpAddr) {
        let rules = self.server.rules.load_full();
        let seat = match self.server.seat(client, &rules, &self.alive) {
            Ok(seat) => seat,
            Err(refusal) => return turn_away(&stream, refusal, &rules),
        };
        let arrived = Arrived {
            stream: Stream::Plain(stream),
            address: client,
            tls: None,
        };
        let id = self.world.next_session();
        let (world, server) = (Arc::clone(&self.world), Arc::clone(&self.server));
        let session = converse(world, server, rules, arrived, id, seat);
        tokio::spawn(session);
    }
}

/// Errors that concern the connection that was to be accepted, and no other.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

/// Says why, if it can be said at once, and closes.
fn turn_away(stream: &TcpStream, refusal: Refusal, rules: &Rules) {
    if rules.settings.tls != TlsMode::Implicit {
        let mut reply = Vec::with_capacity(64);
        refusal.row().write(&mut reply);
        // A client that doesn't take it knows anyway: the connection closes.
        let _ = send_now(stream, &reply);
    }
}
