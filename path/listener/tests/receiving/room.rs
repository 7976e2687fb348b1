//! A listener with all it needs, in a temporary folder.

use bridgehead_directory::{Directory, Wish};
use bridgehead_disk::RealDisk;
use bridgehead_listener::{Listener, Role, Settings, Tls, TlsMode, VirtualServer};
use bridgehead_mail::{Content, Domain, Envelope, Event, Timestamp, Track};
use bridgehead_queue::Queue;
use bridgehead_testkit::client::Client;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;

const ORGANISATION: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"

[[accepted-domain]]
name = "example.test"
kind = "authoritative"

[[accepted-domain]]
name = "relayed.test"
kind = "internal-relay"

[[mailbox]]
name = "alice"
addresses = ["alice@example.test", "a.smith@example.test"]
password = "correct horse"

[[mailbox]]
name = "bob"
addresses = ["bob@example.test"]

[[mailbox]]
name = "dora"
addresses = ["dora@example.test"]
authenticated-senders-only = true
"#;

/// Keeps events.
#[derive(Default)]
pub(crate) struct Events(pub(crate) Mutex<Vec<Event>>);

impl Track for Events {
    fn track(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

pub(crate) struct Room {
    pub(crate) runtime: Runtime,
    pub(crate) listener: Listener,
    pub(crate) queue: Queue,
    pub(crate) events: Arc<Events>,
    pub(crate) folder: tempfile::TempDir,
}

impl Room {
    /// With these virtual servers, each on a free port.
    pub(crate) fn new(servers: Vec<VirtualServer>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = Directory::open_embedded(folder.path().join("directory")).unwrap();
        let now = Timestamp::from_millis(1_000);
        let applied = directory.apply(&Wish {
            text: ORGANISATION,
            file: "org.toml",
            who: "test",
            why: "",
            now,
            expected: None,
            dry_run: false,
            trial_on: &[],
        });
        assert!(applied.is_ok(), "{:?}", applied.err());
        let mut settings = bridgehead_queue::Settings::for_directory(folder.path().join("queue"));
        settings.limits.free_space_floor = 0;
        let (queue, _) = Queue::open(settings, Arc::new(RealDisk), now).unwrap();
        let events = Arc::new(Events::default());
        let tls = Tls::new(folder.path().join("tls"));
        let track: Arc<dyn Track> = Arc::clone(&events) as _;
        let listener = Listener::new(queue.inlet(), directory, tls, track);
        let room = Self {
            runtime,
            listener,
            queue,
            events,
            folder,
        };
        room.apply(servers).unwrap();
        room
    }

    pub(crate) fn apply(
        &self,
        virtual_servers: Vec<VirtualServer>,
    ) -> Result<(), bridgehead_listener::ApplyError> {
        let settings = Settings {
            hostname: Domain::parse("mail.example.test").unwrap(),
            postmaster_domain: None,
            etrn: false,
            atrn: true,
            virtual_servers,
        };
        self.runtime.block_on(self.listener.apply(settings))
    }

    pub(crate) fn address(&self, name: &str) -> SocketAddr {
        let addresses = self.listener.addresses();
        let found = addresses.iter().find(|(server, _)| &**server == name);
        found.unwrap().1
    }

    /// A client that has said EHLO.
    pub(crate) fn client(&self, name: &str) -> Client {
        let mut client = Client::connect(self.address(name)).unwrap();
        assert_eq!(client.greeting.code, 220, "{:?}", client.greeting);
        assert!(client.ehlo("client.test").unwrap().is_good());
        client
    }

    /// All messages in the queue, oldest first.
    pub(crate) fn messages(&self) -> Vec<(Arc<Envelope>, Vec<u8>)> {
        let mut leases = Vec::new();
        while let Some(lease) = self.queue.take() {
            leases.push(lease);
        }
        leases.sort_by_key(bridgehead_queue::Lease::id);
        let read = |content: &Arc<dyn Content>| {
            let mut octets = vec![0; usize::try_from(content.size()).unwrap()];
            let mut at = 0;
            while at < octets.len() {
                at += content.read_at(at as u64, &mut octets[at..]).unwrap();
            }
            octets
        };
        leases
            .iter()
            .map(|lease| (Arc::clone(&lease.envelope), read(&lease.content)))
            .collect()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.runtime
            .block_on(self.listener.shutdown(std::time::Duration::ZERO));
        self.queue.close();
    }
}

/// A virtual server on a free loopback port.
pub(crate) fn server(name: &str, role: Role) -> VirtualServer {
    VirtualServer {
        listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
        ..VirtualServer::new(name, role)
    }
}

pub(crate) fn plain(name: &str) -> VirtualServer {
    VirtualServer {
        tls: TlsMode::Off,
        ..server(name, Role::Mx)
    }
}
