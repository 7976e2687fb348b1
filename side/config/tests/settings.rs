//! What the rooms are told of an organisation.
#![allow(clippy::unwrap_used)]

use bridgehead_config::{RoomSettings, settings};
use bridgehead_delivery::settings::{
    ConnectorSettings, Credentials, DomainLimit, Domains, EightBit, Tls,
};
use bridgehead_directory::{Schema, Size, Snapshot, VirtualServer, Wait, parse_organisation};
use bridgehead_listener::settings::{BareLineEnds, Role, TlsMode};
use bridgehead_mail::{Domain, Hours, Priority, Rate};
use bridgehead_queue::settings::Limits;
use bridgehead_routing::settings::{ConnectorHop, Pattern, Scope};
use bridgehead_transport::settings::Retry;
use std::path::Path;
use std::time::Duration;

const HEAD: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"
[[accepted-domain]]
name = "example.test"
[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]
"#;

const KEY: &str = "ed25519:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

const MAIL1: &str = r#"
[[server]]
name = "mail1"
[[virtual-server]]
name = "inbound"
server = "MAIL1"
listen = ["127.0.0.1:2525"]
[[virtual-server]]
name = "submission"
server = "mail1"
role = "submission"
listen = ["127.0.0.1:2587"]
"#;

fn snapshot(objects: &str) -> Snapshot {
    let (organisation, _) = parse_organisation(&format!("{HEAD}{objects}"), "org.toml").unwrap();
    Snapshot::build(1, organisation)
}

fn of(objects: &str, server: &str) -> RoomSettings {
    settings(&snapshot(objects), server, Path::new("/data")).unwrap()
}

#[test]
fn a_server_serves_its_own_virtual_servers_with_the_defaults_of_their_roles() {
    let other = "[[server]]\nname = \"mail2\"\n[[virtual-server]]\nname = \"v2\"\nserver = \"mail2\"\nlisten = [\"127.0.0.1:2525\"]\n";
    let rooms = of(&format!("{MAIL1}{other}"), "Mail1");
    assert_eq!(rooms.listener.hostname.as_str(), "mail1");
    assert_eq!(rooms.transport.report_domain.as_str(), "example.test");
    let [inbound, submission] = rooms.listener.virtual_servers.as_slice() else {
        panic!("two virtual servers are expected");
    };
    assert_eq!((&*inbound.name, inbound.role), ("inbound", Role::Mx));
    assert!(!inbound.auth && !inbound.require_auth && inbound.relay_from.is_empty());
    assert_eq!(submission.role, Role::Submission);
    assert!(submission.auth && submission.require_auth && submission.own_addresses_only);
    assert_eq!(submission.tls, TlsMode::StartTls);
    assert_eq!(rooms.transport.retry, Retry::default());
}

#[test]
fn what_is_written_reaches_the_rooms() {
    let objects = r#"
[[server]]
name = "mail1"
hostname = "mx.example.test"
certificate = "tls/cert.pem"
key = "/etc/key.pem"
retry-schedule = ["1s", "5m"]
expire-after = "1m"
delay-notice-after = "30s"
max-hops = 50
[[virtual-server]]
name = "inbound"
server = "mail1"
listen = ["127.0.0.1:2525"]
relay-from = ["10.0.0.0/8"]
max-message-size = "150 MiB"
max-recipients = 7
max-errors = 8
max-sessions = 9
max-sessions-per-client = 10
max-header-size = "64 KiB"
command-timeout = "1s"
data-timeout = "2s"
bare-line-ends = "normalise"
implicit-tls = true
require-tls = true
require-auth = true
sender-must-match = false
"#;
    let rooms = of(objects, "mail1");
    let inbound = &rooms.listener.virtual_servers[0];
    assert_eq!(rooms.listener.hostname.as_str(), "mx.example.test");
    assert_eq!(inbound.relay_from, ["10.0.0.0/8".parse().unwrap()]);
    assert_eq!(inbound.max_message_size, 150 << 20);
    assert_eq!((inbound.max_recipients, inbound.max_errors), (7, 8));
    assert_eq!(
        (inbound.max_sessions, inbound.max_sessions_per_client),
        (9, 10)
    );
    assert_eq!((inbound.max_header_size, inbound.max_hops), (64 << 10, 50));
    assert_eq!(inbound.command_timeout, Duration::from_secs(1));
    assert_eq!(inbound.data_timeout, Duration::from_secs(2));
    assert_eq!(inbound.bare_line_ends, BareLineEnds::Normalise);
    assert_eq!(inbound.tls, TlsMode::Implicit);
    assert!(inbound.require_tls && inbound.auth && inbound.require_auth);
    assert!(!inbound.own_addresses_only);
    let files = inbound.certificate.as_ref().unwrap();
    assert_eq!(files.certificate, Path::new("/data/tls/cert.pem"));
    assert_eq!(files.key, Path::new("/etc/key.pem"));
    let retry = &rooms.transport.retry;
    assert_eq!(retry.schedule, [1, 300].map(Duration::from_secs));
    assert_eq!(retry.patience.normal.expire_after, Duration::from_secs(60));
    assert_eq!(
        retry.patience.normal.delay_notice_after,
        Duration::from_secs(30)
    );
}

