//! Connections that the next hop has made and turned round (RFC 2645): nothing goes but over them.

use crate::room::{MODERN, Room, message, one, said};
use bridgehead_delivery::settings::Credentials;
use bridgehead_delivery::{Asker, Carrier, NotConnected};
use bridgehead_mail::{Failure, NextHop};
use bridgehead_testkit::script::Peer;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;

/// What only waits to be fetched.
fn asked() -> NextHop {
    NextHop::SmartHosts {
        connector: "c".into(),
        hosts: Box::default(),
        apart: None,
    }
}

/// Says when the place is given back.
struct Place(Arc<AtomicBool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn turn(room: &Room, peer: &Peer) -> (Result<Carrier, Failure>, Arc<AtomicBool>) {
    let stream = TcpStream::connect(peer.address()).await.unwrap();
    let free = Arc::new(AtomicBool::new(false));
    let place = Box::new(Place(Arc::clone(&free)));
    let address = peer.address().ip();
    let asker = Asker::new(stream, "branch.example", address, None, place);
    (room.delivery.turn(asker, &asked()).await, free)
}

#[tokio::test]
async fn what_was_asked_for_goes_over_the_connection_that_is_there_and_over_no_other() {
    let peer = Peer::start(|talk| {
        talk.hello(&[MODERN, &["AUTH PLAIN LOGIN", "STARTTLS"]].concat())?;
        talk.serve()
    });
    let peer = peer.unwrap();
    let room = Room::with(|connector| {
        connector.messages_per_connection = 1;
        connector.credentials = Some(Credentials {
            user: "alice".into(),
            password: "secret".into(),
        });
    });
    let (carrier, free) = turn(&room, &peer).await;
    let mut carrier = carrier.unwrap();
    for _ in 0..3 {
        assert!(carrier.is_usable());
        let outcomes = carrier.deliver(&message(&["b@example.net"])).await;
        assert_eq!(said(&outcomes), ["relayed"]);
    }
    assert!(!free.load(Ordering::SeqCst));
    carrier.close().await;
    assert!(free.load(Ordering::SeqCst), "its place is given back");
    assert_eq!((peer.taken().len(), peer.connections()), (3, 1));
    // RFC 2645 §5.3: who they are, both know already.
    let heard = peer.heard();
    assert!(
        heard
            .iter()
            .all(|line| !line.starts_with("AUTH") && !line.starts_with("STARTTLS"))
    );
    assert_eq!(heard.first().unwrap(), "EHLO mail.example.test");
    assert_eq!(heard.last().unwrap(), "QUIT");
}

#[tokio::test]
async fn what_is_no_server_gets_nothing() {
    let room = Room::with(|connector| connector.command_timeout = Duration::from_secs(1));
    let silent = Peer::start(|talk| talk.silence()).unwrap();
    let (carrier, free) = turn(&room, &silent).await;
    assert_eq!(carrier.err().unwrap().status.to_string(), "4.4.2");
    assert!(free.load(Ordering::SeqCst));
    assert!(
        silent.heard().is_empty(),
        "something was said before the greeting"
    );
    let odd = Peer::start(|talk| {
        talk.say("EHLO branch.example")?;
        talk.silence()
    });
    let (carrier, _) = turn(&room, &odd.unwrap()).await;
    assert_eq!(carrier.err().unwrap().status.to_string(), "4.4.2");
    let unwilling = Peer::start(|talk| {
        talk.say("421 4.3.2 not now")?;
        talk.answer("221 bye").map(drop)
    });
    let unwilling = unwilling.unwrap();
    let (carrier, _) = turn(&room, &unwilling).await;
    assert!(!carrier.err().unwrap().is_permanent());
    assert_eq!(unwilling.heard(), ["QUIT"]);
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced_by_none() {
    let room = Room::new();
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        // Gone where the content should follow.
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        Ok(())
    });
    let peer = peer.unwrap();
    let (carrier, _) = turn(&room, &peer).await;
    let mut carrier = carrier.unwrap();
    assert_eq!(said(&carrier.deliver(&one()).await), ["deferred 4.4.2"]);
    assert!(!carrier.is_usable());
    assert_eq!(said(&carrier.deliver(&one()).await), ["deferred 4.4.2"]);
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn nobody_is_connected_to_for_what_only_waits_to_be_fetched() {
    let room = Room::new();
    match room.delivery.connect(&asked()).await {
        Err(NotConnected::Failed(failure)) => {
            assert_eq!(failure.status.to_string(), "4.4.4");
            assert!(failure.text.contains("asks for it"), "{failure}");
        }
        _ => panic!("somebody was connected to"),
    }
}
