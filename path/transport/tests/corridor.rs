//! Messages through the whole corridor: real queue, real store, a directory, and next hops that play their parts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "trap/mod.rs"]
mod trap;

use bridgehead_categorizer::Snapshot;
use bridgehead_delivery::Delivery;
use bridgehead_directory::parse_organisation;
use bridgehead_disk::{Disk, RealDisk};
use bridgehead_mail::{
    Address, BodyKind, Domain, Envelope, Event, EventKind, Notify, Origin, Phase, Protocol,
    Recipient, ReversePath, Timestamp, Track,
};
use bridgehead_queue::Queue;
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_store::Store;
use bridgehead_testkit::script::{Peer, Talk};
use bridgehead_transport::{Settings, Transport, World};
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use trap::TrapDisk;

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
struct Steps(Mutex<Vec<Event>>);

impl Track for Steps {
    fn track(&self, event: Event) {
        self.0.lock().push(event);
    }
}

struct Corridor {
    queue: Queue,
    store: Store,
    transport: Transport,
    steps: Arc<Steps>,
    _folder: tempfile::TempDir,
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap())
}

/// A corridor whose only way out leads to a port where nobody listens.
fn corridor(expire_after: Duration) -> Corridor {
    let (corridor, world) = standing(expire_after);
    corridor.transport.apply(world);
    corridor
}

/// One that wasn't told its world yet.
fn standing(expire_after: Duration) -> (Corridor, World) {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    standing_before(port, expire_after)
}

/// One whose only way out leads to this port.
fn standing_before(port: u16, expire_after: Duration) -> (Corridor, World) {
    standing_on(Arc::new(RealDisk), port, expire_after)
}

/// One whose queue lies on this disk.
fn standing_on(disk: Arc<dyn Disk>, port: u16, expire_after: Duration) -> (Corridor, World) {
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
        name: "dead".into(),
        address_spaces: vec![AddressSpace {
            pattern: Pattern::Domain(Domain::parse("dead.example").unwrap()),
            cost: 1,
        }],
        next_hop: ConnectorHop::SmartHosts([host].into()),
        apart: Vec::new(),
    };
    let routing = bridgehead_routing::Settings {
        connectors: vec![connector],
    };
    let mut settings = Settings::for_host(hostname);
    settings.retry.patience.normal.expire_after = expire_after;
    settings.retry.schedule = vec![Duration::from_millis(50)];
    let (organisation, _) = parse_organisation(ORGANISATION, "org.toml").unwrap();
    let world = World {
        snapshot: Arc::new(Snapshot::build(1, organisation)),
        routing: Arc::new(bridgehead_routing::Table::build(&routing)),
        settings: Arc::new(settings),
    };
    let track: Arc<Steps> = Arc::default();
    let transport = Transport::new(queue.clone(), delivery, track.clone());
    let corridor = Corridor {
        queue,
        store,
        transport,
        steps: track,
        _folder: folder,
    };
    (corridor, world)
}

impl Corridor {
    async fn submit(&self, to: &str, notify: Notify) {
        let content = b"Subject: hello\r\n\r\nbody\r\n";
        self.submit_content(to, notify, content).await;
    }

    async fn submit_content(&self, to: &str, notify: Notify, content: &[u8]) {
        let mut draft = self.queue.inlet().begin(now(), None).unwrap();
        draft.write(content).unwrap();
        let recipient = Recipient {
            notify,
            ..Recipient::plain(Address::parse(to).unwrap())
        };
        let envelope = Envelope {
            handling: bridgehead_mail::Handling::default(),
            reverse_path: ReversePath::Address(Address::parse("alice@example.test").unwrap()),
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
        };
        draft.commit(envelope).await.unwrap();
    }

