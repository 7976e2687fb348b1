//! Handshakes between two ends in memory: who is let in, who isn't, and what is said of it.

#![allow(clippy::unwrap_used)]

use bridgehead_membership::{
    OwnKey, Roster, chose_members, client_config, peer_key, server_config, why,
};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};
use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};
use std::io;
use std::sync::Arc;

fn key() -> OwnKey {
    let folder = tempfile::tempdir().unwrap();
    OwnKey::open(folder.path()).unwrap()
}

struct Ends {
    client: ClientConnection,
    server: ServerConnection,
}

/// What each end says in the end; the server is asked first.
fn shake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Ends, String> {
    let name = ServerName::try_from("whatever.test").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..10 {
        let mut octets = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut octets).unwrap();
        }
        let mut rest = &octets[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server
                .process_new_packets()
                .map_err(|error| format!("server: {}", why(&io::Error::other(error))))?;
        }
        let mut octets = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut octets).unwrap();
        }
        let mut rest = &octets[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client
                .process_new_packets()
                .map_err(|error| format!("client: {}", why(&io::Error::other(error))))?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(Ends { client, server })
}

fn roster(servers: &[(&str, &[[u8; 32]])]) -> Arc<Roster> {
    Arc::new(Roster::new(servers.iter().copied()))
}

#[test]
fn two_members_prove_themselves_to_each_other() {
    let (one, other) = (key(), key());
    let known = roster(&[("one", &[one.public()])]);
    let server = server_config(&other, Arc::clone(&known)).unwrap();
    let client = client_config(&one, &[[9; 32], other.public()]).unwrap();
    let ends = shake(client, server).unwrap();
    assert!(chose_members(&ends.client) && chose_members(&ends.server));
    assert_eq!(peer_key(&ends.client), Some(other.public()));
    let shown = peer_key(&ends.server).unwrap();
    assert_eq!(known.identify(&shown), Some("one"));
    let version = ends.server.protocol_version();
    assert_eq!(version, Some(rustls::ProtocolVersion::TLSv1_3));
}

#[test]
fn nothing_is_resumed() {
    let (one, other) = (key(), key());
    let server = server_config(&other, roster(&[("one", &[one.public()])])).unwrap();
    let client = client_config(&one, &[other.public()]).unwrap();
    for _ in 0..3 {
        let ends = shake(Arc::clone(&client), Arc::clone(&server)).unwrap();
        let kind = ends.client.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Full));
    }
}

#[test]
fn a_key_that_the_directory_does_not_name_is_refused_by_either_side() {
    let (one, other, stranger) = (key(), key(), key());
    let known = roster(&[("one", &[one.public()]), ("new", &[])]);
    let server = server_config(&other, known).unwrap();
    let client = client_config(&stranger, &[other.public()]).unwrap();
    let refused = shake(client, Arc::clone(&server)).err().unwrap();
    assert!(
        refused.starts_with("server: its key isn't one"),
        "{refused}"
    );
    assert!(refused.ends_with("no key of new"), "{refused}");

    let client = client_config(&one, &[stranger.public()]).unwrap();
    let refused = shake(client, server).err().unwrap();
    assert!(
        refused.starts_with("client: its key isn't one"),
        "{refused}"
    );
}

#[test]
fn a_key_of_two_servers_is_refused_and_says_so() {
    let (one, other) = (key(), key());
    let keys = [one.public()];
    let server = server_config(&other, roster(&[("one", &keys), ("two", &keys)])).unwrap();
    let client = client_config(&one, &[other.public()]).unwrap();
    let refused = shake(client, server).err().unwrap();
    assert!(refused.contains("under more than one server"), "{refused}");
}

#[test]
fn a_server_that_expects_nobody_takes_nobody() {
    let (one, other) = (key(), key());
    let server = server_config(&other, Arc::default()).unwrap();
    let client = client_config(&one, &[other.public()]).unwrap();
    assert!(shake(client, server).is_err());
    let server = server_config(&other, roster(&[("one", &[one.public()])])).unwrap();
    let client = client_config(&one, &[]).unwrap();
    assert!(shake(client, server).is_err());
}

/// A server with an ordinary certificate, as it answers everybody who isn't a member.
fn ordinary() -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["whatever.test".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    (Arc::new(server), roots)
}

#[test]
fn an_ordinary_certificate_is_no_proof() {
    let client = client_config(&key(), &[[1; 32]]).unwrap();
    let refused = shake(client, ordinary().0).err().unwrap();
    assert!(refused.contains("ordinary certificate"), "{refused}");
}

/// Shows this certificate, or none.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

#[test]
fn a_stranger_with_another_certificate_or_none_is_refused() {
    let (own, other) = (key(), key());
    let server = server_config(&own, roster(&[("other", &[other.public()])])).unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["member.test".to_owned()]).unwrap();
    let secret = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let signing = aws_lc_rs::sign::any_supported_type(&secret).unwrap();
    let certified = CertifiedKey::new(vec![made.cert.der().clone()], signing);
    for (shown, said) in [
        (Some(certified), "server: "),
        (None, "server: it shows no key"),
    ] {
        let mut client = ClientConfig::clone(&client_config(&key(), &[own.public()]).unwrap());
        client.client_auth_cert_resolver = Arc::new(Shown(shown.map(Arc::new)));
        let refused = shake(Arc::new(client), Arc::clone(&server)).err().unwrap();
        assert!(refused.starts_with(said), "{refused}");
    }
}

#[test]
fn to_show_the_certificate_of_a_member_is_not_enough() {
    let (own, other, thief) = (key(), key(), key());
    let server = server_config(&own, roster(&[("other", &[other.public()])])).unwrap();
    let member = client_config(&other, &[own.public()]).unwrap();
    let shown = member.client_auth_cert_resolver.resolve(&[], &[]).unwrap();
    let mut client = ClientConfig::clone(&client_config(&thief, &[own.public()]).unwrap());
    let thiefs = client.client_auth_cert_resolver.resolve(&[], &[]).unwrap();
    let stolen = CertifiedKey::new(shown.cert.clone(), Arc::clone(&thiefs.key));
    client.client_auth_cert_resolver = Arc::new(Shown(Some(Arc::new(stolen))));
    let refused = shake(Arc::new(client), server).err().unwrap();
    assert!(refused.starts_with("server: "), "{refused}");
}

#[test]
fn what_is_older_than_tls_1_3_is_not_spoken() {
    let own = key();
    let server = server_config(&own, Arc::default()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(ordinary().1)
        .with_no_client_auth();
    let refused = shake(Arc::new(client), server).err().unwrap();
    assert!(refused.starts_with("server: "), "{refused}");
}
