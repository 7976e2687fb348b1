//! The runtime of this room: the listener as other rooms see it, and its virtual servers as they run.
//!
//! Only here and in `drive/` are there sockets, tasks and clocks. Guards: a change of settings is prepared as a whole
//! before any of it holds; a virtual server that didn't change keeps its sockets and sessions.

mod accept;
mod password;
mod reversed;
mod session;
mod sockets;
mod stream;

use crate::error::ApplyError;
use crate::members::{Members, StateSink};
use crate::policy::policy;
use crate::settings::{Settings, TlsMode, VirtualServer};
use crate::tls::Tls;
use crate::view::VirtualServerView;
use crate::waiting::Waiting;
use accept::{Phase, Rules, Running, ServerState};
use bridgehead_directory::Directory;
use bridgehead_mail::{SessionId, Track};
use bridgehead_membership::{ConfigError, OwnKey, Roster};
use bridgehead_queue::Inlet;
use parking_lot::{Mutex, RwLock};
use password::Passwords;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
pub use stream::Line;
use tokio::sync::mpsc;

/// How long sessions have to say goodbye when the time for their transactions is over.
const GOODBYE: Duration = Duration::from_secs(2);

/// What all virtual servers share.
pub(crate) struct World {
    pub(crate) queue: Inlet,
    pub(crate) directory: Directory,
    pub(crate) track: Arc<dyn Track>,
    pub(crate) passwords: Passwords,
    pub(crate) members: Members,
    /// Who has mail that waits to be asked for.
    pub(crate) waiting: RwLock<Option<Arc<dyn Waiting>>>,
    sessions: AtomicU64,
}

impl World {
    pub(crate) fn next_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Held by everything that must end before the listener has ended; nothing is ever sent.
pub(crate) type Alive = mpsc::Sender<Infallible>;

/// The virtual servers of this server. Cheap to copy.
#[derive(Clone)]
pub struct Listener {
    inner: Arc<Inner>,
}

struct Inner {
    world: Arc<World>,
    tls: Tls,
    servers: Mutex<Vec<Running>>,
    /// Held while settings change.
    applying: tokio::sync::Mutex<()>,
    /// Gone once the listener was shut down.
    alive: Mutex<Option<(Alive, mpsc::Receiver<Infallible>)>>,
}

impl Listener {
    /// A listener without virtual servers; [`Self::apply`] starts them.
    #[must_use]
    pub fn new(queue: Inlet, directory: Directory, tls: Tls, track: Arc<dyn Track>) -> Self {
        let world = World {
            queue,
            directory,
            track,
            passwords: Passwords::default(),
            members: Members::default(),
            waiting: RwLock::default(),
            sessions: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(Inner {
                world: Arc::new(world),
                tls,
                servers: Mutex::default(),
                applying: tokio::sync::Mutex::default(),
                alive: Mutex::new(Some(mpsc::channel(1))),
            }),
        }
    }

    /// Makes these the settings: starts, changes and stops virtual servers. Addresses that stay keep their sockets;
    /// running sessions go on under the policy they began with, those of a virtual server that is gone end with
    /// their transaction. Certificates are read anew. Call it also when the directory's default domain changed.
    ///
    /// # Errors
    /// What can't come into force; nothing was changed then.
    pub async fn apply(&self, settings: Settings) -> Result<(), ApplyError> {
        let _applying = self.inner.applying.lock().await;
        let inner = Arc::clone(&self.inner);
        let rules = tokio::task::spawn_blocking(move || inner.prepare(&settings));
        let rules = rules.await.map_err(|_| ApplyError::ShutDown)??;
        self.inner.replace(rules)
    }

    /// By which key this server proves itself to the others of the organisation, and by which they prove themselves. Sessions of
    /// one whose key isn't among them any more end with their transaction.
    ///
    /// # Errors
    /// If no TLS can be made of it; what held before still does.
    pub fn set_members(&self, own: &OwnKey, roster: Roster) -> Result<(), ConfigError> {
        self.inner.world.members.set(own, roster)
    }

    /// Who hears what other servers of the organisation say of links. Without one they are told that it isn't kept here.
    pub fn set_state_sink(&self, sink: Arc<dyn StateSink>) {
        self.inner.world.members.set_sink(sink);
    }

