//! Connectors that trust the certificates of a file: whom they take mail to, and what they say of it.

use crate::{id_in, message, send};
use bridgehead_testkit::authority::Authority;
use bridgehead_testkit::script::{Peer, Talk};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, binary, wait};
use std::fs;
use std::net::SocketAddr;

/// For whom an authority vouches under this name until this year.
fn vouched(by: &Authority, host: &str, until: i32) -> Peer {
    let config = by.vouch(host, until).unwrap();
    Peer::start(move |talk: &mut Talk| {
        talk.hello(&["STARTTLS"])?;
        talk.start_tls_as(config.clone())?;
        talk.ehlo(&[])?;
        talk.serve()
    })
    .unwrap()
}

fn connector(name: &str, host: SocketAddr, lines: &str) -> String {
    format!(
        "[[connector]]\nname = \"{name}\"\nrouting-group = \"main\"\n\
         address-space = [{{ pattern = \"{name}.example.net\", cost = 10 }}]\n\
         smart-hosts = [\"{host}\"]\n{lines}\n\n"
    )
}

/// Sends to what is behind a connector; returns the id.
fn sent(server: &Server, connector: &str) -> String {
    let to = format!("x@{connector}.example.net");
    let reply = send(
        server.inbound(),
        "bob@example.test",
        &[&to],
        &message(connector),
    );
    id_in(&reply)
}

#[test]
fn a_connector_verifies_by_the_certificates_of_its_file_alone() {
    const TRUSTED: &str = "trusted-certificates = \"trusted.pem\"";
    let [ours, theirs] = ["ours", "theirs"].map(|name| Authority::new(name).unwrap());
    let here = "127.0.0.1";
    let demanded = format!("tls = \"verify\"\n{TRUSTED}");
    let cases = [
        ("right", vouched(&ours, here, 2999), &*demanded),
        ("name", vouched(&ours, "127.0.0.9", 2999), &demanded),
        ("old", vouched(&ours, here, 2001), &demanded),
        ("other", vouched(&theirs, here, 2999), &demanded),
        ("public", vouched(&ours, here, 2999), "tls = \"verify\""),
        ("lax", vouched(&theirs, here, 2999), TRUSTED),
    ];
    let absent = "tls = \"verify\"\ntrusted-certificates = \"absent.pem\"";
    let mut organization = Organization::new().server("retry-schedule = [\"1h\"]");
    for (name, peer, lines) in &cases {
        organization = organization.with(&connector(name, peer.address(), lines));
    }
    let organization = organization.with(&connector("absent", cases[0].1.address(), absent));
    let mut server = Server::prepare(binary::bridgehead(), "");
    server.run(&[]);
    fs::write(server.data().join("trusted.pem"), ours.pem()).unwrap();
    server.apply(&organization);
    let log = server.log();
    assert!(
        log.contains("absent.pem can't be used") && log.contains("nobody's certificate"),
        "{log}"
    );
    let right = sent(&server, "right");
    let lax = sent(&server, "lax");
    for (id, fact) in [
        (right, ", certificate verified"),
        (lax, "certificate not verified: "),
    ] {
        wait::until(fact, || {
            let trace = server.ask(&["message", "trace", &id]).to_string();
            trace.contains(fact).then_some(())
        });
    }
    for (name, reason) in [
        ("name", "not valid for name"),
        ("old", "certificate expired"),
        ("other", "UnknownIssuer"),
        ("public", "UnknownIssuer"),
        ("absent", "the certificates to trust can't be read from "),
    ] {
        let id = sent(&server, name);
        let why = wait::until(reason, || {
            let why = server.ask(&["message", "why", &id]).to_string();
            why.contains(reason).then_some(why)
        });
        assert!(why.contains("deferred") && why.contains("4.7.5"), "{why}");
    }
    let taken = |name: &str| cases.iter().find(|one| one.0 == name).unwrap().1.taken();
    assert_eq!(taken("right").len(), 1);
    for name in ["name", "old", "other", "public"] {
        assert!(taken(name).is_empty(), "{name}");
    }
}
