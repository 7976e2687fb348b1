//! The pace of links and addresses: bounds of ours, and what other servers say that means "too much".

use crate::room::{MODERN, Room, loopback, mx, one, said, smart};
use bridgehead_delivery::settings::{DomainLimit, Domains};
use bridgehead_delivery::view::LinkPace;
use bridgehead_delivery::{After, Courier, Handed, NotConnected};
use bridgehead_mail::{Domain, NextHop, Rate};
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn courier(room: &Room, hop: &NextHop) -> Courier {
    room.delivery.courier(hop.clone(), hop.link(), None)
}

fn at_most(room: &Room, hop: &NextHop) -> usize {
    let allowed = room.delivery.couriers_at_most(hop, &hop.link(), 0);
    allowed.unwrap()
}

fn pace(room: &Room, hop: &NextHop) -> LinkPace {
    let mut links = room.delivery.links().into_iter();
    links.find(|link| link.link == hop.link()).unwrap()
}

/// What was said, or why nothing was tried.
fn words(handed: &Handed) -> Vec<String> {
    match &handed.result {
        Ok(outcomes) => said(outcomes),
        Err(NotConnected::Failed(failure)) => vec![format!("unreached {}", failure.status)],
        Err(NotConnected::Paused(paused)) => vec![format!("paused: {}", paused.why)],
    }
}

/// Turns connections away beyond so many at once.
fn narrow(most: usize) -> impl Fn(&mut Talk) -> io::Result<()> + Send + Sync {
    let here = Arc::new(());
    move |talk| {
        let mine = Arc::clone(&here);
        // The closure's own, and one for each connection.
        if Arc::strong_count(&mine) > most + 1 {
            return talk.say("421 4.7.0 too many connections");
        }
        talk.hello(MODERN)?;
        talk.serve()
    }
}

#[tokio::test]
async fn one_connection_too_many_makes_the_window_smaller_and_fails_nothing_else() {
    let peer = Peer::start(narrow(2)).unwrap();
    let room = Room::new();
    let hop = smart(&[&peer]);
    assert_eq!(at_most(&room, &hop), 2, "it starts small");
    let (mut first, mut second) = (courier(&room, &hop), courier(&room, &hop));
    let handed = first.hand_over(&one()).await;
    assert!(handed.has_room && handed.after.is_none());
    assert_eq!(words(&second.hand_over(&one()).await), ["relayed"]);
    assert_eq!(at_most(&room, &hop), 3);
    let mut third = courier(&room, &hop);
    let handed = third.hand_over(&one()).await;
    assert_eq!(words(&handed), ["unreached 4.7.0"]);
    assert_eq!(handed.after, Some(After::Fewer));
    assert_eq!(at_most(&room, &hop), 1);
    assert_eq!(words(&second.hand_over(&one()).await), ["relayed"]);
    let seen = pace(&room, &hop);
    assert_eq!((seen.couriers, seen.connections, seen.failures), (3, 2, 0));
    let slowed = seen.slowed.unwrap();
    assert_eq!(
        (slowed.said.code, slowed.means),
        (421, "it ends the connection")
    );
    drop((first, second, third));
    assert_eq!(pace(&room, &hop).couriers, 0);
}

#[tokio::test]
async fn the_network_and_a_policy_hold_a_link_by_the_same_rule() {
    let works = Arc::new(AtomicBool::new(false));
    let script = {
        let works = Arc::clone(&works);
        move |talk: &mut Talk| {
            if !works.load(Ordering::SeqCst) {
                return talk.say("421 4.3.2 not now");
            }
            talk.hello(MODERN)?;
            talk.serve()
        }
    };
    let peer = Peer::start(script).unwrap();
    let nobody = Peer::start(|_| Ok(())).unwrap();
    let gone = smart(&[&nobody]);
    drop(nobody);
    let room = Room::new();
    for hop in [&smart(&[&peer]), &gone] {
        let mut courier = courier(&room, hop);
        for failures in 1..4 {
            let handed = courier.hand_over(&one()).await;
            assert_eq!(handed.after, Some(After::Hold { failures }));
        }
        assert_eq!(at_most(&room, hop), 1);
    }
    works.store(true, Ordering::SeqCst);
    let hop = smart(&[&peer]);
    let mut courier = courier(&room, &hop);
    let handed = courier.hand_over(&one()).await;
    assert!(handed.recovered && handed.has_room);
    assert_eq!(pace(&room, &hop).failures, 0);
}

