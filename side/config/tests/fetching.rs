//! Mail that waits to be asked for, and mail that is asked for elsewhere: what the rooms are told of it.
#![allow(clippy::unwrap_used)]

use bridgehead_config::{RoomSettings, settings};
use bridgehead_delivery::settings::{FetchBy, FetchSettings};
use bridgehead_directory::{Snapshot, parse_organisation};
use bridgehead_mail::{Domain, Host};
use bridgehead_routing::settings::ConnectorHop;
use std::path::Path;
use std::time::Duration;

const ORGANISATION: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"
[[accepted-domain]]
name = "example.test"
[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]
password = "secret"
[[server]]
name = "mail1"
[[server]]
name = "mail2"
[[virtual-server]]
name = "users"
server = "mail1"
role = "submission"
listen = ["127.0.0.1:2587"]
[[virtual-server]]
name = "inbound"
server = "mail1"
listen = ["127.0.0.1:2525"]
[[virtual-server]]
name = "strict"
server = "mail1"
listen = ["127.0.0.1:2526"]
"#;

fn of(objects: &str, server: &str) -> RoomSettings {
    let text = format!("{ORGANISATION}{objects}");
    let (organisation, _) = parse_organisation(&text, "org.toml").unwrap();
    let snapshot = Snapshot::build(1, organisation);
    settings(&snapshot, server, Path::new("/data")).unwrap()
}

fn fetch(rooms: &RoomSettings) -> Option<&FetchSettings> {
    rooms.delivery.fetches.get("c").map(|fetch| &**fetch)
}

#[test]
fn what_waits_says_by_what_it_is_asked_for_and_is_offered_so() {
    let of = |lines: &str| {
        of(
            &format!(
                "[[connector]]\nname = \"c\"\naddress-space = [{{ pattern = \"b.test\", cost = 1 }}]\n{lines}"
            ),
            "mail1",
        )
    };
    let hop = "next-hop = \"mx\"\n";
    for (lines, by, etrn, atrn) in [
        (hop.to_owned(), None, false, false),
        (
            format!("{hop}wait-for-etrn = true"),
            Some("ETRN"),
            true,
            false,
        ),
        (
            format!("{hop}asked-by = [\"alice\"]"),
            Some("ATRN"),
            false,
            true,
        ),
        (
            format!("{hop}asked-by = [\"alice\"]\nwait-for-etrn = true"),
            Some("ETRN or ATRN"),
            true,
            true,
        ),
        (
            "asked-by = [\"alice\"]".to_owned(),
            Some("ATRN"),
            false,
            true,
        ),
    ] {
        let rooms = of(&lines);
        let connector = rooms.delivery.connectors.get("c").unwrap();
        assert_eq!(connector.asked_for_by, by, "{lines}");
        assert_eq!((rooms.listener.etrn, rooms.listener.atrn), (etrn, atrn));
    }
    let rooms = of("asked-by = [\"alice\"]");
    let [connector] = rooms.routing.connectors.as_slice() else {
        panic!("one connector is expected");
    };
    assert_eq!(connector.next_hop, ConnectorHop::SmartHosts([].into()));
}

#[test]
fn the_servers_that_may_use_a_connector_ask_by_it() {
    let etrn = "[[connector]]\nname = \"c\"\nport = 2500\n\
                fetch = { host = \"mx.test\", by = \"etrn\", domains = [\"example.test\"], every = \"2h\" }\n";
    let host = |port| Host {
        name: Domain::parse("mx.test").unwrap(),
        port,
    };
    let expected = FetchSettings {
        host: host(2500),
        by: FetchBy::Etrn,
        domains: vec![Domain::parse("example.test").unwrap()],
        every: Duration::from_secs(7200),
        virtual_server: "inbound".into(),
    };
    assert_eq!(fetch(&of(etrn, "mail1")), Some(&expected));
    assert_eq!(fetch(&of(etrn, "mail2")).unwrap().host, host(2500));
    let only = format!("{etrn}source-bridgeheads = [\"MAIL2\"]\n");
    assert_eq!(fetch(&of(&only, "mail1")), None);
    assert!(fetch(&of(&only, "mail2")).is_some());
    // By ATRN only where what comes is taken.
    let atrn = "[[connector]]\nname = \"c\"\nusername = \"u\"\npassword = \"p\"\n\
                fetch = { host = \"mx.test:366\", by = \"atrn\", virtual-server = \"Strict\" }\n";
    let expected = FetchSettings {
        host: host(366),
        by: FetchBy::Atrn,
        domains: Vec::new(),
        every: Duration::from_secs(900),
        virtual_server: "strict".into(),
    };
    assert_eq!(fetch(&of(atrn, "mail1")), Some(&expected));
    assert_eq!(fetch(&of(atrn, "mail2")), None);
}
