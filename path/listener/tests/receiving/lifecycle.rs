//! Starting, changing and stopping virtual servers, and the limits of sessions.

use crate::room::{Room, plain};
use bridgehead_listener::{ApplyError, VirtualServer};
use bridgehead_testkit::client::Client;
use std::time::Duration;

#[test]
fn a_change_holds_for_new_sessions_and_the_socket_stays() {
    let room = Room::new(vec![plain("mx")]);
    let address = room.address("mx");
    let mut old = room.client("mx");
    let smaller = VirtualServer {
        max_message_size: 1_000,
        ..plain("mx")
    };
    room.apply(vec![smaller]).unwrap();
    assert_eq!(room.address("mx"), address);
    let size = |client: &mut Client| client.command("MAIL FROM:<> SIZE=5000").unwrap().code;
    assert_eq!(size(&mut old), 250);
    assert_eq!(size(&mut room.client("mx")), 552);
}

#[test]
fn a_virtual_server_that_is_gone_listens_no_more_and_ends_its_idle_sessions() {
    let room = Room::new(vec![plain("mx"), plain("other")]);
    let (address, mut idle) = (room.address("mx"), room.client("mx"));
    room.apply(vec![plain("other")]).unwrap();
    assert_eq!(idle.reply().unwrap().code, 421);
    let refused = (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        std::net::TcpStream::connect(address).is_err()
    });
    assert!(refused, "the socket is still open");
    assert!(room.client("other").quit().unwrap().is_good());
}

#[test]
fn a_port_can_pass_from_one_virtual_server_to_another_in_one_change() {
    let room = Room::new(vec![plain("one")]);
    let fixed = |name: &str, address| VirtualServer {
        listen: vec![address],
        ..plain(name)
    };
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    room.apply(vec![fixed("one", address)]).unwrap();
    room.apply(vec![fixed("two", address)]).unwrap();
    assert_eq!(room.address("two"), address);
    assert!(room.client("two").quit().unwrap().is_good());
}

#[test]
fn what_cannot_come_into_force_changes_nothing() {
    let room = Room::new(vec![plain("mx")]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let clash = VirtualServer {
        listen: vec![taken.local_addr().unwrap()],
        ..plain("new")
    };
    let error = room.apply(vec![clash]).unwrap_err();
    assert!(matches!(error, ApplyError::Listen { .. }), "{error}");
    let twice = room.apply(vec![plain("mx"), plain("mx")]).unwrap_err();
    assert!(matches!(twice, ApplyError::SameName { .. }), "{twice}");
    assert!(room.client("mx").quit().unwrap().is_good());
}

#[test]
fn sessions_beyond_a_limit_are_told_and_closed() {
    let narrow = VirtualServer {
        max_sessions: 3,
        max_sessions_per_client: 2,
        ..plain("mx")
    };
    let room = Room::new(vec![narrow]);
    let (_one, two) = (room.client("mx"), room.client("mx"));
    let third = Client::connect(room.address("mx")).unwrap();
    assert_eq!(third.greeting.code, 421);
    assert!(
        third.greeting.text().starts_with("4.7.0"),
        "{:?}",
        third.greeting
    );
    let view = room.listener.view();
    assert_eq!((view[0].sessions, view[0].turned_away), (2, 1));
    drop(two);
    let again = (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Client::connect(room.address("mx")).unwrap().greeting.code == 220
    });
    assert!(again, "a place is given back when a session ends");
}

#[test]
fn shutdown_lets_a_running_transaction_finish_and_sends_the_idle_home() {
    let room = Room::new(vec![plain("mx")]);
    let (mut idle, mut busy) = (room.client("mx"), room.client("mx"));
    busy.command("MAIL FROM:<a@client.test>").unwrap();
    busy.command("RCPT TO:<bob@example.test>").unwrap();
    assert_eq!(busy.command("DATA").unwrap().code, 354);
    let listener = room.listener.clone();
    let ended = room
        .runtime
        .spawn(async move { listener.shutdown(Duration::from_secs(30)).await });
    assert_eq!(idle.reply().unwrap().code, 421);
    busy.write(b"x\r\n.\r\n").unwrap();
    assert_eq!(busy.reply().unwrap().code, 250);
    assert_eq!(busy.reply().unwrap().code, 421);
    drop((idle, busy));
    room.runtime.block_on(ended).unwrap();
    assert_eq!(room.messages().len(), 1);
}

#[test]
fn shutdown_ends_a_transaction_that_outlasts_the_grace() {
    let room = Room::new(vec![plain("mx")]);
    let mut busy = room.client("mx");
    busy.command("MAIL FROM:<a@client.test>").unwrap();
    room.runtime
        .block_on(room.listener.shutdown(Duration::ZERO));
    assert_eq!(busy.reply().unwrap().code, 421);
    assert!(room.messages().is_empty());
}
