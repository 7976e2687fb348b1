//! Home servers and delayed fan-out: which parts a message in an organisation of several servers has.

use super::*;
use bridgehead_directory::parse_organisation;
use bridgehead_mail::{
    Address, BodyKind, Domain, Handling, Journey, Notify, Origin, Protocol, ReversePath,
};
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_routing::{Links, Table};
use std::sync::Arc;

const ORGANISATION: &str = r#"
[organization]
name = "Example"
postmaster = "anna@example.test"
[[accepted-domain]]
name = "example.test"
[[routing-group]]
name = "a"
[[server]]
name = "a1"
[[server]]
name = "a2"
[[connector]]
name = "internet"
next-hop = "mx"
address-space = [{ pattern = "*", cost = 1 }]
accept-from = ["staff"]
[[mailbox]]
name = "anna"
addresses = ["anna@example.test"]
server = "a1"
[[mailbox]]
name = "ben"
addresses = ["ben@example.test"]
server = "A2"
[[mailbox]]
name = "carl"
addresses = ["carl@example.test"]
server = "a2"
[[mailbox]]
name = "dora"
addresses = ["dora@example.test"]
[[mailbox]]
name = "fred"
addresses = ["fred@example.test"]
server = "a1"
forward-to = ["ben"]
reject-from = ["anna"]
[[group]]
name = "staff"
addresses = ["staff@example.test"]
members = ["anna", "ben", "carl"]
"#;

fn world(size_max: Option<u64>) -> World {
    let (organisation, _) = parse_organisation(ORGANISATION, "org.toml").unwrap();
    let mut internet = Connector {
        next_hop: ConnectorHop::Mx,
        address_spaces: vec![AddressSpace {
            pattern: Pattern::All,
            cost: 1,
        }],
        ..Connector::named("internet")
    };
    internet.restrictions.senders = Some(0);
    internet.restrictions.size_max = size_max;
    let routing = bridgehead_routing::Settings {
        server: "a1".into(),
        topology: None,
        connectors: vec![internet],
    };
    let hostname = Domain::parse("a1.example.test").unwrap();
    World {
        snapshot: Arc::new(Snapshot::build(1, organisation)),
        routing: Arc::new(Table::build(&routing, &Links::default())),
        settings: Arc::new(crate::Settings::for_host(hostname)),
    }
}

fn envelope(user: Option<&str>, recipients: &[&str]) -> Envelope {
    let recipient = |text: &&str| Recipient {
        address: Address::parse(text).unwrap(),
        notify: Notify::Unsaid,
        orcpt: None,
    };
    Envelope {
        reverse_path: ReversePath::Address(Address::parse("anna@example.test").unwrap()),
        recipients: recipients.iter().map(recipient).collect(),
        body: BodyKind::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: Origin {
            virtual_server: "inbound".into(),
            client: None,
            helo: "client.example".into(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: user.is_some(),
                utf8: false,
            },
            tls: None,
            user: user.map(Into::into),
        },
        handling: Handling::default(),
        accepted: Timestamp::EPOCH,
        journey: None,
    }
}

/// The plan: of each part link and addressees, and of each failure its words.
fn planned(envelope: &Envelope, size: u64, world: &World) -> (Vec<(String, usize)>, Vec<String>) {
    let plan = plan(
        &Taken {
            id: MessageId::new(Timestamp::EPOCH, 7),
            at: Timestamp::EPOCH,
            envelope,
            work: &Work::Categorize,
            size,
            priority: Priority::Normal,
            redirect: None,
        },
        world,
    );
    let parts = plan.parts.iter();
    let parts = parts.map(|part| (part.hop.link().to_string(), part.addressees.len()));
    let mut parts: Vec<(String, usize)> = parts.collect();
    parts.sort();
    let failed = plan.events.iter().filter_map(|event| match event {
        EventKind::Failed { failure, .. } => Some(failure.to_string()),
        _ => None,
    });
    (parts, failed.collect())
}

fn row(link: &str, count: usize) -> (String, usize) {
    (link.to_owned(), count)
}

#[test]
fn mailboxes_of_one_server_share_one_copy() {
    let to = ["anna", "ben", "carl", "dora"].map(|name| format!("{name}@example.test"));
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let (parts, failed) = planned(&envelope(Some("anna"), &to), 100, &world(None));
    // Without a home a mailbox is everywhere.
    assert_eq!(parts, [row("local", 2), row("server/a2", 2)]);
    assert_eq!(failed, [""; 0]);
}

#[test]
fn who_may_not_use_a_connector_is_told() {
    let to = ["x@example.net"];
    let (parts, failed) = planned(&envelope(Some("anna"), &to), 100, &world(None));
    assert_eq!(parts, [row("internet/example.net", 1)]);
    assert_eq!(failed, [""; 0]);
    // Whoever only claims to be of the staff isn't.
    let (parts, failed) = planned(&envelope(None, &to), 100, &world(None));
    assert_eq!(parts, []);
    assert_eq!(
        failed,
        ["5.7.1 Connector internet doesn't take messages of this sender"]
    );
    let (_, failed) = planned(&envelope(Some("anna"), &to), 101, &world(Some(100)));
    assert_eq!(
        failed,
        ["5.3.4 Connector internet takes messages of up to 100 octets"]
    );
    // A report must reach whom it is for.
    let mut report = envelope(None, &to);
    report.reverse_path = ReversePath::Null;
    assert_eq!(planned(&report, 100, &world(None)).0.len(), 1);
}

#[test]
fn what_another_server_resolved_is_not_forwarded_or_refused_again() {
    let mut message = envelope(Some("anna"), &["fred@example.test"]);
    let (parts, failed) = planned(&message, 100, &world(None));
    assert_eq!((parts, failed.len()), (vec![], 1));
    message.origin.user = None;
    message.journey = Some(Box::new(Journey::default()));
    let (parts, failed) = planned(&message, 100, &world(None));
    assert_eq!(parts, [row("local", 1)]);
    assert_eq!(failed, [""; 0]);
}

#[test]
fn who_sent_what_another_server_took_is_no_stranger_to_connectors() {
    let mut message = envelope(None, &["x@example.net"]);
    let sent = [row("internet/example.net", 1)];
    let refused = "5.7.1 Connector internet doesn't take messages of this sender";
    assert_eq!(planned(&message, 100, &world(None)).1, [refused]);
    message.journey = Some(Box::new(Journey::default()));
    let (parts, failed) = planned(&message, 100, &world(None));
    assert_eq!((parts.as_slice(), failed.len()), (sent.as_slice(), 0));
    // The connector doesn't take everybody's mail even so.
    for other in ["dora@example.test", "anna@example.net"] {
        message.reverse_path = ReversePath::Address(Address::parse(other).unwrap());
        let (parts, failed) = planned(&message, 100, &world(None));
        assert_eq!(
            (parts, failed),
            (vec![], vec![refused.to_owned()]),
            "{other}"
        );
    }
}
