//! Link state among the rooms: delivery carries what this server says of its links and tells how attempts ended, the listener hands
//! over what other servers say, and routing and the corridor follow the picture that comes of it.

use super::explain::Wiring;
use super::now;
use bridgehead_delivery::settings::Member;
use bridgehead_delivery::{Delivery, LinkWatcher};
use bridgehead_gossip::{BoxFuture, Carry, Gossip, GossipSettings, LinkPicture, OwnedChunk};
use bridgehead_linkstate::{KeyFault, Signer, Topology, Verifier};
use bridgehead_listener::{Listener, StateSink};
use bridgehead_mail::{LinkName, NextHop, SessionId, Timestamp};
use bridgehead_membership::{OwnKey, verify};
use bridgehead_queue::Queue;
use bridgehead_transport::Transport;
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked how much waits for each connector.
const LOAD_EVERY: Duration = Duration::from_secs(10);

/// Link state of this server, in operation or not.
pub(super) struct LinkState {
    server: Box<str>,
    queue: Queue,
    delivery: Delivery,
    transport: Transport,
    wiring: Arc<Wiring>,
    own_key: OwnKey,
    gossip: watch::Sender<Option<Gossip>>,
    /// Held while another routing table is put in force, so that configuration and links don't undo each other's.
    turn: Mutex<()>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// The rooms that it stands between.
pub(super) struct Between<'a> {
    pub(super) queue: &'a Queue,
    pub(super) delivery: &'a Delivery,
    pub(super) transport: &'a Transport,
    pub(super) listener: &'a Listener,
    pub(super) wiring: &'a Arc<Wiring>,
}

impl LinkState {
    /// Link state of a server that isn't known to be in any organisation yet.
    pub(super) fn new(server: &str, own_key: OwnKey, rooms: &Between<'_>) -> Arc<Self> {
        let links = Arc::new(Self {
            server: server.into(),
            queue: rooms.queue.clone(),
            delivery: rooms.delivery.clone(),
            transport: rooms.transport.clone(),
            wiring: Arc::clone(rooms.wiring),
            own_key,
            gossip: watch::Sender::new(None),
            turn: Mutex::default(),
            tasks: Mutex::default(),
        });
        rooms.delivery.watch_links(Arc::clone(&links) as _);
        rooms.listener.set_state_sink(Arc::clone(&links) as _);
        links
    }

    /// The gossip, for management.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Gossip>> {
        self.gossip.subscribe()
    }

    /// Whoever puts a routing table in force holds this meanwhile.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    /// Another configuration is in force. Where there are no other servers there is nothing to say.
    pub(super) async fn apply(
        self: &Arc<Self>,
        topology: Option<Arc<Topology>>,
        members: &HashMap<Box<str>, Member>,
    ) {
        let topology = topology.filter(|topology| topology.servers().len() > 1);
        let running = self.gossip.borrow().clone();
        let verifier = Arc::new(Keys::new(&self.server, &self.own_key, members));
        match (running, topology) {
            (Some(gossip), Some(topology)) => gossip.replace(topology, verifier),
            (None, Some(topology)) => self.start(topology, verifier),
            (Some(_), None) => self.stop().await,
            (None, None) => {}
        }
    }

    fn start(self: &Arc<Self>, topology: Arc<Topology>, verifier: Arc<Keys>) {
        let settings = GossipSettings {
            server: self.server.clone(),
            topology,
            protocol: Arc::default(),
        };
        let signer = Arc::new(Seals(self.own_key.clone()));
        let carrier = Arc::new(Carrier {
            delivery: self.delivery.clone(),
            queue: self.queue.clone(),
        });
        match Gossip::start(settings, (signer, verifier), carrier) {
            Ok(gossip) => {
                let following = Arc::clone(self).follow(gossip.picture());
                let loads = Arc::clone(self).watch_loads();
                self.tasks
                    .lock()
                    .extend([tokio::spawn(following), tokio::spawn(loads)]);
                self.gossip.send_replace(Some(gossip));
            }
            Err(error) => tracing::warn!(%error, "this server takes no part in link state"),
        }
    }

    /// Takes no part any more.
    pub(super) async fn stop(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        let gossip = self.gossip.send_replace(None);
        if let Some(gossip) = gossip {
            gossip.stop().await;
        }
    }

    async fn follow(self: Arc<Self>, mut pictures: watch::Receiver<LinkPicture>) {
        while pictures.changed().await.is_ok() {
            let picture = pictures.borrow_and_update().clone();
            let there = Arc::clone(&self);
            // Mail that waits is looked through.
            let followed = tokio::task::spawn_blocking(move || there.turn_to(&picture));
            if followed.await.is_err() {
                return;
            }
        }
    }

    /// Routes by this picture from now on; what waits is routed again.
    fn turn_to(&self, picture: &LinkPicture) {
        let _turn = self.turn();
        let before = self.wiring.routing();
        // A picture of another configuration than the one in force means nothing: the next one comes with that.
        if before.settings().topology.as_ref() != Some(&picture.topology) {
            return;
        }
        let table = Arc::new(before.with_links(Arc::clone(&picture.links)));
        self.wiring.set_routing(Arc::clone(&table));
        self.transport.follow_links(&table);
    }

    async fn watch_loads(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOAD_EVERY).await;
            let (there, at) = (Arc::clone(&self), now());
            let looked = tokio::task::spawn_blocking(move || there.note_loads(at));
            if looked.await.is_err() {
                return;
            }
        }
    }

    /// What waits for each connector of which this server is a source bridgehead.
    fn note_loads(&self, at: Timestamp) {
        let Some(gossip) = self.gossip.borrow().clone() else {
            return;
        };
        let topology = gossip.picture().borrow().topology.clone();
        let Some(own) = topology.server_of_name(&self.server) else {
            return;
        };
        for connector in topology.sourced_by(own) {
            let Some(connector) = topology.connector(connector) else {
                continue;
            };
            let link = link_of(&connector.name);
            let (mut queued, mut oldest) = (0, Timestamp::NEVER);
            for group in self.queue.waiting_on(&|known| *known == link) {
                queued += usize::try_from(group.count).unwrap_or(usize::MAX);
                oldest = oldest.min(group.oldest.unwrap_or(Timestamp::NEVER));
            }
            gossip.note_load(&connector.name, queued, at.since(oldest));
        }
    }
}

