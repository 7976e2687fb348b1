//! STARTTLS: wanted, required, checked; offered and then refused or broken (RFC 3207, RFC 7435).

use crate::room::{MODERN, Room, one};
use bridgehead_delivery::settings::Tls;
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::time::Duration;

/// Offers STARTTLS on the first connection and does this with it; later connections are served in the clear.
fn first_connection(script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static) -> Peer {
    Peer::start(move |talk| {
        talk.hello(&["STARTTLS"])?;
        if talk.number() == 1 {
            return script(talk);
        }
        talk.serve()
    })
    .unwrap()
}

fn encrypts(talk: &mut Talk) -> io::Result<()> {
    talk.start_tls()?;
    talk.ehlo(MODERN)?;
    talk.serve()
}

fn refuses(talk: &mut Talk) -> io::Result<()> {
    talk.answer("454 4.7.0 not now")?;
    talk.silence()
}

fn breaks(talk: &mut Talk) -> io::Result<()> {
    talk.answer("220 go")?;
    talk.raw(b"this is no handshake at all\r\n")?;
    talk.silence()
}

fn room(tls: Tls) -> Room {
    Room::with(|connector| connector.tls = tls)
}

#[tokio::test]
async fn what_is_offered_is_used_whoever_signed_it() {
    for tls in [Tls::Opportunistic, Tls::Required] {
        let peer = first_connection(encrypts);
        assert_eq!(room(tls).to(&peer, &one()).await, ["relayed"]);
        assert_eq!(peer.connections(), 1);
        let verbs: Vec<String> = peer
            .heard()
            .iter()
            .map(|line| line[..4].to_owned())
            .collect();
        assert_eq!(verbs[..4], ["EHLO", "STAR", "EHLO", "MAIL"]);
    }
}

#[tokio::test]
async fn never_means_never() {
    let peer = first_connection(Talk::serve);
    assert_eq!(room(Tls::Never).to(&peer, &one()).await, ["relayed"]);
    assert!(!peer.heard().contains(&"STARTTLS".to_owned()));
}

#[tokio::test]
async fn opportunistic_gives_way_on_a_new_connection() {
    let after_handshake = |talk: &mut Talk| talk.start_tls();
    let hangs_up = |talk: &mut Talk| talk.hear().map(drop);
    let peers = [
        first_connection(refuses),
        first_connection(breaks),
        first_connection(after_handshake),
        first_connection(hangs_up),
    ];
    for peer in peers {
        assert_eq!(
            room(Tls::Opportunistic).to(&peer, &one()).await,
            ["relayed"]
        );
        assert_eq!(peer.taken()[0].connection, 2);
    }
}

#[tokio::test]
async fn a_handshake_that_never_comes_gives_way_too() {
    let peer = first_connection(|talk| {
        talk.answer("220 go")?;
        talk.silence()
    });
    let room = Room::with(|connector| connector.command_timeout = Duration::from_secs(2));
    assert_eq!(room.to(&peer, &one()).await, ["relayed"]);
}

#[tokio::test]
async fn required_encryption_that_fails_is_temporary() {
    for peer in [first_connection(refuses), first_connection(breaks)] {
        assert_eq!(
            room(Tls::Required).to(&peer, &one()).await,
            ["deferred 4.7.5"]
        );
        assert!(peer.taken().is_empty());
    }
}

#[tokio::test]
async fn required_encryption_that_is_not_offered_is_temporary() {
    for tls in [Tls::Required, Tls::Verify] {
        let peer = Peer::start(crate::room::well_bred).unwrap();
        assert_eq!(room(tls).to(&peer, &one()).await, ["deferred 4.7.10"]);
        assert!(peer.taken().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused_where_it_is_checked() {
    let peer = first_connection(encrypts);
    assert_eq!(
        room(Tls::Verify).to(&peer, &one()).await,
        ["deferred 4.7.5"]
    );
    assert!(peer.taken().is_empty());
}

#[tokio::test]
async fn octets_slipped_in_before_the_handshake_end_it() {
    let peer = first_connection(|talk| {
        talk.hear()?;
        talk.raw(b"220 go\r\n250 slipped in\r\n")?;
        talk.silence()
    });
    assert_eq!(
        room(Tls::Required).to(&peer, &one()).await,
        ["deferred 4.7.5"]
    );
}

#[tokio::test]
async fn what_was_offered_in_the_clear_is_forgotten_inside() {
    let peer = Peer::start(|talk| {
        talk.hello(&["STARTTLS", "SIZE 1"])?;
        talk.start_tls()?;
        talk.ehlo(&[])?;
        talk.serve()
    })
    .unwrap();
    assert_eq!(room(Tls::Required).to(&peer, &one()).await, ["relayed"]);
}
