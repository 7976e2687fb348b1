//! The clock, and the tasks: one that waits for the next deadline, one for each neighbour that something is carried to, and
//! one for each link that is tried, a bounded number at once.
//!
//! Guards: carrying and trying end after a time; a task that ends in whatever way leaves nothing marked as being done.

mod looking;

use crate::carry::{Carry, cut};
use crate::core::{Core, Probe};
use crate::settings::{GossipSettings, Keys, LinkPicture};
use crate::view::View;
use bridgehead_linkstate::{Identity, NotAMember, Time, Topology, Verifier};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// A message that isn't carried in so many times the protocol's patience is lost.
const CARRY_PATIENCES: u32 = 10;
/// So many links are tried at once.
const PROBES_MAX: usize = 16;
/// The shortest wait between two looks at the clock.
const TICK_MIN: Duration = Duration::from_millis(1);

/// Link state in operation. Cheap to copy; runs until [`Gossip::stop`].
#[derive(Clone)]
pub struct Gossip {
    shared: Arc<Shared>,
}

struct Shared {
    core: Mutex<Core>,
    carry: Arc<dyn Carry>,
    started: Instant,
    /// How long one try may take.
    probe_patience: Duration,
    /// How long carrying one message may take.
    carry_patience: Duration,
    /// Something is to be done.
    wake: Notify,
    stop: watch::Sender<bool>,
    probes: Semaphore,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Gossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gossip").finish_non_exhaustive()
    }
}

impl Gossip {
    /// Starts it, within a runtime.
    ///
    /// # Errors
    /// If the server isn't in the topology.
    pub fn start(
        settings: GossipSettings,
        keys: Keys,
        carry: Arc<dyn Carry>,
    ) -> Result<Self, NotAMember> {
        let probe_patience = settings.protocol.probe_timeout;
        let carry_patience = settings.protocol.patience * CARRY_PATIENCES;
        let identity = identity(&settings.server);
        let core = Core::new(Time::START, settings, keys, &identity)?;
        let shared = Arc::new(Shared {
            core: Mutex::new(core),
            carry,
            started: Instant::now(),
            probe_patience,
            carry_patience,
            wake: Notify::new(),
            stop: watch::Sender::new(false),
            probes: Semaphore::new(PROBES_MAX),
            task: Mutex::new(None),
        });
        let task = tokio::spawn(run(Arc::clone(&shared), shared.stop.subscribe()));
        *shared.task.lock() = Some(task);
        Ok(Self { shared })
    }

    /// Takes no part any more; what is under way is broken off.
    pub async fn stop(&self) {
        self.shared.core.lock().stop();
        self.shared.stop.send_replace(true);
        let task = self.shared.task.lock().take();
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "link state ended badly");
        }
    }

    /// The state of the organisation's links, and its changes.
    #[must_use]
    pub fn picture(&self) -> watch::Receiver<LinkPicture> {
        self.shared.core.lock().picture()
    }

    /// A chunk arrived from a server that the carrier has authenticated, in the session of this number.
    ///
    /// # Errors
    /// If it is refused: a sentence for the other side.
    pub fn receive(
        &self,
        from: &str,
        session: u64,
        place: &str,
        number: u32,
        octets: &[u8],
    ) -> Result<(), String> {
        self.shared.with(|core, now| {
            let (sender, order) = ((from, session), (place, number));
            core.receive(now, sender, order, octets)
        })
    }

    /// A session has ended: what had begun in it is forgotten.
    pub fn ended(&self, session: u64) {
        self.shared.core.lock().ended(session);
    }

    /// An attempt to hand mail to a server ended: over a connector, or as to a server of the own group. Only what the way there is to
    /// blame for is a failure.
    pub fn note_use(&self, connector: Option<&str>, server: &str, worked: bool) {
        self.shared
            .with(|core, now| core.note_use(now, connector, server, worked));
    }

    /// An attempt to hand mail to a server takes long: the link is tried at once.
    pub fn note_doubt(&self, connector: Option<&str>, server: &str) {
        self.shared
            .with(|core, now| core.note_doubt(now, connector, server));
    }

    /// So much mail waits for a connector.
    pub fn note_load(&self, connector: &str, queued: usize, oldest: Duration) {
        let queued = u32::try_from(queued).unwrap_or(u32::MAX);
        self.shared
            .with(|core, now| core.note_load(now, connector, queued, oldest));
    }

    /// Another configuration is in force. A server that isn't in it any more rests until it is in one again.
    pub fn replace(&self, topology: Arc<Topology>, verifier: Arc<dyn Verifier>) {
        if *self.shared.stop.borrow() {
            return;
        }
        self.shared.with(|core, now| {
            let identity = identity(&core.server);
            core.replace(now, topology, verifier, &identity);
        });
    }

    /// What this server knows now.
    #[must_use]
    pub fn view(&self) -> View {
        self.shared.with(|core, now| looking::look(core, now))
    }
}