/// Takes the connection and answers one command like this, then agrees to everything.
fn says_at(verb: &'static str, reply: &'static str) -> Peer {
    Peer::start(move |talk| {
        talk.hello(&[])?;
        if verb == "RCPT" {
            talk.answer("250 ok")?;
        }
        talk.answer(reply)?;
        talk.serve()
    })
    .unwrap()
}

#[tokio::test]
async fn a_server_that_is_overloaded_is_left_alone_and_greylisting_is_no_reason() {
    let room = Room::new();
    let slow = says_at("MAIL", "451 4.3.2 overloaded");
    let hop = smart(&[&slow]);
    let mut one_courier = courier(&room, &hop);
    let handed = one_courier.hand_over(&one()).await;
    assert_eq!(words(&handed), ["deferred 4.3.2"]);
    assert_eq!(handed.after, Some(After::Hold { failures: 1 }));
    assert_eq!(pace(&room, &hop).failures, 1);
    assert!(one_courier.end().is_none(), "the connection is left");

    let grey = says_at("RCPT", "450 4.7.1 greylisted, try again later");
    let hop = smart(&[&grey]);
    let mut other = courier(&room, &hop);
    let handed = other.hand_over(&one()).await;
    assert_eq!(words(&handed), ["deferred 4.7.1"]);
    assert_eq!(handed.after, None);
    assert_eq!(pace(&room, &hop).slowed, None);
    assert!(other.end().is_some(), "the connection serves others");
}

#[tokio::test]
async fn a_connection_that_had_its_time_slows_nothing() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        talk.say("250 kept")?;
        talk.answer("421 4.7.0 too many messages in this session")?;
        Ok(())
    })
    .unwrap();
    let room = Room::new();
    let hop = smart(&[&peer]);
    let mut courier = courier(&room, &hop);
    for _ in 0..3 {
        let handed = courier.hand_over(&one()).await;
        assert_eq!(words(&handed), ["relayed"]);
        assert_eq!(handed.after, None);
    }
    assert_eq!(peer.connections(), 3);
    assert_eq!(pace(&room, &hop).slowed, None);
}

#[tokio::test]
async fn domains_of_one_host_share_the_bound_of_its_address() {
    let room = Room::with(|connector| connector.connections_per_address = 1);
    let peer = room.good_peer(1);
    for domain in ["a.example", "b.example", "c.example"] {
        room.dns
            .mx(domain, &[(10, "mx.example"), (20, "backup.example")]);
    }
    room.dns.a("mx.example", loopback(1));
    let backup = room.good_peer(2);
    room.dns.a("backup.example", loopback(2));
    let (a, b) = (mx("a.example"), mx("b.example"));
    let mut first = courier(&room, &a);
    assert_eq!(words(&first.hand_over(&one()).await), ["relayed"]);
    let mut second = courier(&room, &b);
    let full = "paused: all connections that mx.example may have at once are in use";
    assert_eq!(words(&second.hand_over(&one()).await), [full]);
    assert_eq!(pace(&room, &b).failures, 0);
    drop(second);
    // Nothing new begins, and nobody asks in a circle.
    let paused = room
        .delivery
        .couriers_at_most(&b, &b.link(), 0)
        .unwrap_err();
    assert!(paused.wait > Duration::from_secs(5));
    assert!(room.delivery.take_called().is_empty());
    // An idle connection makes room for who waits.
    assert!(first.end().is_none());
    tokio::time::timeout(Duration::from_secs(20), room.delivery.called())
        .await
        .unwrap();
    assert_eq!(room.delivery.take_called(), [b.link()]);
    assert_eq!(at_most(&room, &b), 2);
    let mut second = courier(&room, &b);
    assert_eq!(words(&second.hand_over(&one()).await), ["relayed"]);
    assert_eq!((peer.connections(), backup.connections()), (2, 0));
}

