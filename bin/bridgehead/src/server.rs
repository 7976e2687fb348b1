//! The composition root: builds the rooms, wires them, starts and stops them. No policy.

mod asked;
mod explain;
mod in_force;
mod links;
pub(crate) mod logging;
mod members;
pub(crate) mod stop;

use asked::{Asked, Taken};
use bridgehead_badmail::Badmail;
use bridgehead_config::{LdapFile, ServerFile};
use bridgehead_delivery::Delivery;
use bridgehead_directory::Directory;
use bridgehead_disk::RealDisk;
use bridgehead_ldap_directory::LdapDirectory;
use bridgehead_listener::{Listener, Tls};
use bridgehead_mail::{Domain, Event, EventKind, Timestamp, Track};
use bridgehead_management::{InForce, Rooms};
use bridgehead_membership::OwnKey;
use bridgehead_queue::{OpenError, Queue, Recovery, Unread};
use bridgehead_store::Store;
use bridgehead_tracking::Tracker;
use bridgehead_transport::Transport;
use explain::Wiring;
use links::{Between, LinkState};
pub(crate) use members::folder as member_folder;
use signal_hook::consts::SIGABRT;
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
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
    links: Arc<LinkState>,
    stop_management: oneshot::Sender<()>,
    management: JoinHandle<()>,
    follower: JoinHandle<()>,
    /// Keeps the copy of another directory up to date.
    keeper: Option<JoinHandle<()>>,
    memory: JoinHandle<()>,
    reading: Reading,
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
        let tracker = open_tracker(data)?;
        let track: Arc<Tracker> = Arc::new(tracker.clone());
        let (queue, unread) = open_queue(file)?;
        let store = open_store(data)?;
        let (delivery, own_key) = open_delivery(file, &store)?;
        let badmail = Badmail::open(&data.join("badmail"), Arc::new(RealDisk))?;
        let transport = Transport::new(
            queue.clone(),
            delivery.clone(),
            badmail.clone(),
            track.clone(),
        );
        let reading = read_queue(unread, &queue, &tracker, &transport);
        let listener = open_listener(data, &queue, &directory, (&delivery, &transport), track);
        let (said, in_force) = watch::channel(InForce::default());
        let memory = tokio::spawn(watch_memory(queue.clone()));
        let wiring = Wiring::new(file, &directory, &queue, &listener, in_force.clone());
        let between = Between {
            queue: &queue,
            delivery: &delivery,
            transport: &transport,
            listener: &listener,
            wiring: &wiring,
        };
        let links = LinkState::new(file.name.as_str(), own_key.clone(), &between);
        let follower = in_force::Follower {
            server: file.name.to_string(),
            data: data.clone(),
            queue_home: file.queue.clone(),
            directory: directory.clone(),
            queue: queue.clone(),
            delivery: delivery.clone(),
            badmail: badmail.clone(),
            transport: transport.clone(),
            listener: listener.clone(),
            wiring: Arc::clone(&wiring),
            links: Arc::clone(&links),
            own_key,
            publishing: shares_organization(file).then(members::Publishing::default),
            said,
        };
        let follower = follower.start().await;
        let rooms = Rooms {
            queue,
            delivery,
            store,
            badmail,
            directory,
            tracker,
            explain: wiring,
            in_force,
            gossip: links.watch(),
        };
        let (stop_management, management) = manage(file, rooms.clone()).await?;
        Ok(Self {
            rooms,
            listener,
            transport,
            links,
            stop_management,
            management,
            follower,
            keeper,
            memory,
            reading,
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

    /// Resolves if the server can't go on, with the reason.
    pub(crate) async fn broken(&mut self) -> String {
        match (&mut self.reading).await {
            Ok(Some(why)) => why,
            // All was read, or who read it was told to stop.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Finishes running transactions and deliveries, makes everything durable, and stops.
    pub(crate) async fn stop(self) {
        self.follower.abort();
        self.memory.abort();
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
        self.links.stop().await;
        self.rooms.delivery.stop_fetching();
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

/// Whether the organisation is kept in another directory, for all servers.
fn shares_organization(file: &ServerFile) -> bool {
    let ldap = file.ldap.as_ref();
    ldap.is_some_and(LdapFile::shares_organization)
}

/// Delivery, and the key by which this server proves itself to the others of the organisation; made if there is none.
fn open_delivery(file: &ServerFile, store: &Store) -> Result<(Delivery, OwnKey), Box<dyn Error>> {
    let settings = bridgehead_delivery::Settings::for_host(own_name(file));
    let delivery = Delivery::new(settings, store.clone());
    let own_key = OwnKey::open(&member_folder(&file.data))?;
    delivery.set_member_identity(own_key.clone());
    Ok((delivery, own_key))
}

/// Ends when all that lies in the queue is known, or with the reason why it can't be.
type Reading = JoinHandle<Option<String>>;

/// The directory, and the task that keeps the copy of another one up to date.
type OpenedDirectory = (Directory, Option<JoinHandle<()>>);

/// Makes the data directory, if need be, and opens the directory in it; where another one is followed, also the task that keeps the copy of it up to date.
fn open_store(data: &Path) -> Result<Store, Box<dyn Error>> {
    let settings = bridgehead_store::Settings::for_directory(data.join("store"));
    Ok(Store::open(settings, Arc::new(RealDisk))?)
}

fn open_tracker(data: &Path) -> Result<Tracker, Box<dyn Error>> {
    let settings = bridgehead_tracking::Settings::default();
    Ok(Tracker::open(&data.join("tracking"), settings)?)
}

/// Serves management until something comes, or nothing can come any more.
async fn manage(
    file: &ServerFile,
    rooms: Rooms,
) -> Result<(oneshot::Sender<()>, JoinHandle<()>), Box<dyn Error>> {
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        // Also when the sender is gone.
        let _ = stopped.await;
    };
    let serving = bridgehead_management::serve(file.admin_socket.clone(), rooms, stopped).await?;
    Ok((stop, tokio::spawn(serving)))
}

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

/// The listener, still without virtual servers.
fn open_listener(
    data: &Path,
    queue: &Queue,
    directory: &Directory,
    (delivery, transport): (&Delivery, &Transport),
    track: Arc<dyn Track>,
) -> Listener {
    let tls = Tls::new(data.join("certificates"));
    let listener = Listener::new(queue.inlet(), directory.clone(), tls, track);
    listener.set_waiting(Arc::new(Asked {
        directory: directory.clone(),
        queue: queue.clone(),
        transport: transport.clone(),
    }));
    delivery.set_receiver(Arc::new(Taken(listener.clone())));
    listener
}

/// Opens the queue, so that it takes mail at once.
fn open_queue(file: &ServerFile) -> Result<(Queue, Unread), Box<dyn Error>> {
    let home = std::path::absolute(&file.queue)?;
    let settings = bridgehead_queue::Settings::for_directory(home);
    let (queue, unread) = Queue::begin(settings, Arc::new(RealDisk), now())?;
    if let Err(error) = note_aborts(&queue.abort_note()) {
        tracing::warn!(%error, "an abort of the server can't be noted, so none can be traced to a message");
    }
    Ok((queue, unread))
}

/// Reads what lies in the queue beside the mail that comes; ends with why that failed, if it did.
fn read_queue(unread: Unread, queue: &Queue, tracker: &Tracker, transport: &Transport) -> Reading {
    let (known, tracker, transport) = (queue.clone(), tracker.clone(), transport.clone());
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || match unread.read() {
        Ok(recovery) => {
            say(&recovery, &tracker);
            let _entered = runtime.enter();
            transport.found_aside(recovery.set_aside);
            go_on_adopting(&known);
            None
        }
        Err(OpenError::Closed) => None,
        Err(error) => Some(format!("the queue can't be read: {}", crate::chain(&error))),
    })
}

/// Says what a start found.
fn say(recovery: &Recovery, tracker: &Tracker) {
    for (message, how) in &recovery.set_aside {
        tracing::error!(id = %message, %how, "a message is set aside");
        tracker.track(Event {
            at: now(),
            message: *message,
            session: None,
            kind: EventKind::Controlled {
                action: "set aside",
                by: format!("the server: {how}").into(),
            },
        });
    }
    for torn in &recovery.torn {
        tracing::warn!("{torn}; it was never answered for");
    }
    for damage in &recovery.damage {
        tracing::error!("the queue is damaged: {damage}");
    }
    tracing::info!(
        messages = recovery.messages,
        segments = recovery.segments,
        "everything in the queue is known"
    );
}

/// While the process is being aborted, an octet is written to this file: the next start then knows that what was in hand may be the
/// cause.
fn note_aborts(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(path)?;
    // The library's handler writes to any descriptor; a file keeps the octet when the process is gone.
    signal_hook::low_level::pipe::register(SIGABRT, file)?;
    // Behind that the process ends as it does without a handler, also where the signal came from elsewhere.
    let always = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_default(SIGABRT, always).map(|_| ())
}

/// Adoptions that were interrupted go on.
fn go_on_adopting(queue: &Queue) {
    for adoption in queue.adoptions() {
        let home = &*adoption.home;
        match queue.adopt(Path::new(home)) {
            Ok(adopted) => {
                let messages = adopted.messages.len();
                tracing::info!(
                    home,
                    messages,
                    "another server's queue was taken over to the end"
                );
            }
            Err(error) => {
                let why = crate::chain(&error);
                tracing::warn!(
                    home,
                    why,
                    "what was copied of another server's queue stands still; bridgehead queue adopt goes on with it"
                );
            }
        }
    }
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