#[test]
fn connectors_of_the_servers_own_group_are_its_ways_out() {
    let objects = format!(
        r#"{}
[[routing-group]]
name = "ams"
[[routing-group]]
name = "nyc"
[[connector]]
name = "internet"
routing-group = "AMS"
address-space = [{{ pattern = "*", cost = 10 }}, {{ pattern = "*.example.net", cost = 3 }}]
smart-hosts = ["relay.example.net:2526", "192.0.2.1"]
port = 26
[[connector]]
name = "there"
routing-group = "nyc"
address-space = [{{ pattern = "*", cost = 10 }}]
next-hop = "mx"
[[connector]]
name = "between"
routing-group = "ams"
target-group = "nyc"
[[server]]
name = "n1"
routing-group = "nyc"
"#,
        MAIL1.replace(
            "name = \"mail1\"",
            "name = \"mail1\"\nrouting-group = \"ams\""
        )
    );
    let rooms = of(&objects, "mail1");
    // Routing knows all of the organisation, delivery those that this server uses.
    let [internet, there, between] = rooms.routing.connectors.as_slice() else {
        panic!("three connectors are expected");
    };
    assert_eq!((&*internet.group, &*there.group), ("ams", "nyc"));
    assert_eq!(between.next_hop, ConnectorHop::Group);
    let mut used: Vec<&str> = rooms
        .delivery
        .connectors
        .keys()
        .map(AsRef::as_ref)
        .collect();
    used.sort_unstable();
    assert_eq!(used, ["between", "internet"]);
    assert!(rooms.topology.is_some());
    assert_eq!(rooms.faults, []);
    assert_eq!(&*internet.name, "internet");
    assert_eq!(internet.address_spaces[0].pattern, Pattern::All);
    assert_eq!(
        (
            internet.address_spaces[1].cost,
            internet.address_spaces.len()
        ),
        (3, 2)
    );
    let ConnectorHop::SmartHosts(hosts) = &internet.next_hop else {
        panic!("smart hosts are expected");
    };
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["relay.example.net:2526", "[192.0.2.1]:26"]);
}

