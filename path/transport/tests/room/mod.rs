//! What the tests of the corridor share: all rooms on real disks, and one way out.

#![allow(dead_code)]

use bridgehead_badmail::Badmail;
use bridgehead_categorizer::Snapshot;
use bridgehead_delivery::Delivery;
use bridgehead_delivery::settings::ConnectorSettings;
use bridgehead_directory::parse_organisation;
use bridgehead_disk::{Disk, RealDisk};
use bridgehead_mail::{
    Address, BodyKind, Domain, Envelope, Event, EventKind, Notify, Origin, Protocol, Recipient,
    ReversePath, Timestamp, Track,
};
use bridgehead_queue::Queue;
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_store::Store;
use bridgehead_transport::{Settings, Transport, World};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const ORGANISATION: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"
[[accepted-domain]]
name = "example.test"
kind = "authoritative"
[[server]]
name = "mail1"
[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]
[[mailbox]]
name = "bob"
addresses = ["bob@example.test"]
[[group]]
name = "staff"
addresses = ["staff@example.test"]
members = ["alice", "bob"]
"#;

/// Keeps the steps.
#[derive(Default)]
pub(crate) struct Steps(pub(crate) Mutex<Vec<Event>>);

impl Track for Steps {
    fn track(&self, event: Event) {
        self.0.lock().push(event);
    }
}

pub(crate) struct Corridor {
    pub(crate) queue: Queue,
    pub(crate) store: Store,
    pub(crate) transport: Transport,
    pub(crate) delivery: Delivery,
    pub(crate) badmail: Badmail,
    pub(crate) steps: Arc<Steps>,
    folder: tempfile::TempDir,
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// A corridor whose only way out leads to a port where nobody listens.
pub(crate) fn corridor(expire_after: Duration) -> Corridor {
    let (corridor, world) = standing(expire_after);
    corridor.transport.apply(world);
    corridor
}

/// One that wasn't told its world yet.
pub(crate) fn standing(expire_after: Duration) -> (Corridor, World) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    standing_before(port, expire_after)
}

/// One whose only way out leads to this port.
pub(crate) fn standing_before(port: u16, expire_after: Duration) -> (Corridor, World) {
    standing_on(Arc::new(RealDisk), port, expire_after)
}

/// One whose queue lies on this disk.
pub(crate) fn standing_on(
    disk: Arc<dyn Disk>,
    port: u16,
    expire_after: Duration,
) -> (Corridor, World) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bridgehead_queue::Settings::for_directory(folder.path().join("queue"));
    settings.limits.free_space_floor = 0;
    let (queue, _) = Queue::open(settings, disk, now()).unwrap();
    let mut settings = bridgehead_store::Settings::for_directory(folder.path().join("store"));
    settings.free_space_floor = 0;
    let store = Store::open(settings, Arc::new(RealDisk)).unwrap();
    let hostname = Domain::parse("mail1.example.test").unwrap();
    let delivery = bridgehead_delivery::Settings::for_host(hostname.clone());
    let delivery = Delivery::new(delivery, store.clone());
    let host = bridgehead_mail::Host {
        name: Domain::parse("[127.0.0.1]").unwrap(),
        port,
    };
    let connector = Connector {
        address_spaces: vec![AddressSpace {
            pattern: Pattern::Domain(Domain::parse("dead.example").unwrap()),
            cost: 1,
        }],
        next_hop: ConnectorHop::SmartHosts([host].into()),
        ..Connector::named("dead")
    };
    let routing = bridgehead_routing::Settings {
        connectors: vec![connector],
        ..bridgehead_routing::Settings::default()
    };
    let mut settings = Settings::for_host(hostname);
    settings.retry.patience.normal.expire_after = expire_after;
    settings.retry.schedule = vec![Duration::from_millis(50)];
    let (organisation, _) = parse_organisation(ORGANISATION, "org.toml").unwrap();
    let world = World {
        snapshot: Arc::new(Snapshot::build(1, organisation)),
        routing: Arc::new(bridgehead_routing::Table::build(
            &routing,
            &bridgehead_routing::Links::default(),
        )),
        settings: Arc::new(settings),
    };
    let track: Arc<Steps> = Arc::default();
    let badmail = Badmail::open(&folder.path().join("badmail"), Arc::new(RealDisk)).unwrap();
    let transport = Transport::new(
        queue.clone(),
        delivery.clone(),
        badmail.clone(),
        track.clone(),
    );
    let corridor = Corridor {
        queue,
        store,
        transport,
        delivery,
        badmail,
        steps: track,
        folder,
    };
    (corridor, world)
}