    /// Waits until a mailbox has so many messages; gives the newest, whole.
    async fn newest(&self, mailbox: &str, count: usize) -> String {
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
    async fn deferred_until_relayed(&self, count: usize) -> usize {
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

    async fn end(self) {
        assert!(self.transport.stop(Duration::from_secs(30)).await);
        self.queue.close();
        self.store.close();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_reaches_each_mailbox_with_its_trace_fields() {
    let corridor = corridor(Duration::from_secs(60));
    corridor.submit("staff@example.test", Notify::Unsaid).await;
    for mailbox in ["alice", "bob"] {
        let text = corridor.newest(mailbox, 1).await;
        assert!(
            text.starts_with(
                "Return-Path: <alice@example.test>\r\nReceived: by mail1.example.test"
            ),
            "{text}"
        );
        assert!(text.ends_with("Subject: hello\r\n\r\nbody\r\n"));
    }
    corridor.end().await;
}

#[tokio::test]
async fn nothing_is_decided_before_the_world_is_known() {
    let (corridor, world) = standing(Duration::from_secs(60));
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let lease = corridor.queue.take();
    assert!(lease.is_some(), "it was taken before");
    drop(lease);
    corridor.transport.apply(world);
    corridor.newest("bob", 1).await;
    assert!(corridor.store.messages("alice").unwrap().is_empty());
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_without_a_way_is_reported_to_the_sender() {
    let corridor = corridor(Duration::from_secs(60));
    corridor.submit("x@nowhere.example", Notify::Unsaid).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(report.contains("Status: 5.4.4\r\n"), "{report}");
    assert!(report.contains("Final-Recipient: rfc822; x@nowhere.example\r\n"));
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_is_reported_with_the_last_failure() {
    let corridor = corridor(Duration::from_millis(300));
    corridor.submit("x@dead.example", Notify::Unsaid).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.contains("Status: 5.4.7\r\n"), "{report}");
    assert!(report.contains("could be made"), "{report}");
    assert!(corridor.queue.picture().groups.len() <= 1);
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_success_is_reported_and_never_stops_failure_reports() {
    let corridor = corridor(Duration::from_secs(60));
    let success = Notify::On {
        success: true,
        failure: false,
        delay: false,
    };
    corridor.submit("x@nowhere.example", success).await;
    corridor.submit("bob@example.test", success).await;
    corridor.newest("bob", 1).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.contains("Action: delivered\r\n"), "{report}");
    assert_eq!(
        corridor.store.messages("alice").unwrap().len(),
        1,
        "a failure nobody asked for was reported"
    );
    corridor.end().await;
}

/// Takes one message on its first connection, and then does this; later connections are served well.
fn peer(after_first: fn(&mut Talk) -> io::Result<()>) -> Peer {
    Peer::start(move |talk| {
        talk.hello(&["PIPELINING"])?;
        if talk.number() > 1 {
            return talk.serve();
        }
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        talk.say("250 kept")?;
        after_first(talk)
    })
    .unwrap()
}

/// Sends two messages, one after the other; gives how many deferrals there were.
async fn two_messages(peer: &Peer) -> usize {
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(60));
    corridor.transport.apply(world);
    corridor.submit("x@dead.example", Notify::Unsaid).await;
    assert_eq!(corridor.deferred_until_relayed(1).await, 0);
    corridor.submit("y@dead.example", Notify::Unsaid).await;
    let deferred = corridor.deferred_until_relayed(2).await;
    corridor.end().await;
    deferred
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_went_stale_is_no_attempt() {
    let peer = peer(|talk| {
        talk.answer("421 4.4.2 idle for too long")?;
        Ok(())
    });
    assert_eq!(two_messages(&peer).await, 0);
    assert_eq!((peer.connections(), peer.taken().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_after_the_content_is_an_attempt() {
    let peer = peer(|talk| {
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        Ok(())
    });
    assert_eq!(two_messages(&peer).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_takes_no_more_connections_than_the_connector_allows() {
    const MESSAGES: usize = 80;
    let most = bridgehead_delivery::settings::ConnectorSettings::default().connections_max;
    let peer = Peer::start(|talk| {
        talk.hello(&["PIPELINING"])?;
        talk.serve()
    })
    .unwrap();
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(60));
    for _ in 0..MESSAGES {
        corridor.submit("x@dead.example", Notify::Unsaid).await;
    }
    corridor.transport.apply(world);
    assert_eq!(corridor.deferred_until_relayed(MESSAGES).await, 0);
    assert_eq!(peer.taken().len(), MESSAGES);
    assert!(peer.connections() <= most as u64);
    corridor.end().await;
}

/// What a message does to the code that works on it isn't done to the other messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_ends_workers_is_set_aside_and_the_others_go_on() {
    let (corridor, world) = standing_on(Arc::new(TrapDisk), 1, Duration::from_secs(60));
    corridor.transport.apply(world);
    // Nobody leads there, so its sender is told, with its headers: they are behind the trap.
    let large = [b"Subject: trap\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
    corridor
        .submit_content("x@nowhere.example", Notify::Unsaid, &large)
        .await;
    let queue = corridor.queue.clone();
    let poisoned = || {
        let found = queue.summaries(&queue.ids());
        found.into_iter().find(|one| one.phase == Phase::Poison)
    };
    for _ in 0..500 {
        if poisoned().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let poison = poisoned().expect("it is set aside");
    let how = poison.control.poison.unwrap();
    assert!(how.contains("a trap in the content"), "{how}");
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    for _ in 0..500 {
        if queue.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queue.len(), 1, "the other one is delivered");
    let decision = bridgehead_queue::Decision {
        by: "somebody".into(),
        at: now(),
    };
    let thawed = queue.control(&[poison.id], &bridgehead_queue::Order::Thaw, &decision);
    assert_eq!(thawed, [bridgehead_queue::Effect::Changed]);
}