#[tokio::test]
async fn a_full_host_leaves_those_that_are_as_good() {
    let room = Room::with(|connector| connector.connections_per_address = 1);
    let (one_peer, other) = (room.good_peer(1), room.good_peer(2));
    let hosts = [(10, "one.example"), (10, "two.example")];
    room.dns.mx("a.example", &hosts);
    room.dns.a("one.example", loopback(1));
    room.dns.a("two.example", loopback(2));
    let hop = mx("a.example");
    let (mut first, mut second) = (courier(&room, &hop), courier(&room, &hop));
    assert_eq!(words(&first.hand_over(&one()).await), ["relayed"]);
    assert_eq!(words(&second.hand_over(&one()).await), ["relayed"]);
    assert_eq!((one_peer.connections(), other.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_makes_room_after_its_turn() {
    let room = Room::with(|connector| connector.connections_per_address = 1);
    let _peer = room.good_peer(1);
    for domain in ["a.example", "b.example"] {
        room.dns.mx(domain, &[(10, "mx.example")]);
    }
    room.dns.a("mx.example", loopback(1));
    let (mut first, mut second) = (
        courier(&room, &mx("a.example")),
        courier(&room, &mx("b.example")),
    );
    first.hand_over(&one()).await;
    assert!(second.hand_over(&one()).await.result.is_err());
    for _ in 0..20 {
        assert_eq!(words(&first.hand_over(&one()).await), ["relayed"]);
        if !room.delivery.take_called().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never makes room");
}

#[tokio::test]
async fn rates_hold_for_messages_and_connections() {
    let hourly = Rate::parse("1/h");
    let room = Room::with(|connector| {
        connector.limits = vec![DomainLimit {
            domains: Domains::One(Domain::parse("a.example").unwrap()),
            connections_max: Some(7),
            message_rate: hourly,
            connection_rate: hourly,
        }];
    });
    let _peer = room.good_peer(1);
    room.dns.mx("a.example", &[(10, "mx.example")]);
    room.dns.mx("b.example", &[(10, "mx.example")]);
    room.dns.a("mx.example", loopback(1));
    let (a, b) = (mx("a.example"), mx("b.example"));
    let mut first = courier(&room, &a);
    assert_eq!(first.take(), Ok(()));
    first.give_back();
    assert_eq!(first.take(), Ok(()));
    assert_eq!(words(&first.hand_over(&one()).await), ["relayed"]);
    let paused = first.take().unwrap_err();
    assert_eq!(&*paused.why, "its limit of 1/h messages is used up");
    let mut second = courier(&room, &a);
    let handed = second.hand_over(&one()).await;
    let used_up = "paused: its limit of 1/h new connections is used up";
    assert_eq!(words(&handed), [used_up]);
    let seen = pace(&room, &a);
    assert_eq!((seen.bound, seen.limit.as_deref()), (7, Some("a.example")));
    assert_eq!(seen.rates, ["1/h messages", "1/h new connections"]);
    assert!(room.delivery.couriers_at_most(&a, &a.link(), 0).is_err());
    // The connector's other destinations don't feel it.
    let mut other = courier(&room, &b);
    for _ in 0..5 {
        assert_eq!(other.take(), Ok(()));
        assert_eq!(words(&other.hand_over(&one()).await), ["relayed"]);
    }
}

#[tokio::test]
async fn the_bound_is_never_passed_and_new_settings_hold_at_once() {
    let room = Room::with(|connector| connector.connections_max = 3);
    let peer = room.good_peer(1);
    let hop = smart(&[&peer]);
    let mut couriers = Vec::new();
    for _ in 0..6 {
        let most = at_most(&room, &hop);
        assert!(most <= 3);
        if couriers.len() < most {
            couriers.push(courier(&room, &hop));
        }
        for courier in &mut couriers {
            courier.hand_over(&one()).await;
        }
    }
    assert_eq!(peer.connections(), 3);
    let mut settings =
        bridgehead_delivery::Settings::for_host(Domain::parse("mail.example.test").unwrap());
    let connector = bridgehead_delivery::settings::ConnectorSettings {
        message_rate: Rate::parse("1/h"),
        ..Default::default()
    };
    settings.connectors.insert("c".into(), Arc::new(connector));
    room.delivery.apply(settings);
    assert_eq!(couriers[0].take(), Ok(()));
    assert!(couriers[0].take().is_err());
}