/// The recipients where a second server has this mailbox; its own has the others.
pub(crate) fn at_home_on_mail2(mailbox: &str) -> Arc<Snapshot> {
    let name = format!("name = \"{mailbox}\"\n");
    let homed = ORGANISATION.replace(&name, &format!("{name}server = \"mail2\"\n"));
    let text = format!("{homed}[[server]]\nname = \"mail2\"\n");
    let (organisation, _) = parse_organisation(&text, "org.toml").unwrap();
    Arc::new(Snapshot::build(1, organisation))
}

impl Corridor {
    /// The way out waits this long for each reply.
    pub(crate) fn wait_for_replies(&self, patience: Duration) {
        let hostname = Domain::parse("mail1.example.test").unwrap();
        let mut settings = bridgehead_delivery::Settings::for_host(hostname);
        let connector = ConnectorSettings {
            command_timeout: patience,
            data_timeout: patience,
            ..ConnectorSettings::default()
        };
        settings
            .connectors
            .insert("dead".into(), Arc::new(connector));
        self.delivery.apply(settings);
    }

    /// Where badmail is.
    pub(crate) fn badmail_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("badmail")
    }

    /// Waits until something is so.
    pub(crate) async fn eventually(&self, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..3000 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never was so: {:?}", self.tracked());
    }

    /// What was tracked so far.
    pub(crate) fn tracked(&self) -> Vec<Event> {
        self.steps.0.lock().clone()
    }

    /// Waits until something was tracked; gives it.
    pub(crate) async fn until(&self, wanted: impl Fn(&EventKind) -> bool) -> Event {
        for _ in 0..3000 {
            if let Some(event) = self.tracked().into_iter().find(|event| wanted(&event.kind)) {
                return event;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("it never came: {:?}", self.tracked());
    }

    pub(crate) async fn submit(&self, to: &str, notify: Notify) {
        let content = b"Subject: hello\r\n\r\nbody\r\n";
        self.submit_content(to, notify, content).await;
    }

    pub(crate) async fn submit_content(&self, to: &str, notify: Notify, content: &[u8]) {
        let alice = Address::parse("alice@example.test").unwrap();
        self.submit_from(ReversePath::Address(alice), to, notify, content)
            .await;
    }

    pub(crate) async fn submit_from(
        &self,
        from: ReversePath,
        to: &str,
        notify: Notify,
        content: &[u8],
    ) {
        let mut draft = self.queue.inlet().begin(now(), None).unwrap();
        draft.write(content).unwrap();
        let recipient = Recipient {
            notify,
            ..Recipient::plain(Address::parse(to).unwrap())
        };
        let envelope = Envelope {
            handling: bridgehead_mail::Handling::default(),
            reverse_path: from,
            recipients: vec![recipient],
            body: BodyKind::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            origin: Origin {
                virtual_server: "inbound".into(),
                client: None,
                helo: "".into(),
                protocol: Protocol {
                    extended: true,
                    tls: false,
                    authenticated: false,
                    utf8: false,
                },
                tls: None,
                user: None,
            },
            accepted: now(),
            journey: None,
        };
        draft.commit(envelope).await.unwrap();
    }

    /// Waits until a mailbox has so many messages; gives the newest, whole.
    pub(crate) async fn newest(&self, mailbox: &str, count: usize) -> String {
        let arrived = async {
            while self.store.messages(mailbox).unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), arrived).await;
        assert!(waited.is_ok(), "{mailbox} has no {count} messages");
        let uid = u64::try_from(count).unwrap();
        let message = self.store.read(mailbox, uid).unwrap();
        let mut octets = vec![0; usize::try_from(message.content.size()).unwrap()];
        message.content.read_at(0, &mut octets).unwrap();
        String::from_utf8([message.prefix, octets].concat()).unwrap()
    }

    /// Waits until so many recipients were relayed; gives how many were deferred meanwhile.
    pub(crate) async fn deferred_until_relayed(&self, count: usize) -> usize {
        let steps = |wanted: fn(&EventKind) -> bool| {
            let steps = self.steps.0.lock();
            steps.iter().filter(|event| wanted(&event.kind)).count()
        };
        let relayed = async {
            while steps(|kind| matches!(kind, EventKind::Relayed { .. })) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), relayed).await;
        assert!(waited.is_ok(), "not relayed");
        steps(|kind| matches!(kind, EventKind::Deferred { .. }))
    }

    pub(crate) async fn end(self) {
        assert!(self.transport.stop(Duration::from_secs(30)).await);
        self.queue.close();
        self.store.close();
    }
}
