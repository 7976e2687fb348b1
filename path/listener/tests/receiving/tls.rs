//! STARTTLS, implicit TLS, and what must not cross into either.

use crate::room::{Room, server};
use crate::traffic::read_until;
use bridgehead_listener::{Role, TlsMode, VirtualServer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

pub(crate) type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// Trusts the certificate that the room made.
pub(crate) fn config(room: &Room) -> Arc<ClientConfig> {
    let file = room.folder.path().join("tls/mail.example.test.crt");
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) fn handshake(config: &Arc<ClientConfig>, stream: TcpStream) -> TlsClient {
    let name = ServerName::try_from("mail.example.test").unwrap();
    let connection = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(connection, stream)
}

pub(crate) fn say(client: &mut (impl Read + Write), line: &str, end: &str) -> String {
    client.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    read_until(client, end)
}

/// Up to the handshake.
pub(crate) fn after_starttls(room: &Room, name: &str) -> TcpStream {
    let mut stream = TcpStream::connect(room.address(name)).unwrap();
    read_until(&mut stream, "Bridgehead\r\n");
    let offers = say(&mut stream, "EHLO client.test", "250 HELP\r\n");
    assert!(
        offers.contains("250-STARTTLS\r\n") && !offers.contains("AUTH"),
        "{offers}"
    );
    say(&mut stream, "STARTTLS", "TLS\r\n");
    stream
}

#[test]
fn a_message_comes_in_after_starttls_and_its_envelope_says_so() {
    let room = Room::new(vec![server("mx", Role::Mx)]);
    let mut client = handshake(&config(&room), after_starttls(&room, "mx"));
    let offers = say(&mut client, "EHLO client.test", "250 HELP\r\n");
    assert!(!offers.contains("STARTTLS"), "{offers}");
    say(&mut client, "MAIL FROM:<a@client.test>", "OK\r\n");
    say(&mut client, "RCPT TO:<bob@example.test>", "OK\r\n");
    say(&mut client, "DATA", "CRLF.CRLF\r\n");
    say(&mut client, "x\r\n.\r\nQUIT", "Goodbye\r\n");
    let messages = room.messages();
    let origin = &messages[0].0.origin;
    assert_eq!(origin.protocol.to_string(), "ESMTPS");
    let tls = origin.tls.as_deref().unwrap();
    assert!(tls.starts_with("TLS1_3 TLS13_"), "{tls}");
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let room = Room::new(vec![server("mx", Role::Mx)]);
    let mut client = handshake(&config(&room), after_starttls(&room, "mx"));
    let reply = say(&mut client, "MAIL FROM:<a@client.test>", "\r\n");
    assert!(reply.starts_with("503 5.5.1"), "{reply}");
}

/// NO STARTTLS (2021): octets in clear behind STARTTLS, and a handshake behind them, cut into two segments at each octet.
#[test]
fn what_is_injected_in_clear_is_never_obeyed_however_it_is_cut() {
    let room = Room::new(vec![server("mx", Role::Mx)]);
    let config = config(&room);
    let attack = b"STARTTLS\r\nRSET\r\nNOOP\r\n";
    for cut in 1..attack.len() {
        let mut stream = TcpStream::connect(room.address("mx")).unwrap();
        stream.set_nodelay(true).unwrap();
        read_until(&mut stream, "Bridgehead\r\n");
        say(&mut stream, "EHLO client.test", "250 HELP\r\n");
        let name = ServerName::try_from("mail.example.test").unwrap();
        let mut connection = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).unwrap();
        let (first, second) = attack.split_at(cut);
        stream.write_all(first).unwrap();
        if cut >= b"STARTTLS\r\n".len() {
            // The server has taken the first piece for sure when it answered it, or closed.
            let mut octet = [0];
            if cut == b"STARTTLS\r\n".len() {
                read_until(&mut stream, "TLS\r\n");
            } else if stream.read(&mut octet).unwrap_or(0) == 0 {
                continue;
            }
        }
        // The server may have closed already.
        let _ = stream
            .write_all(second)
            .and_then(|()| stream.write_all(&hello));
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let rest = String::from_utf8_lossy(&rest);
        assert!(!rest.contains("250 2.0.0"), "cut at {cut}: {rest}");
    }
    assert!(room.messages().is_empty());
}

#[test]
fn implicit_tls_begins_before_the_greeting() {
    let implicit = VirtualServer {
        tls: TlsMode::Implicit,
        ..server("mx", Role::Mx)
    };
    let room = Room::new(vec![implicit]);
    let stream = TcpStream::connect(room.address("mx")).unwrap();
    let mut client = handshake(&config(&room), stream);
    read_until(&mut client, "Bridgehead\r\n");
    let offers = say(&mut client, "EHLO client.test", "250 HELP\r\n");
    assert!(!offers.contains("STARTTLS"), "{offers}");
}

/// Postfix 2026: tickets shared between services let a client past the policy of the second.
#[test]
fn a_ticket_of_one_virtual_server_is_worth_nothing_at_another() {
    let room = Room::new(vec![server("one", Role::Mx), server("two", Role::Mx)]);
    let config = config(&room);
    let kind = |name: &str| {
        let mut client = handshake(&config, after_starttls(&room, name));
        say(&mut client, "EHLO client.test", "250 HELP\r\n");
        client.conn.handshake_kind().unwrap()
    };
    assert_eq!(kind("one"), HandshakeKind::Full);
    assert_eq!(kind("one"), HandshakeKind::Resumed);
    assert_ne!(kind("two"), HandshakeKind::Resumed);
}