    /// Who has mail that waits to be asked for by ETRN. Without one nothing does.
    pub fn set_waiting(&self, waiting: Arc<dyn Waiting>) {
        *self.inner.world.waiting.write() = Some(waiting);
    }

    /// Where the virtual servers listen, with the ports they really have.
    #[must_use]
    pub fn addresses(&self) -> Vec<(Box<str>, SocketAddr)> {
        let servers = self.inner.servers.lock();
        let each = servers.iter().flat_map(|server| {
            let name = &server.state.name;
            server.addresses().map(|address| (name.clone(), address))
        });
        each.collect()
    }

    /// A picture of the virtual servers for management.
    #[must_use]
    pub fn view(&self) -> Vec<VirtualServerView> {
        let servers = self.inner.servers.lock();
        servers.iter().map(Running::view).collect()
    }

    /// Takes no more sessions, ends those without a transaction with `421 4.3.2`, lets the others finish theirs for
    /// as long as `grace`, and ends the rest. Resolves when no session is left.
    pub async fn shutdown(&self, grace: Duration) {
        let _applying = self.inner.applying.lock().await;
        let Some((alive, mut ended)) = self.inner.alive.lock().take() else {
            return;
        };
        drop(alive);
        let servers = std::mem::take(&mut *self.inner.servers.lock());
        for server in &servers {
            server.state.phase.send_replace(Phase::Ending);
        }
        let states: Vec<_> = servers
            .iter()
            .map(|server| Arc::clone(&server.state))
            .collect();
        drop(servers);
        if tokio::time::timeout(grace, ended.recv()).await.is_ok() {
            return;
        }
        for state in &states {
            state.phase.send_replace(Phase::Over);
        }
        // Whoever doesn't even take the goodbye is left to the end of the process.
        let _ = tokio::time::timeout(GOODBYE, ended.recv()).await;
    }
}

impl Inner {
    /// What each virtual server will do, certificates included. Blocks.
    fn prepare(&self, settings: &Settings) -> Result<Vec<Rules>, ApplyError> {
        let snapshot = self.world.directory.snapshot();
        let mut all: Vec<Rules> = Vec::with_capacity(settings.virtual_servers.len());
        for server in &settings.virtual_servers {
            if all.iter().any(|other| other.settings.name == server.name) {
                let name = server.name.clone();
                return Err(ApplyError::SameName { name });
            }
            all.push(Rules {
                policy: Arc::new(policy(settings, server, snapshot.default_domain())),
                tls: self.tls_of(settings, server)?,
                settings: server.clone(),
            });
        }
        Ok(all)
    }

    fn tls_of(
        &self,
        settings: &Settings,
        server: &VirtualServer,
    ) -> Result<Option<Arc<rustls::ServerConfig>>, ApplyError> {
        if server.tls == TlsMode::Off {
            return Ok(None);
        }
        let hostname = server.hostname.as_ref().unwrap_or(&settings.hostname);
        let made = self
            .tls
            .configuration(server.certificate.as_ref(), hostname);
        made.map(Some).map_err(|source| ApplyError::Certificate {
            name: server.name.clone(),
            source,
        })
    }

    /// Binds what is new, then puts the new virtual servers in the place of the old ones.
    fn replace(&self, rules: Vec<Rules>) -> Result<(), ApplyError> {
        let alive = match &*self.alive.lock() {
            Some((alive, _)) => alive.clone(),
            None => return Err(ApplyError::ShutDown),
        };
        let mut servers = self.servers.lock();
        let sockets = sockets::bind(&servers, &rules)?;
        // From here on nothing fails.
        let old = std::mem::take(&mut *servers);
        for (rules, sockets) in rules.into_iter().zip(sockets) {
            let same = old
                .iter()
                .find(|server| server.state.name == rules.settings.name);
            let state = match same {
                Some(server) => Arc::clone(&server.state),
                None => Arc::new(ServerState::new(&rules)),
            };
            state.rules.store(Arc::new(rules));
            servers.push(Running::start(&self.world, state, sockets, &alive));
        }
        for gone in old {
            if !servers
                .iter()
                .any(|server| server.state.name == gone.state.name)
            {
                gone.state.phase.send_replace(Phase::Ending);
            }
        }
        Ok(())
    }
}
