//! Many messages over one connection, and connections that have gone stale.

use crate::room::{MODERN, Room, one, said};
use bridgehead_testkit::script::Peer;

#[tokio::test]
async fn many_messages_share_a_connection() {
    let room = Room::new();
    let peer = room.good_peer(1);
    let mut carrier = room.connect(&peer).await;
    for _ in 0..20 {
        assert_eq!(said(&carrier.deliver(&one()).await), ["relayed"]);
        assert!(carrier.is_usable());
    }
    carrier.close().await;
    assert_eq!((peer.connections(), peer.taken().len()), (1, 20));
    assert_eq!(peer.heard().last().unwrap(), "QUIT");
}

#[tokio::test]
async fn a_connection_is_given_up_after_its_last_message() {
    let room = Room::with(|connector| connector.messages_per_connection = 2);
    let peer = room.good_peer(1);
    let mut carrier = room.connect(&peer).await;
    carrier.deliver(&one()).await;
    assert!(carrier.is_usable());
    carrier.deliver(&one()).await;
    assert!(!carrier.is_usable());
}

#[tokio::test]
async fn a_refused_message_leaves_the_connection_usable() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.answer("550 5.7.1 no")?;
        talk.serve()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    assert_eq!(said(&carrier.deliver(&one()).await), ["failed 5.7.1"]);
    assert_eq!(said(&carrier.deliver(&one()).await), ["relayed"]);
}

/// Takes one message, and then leaves with these words.
fn leaves(words: &'static str) -> Peer {
    Peer::start(move |talk| {
        talk.hello(MODERN)?;
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        talk.say("250 kept")?;
        talk.raw(words.as_bytes())
    })
    .unwrap()
}

#[tokio::test]
async fn a_connection_that_the_other_side_left_is_stale() {
    for words in ["", "421 4.4.2 idle for too long\r\n"] {
        let peer = leaves(words);
        let room = Room::new();
        let mut carrier = room.connect(&peer).await;
        assert_eq!(said(&carrier.deliver(&one()).await), ["relayed"]);
        assert!(!carrier.was_stale());
        assert_eq!(said(&carrier.deliver(&one()).await), ["deferred 4.4.2"]);
        assert!(carrier.was_stale() && !carrier.is_usable());
    }
}

#[tokio::test]
async fn a_421_to_mail_on_a_used_connection_is_stale() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        talk.say("250 kept")?;
        talk.answer("421 enough for one connection")?;
        Ok(())
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    carrier.deliver(&one()).await;
    carrier.deliver(&one()).await;
    assert!(carrier.was_stale());
}

#[tokio::test]
async fn a_connection_lost_after_the_content_is_not_stale() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        for last in ["250 kept\r\n", ""] {
            for reply in ["250 ok", "250 ok", "354 go"] {
                talk.answer(reply)?;
            }
            talk.content()?;
            talk.raw(last.as_bytes())?;
        }
        Ok(())
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    assert_eq!(said(&carrier.deliver(&one()).await), ["relayed"]);
    assert_eq!(said(&carrier.deliver(&one()).await), ["deferred 4.4.2"]);
    // The server may have taken the message: sending it again at once would be a decision for two copies.
    assert!(!carrier.was_stale());
}

#[tokio::test]
async fn a_new_connection_that_fails_is_not_stale() {
    let peer = Peer::start(|talk| talk.hello(&[])).unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    assert_eq!(said(&carrier.deliver(&one()).await), ["deferred 4.4.2"]);
    assert!(!carrier.was_stale());
}

#[tokio::test]
async fn new_settings_hold_for_the_next_connection() {
    let room = Room::new();
    let peer = room.good_peer(1);
    let hostname = bridgehead_mail::Domain::parse("other.example.test").unwrap();
    room.delivery
        .apply(bridgehead_delivery::Settings::for_host(hostname));
    room.to(&peer, &one()).await;
    assert_eq!(peer.heard()[0], "EHLO other.example.test");
}
