//! Other servers of the organisation, which are real listeners: reached only where they prove themselves by their key.

use crate::room::{Room, loopback, one, well_bred};
use bridgehead_delivery::settings::Member;
use bridgehead_delivery::{LinkWatcher, NotConnected, Settings};
use bridgehead_directory::{Directory, Wish};
use bridgehead_disk::RealDisk;
use bridgehead_listener::{Listener, Role, StateSink, Tls, VirtualServer};
use bridgehead_mail::{
    Domain, Envelope, Event, Failure, Host, Journey, NextHop, Outcome, SessionId, Timestamp, Track,
};
use bridgehead_membership::{OwnKey, Roster};
use bridgehead_queue::Queue;
use bridgehead_testkit::script::{Peer, Talk};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

const ORGANISATION: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"

[[accepted-domain]]
name = "example.test"
kind = "authoritative"

[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]
"#;

struct Nowhere;

impl Track for Nowhere {
    fn track(&self, _: Event) {}
}

fn key() -> OwnKey {
    let folder = tempfile::tempdir().unwrap();
    OwnKey::open(folder.path()).unwrap()
}

/// Keeps what it hears, each line with its session; refuses `bad`.
#[derive(Default)]
struct Heard(Mutex<Vec<(SessionId, String)>>);

impl StateSink for Heard {
    fn chunk(
        &self,
        from: &str,
        session: SessionId,
        place: &str,
        number: u32,
        octets: &[u8],
    ) -> Result<(), String> {
        let text = String::from_utf8_lossy(octets);
        let line = format!("{from} {place} {number} {text}");
        self.0.lock().unwrap().push((session, line));
        match octets {
            b"bad" => Err("it is bad".to_owned()),
            _ => Ok(()),
        }
    }

    fn ended(&self, _: SessionId) {}
}

/// Keeps what it is told.
#[derive(Default)]
struct Watched(Mutex<Vec<String>>);

impl LinkWatcher for Watched {
    fn used(&self, hop: &NextHop, server: &str, worked: bool) {
        let line = format!("{} {server} {worked}", hop.link());
        self.0.lock().unwrap().push(line);
    }

    fn doubted(&self, hop: &NextHop, server: &str) {
        let line = format!("{} {server} in doubt", hop.link());
        self.0.lock().unwrap().push(line);
    }
}

/// Another server.
struct Other {
    key: OwnKey,
    listener: Listener,
    queue: Queue,
    heard: Arc<Heard>,
    _folder: tempfile::TempDir,
}

impl Other {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
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
        let tls = Tls::new(folder.path().join("tls"));
        let listener = Listener::new(queue.inlet(), directory, tls, Arc::new(Nowhere));
        let heard = Arc::new(Heard::default());
        let sink: Arc<dyn StateSink> = Arc::clone(&heard) as _;
        listener.set_state_sink(sink);
        let other = Self {
            key: key(),
            listener,
            queue,
            heard,
            _folder: folder,
        };
        other.serve(|_| {}).await;
        other
    }

    async fn serve(&self, change: impl FnOnce(&mut VirtualServer)) {
        let mut server = VirtualServer {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 0))],
            ..VirtualServer::new("mx", Role::Mx)
        };
        change(&mut server);
        let settings = bridgehead_listener::Settings {
            hostname: Domain::parse("b1.example.test").unwrap(),
            postmaster_domain: None,
            etrn: false,
            atrn: false,
            virtual_servers: vec![server],
        };
        self.listener.apply(settings).await.unwrap();
    }

    /// The directory names these keys for `a1` from now on.
    fn knows(&self, keys: &[[u8; 32]]) {
        let roster = Roster::new([("a1", keys)]);
        self.listener.set_members(&self.key, roster).unwrap();
    }

    fn address(&self) -> SocketAddr {
        self.listener.addresses()[0].1
    }

    fn messages(&self) -> Vec<Arc<Envelope>> {
        let mut leases = Vec::new();
        // One that is given back would be taken again.
        while let Some(lease) = self.queue.take() {
            leases.push(lease);
        }
        let envelopes = leases.iter().map(|lease| Arc::clone(&lease.envelope));
        envelopes.collect()
    }
}