impl Shared {
    /// Does something with the core, after which there may be something to do for the tasks.
    fn with<T>(&self, act: impl FnOnce(&mut Core, Time) -> T) -> T {
        let result = act(&mut self.core.lock(), self.now());
        self.wake.notify_one();
        result
    }

    fn now(&self) -> Time {
        Time::START.after(self.started.elapsed())
    }
}

/// A new start of this server.
fn identity(server: &str) -> Identity {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Identity {
        server: server.into(),
        instance: rand::random(),
        epoch: u64::try_from(millis).unwrap_or(0),
    }
}

async fn run(shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    loop {
        let todo = {
            let mut core = shared.core.lock();
            core.tick(shared.now());
            core.take_todo()
        };
        for (probe, servers) in todo.probes {
            tasks.spawn(try_link(Arc::clone(&shared), probe, servers));
        }
        for to in todo.lines {
            tasks.spawn(carry_all(Arc::clone(&shared), to));
        }
        let deadline = todo.deadline.unwrap_or(Time::NEVER);
        let wait = deadline.since(shared.now()).max(TICK_MIN);
        // Years are as good as never, and no timer's overflow.
        let wait = wait.min(Duration::from_secs(24 * 60 * 60));
        tokio::select! {
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
            // It ends when it was told to, or when nobody can tell any more.
            _ = stop.wait_for(|stop| *stop) => break,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a task of link state ended badly");
                }
            }
        }
    }
}

/// Nobody carries to a neighbour any more, however that came about.
struct Carrying {
    shared: Arc<Shared>,
    to: Box<str>,
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.shared.core.lock().put_down(&self.to);
        self.shared.wake.notify_one();
    }
}

/// Carries what waits for a neighbour, one message after the other.
async fn carry_all(shared: Arc<Shared>, to: Box<str>) {
    let carrying = Carrying { shared, to };
    let (shared, to) = (&carrying.shared, &carrying.to);
    loop {
        let message = shared.core.lock().next_message(to);
        let Some(message) = message else {
            return;
        };
        let sent = shared.carry.send(to, cut(&message));
        let outcome = match tokio::time::timeout(shared.carry_patience, sent).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!(
                "it took longer than {} ms",
                shared.carry_patience.as_millis()
            )),
        };
        if let Err(why) = &outcome {
            tracing::debug!(%to, %why, "a message of link state wasn't carried");
        }
        shared.core.lock().note_carried(to, outcome);
    }
}

/// A try, and how it went; nothing if it was broken off.
struct Trying {
    shared: Arc<Shared>,
    probe: Probe,
    worked: Option<bool>,
}

impl Drop for Trying {
    fn drop(&mut self) {
        let (probe, worked) = (&self.probe, self.worked);
        self.shared
            .with(|core, now| core.note_probe(now, probe, worked));
    }
}

/// Tries all servers behind a link at once until one answers: a line that is dead shouldn't take as many times as long as it has ends.
async fn try_link(shared: Arc<Shared>, probe: Probe, servers: Vec<Box<str>>) {
    let mut trying = Trying {
        shared,
        probe,
        worked: None,
    };
    let shared = Arc::clone(&trying.shared);
    let Ok(_turn) = shared.probes.acquire().await else {
        return;
    };
    // Those that are still under way at the end are broken off.
    let mut tries = JoinSet::new();
    for server in servers {
        let shared = Arc::clone(&shared);
        tries.spawn(async move {
            let probing = shared.carry.probe(&server);
            match tokio::time::timeout(shared.probe_patience, probing).await {
                Ok(Ok(())) => return true,
                Ok(Err(why)) => {
                    tracing::debug!(%server, %why, "a link was tried and doesn't work");
                }
                Err(_) => tracing::debug!(%server, "a link was tried and nobody answered"),
            }
            false
        });
    }
    while let Some(tried) = tries.join_next().await {
        if tried.is_ok_and(|worked| worked) {
            trying.worked = Some(true);
            let name = &*trying.probe.name;
            match trying.probe.is_connector {
                true => shared.carry.works(Some(name), ""),
                false => shared.carry.works(None, name),
            }
            return;
        }
    }
    trying.worked = Some(false);
}