#[test]
fn routing_knows_topology_and_restrictions_by_the_names_of_the_objects() {
    let server = |name: &str, group: &str| {
        format!(
            "[[server]]\nname = \"{name}\"\nrouting-group = \"{group}\"\nmember-keys = [\"{KEY}\"]\n"
        )
    };
    let objects = format!(
        r#"{}{}{}
[[routing-group]]
name = "ams"
[[routing-group]]
name = "nyc"
[[connector]]
name = "there"
routing-group = "ams"
target-group = "NYC"
source-bridgeheads = ["A1"]
target-bridgeheads = ["n2", "N1"]
cost = 7
weight = 3
max-message-size = "1 MiB"
priorities = ["low", "high"]
reject-from = ["alice"]
schedule = ["Sat,Sun 00:00-24:00"]
schedule-zone = "UTC"
[[connector]]
name = "back"
routing-group = "nyc"
target-group = "ams"
[[connector]]
name = "internet"
routing-group = "nyc"
scope = "group"
address-space = [{{ pattern = "smtp:*.example", cost = 1 }}]
next-hop = "mx"
"#,
        server("a1", "AMS"),
        server("n1", "nyc"),
        server("n2", "nyc"),
    );
    let rooms = of(&objects, "A1");
    assert_eq!(rooms.faults, []);
    assert_eq!(&*rooms.routing.server, "a1");
    let topology = rooms.topology.unwrap();
    let there = topology.connector_of_name("there").unwrap();
    let there = topology.connector(there).unwrap();
    assert_eq!((there.cost, there.weight), (7, 3));
    let server = topology.server(there.sources[0]).unwrap();
    assert_eq!((&*server.name, server.key.len()), ("a1", 32));
    let written = rooms.routing.connectors.iter();
    let written: Vec<_> = written.filter(|one| &*one.name == "there").collect();
    let targets: Vec<&str> = written[0].targets.iter().map(AsRef::as_ref).collect();
    assert_eq!(targets, ["n2", "n1"]);
    let restrictions = &written[0].restrictions;
    assert_eq!(restrictions.size_max, Some(1024 * 1024));
    assert_eq!(restrictions.priorities, [Priority::Low, Priority::High]);
    assert_eq!(restrictions.senders, Some(0));
    assert_eq!(restrictions.hours.len(), 1);
    let internet = rooms.routing.connectors.iter();
    let internet: Vec<_> = internet.filter(|one| &*one.name == "internet").collect();
    assert_eq!(internet[0].scope, Scope::Group);
    let pattern = &internet[0].address_spaces[0].pattern;
    assert_eq!(pattern.to_string(), "*.example");
}

#[test]
fn delivery_knows_its_own_addresses_and_each_connector() {
    let connector = |more: &str| {
        let text = format!(
            "{MAIL1}[[connector]]\nname = \"c\"\naddress-space = [{{ pattern = \"*\", cost = 1 }}]\nnext-hop = \"mx\"\n{more}"
        );
        let delivery = of(&text, "mail1").delivery;
        let own: Vec<u16> = delivery
            .own_addresses
            .iter()
            .map(|own| own.port())
            .collect();
        assert_eq!(
            (own, delivery.hostname.as_str()),
            (vec![2525, 2587], "mail1")
        );
        ConnectorSettings::clone(&delivery.connectors["c"])
    };
    assert_eq!(connector(""), ConnectorSettings::default());
    let login = "username = \"u\"\npassword = \"p\"\n";
    assert_eq!(connector(login).tls, Tls::Verify);
    let all = connector(&format!(
        "{login}tls = \"required\"\nport = 2500\neight-bit = \"fail\"\nconnect-timeout = \"1s\"\n\
         command-timeout = \"2s\"\ndata-timeout = \"3s\"\nmax-connections = 4\n\
         hosts-timeout = \"4s\"\nmessage-timeout = \"5s\"\ndns-timeout = \"6s\"\n\
         max-messages-per-connection = 5\nmax-recipients-per-transaction = 6\n\
         nameservers = [\"127.0.0.1:5353\"]\ninitial-connections = 3\n\
         trusted-certificates = \"ca.pem\"\n\
         max-connections-per-address = 8\nmessage-rate = \"9/s\"\nconnection-rate = \"10/min\"\n\
         schedule = [\"Mon-Fri 18:00-06:00\"]\nschedule-zone = \"UTC\"\n\
         limits = [{{ domain = \"*.example.net\", max-connections = 1, message-rate = \"30/min\" }}]\n"
    ));
    let expected = ConnectorSettings {
        tls: Tls::Required,
        trusted_certificates: Some("/data/ca.pem".into()),
        mx_port: 2500,
        credentials: Some(Credentials {
            user: "u".into(),
            password: "p".into(),
        }),
        eight_bit: EightBit::Fail,
        connect_timeout: Duration::from_secs(1),
        command_timeout: Duration::from_secs(2),
        hosts_timeout: Duration::from_secs(4),
        data_timeout: Duration::from_secs(3),
        message_timeout: Duration::from_secs(5),
        connections_max: 4,
        connections_first: 3,
        connections_per_address: 8,
        message_rate: Rate::parse("9/s"),
        connection_rate: Rate::parse("10/min"),
        limits: vec![DomainLimit {
            domains: Domains::Below(Domain::parse("example.net").unwrap()),
            connections_max: Some(1),
            message_rate: Rate::parse("30/min"),
            connection_rate: None,
        }],
        asked_for_by: None,
        hours: vec![Hours::parse("Mon-Fri 18:00-06:00").unwrap()],
        zone: jiff::tz::TimeZone::UTC,
        messages_per_connection: 5,
        recipients_per_transaction: 6,
        nameservers: vec!["127.0.0.1:5353".parse().unwrap()],
        dns_timeout: Duration::from_secs(6),
    };
    assert_eq!(all, expected);
}

