//! AUTH at a smart host: never in the clear unless the operator said so (RFC 4954).

use crate::room::{Room, one};
use bridgehead_delivery::settings::{Credentials, Tls};
use bridgehead_testkit::script::{Peer, Talk};
use std::io;

/// AUTH PLAIN of this user and password, in base 64: `\0user\0secret`.
const PLAIN: &str = "AUTH PLAIN AHVzZXIAc2VjcmV0";

fn room(tls: Tls) -> Room {
    Room::with(|connector| {
        connector.tls = tls;
        connector.credentials = Some(Credentials {
            user: "user".into(),
            password: "secret".into(),
        });
    })
}

/// Encrypts, offers these extensions, and goes on with the script.
fn inside(
    extensions: &'static [&'static str],
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
) -> Peer {
    Peer::start(move |talk| {
        talk.hello(&["STARTTLS", "AUTH PLAIN LOGIN"])?;
        talk.start_tls()?;
        talk.ehlo(extensions)?;
        script(talk)
    })
    .unwrap()
}

fn welcome(talk: &mut Talk) -> io::Result<()> {
    talk.answer("235 2.7.0 welcome")?;
    talk.serve()
}

#[tokio::test]
async fn plain_inside_tls() {
    let peer = inside(&["AUTH LOGIN PLAIN"], welcome);
    assert_eq!(room(Tls::Required).to(&peer, &one()).await, ["relayed"]);
    assert!(peer.heard().contains(&PLAIN.to_owned()));
}

#[tokio::test]
async fn login_where_there_is_no_plain() {
    let peer = inside(&["AUTH LOGIN"], |talk| {
        talk.answer("334 VXNlcm5hbWU6")?;
        talk.answer("334 UGFzc3dvcmQ6")?;
        welcome(talk)
    });
    assert_eq!(room(Tls::Required).to(&peer, &one()).await, ["relayed"]);
    assert_eq!(peer.heard()[3..6], ["AUTH LOGIN", "dXNlcg==", "c2VjcmV0"]);
}

#[tokio::test]
async fn no_known_mechanism_is_temporary_and_nothing_is_told() {
    let peer = inside(&["AUTH CRAM-MD5"], Talk::serve);
    assert_eq!(
        room(Tls::Required).to(&peer, &one()).await,
        ["deferred 4.7.4"]
    );
    assert!(!peer.heard().iter().any(|line| line.contains("AUTH")));
}

#[tokio::test]
async fn a_wrong_password_is_temporary() {
    let peer = inside(&["AUTH PLAIN"], |talk| {
        talk.answer("535 5.7.8 wrong")?;
        talk.silence()
    });
    assert_eq!(
        room(Tls::Required).to(&peer, &one()).await,
        ["deferred 4.7.8"]
    );
}

#[tokio::test]
async fn a_success_in_the_middle_of_login_is_not_believed() {
    let peer = inside(&["AUTH LOGIN"], |talk| {
        talk.answer("235 welcome")?;
        talk.serve()
    });
    assert_eq!(
        room(Tls::Required).to(&peer, &one()).await,
        ["deferred 4.4.0"]
    );
}

fn in_the_clear() -> Peer {
    Peer::start(|talk| {
        talk.hello(&["AUTH PLAIN LOGIN"])?;
        welcome(talk)
    })
    .unwrap()
}

#[tokio::test]
async fn the_password_does_not_leave_in_the_clear() {
    let peer = in_the_clear();
    assert_eq!(
        room(Tls::Opportunistic).to(&peer, &one()).await,
        ["deferred 4.7.11"]
    );
    assert!(!peer.heard().iter().any(|line| line.contains("AUTH")));
}

#[tokio::test]
async fn the_password_does_not_leave_in_the_clear_after_a_broken_handshake() {
    let peer = Peer::start(|talk| {
        talk.hello(&["STARTTLS", "AUTH PLAIN"])?;
        talk.answer("454 not now")?;
        talk.silence()
    })
    .unwrap();
    assert_eq!(
        room(Tls::Opportunistic).to(&peer, &one()).await,
        ["deferred 4.7.11"]
    );
    assert!(!peer.heard().iter().any(|line| line.contains("AUTH")));
}

#[tokio::test]
async fn the_password_leaves_in_the_clear_where_the_operator_switched_encryption_off() {
    let peer = in_the_clear();
    assert_eq!(room(Tls::Never).to(&peer, &one()).await, ["relayed"]);
    assert_eq!(peer.heard()[1], PLAIN);
}
