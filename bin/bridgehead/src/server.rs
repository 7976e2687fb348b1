//! The composition root: builds the rooms, wires them, starts and stops them. No policy.

mod explain;
mod in_force;
pub(crate) mod logging;
pub(crate) mod stop;

use bridgehead_config::ServerFile;
use bridgehead_delivery::Delivery;
use bridgehead_directory::Directory;
use bridgehead_disk::RealDisk;
use bridgehead_ldap_directory::LdapDirectory;
use bridgehead_listener::{Listener, Tls};
use bridgehead_mail::{Domain, Timestamp};
use bridgehead_management::{InForce, Rooms};
use bridgehead_queue::Queue;
use bridgehead_store::Store;
use bridgehead_tracking::Tracker;
use bridgehead_transport::Transport;
use explain::Wiring;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// How long running transactions and deliveries may take at a stop.
const GRACE: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct Server {
    rooms: Rooms,
    listener: Listener,
    transport: Transport,
    stop_management: oneshot::Sender<()>,
    management: JoinHandle<()>,
    follower: JoinHandle<()>,
    /// Keeps the copy of another directory up to date.
    keeper: Option<JoinHandle<()>>,
    memory: JoinHandle<()>,
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

impl Server {
    /// Starts everything that a server file names, and puts the organisation in force.
    pub(crate) async fn start(file: &ServerFile) -> Result<Self, Box<dyn Error>> {
        let data = &file.data;
        let (directory, keeper) = open_directory(file)?;
        let tracker = Tracker::open(
            &data.join("tracking"),
            bridgehead_tracking::Settings::default(),
        )?;
        let track: Arc<Tracker> = Arc::new(tracker.clone());
        let queue = open_queue(file)?;
        let store_settings = bridgehead_store::Settings::for_directory(data.join("store"));
        let store = Store::open(store_settings, Arc::new(RealDisk))?;
        let hostname = own_name(file);
        let delivery = Delivery::new(
            bridgehead_delivery::Settings::for_host(hostname),
            store.clone(),
        );
        let transport = Transport::new(queue.clone(), delivery.clone(), track.clone());
        let tls = Tls::new(data.join("certificates"));
        let listener = Listener::new(queue.inlet(), directory.clone(), tls, track);
        let (said, in_force) = watch::channel(InForce::default());
        let memory = tokio::spawn(watch_memory(queue.clone()));
        let wiring = Wiring::new(file, &directory, &queue, &listener, in_force.clone());
        let follower = in_force::Follower {
            server: file.name.to_string(),
            data: data.clone(),
            directory: directory.clone(),
            queue: queue.clone(),
            delivery: delivery.clone(),
            transport: transport.clone(),
            listener: listener.clone(),
            wiring: Arc::clone(&wiring),
            said,
        };
        let follower = follower.start().await;
        let rooms = Rooms {
            queue,
            delivery,
            store,
            directory,
            tracker,
            explain: wiring,
            in_force,
        };
        let (stop_management, stopped) = oneshot::channel();
        let stopped = async move {
            // Also when the sender is gone.
            let _ = stopped.await;
        };
        let path = file.admin_socket.clone();
        let serving = bridgehead_management::serve(path, rooms.clone(), stopped).await?;
        Ok(Self {
            rooms,
            listener,
            transport,
            stop_management,
            management: tokio::spawn(serving),
            follower,
            keeper,
            memory,
        })
    }

    /// Where the virtual servers listen.
    pub(crate) fn addresses(&self) -> Vec<(Box<str>, SocketAddr)> {
        self.listener.addresses()
    }

    /// The directory, for who is in the same process.
    pub(crate) const fn directory(&self) -> &Directory {
        &self.rooms.directory
    }

    /// Waits until a version of the organisation is in force; returns what of it isn't.
    pub(crate) async fn in_force(&self, version: u64) -> Vec<String> {
        let mut watched = self.rooms.in_force.clone();
        let reached = watched.wait_for(|now| now.version >= version).await;
        reached.map(|now| now.faults.clone()).unwrap_or_default()
    }

    /// Finishes running transactions and deliveries, makes everything durable, and stops.
    pub(crate) async fn stop(self) {
        self.follower.abort();
        self.memory.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        self.listener.shutdown(GRACE).await;
        if !self.transport.stop(GRACE).await {
            tracing::warn!(
                "some deliveries didn't end in time; they are repeated after the next start"
            );
        }
        let _ = self.stop_management.send(());
        // An open admin connection doesn't hold the stop up.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.management).await;
        let closed = tokio::task::spawn_blocking(move || {
            self.rooms.queue.close();
            self.rooms.store.close();
            self.rooms.tracker.flush();
        });
        if let Err(error) = closed.await {
            tracing::error!(%error, "closing failed");
        }
        tracing::info!("stopped");
    }
}

/// The directory, and the task that keeps the copy of another one up to date.
type OpenedDirectory = (Directory, Option<JoinHandle<()>>);

/// Makes the data directory, if need be, and opens the directory in it; where another one is followed, also the task that keeps the copy of it up to date.
fn open_directory(file: &ServerFile) -> Result<OpenedDirectory, Box<dyn Error>> {
    let data = &file.data;
    std::fs::create_dir_all(data)
        .map_err(|error| format!("can't make the data directory {}: {error}", data.display()))?;
    let folder = data.join("directory");
    let Some(ldap) = &file.ldap else {
        return Ok((Directory::open_embedded(folder)?, None));
    };
    let settings = ldap.settings().map_err(|fault| fault.to_string())?;
    let source = settings.source();
    let other = LdapDirectory::new(settings).map_err(|error| crate::chain(&error))?;
    let opened = Directory::open_following(folder, &source, ldap.stale_after());
    let (directory, follower) = opened?;
    directory.ask_by(Arc::new(other.clone()));
    if ldap.shares_organization() {
        follower.share(Arc::new(other.clone()), file.name.clone());
    }
    let keeper = tokio::spawn(async move { other.keep_up(follower, now).await });
    Ok((directory, Some(keeper)))
}

/// Opens the queue and says what recovery found.
fn open_queue(file: &ServerFile) -> Result<Queue, Box<dyn Error>> {
    let settings = bridgehead_queue::Settings::for_directory(file.queue.clone());
    let (queue, recovery) = Queue::open(settings, Arc::new(RealDisk), now())?;
    for torn in &recovery.torn {
        tracing::warn!("{torn}; it was never answered for");
    }
    for damage in &recovery.damage {
        tracing::error!("the queue is damaged: {damage}");
    }
    tracing::info!(
        messages = recovery.messages,
        segments = recovery.segments,
        "the queue is open"
    );
    Ok(queue)
}

/// What the server calls itself until the organisation says otherwise.
fn own_name(file: &ServerFile) -> Domain {
    let name = Domain::parse(file.name.as_str());
    name.unwrap_or_else(|_| Domain::parse("localhost").unwrap_or_else(|_| unreachable!()))
}

/// Tells the queue how much memory the server uses, for the limit of it.
async fn watch_memory(queue: Queue) {
    loop {
        queue.note_memory(resident_octets());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Resident memory of this process (proc(5)); 0 where that isn't told, and then no limit holds.
fn resident_octets() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}