#[test]
fn a_smart_hosts_address_has_the_connectors_bound_and_limited_domains_wait_apart() {
    let limits = "limits = [{ domain = \"example.org\", message-rate = \"1/s\" }]\n";
    let rooms = |way: &str| {
        let connector = format!(
            "[[connector]]\nname = \"c\"\naddress-space = [{{ pattern = \"*\", cost = 1 }}]\n{way}{limits}"
        );
        of(&format!("{MAIL1}{connector}"), "mail1")
    };
    for (way, bound) in [
        ("next-hop = \"mx\"\n", 20),
        ("next-hop = \"mx\"\nmax-connections = 30\n", 30),
        ("smart-hosts = [\"relay.example.net\"]\n", 10),
        (
            "smart-hosts = [\"relay.example.net\"]\nmax-connections = 3\n",
            3,
        ),
    ] {
        let rooms = rooms(way);
        let connector = &rooms.delivery.connectors["c"];
        assert_eq!(connector.connections_per_address, bound, "{way}");
        let apart = Pattern::Domain(Domain::parse("example.org").unwrap());
        assert_eq!(rooms.routing.connectors[0].apart, [apart]);
    }
}

#[test]
fn a_schedule_without_a_zone_has_that_of_the_machine() {
    let connector = "[[connector]]\nname = \"c\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nnext-hop = \"mx\"\nschedule = [\"Mon 08:00-09:00\"]\n";
    let rooms = of(&format!("{MAIL1}{connector}"), "mail1");
    let machine = jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC);
    assert_eq!(rooms.delivery.connectors["c"].zone, machine);
}

#[test]
fn binarymime_is_offered_only_while_nothing_leaves() {
    let offered = |rooms: RoomSettings| {
        let all = rooms.listener.virtual_servers.iter();
        all.map(|server| server.binarymime).collect::<Vec<_>>()
    };
    assert_eq!(offered(of(MAIL1, "mail1")), [true, true]);
    let connector = "[[connector]]\nname = \"c\"\naddress-space = [{ pattern = \"*\", cost = 1 }]\nnext-hop = \"mx\"\n";
    assert_eq!(
        offered(of(&format!("{MAIL1}{connector}"), "mail1")),
        [false, false]
    );
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let faults = settings(&snapshot(MAIL1), "mail9", Path::new("")).unwrap_err();
    assert_eq!(
        faults[0].to_string(),
        "directory: server mail9: the organisation has no server \"mail9\""
    );
}

/// The default that the reference names for a key of virtual servers.
fn documented(key: &str) -> &'static str {
    let mut keys = VirtualServer::KEYS.iter();
    keys.find(|known| known.name == key).unwrap().default
}

#[test]
fn the_defaults_of_the_reference_are_those_in_force() {
    let rooms = of(MAIL1, "mail1");
    let server = &rooms.listener.virtual_servers[0];
    for (key, size) in [
        ("max-message-size", server.max_message_size),
        ("max-header-size", server.max_header_size),
    ] {
        assert_eq!(Size::parse(documented(key)), Some(Size(size)), "{key}");
    }
    for (key, wait) in [
        ("command-timeout", server.command_timeout),
        ("data-timeout", server.data_timeout),
    ] {
        assert_eq!(
            Wait::parse(documented(key)).unwrap().duration(),
            wait,
            "{key}"
        );
    }
    for (key, number) in [
        ("max-recipients", server.max_recipients),
        ("max-errors", usize::try_from(server.max_errors).unwrap()),
        ("max-sessions", server.max_sessions),
        ("max-sessions-per-client", server.max_sessions_per_client),
    ] {
        assert_eq!(documented(key), number.to_string(), "{key}");
    }
    let mut keys = bridgehead_directory::Server::KEYS.iter();
    let schedule = keys
        .find(|key| key.name == "retry-schedule")
        .unwrap()
        .default;
    let waits = schedule
        .split(", ")
        .map(|wait| Wait::parse(wait).unwrap().duration());
    assert_eq!(waits.collect::<Vec<_>>(), rooms.transport.retry.schedule);
}