fn member(addresses: &[SocketAddr], keys: &[[u8; 32]]) -> Member {
    let host = |address: &SocketAddr| Host {
        name: Domain::parse(&format!("[{}]", address.ip())).unwrap(),
        port: address.port(),
    };
    Member {
        hosts: addresses.iter().map(host).collect(),
        keys: keys.to_vec(),
    }
}

fn hop(servers: &[&str]) -> NextHop {
    NextHop::Servers {
        connector: None,
        servers: servers.iter().map(|name| (*name).into()).collect(),
    }
}

/// This server, `a1`, and another, `b1`, which know each other.
struct Pair {
    room: Room,
    own: OwnKey,
    b1: Other,
    watched: Arc<Watched>,
}

impl Pair {
    async fn new() -> Self {
        let (room, own, b1) = (Room::new(), key(), Other::start().await);
        b1.knows(&[own.public()]);
        room.delivery.set_member_identity(own.clone());
        let watched = Arc::new(Watched::default());
        let watcher: Arc<dyn LinkWatcher> = Arc::clone(&watched) as _;
        room.delivery.watch_links(watcher);
        let pair = Self {
            room,
            own,
            b1,
            watched,
        };
        pair.names(&[("b1", pair.member())]);
        pair
    }

    fn member(&self) -> Member {
        member(&[self.b1.address()], &[self.b1.key.public()])
    }

    /// The directory names these servers from now on.
    fn names(&self, members: &[(&str, Member)]) {
        let mut settings = Settings::for_host(Domain::parse("a1.example.test").unwrap());
        let members = members.iter().cloned();
        settings.members = members
            .map(|(name, member)| (name.into(), member))
            .collect();
        self.room.delivery.apply(settings);
    }

    /// Why no connection could be made to these servers.
    async fn refusal(&self, servers: &[&str]) -> Failure {
        match self.room.delivery.connect(&hop(servers)).await {
            Err(NotConnected::Failed(failure)) => failure,
            Err(NotConnected::Paused(paused)) => panic!("{paused:?}"),
            Ok(_) => panic!("it can be used"),
        }
    }

