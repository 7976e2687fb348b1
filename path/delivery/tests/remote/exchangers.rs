//! What DNS says of a domain (RFC 5321 §5.1, RFC 7505).

use crate::room::{Room, loopback, mx, one, well_bred};
use bridgehead_testkit::dns::Answer;
use std::net::Ipv6Addr;
use std::time::Duration;

#[tokio::test]
async fn the_lowest_preference_is_first() {
    let room = Room::new();
    let (first, second) = (room.good_peer(1), room.good_peer(2));
    room.dns.mx(
        "example.net",
        &[(20, "two.example.net"), (10, "one.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
    assert_eq!((first.taken().len(), second.connections()), (1, 0));
}

#[tokio::test]
async fn every_address_of_a_host_is_tried() {
    let room = Room::new();
    let peer = room.good_peer(3);
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    let all = vec![loopback(1), loopback(2), loopback(3)];
    room.dns.know("mx.example.net", Answer::A(all));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
    assert_eq!(peer.taken().len(), 1);
}

#[tokio::test]
async fn an_ipv4_address_stands_in_for_an_ipv6_address_that_leads_nowhere() {
    let room = Room::new();
    let peer = room.good_peer(1);
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.a("mx.example.net", loopback(1));
    room.dns
        .know("mx.example.net", Answer::Aaaa(vec![Ipv6Addr::LOCALHOST]));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
    assert_eq!(peer.taken().len(), 1);
}

#[tokio::test]
async fn without_mx_the_domain_is_its_own_exchanger() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns.a("example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn with_mx_the_address_of_the_domain_is_not_asked_for() {
    let room = Room::new();
    let peer = room.good_peer(1);
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.a("example.net", loopback(1));
    room.dns.a("mx.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.1"]);
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn the_null_mx_is_permanent() {
    let room = Room::new();
    room.dns.mx("example.net", &[(0, ".")]);
    room.dns.a("example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["failed 5.1.10"]);
}

#[tokio::test]
async fn a_null_mx_beside_another_says_nothing() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns
        .mx("example.net", &[(0, "."), (10, "mx.example.net")]);
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn a_domain_that_does_not_exist_is_permanent() {
    assert_eq!(Room::new().mx(&one()).await, ["failed 5.1.2"]);
}

#[tokio::test]
async fn a_domain_with_neither_mx_nor_address_is_permanent() {
    let room = Room::new();
    room.dns.know("example.net", Answer::A(Vec::new()));
    assert_eq!(room.mx(&one()).await, ["failed 5.4.4"]);
}

#[tokio::test]
async fn exchangers_that_do_not_exist_are_permanent() {
    let room = Room::new();
    room.dns.mx(
        "example.net",
        &[(10, "gone.example.net"), (20, "also.example.net")],
    );
    assert_eq!(room.mx(&one()).await, ["failed 5.4.4"]);
}

#[tokio::test]
async fn an_exchanger_that_does_not_exist_makes_a_silent_one_no_less_temporary() {
    let room = Room::new();
    room.dns.mx(
        "example.net",
        &[(10, "down.example.net"), (20, "gone.example.net")],
    );
    room.dns.a("down.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.1"]);
}

#[tokio::test]
async fn trouble_of_dns_is_temporary() {
    let room = Room::new();
    room.dns.know("example.net", Answer::Trouble);
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.3"]);
}

#[tokio::test]
async fn an_answer_too_large_for_a_datagram_is_asked_for_again() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns.know("example.net", Answer::Large);
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn a_dns_server_that_refuses_is_temporary() {
    let room = Room::new();
    room.dns.know("example.net", Answer::Refused);
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.3"]);
}

#[tokio::test]
async fn trouble_with_the_address_of_an_exchanger_is_temporary() {
    let room = Room::new();
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.know("mx.example.net", Answer::Trouble);
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.3"]);
}

#[tokio::test]
async fn silence_of_dns_is_temporary() {
    let room = Room::with(|connector| connector.dns_timeout = Duration::from_secs(1));
    room.dns.know("example.net", Answer::Silence);
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.3"]);
}

#[tokio::test]
async fn an_answer_that_is_no_dns_message_is_temporary() {
    let room = Room::with(|connector| connector.dns_timeout = Duration::from_secs(1));
    room.dns.know("example.net", Answer::Garbage);
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.3"]);
}

#[tokio::test]
async fn a_domain_that_is_an_alias_has_the_exchangers_of_its_canonical_name() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns
        .know("example.net", Answer::Cname("real.example".into()));
    room.dns.mx("real.example", &[(10, "mx.real.example")]);
    room.dns.a("mx.real.example", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn an_exchanger_that_is_an_alias_is_followed() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns.mx("example.net", &[(10, "alias.example.net")]);
    room.dns
        .know("alias.example.net", Answer::Cname("mx.example.net".into()));
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn aliases_that_go_round_come_to_an_end() {
    let room = Room::with(|connector| connector.dns_timeout = Duration::from_secs(1));
    room.dns.mx("example.net", &[(10, "round.example.net")]);
    room.dns.know(
        "round.example.net",
        Answer::Cname("round.example.net".into()),
    );
    let said = room.mx(&one()).await;
    assert!(
        said[0] == "deferred 4.4.3" || said[0] == "failed 5.4.4",
        "{said:?}"
    );
}

#[tokio::test]
async fn an_exchanger_whose_name_is_an_address_is_no_exchanger() {
    let room = Room::new();
    let peer = room.good_peer(1);
    room.dns.mx("example.net", &[(10, "127.0.1.1")]);
    assert_eq!(room.mx(&one()).await, ["failed 5.4.4"]);
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_name_that_no_host_can_have_is_not_taken_for_the_null_mx() {
    let room = Room::new();
    let _peer = room.good_peer(1);
    room.dns.mx(
        "example.net",
        &[(5, "-_bad-.example.net"), (10, "mx.example.net")],
    );
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
}

#[tokio::test]
async fn this_server_by_name_and_those_no_better_are_left_out() {
    let room = Room::new();
    let worse = room.good_peer(2);
    let all = [(10, "mail.example.test"), (20, "two.example.net")];
    room.dns.mx("example.net", &all);
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["failed 5.4.6"]);
    assert_eq!(worse.connections(), 0);
}

#[tokio::test]
async fn this_server_by_address_and_those_no_better_are_left_out() {
    let own = |port| vec![(loopback(1), port).into()];
    let room = Room::with_own(|_| {}, own);
    let (this, worse) = (room.good_peer(1), room.good_peer(2));
    room.dns.mx(
        "example.net",
        &[(10, "one.example.net"), (20, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["failed 5.4.6"]);
    assert_eq!((this.connections(), worse.connections()), (0, 0));
}

#[tokio::test]
async fn this_server_behind_a_better_one_that_is_down_is_no_loop() {
    let own = |port| vec![(loopback(2), port).into()];
    let room = Room::with_own(|_| {}, own);
    room.dns.mx(
        "example.net",
        &[(10, "down.example.net"), (20, "two.example.net")],
    );
    room.dns.a("down.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.1"]);
}

#[tokio::test]
async fn a_host_that_says_the_name_of_this_server_is_this_server() {
    let room = Room::new();
    let _peer = room.peer(1, |talk| {
        talk.say("220 hello")?;
        talk.answer("250 MAIL.example.test at your service")?;
        talk.serve()
    });
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["failed 5.4.6"]);
}

#[tokio::test]
async fn an_implicit_exchanger_that_is_this_server_is_a_loop() {
    let room = Room::new();
    room.dns.a("mail.example.test", loopback(1));
    let said = room.send(&mx("mail.example.test"), &one()).await;
    assert_eq!(said, ["failed 5.4.6"]);
}

#[tokio::test]
async fn an_address_literal_is_connected_to_without_dns() {
    let room = Room::new();
    let peer = room.good_peer(1);
    let said = room.send(&mx("[127.0.1.1]"), &one()).await;
    assert_eq!(said, ["relayed"]);
    assert_eq!(peer.taken().len(), 1);
    assert!(room.dns.asked().is_empty());
}

#[tokio::test]
async fn hosts_and_addresses_without_end_are_cut() {
    let room = Room::new();
    let beyond = room.good_peer(200);
    let names: Vec<String> = (0..60).map(|n| format!("h{n}.example.net")).collect();
    let all: Vec<(u16, &str)> = (0..).zip(names.iter().map(String::as_str)).collect();
    room.dns.mx("example.net", &all);
    for (name, n) in names.iter().zip(0..) {
        let addresses = (0..3).map(|more| loopback(n * 3 + more)).collect();
        room.dns.know(name, Answer::A(addresses));
    }
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.1"]);
    let asked = room
        .dns
        .asked()
        .iter()
        .filter(|line| line.ends_with(" A"))
        .count();
    assert!(asked <= 20, "{asked} hosts");
    assert_eq!(beyond.connections(), 0);
}

#[tokio::test]
async fn an_address_that_two_hosts_share_is_tried_once() {
    let room = Room::new();
    let peer = room.peer(1, |talk| talk.say("421 busy"));
    room.dns.mx(
        "example.net",
        &[(10, "one.example.net"), (20, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.0"]);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn equal_preferences_are_spread() {
    let room = Room::new();
    let (first, second) = (room.peer(1, well_bred), room.peer(2, well_bred));
    room.dns.mx(
        "example.net",
        &[(10, "one.example.net"), (10, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    // By chance alone one of them would stay without mail once in 2^63 runs.
    for _ in 0..64 {
        room.mx(&one()).await;
    }
    assert!(!first.taken().is_empty() && !second.taken().is_empty());
}