/// The times of each priority, in hours: given up, told of the delay.
fn patience(lines: &str) -> [(u64, u64); 3] {
    let rooms = of(
        &MAIL1.replace("name = \"mail1\"", &format!("name = \"mail1\"\n{lines}")),
        "mail1",
    );
    let retry = rooms.transport.retry;
    let hours = |wait: Duration| wait.as_secs() / 3600;
    [Priority::High, Priority::Normal, Priority::Low].map(|priority| {
        let patience = retry.patience(priority);
        (
            hours(patience.expire_after),
            hours(patience.delay_notice_after),
        )
    })
}

#[test]
fn each_priority_has_its_times_and_follows_the_normal_one_where_nothing_is_said() {
    assert_eq!(patience(""), [(24, 4), (48, 12), (48, 24)]);
    let short = "expire-after = \"10h\"\ndelay-notice-after = \"2h\"";
    assert_eq!(patience(short), [(10, 2), (10, 2), (10, 2)]);
    let each = "expire-after-high = \"5h\"\ndelay-notice-after-high = \"1h\"\n\
                expire-after-low = \"90h\"\ndelay-notice-after-low = \"30h\"";
    assert_eq!(patience(each), [(5, 1), (48, 12), (90, 30)]);
}

#[test]
fn the_limits_of_the_queue_are_those_of_the_server() {
    let defaults = of(MAIL1, "mail1").queue;
    assert_eq!(defaults, Limits::default());
    let lines = "name = \"mail1\"\nfree-space-floor = \"1 GiB\"\nmax-queued-messages = 7\n\
                 memory-limit = \"64 MiB\"\nundo-window = \"5m\"\nexpire-after = \"3h\"";
    let rooms = of(&MAIL1.replace("name = \"mail1\"", lines), "mail1");
    let expected = Limits {
        free_space_floor: 1 << 30,
        max_messages: 7,
        max_memory: Some(64 << 20),
        undo_window: Duration::from_secs(300),
        expire_after: Duration::from_secs(3 * 3600),
    };
    assert_eq!(rooms.queue, expected);
}

#[test]
fn reports_badmail_and_priorities_are_as_the_objects_say() {
    let rooms = of(MAIL1, "mail1");
    assert_eq!(rooms.badmail, bridgehead_badmail::Settings::default());
    assert_eq!(&*rooms.transport.report_language, "en");
    assert!(rooms.faults.is_empty());
    let from_header = |rooms: &RoomSettings| {
        let servers = rooms.listener.virtual_servers.iter();
        servers
            .map(|one| one.priority_from_header)
            .collect::<Vec<_>>()
    };
    assert_eq!(from_header(&rooms), [false, false]);
    let lines = "name = \"mail1\"\nbadmail-max-size = \"1 MiB\"\nbadmail-max-messages = 5\n\
                 report-language = \"FR\"";
    let objects = MAIL1.replacen("name = \"mail1\"", lines, 1).replace(
        "name = \"submission\"",
        "name = \"submission\"\npriority-from-header = true",
    );
    let rooms = of(&objects, "mail1");
    assert_eq!(
        (rooms.badmail.octets_max, rooms.badmail.messages_max),
        (1 << 20, 5)
    );
    assert_eq!(&*rooms.transport.report_language, "fr");
    assert_eq!(from_header(&rooms), [false, true]);
}

#[test]
fn the_language_of_reports_is_the_servers_or_the_organisations() {
    let head = HEAD.replace("[organization]", "[organization]\nreport-language = \"es\"");
    let of = |objects: &str| {
        let (organisation, _) =
            parse_organisation(&format!("{head}{objects}"), "org.toml").unwrap();
        settings(
            &Snapshot::build(1, organisation),
            "mail1",
            Path::new("/data"),
        )
        .unwrap()
    };
    assert_eq!(&*of(MAIL1).transport.report_language, "es");
    let own = "name = \"mail1\"\nreport-language = \"xx\"";
    let rooms = of(&MAIL1.replacen("name = \"mail1\"", own, 1));
    let told: Vec<String> = rooms.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "directory: server mail1: report-language: there are no texts in \"xx\"; there are in en, de, es, fr, nl"
        ]
    );
}