    fn watched(&self) -> Vec<String> {
        std::mem::take(&mut *self.watched.0.lock().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_to_a_server_that_has_proved_itself_with_its_journey() {
    let pair = Pair::new().await;
    let mut handover = one();
    handover.journey = Some(Journey::default().onward("a1", "paris", false));
    let mut carrier = pair.room.delivery.connect(&hop(&["b1"])).await.unwrap();
    let outcomes = carrier.deliver(&handover).await;
    let [Outcome::Relayed { over, .. }] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert!(over.starts_with("TLS 1.3, "), "{over}");
    assert!(over.contains("member b1 proved by its key"), "{over}");
    let messages = pair.b1.messages();
    let journey = messages[0].journey.as_ref().unwrap();
    assert_eq!(*journey.servers, ["a1".into()]);
    assert_eq!(pair.watched(), ["server/b1 b1 true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_the_directory_has_no_key_of_is_no_place_for_mail() {
    let pair = Pair::new().await;
    pair.names(&[("b1", member(&[pair.b1.address()], &[]))]);
    let failure = pair.refusal(&["b1"]).await;
    assert!(!failure.is_permanent());
    assert!(
        failure.text.contains("no key of the server b1"),
        "{failure}"
    );
    let failure = pair.refusal(&["c1"]).await;
    assert!(failure.text.contains("knows no server c1"), "{failure}");
    assert_eq!(pair.watched(), [""; 0], "no line and no server is to blame");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_key_is_no_proof() {
    let pair = Pair::new().await;
    let other = key().public();
    pair.names(&[("b1", member(&[pair.b1.address()], &[other]))]);
    let failure = pair.refusal(&["b1"]).await;
    assert!(!failure.is_permanent());
    let text = failure.to_string();
    assert!(text.contains("not proved to be the server b1"), "{text}");
    assert!(
        text.contains("its key isn't one that the directory"),
        "{text}"
    );
    assert_eq!(pair.watched(), ["server/b1 b1 false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_shows_an_ordinary_certificate_is_no_member() {
    let pair = Pair::new().await;
    let stranger = Other::start().await;
    let address = stranger.address();
    pair.names(&[("b1", member(&[address], &[pair.b1.key.public()]))]);
    let text = pair.refusal(&["b1"]).await.to_string();
    assert!(text.contains("ordinary certificate"), "{text}");
    assert!(stranger.messages().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_in_the_clear() {
    let pair = Pair::new().await;
    let peer = Peer::start(well_bred).unwrap();
    pair.names(&[("b1", member(&[peer.address()], &[pair.b1.key.public()]))]);
    let text = pair.refusal(&["b1"]).await.to_string();
    assert!(text.contains("it offers no TLS"), "{text}");
    let heard = peer.heard();
    assert!(
        !heard.iter().any(|line| line.starts_with("MAIL")),
        "{heard:?}"
    );
    assert_eq!(peer.connections(), 1, "and it isn't tried again without");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_out_of_the_directory_is_out_at_the_next_connection() {
    let pair = Pair::new().await;
    let mut carrier = pair.room.delivery.connect(&hop(&["b1"])).await.unwrap();
    assert!(carrier.is_usable());
    pair.b1.knows(&[key().public()]);
    let outcomes = carrier.deliver(&one()).await;
    assert!(
        matches!(&outcomes[..], [Outcome::Deferred(_)]),
        "{outcomes:?}"
    );
    // A session that ends with 421 leaves room for fewer, and this one has its place until it is dropped.
    drop(carrier);
    let text = pair.refusal(&["b1"]).await.to_string();
    assert!(text.contains("as if it didn't know the key"), "{text}");
    assert!(pair.b1.messages().is_empty());
    // With the new key it goes on; the old one may stay beside it for a while.
    pair.b1.knows(&[key().public(), pair.own.public()]);
    assert!(pair.room.delivery.connect(&hop(&["b1"])).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_is_tried_and_each_is_told_of_once() {
    let pair = Pair::new().await;
    let down = std::net::TcpListener::bind((loopback(249), 0)).unwrap();
    let dead = [down.local_addr().unwrap(), pair.b1.address()];
    drop(down);
    let key = pair.b1.key.public();
    pair.names(&[("b1", pair.member()), ("b2", member(&dead[..1], &[key]))]);
    let servers = hop(&["b2", "b1"]);
    assert!(pair.room.delivery.connect(&servers).await.is_ok());
    let told = pair.watched();
    assert_eq!(told, ["server/b2+b1 b2 false", "server/b2+b1 b1 true"]);
    // One of its addresses is enough.
    pair.names(&[("b2", member(&dead, &[key]))]);
    assert!(pair.room.delivery.connect(&hop(&["b2"])).await.is_ok());
    assert_eq!(pair.watched(), ["server/b2 b2 true"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_says_nothing_is_in_doubt_long_before_it_is_given_up() {
    let pair = Pair::new().await;
    let silent = Peer::start(|talk: &mut Talk| talk.silence()).unwrap();
    let key = pair.b1.key.public();
    pair.names(&[("b1", member(&[silent.address()], &[key]))]);
    let servers = hop(&["b1"]);
    tokio::select! {
        _ = pair.room.delivery.connect(&servers) => panic!("nobody answered"),
        () = async {
            while pair.watched.0.lock().unwrap().is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        } => {}
    }
    assert_eq!(pair.watched(), ["server/b1 b1 in doubt"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_is_not_blamed() {
    let pair = Pair::new().await;
    pair.b1.serve(|server| server.max_sessions = 0).await;
    pair.names(&[("b1", pair.member())]);
    let failure = pair.refusal(&["b1"]).await;
    assert!(failure.remote.is_some(), "{failure}");
    assert_eq!(pair.watched(), [""; 0]);
}

fn chunks(all: &[(&'static str, u32, &str)]) -> Vec<(&'static str, u32, Vec<u8>)> {
    let chunk = |(place, number, text): &(&'static str, u32, &str)| {
        (*place, *number, text.as_bytes().to_vec())
    };
    all.iter().map(chunk).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_state_is_told_over_one_connection_that_is_kept() {
    let pair = Pair::new().await;
    let delivery = &pair.room.delivery;
    let message = chunks(&[("FIRST", 0, "one"), ("LAST", 1, "QUIT\r\n")]);
    delivery.tell_member("b1", &message).await.unwrap();
    let message = chunks(&[("ONLY", 0, "two")]);
    delivery.tell_member("b1", &message).await.unwrap();
    let heard = pair.b1.heard.0.lock().unwrap().clone();
    let lines: Vec<&str> = heard.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        ["a1 FIRST 0 one", "a1 LAST 1 QUIT\r\n", "a1 ONLY 0 two"]
    );
    assert!(heard.iter().all(|(session, _)| *session == heard[0].0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_of_link_state_says_why() {
    let pair = Pair::new().await;
    let message = chunks(&[("ONLY", 0, "bad")]);
    let told = pair.room.delivery.tell_member("b1", &message).await;
    let text = told.unwrap_err().to_string();
    assert!(text.contains("it is bad"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_kept_is_given_up_with_its_key_or_its_server() {
    let pair = Pair::new().await;
    let delivery = &pair.room.delivery;
    let message = chunks(&[("ONLY", 0, "x")]);
    delivery.tell_member("b1", &message).await.unwrap();
    // The other side ends the session. When it takes a new one, that is used.
    pair.b1.knows(&[]);
    assert!(delivery.tell_member("b1", &message).await.is_err());
    pair.b1.knows(&[pair.own.public()]);
    delivery.tell_member("b1", &message).await.unwrap();
    let heard = pair.b1.heard.0.lock().unwrap().clone();
    assert_ne!(heard[0].0, heard[1].0);
    // A server whose key is another one now has to prove itself anew.
    pair.names(&[("b1", member(&[pair.b1.address()], &[key().public()]))]);
    let told = delivery.tell_member("b1", &message).await;
    let text = told.unwrap_err().to_string();
    assert!(text.contains("not proved to be the server b1"), "{text}");
    assert_eq!(pair.b1.heard.0.lock().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_reaches_a_server_and_leaves() {
    let pair = Pair::new().await;
    pair.room.delivery.probe_member("b1").await.unwrap();
    pair.b1.knows(&[]);
    let probed = pair.room.delivery.probe_member("b1").await;
    assert!(probed.is_err());
    assert_eq!(pair.watched(), [""; 0], "it is no mail's doing");
}

/// Says its lines one after the other, each after a pause, then nothing more.
fn slow(talk: &mut Talk, pause: Duration) -> std::io::Result<()> {
    std::thread::sleep(pause);
    talk.say("220 b1.example.test")?;
    talk.hear()?;
    std::thread::sleep(pause);
    talk.say("250-b1.example.test")?;
    std::thread::sleep(pause);
    talk.say("250 STARTTLS")?;
    talk.hear()?;
    std::thread::sleep(pause);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_only_slow_is_not_in_doubt() {
    let pair = Pair::new().await;
    let peer = Peer::start(|talk: &mut Talk| {
        slow(talk, Duration::from_millis(700))?;
        talk.say("454 4.7.0 no TLS now")
    })
    .unwrap();
    let key = pair.b1.key.public();
    pair.names(&[("b1", member(&[peer.address()], &[key]))]);
    assert!(pair.room.delivery.connect(&hop(&["b1"])).await.is_err());
    assert_eq!(pair.watched(), ["server/b1 b1 false"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_falls_silent_is_given_up_long_before_a_stranger_would_be() {
    let pair = Pair::new().await;
    let peer = Peer::start(|talk: &mut Talk| {
        slow(talk, Duration::ZERO)?;
        talk.silence()
    })
    .unwrap();
    let key = pair.b1.key.public();
    pair.names(&[("b1", member(&[peer.address()], &[key]))]);
    let servers = hop(&["b1"]);
    let connecting = pair.room.delivery.connect(&servers);
    let ended = tokio::time::timeout(Duration::from_secs(120), connecting).await;
    assert!(ended.expect("not after five minutes only").is_err());
    assert_eq!(
        pair.watched(),
        ["server/b1 b1 in doubt", "server/b1 b1 false"]
    );
    let probe = pair.room.delivery.probe_member("b1").await.unwrap_err();
    assert!(probe.to_string().contains("no reply in time"), "{probe}");
}