impl LinkWatcher for LinkState {
    fn used(&self, hop: &NextHop, server: &str, worked: bool) {
        if let (NextHop::Servers { connector, .. }, Some(gossip)) = (hop, &*self.gossip.borrow()) {
            gossip.note_use(connector.as_deref(), server, worked);
        }
    }

    fn doubted(&self, hop: &NextHop, server: &str) {
        if let (NextHop::Servers { connector, .. }, Some(gossip)) = (hop, &*self.gossip.borrow()) {
            gossip.note_doubt(connector.as_deref(), server);
        }
    }
}

impl StateSink for LinkState {
    fn chunk(
        &self,
        from: &str,
        session: SessionId,
        place: &str,
        number: u32,
        octets: &[u8],
    ) -> Result<(), String> {
        let gossip = self.gossip.borrow().clone();
        let gossip = gossip.ok_or("this server takes no part in link state now")?;
        gossip.receive(from, session.0, place, number, octets)
    }

    fn ended(&self, session: SessionId) {
        if let Some(gossip) = &*self.gossip.borrow() {
            gossip.ended(session.0);
        }
    }
}

/// Delivery and the queue, as gossip uses them.
struct Carrier {
    delivery: Delivery,
    queue: Queue,
}

impl Carry for Carrier {
    fn send<'a>(
        &'a self,
        to: &'a str,
        chunks: Vec<OwnedChunk>,
    ) -> BoxFuture<'a, Result<(), String>> {
        let chunks = chunks.into_iter();
        let chunks: Vec<_> = chunks
            .map(|chunk| (chunk.place, chunk.number, chunk.octets))
            .collect();
        Box::pin(async move {
            let told = self.delivery.tell_member(to, &chunks).await;
            told.map_err(|failure| failure.to_string())
        })
    }

    fn probe<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let probed = self.delivery.probe_member(server).await;
            probed.map_err(|failure| failure.to_string())
        })
    }

    fn works(&self, connector: Option<&str>, server: &str) {
        if let Some(connector) = connector {
            return self.queue.release_link(&link_of(connector));
        }
        // A hop to servers of the own group may lead to several.
        let leads_to_it = |link: &LinkName| {
            let names = link.as_str().strip_prefix("server/").unwrap_or_default();
            names.split('+').any(|name| name == server)
        };
        for link in self.queue.waiting_on(&leads_to_it) {
            if let Some(link) = link.link {
                self.queue.release_link(&link);
            }
        }
    }
}

/// The name of a connector's link to another group.
fn link_of(connector: &str) -> LinkName {
    let hop = NextHop::Servers {
        connector: Some(connector.into()),
        servers: Box::default(),
    };
    hop.link()
}

/// Makes this server's seals.
struct Seals(OwnKey);

impl Signer for Seals {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self.0.sign(message) {
            Ok(seal) => seal.to_vec(),
            Err(error) => {
                // Nobody takes a record without a seal: links count as configured.
                tracing::error!(%error, "what is to be said of links can't be sealed");
                Vec::new()
            }
        }
    }
}

/// The keys by which the servers of the organisation seal.
struct Keys(HashMap<Box<str>, Vec<[u8; 32]>>);

impl Keys {
    fn new(own: &str, key: &OwnKey, members: &HashMap<Box<str>, Member>) -> Self {
        let others = members.iter();
        let mut keys: HashMap<_, _> = others
            .map(|(name, member)| (name.clone(), member.keys.clone()))
            .collect();
        keys.insert(own.into(), vec![key.public()]);
        Self(keys)
    }
}

impl Verifier for Keys {
    fn verify(&self, origin: &str, message: &[u8], seal: &[u8]) -> Result<(), KeyFault> {
        let keys = self.0.get(origin).filter(|keys| !keys.is_empty());
        let mut keys = keys.ok_or(KeyFault::Missing)?.iter();
        match keys.any(|key| verify(key, message, seal)) {
            true => Ok(()),
            false => Err(KeyFault::Mismatch),
        }
    }
}
