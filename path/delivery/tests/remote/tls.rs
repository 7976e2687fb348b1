//! STARTTLS: wanted, required, checked; offered and then refused or broken (RFC 3207, RFC 7435).

use crate::room::{MODERN, Room, one, smart};
use bridgehead_delivery::NotConnected;
use bridgehead_delivery::settings::Tls;
use bridgehead_mail::Outcome;
use bridgehead_testkit::authority::Authority;
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

/// What becomes of a message to a server for which an authority vouches under this name until this year, and what is said of the
/// connection, where these certificates alone are trusted.
async fn vouched(by: &Authority, host: &str, until: i32, trusted: &str, tls: Tls) -> String {
    let config = by.vouch(host, until).unwrap();
    let peer = Peer::start(move |talk| {
        talk.hello(&["STARTTLS"])?;
        talk.start_tls_as(config.clone())?;
        talk.ehlo(MODERN)?;
        talk.serve()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    std::fs::write(&file, trusted).unwrap();
    let room = Room::with(|connector| {
        connector.tls = tls;
        connector.trusted_certificates = Some(file);
    });
    let hop = smart(&[&peer]);
    let mut carrier = match room.delivery.connect(&hop).await {
        Ok(carrier) => carrier,
        Err(NotConnected::Failed(failure)) => return failure.to_string(),
        Err(NotConnected::Paused(paused)) => panic!("{paused:?}"),
    };
    match carrier.deliver(&one()).await.remove(0) {
        Outcome::Relayed { over, .. } => over.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_a_trusted_authority_vouches_for_is_verified_and_nobody_else() {
    let [ours, theirs] = ["ours", "theirs"].map(|name| Authority::new(name).unwrap());
    let pem = &*ours.pem();
    let here = "127.0.0.1";
    let verified = vouched(&ours, here, 2999, pem, Tls::Verify).await;
    assert!(verified.contains(", certificate verified"), "{verified}");
    let both = theirs.pem() + pem;
    let verified = vouched(&ours, here, 2999, &both, Tls::Opportunistic).await;
    assert!(verified.contains(", certificate verified"), "{verified}");
    for (by, host, until, trusted, why) in [
        (&ours, "127.0.0.9", 2999, pem, "not valid for name"),
        (&ours, here, 2001, pem, "certificate expired"),
        (&theirs, here, 2999, pem, "UnknownIssuer"),
        (
            &ours,
            here,
            2999,
            "no certificates",
            "there is no certificate in it",
        ),
    ] {
        let refused = vouched(by, host, until, trusted, Tls::Verify).await;
        assert!(
            refused.starts_with("4.7.5 ") && refused.contains(why),
            "{refused}"
        );
        // Where nobody insists it is said all the same.
        let noted = vouched(by, host, until, trusted, Tls::Opportunistic).await;
        assert!(
            noted.contains("certificate not verified: ") && noted.contains(why),
            "{noted}"
        );
    }
}

#[tokio::test]
async fn what_was_trusted_stays_where_its_file_is_spoilt() {
    let ours = Authority::new("ours").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    let settings = |file: &std::path::Path| {
        let name = bridgehead_mail::Domain::parse("mail.example.test").unwrap();
        let mut settings = bridgehead_delivery::Settings::for_host(name);
        let connector = bridgehead_delivery::settings::ConnectorSettings {
            trusted_certificates: Some(file.to_owned()),
            ..Default::default()
        };
        settings.connectors.insert("c".into(), connector.into());
        settings
    };
    let room = Room::new();
    let said = |file: &std::path::Path| {
        let faults = room.delivery.apply(settings(file));
        faults.iter().map(ToString::to_string).collect::<String>()
    };
    assert!(said(&file).contains("nobody's certificate is trusted"));
    std::fs::write(&file, ours.pem()).unwrap();
    assert_eq!(said(&file), "");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    assert!(said(&file).contains("what was in it before stays"));
    std::fs::remove_file(&file).unwrap();
    assert!(said(&file).contains("what was in it before stays"));
}
