//! What the tests share: a delivery room with its own DNS, and words for what came out.

use bridgehead_delivery::settings::ConnectorSettings;
use bridgehead_delivery::{Carrier, Delivery, Handover, NotConnected, Settings};
use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, Domain, Failure, Host, MessageId, NextHop, Notify,
    Outcome, ReversePath, Timestamp,
};
use bridgehead_store::Store;
use bridgehead_testkit::dns::DnsServer;
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// All that a scripted server may offer without being asked for certificates.
pub(crate) const MODERN: &[&str] = &[
    "PIPELINING",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "SIZE",
    "CHUNKING",
    "BINARYMIME",
];

/// A delivery room whose only connector is `c`.
pub(crate) struct Room {
    pub(crate) dns: DnsServer,
    pub(crate) delivery: Delivery,
    /// Keeps the port from other tests; nobody answers there.
    reserved: TcpListener,
    _folder: tempfile::TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With changes to the connector's settings.
    pub(crate) fn with(change: impl FnOnce(&mut ConnectorSettings)) -> Self {
        Self::with_own(change, |_| Vec::new())
    }

    /// The same, and with addresses where this server listens, given the port of all mail exchangers.
    pub(crate) fn with_own(
        change: impl FnOnce(&mut ConnectorSettings),
        own: impl FnOnce(u16) -> Vec<SocketAddr>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dns = DnsServer::start().unwrap();
        let reserved = TcpListener::bind((loopback(250), 0)).unwrap();
        let port = reserved.local_addr().unwrap().port();
        let mut connector = ConnectorSettings {
            mx_port: port,
            nameservers: vec![dns.address()],
            dns_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(5),
            command_timeout: Duration::from_secs(10),
            data_timeout: Duration::from_secs(10),
            ..ConnectorSettings::default()
        };
        change(&mut connector);
        let hostname = Domain::parse("mail.example.test").unwrap();
        let mut settings = Settings::for_host(hostname);
        settings.own_addresses = own(port);
        settings.connectors.insert("c".into(), Arc::new(connector));
        let store = bridgehead_store::Settings::for_directory(folder.path().join("store"));
        let store = Store::open(store, Arc::new(RealDisk)).unwrap();
        Self {
            dns,
            delivery: Delivery::new(settings, store),
            reserved,
            _folder: folder,
        }
    }

    /// A server at an address of loopback, at the port of all mail exchangers.
    pub(crate) fn peer(
        &self,
        last: u8,
        script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
    ) -> Peer {
        let port = self.reserved.local_addr().unwrap().port();
        Peer::start_at((loopback(last), port).into(), script).unwrap()
    }

    /// One that does nothing wrong.
    pub(crate) fn good_peer(&self, last: u8) -> Peer {
        self.peer(last, well_bred)
    }

    /// To the mail exchangers of example.net.
    pub(crate) async fn mx(&self, handover: &Handover) -> Vec<String> {
        self.send(&mx("example.net"), handover).await
    }

    /// Over a new connection. Nobody waits for the end of its leave-taking.
    pub(crate) async fn send(&self, hop: &NextHop, handover: &Handover) -> Vec<String> {
        match self.delivery.connect(hop).await {
            Ok(mut carrier) => {
                let said = said(&carrier.deliver(handover).await);
                tokio::spawn(carrier.close());
                said
            }
            Err(NotConnected::Failed(failure)) => vec![said_once(&failure.into_outcome())],
            Err(NotConnected::Paused(paused)) => vec![format!("paused: {}", paused.why)],
        }
    }

    pub(crate) async fn connect(&self, peer: &Peer) -> Carrier {
        self.delivery.connect(&smart(&[peer])).await.unwrap()
    }

    /// Why a peer as the smart host can't be used.
    pub(crate) async fn refusal(&self, peer: &Peer) -> Failure {
        match self.delivery.connect(&smart(&[peer])).await {
            Err(NotConnected::Failed(failure)) => failure,
            _ => panic!("it can be used"),
        }
    }

    /// The whole of a simple message with a peer as the smart host.
    pub(crate) async fn to(&self, peer: &Peer, handover: &Handover) -> Vec<String> {
        self.send(&smart(&[peer]), handover).await
    }
}

/// What came of a message for one recipient, sent to a server with this script as the smart host.
pub(crate) async fn sent_to(
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
) -> String {
    let peer = Peer::start(script).unwrap();
    let room = Room::new();
    room.to(&peer, &message(&["b@example.net"])).await.remove(0)
}

/// Offers everything and agrees to everything.
pub(crate) fn well_bred(talk: &mut Talk) -> io::Result<()> {
    talk.hello(MODERN)?;
    talk.serve()
}

/// An address of loopback.
pub(crate) const fn loopback(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, last)
}

pub(crate) fn mx(domain: &str) -> NextHop {
    NextHop::Mx {
        connector: "c".into(),
        domain: Domain::parse(domain).unwrap(),
    }
}

pub(crate) fn smart(peers: &[&Peer]) -> NextHop {
    let host = |peer: &&Peer| Host {
        name: Domain::parse(&format!("[{}]", peer.address().ip())).unwrap(),
        port: peer.address().port(),
    };
    NextHop::SmartHosts {
        connector: "c".into(),
        hosts: peers.iter().map(host).collect(),
        apart: None,
    }
}

pub(crate) fn to(address: &str) -> Addressee {
    Addressee {
        address: Address::parse(address).unwrap(),
        destination: Destination::Remote,
        notify: Notify::Unsaid,
        orcpt: None,
    }
}

/// A small message.
pub(crate) fn message(recipients: &[&str]) -> Handover {
    Handover {
        id: MessageId::from_u128(7),
        reverse_path: ReversePath::Address(Address::parse("a@example.test").unwrap()),
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        level: 0,
        deliver_by: None,
        journey: None,
        addressees: recipients.iter().map(|address| to(address)).collect(),
        prefix: b"Received: by this test\r\n".to_vec(),
        content: Arc::new(b"Subject: x\r\n\r\n.dot\r\n".to_vec()),
        at: Timestamp::from_millis(0),
    }
}

/// The same for one recipient.
pub(crate) fn one() -> Handover {
    message(&["b@example.net"])
}

/// `relayed`, or `deferred` or `failed` with the status.
pub(crate) fn said(outcomes: &[Outcome]) -> Vec<String> {
    outcomes.iter().map(said_once).collect()
}

fn said_once(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { mailbox } => format!("delivered to {mailbox}"),
        Outcome::Relayed { .. } => "relayed".to_owned(),
        Outcome::Failed(failure) => format!("failed {}", failure.status),
        Outcome::Deferred(failure) => format!("deferred {}", failure.status),
    }
}
