//! Keys of servers: made, shown, named in the directory, and what a server does and doesn't for who has one.

use crate::message;
use bridgehead_membership::{OwnKey, client_config};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

type Secured = StreamOwned<ClientConnection, TcpStream>;

/// Up to the end of a reply.
fn reply(stream: &mut impl Read) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        let mut octet = [0];
        if stream.read(&mut octet)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        text.push(octet[0]);
        let line = text.split(|octet| *octet == b'\n').rev().nth(1);
        if octet[0] == b'\n' && line.is_some_and(|line| line.get(3) == Some(&b' ')) {
            return Ok(String::from_utf8(text).unwrap());
        }
    }
}

fn say(stream: &mut (impl Read + Write), line: &str) -> io::Result<String> {
    stream.write_all(format!("{line}\r\n").as_bytes())?;
    reply(stream)
}

/// A client in TLS that has said EHLO, with what it was offered.
fn secured(server: &Server, config: Arc<ClientConfig>) -> io::Result<(Secured, String)> {
    let mut stream = TcpStream::connect(server.inbound())?;
    reply(&mut stream)?;
    say(&mut stream, "EHLO mail2.example.test")?;
    say(&mut stream, "STARTTLS")?;
    let name = ServerName::try_from("mail1").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let offers = say(&mut stream, "EHLO mail2.example.test")?;
    Ok((stream, offers))
}

/// The organisation of `mail1` and `mail2` with these lines of `member-keys`.
fn organization(own: &str, other: &str) -> Organization {
    Organization::new()
        .server(own)
        .with(&format!(
            "[[server]]\nname = \"mail2\"\nrouting-group = \"main\"\nmember-address = [\"127.0.0.1:1\"]\n{other}"
        ))
}

fn state_of(server: &Server, name: &str) -> String {
    let listed = server.ask(&["member", "list"]);
    let all = listed.as_array().unwrap();
    let one = all.iter().find(|one| one["server"] == name).unwrap();
    one["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_server_is_a_member_by_its_key_alone() {
    let mut server = Server::start(&organization("", ""));
    let log = server.log();
    assert!(log.contains("doesn't name this server's key"), "{log}");
    assert!(state_of(&server, "mail1").contains("isn't in the directory"));
    assert!(state_of(&server, "mail2").starts_with("no key"));

    // To look makes no key.
    let file = server.data().join("member").join("key.pem");
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    assert!(state_of(&server, "mail1").contains("can't be read here"));
    assert!(!file.exists());
    std::fs::rename(&aside, &file).unwrap();

    let said = server.command(&["member", "key"]);
    let own = String::from_utf8(said.stdout).unwrap();
    let own = own.trim();
    assert!(own.starts_with("ed25519:"), "{own}");
    let folder = tempfile::tempdir().unwrap();
    let config = server.folder().join("server.toml");
    let again = std::process::Command::new(bridgehead_tests::binary::bridgehead())
        .args(["member", "key", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap().trim(), own);

    let mail2 = OwnKey::open(folder.path()).unwrap();
    let public = bridgehead_directory::MemberKey(mail2.public());
    let keys = |key: &str| format!("member-keys = [\"{key}\"]");
    server.apply(&organization(&keys(own), &keys(&public.to_string())));
    assert!(state_of(&server, "mail1").ends_with("is in the directory"));
    assert_eq!(state_of(&server, "mail2"), "has a key");

    let bridgehead_directory::MemberKey(expected) = own.parse().unwrap();
    let as_mail2 = client_config(&mail2, &[expected]).unwrap();
    let (mut member, offers) = secured(&server, Arc::clone(&as_mail2)).unwrap();
    assert!(
        offers.contains("X-JOURNEY") && offers.contains("X-LINK2STATE"),
        "{offers}"
    );
    say(&mut member, "MAIL FROM:<x@example.org> X-JOURNEY=/mail2").unwrap();
    let taken = say(&mut member, "RCPT TO:<alice@example.test>").unwrap();
    assert!(taken.starts_with("250"), "{taken}");
    say(&mut member, "DATA").unwrap();
    member.write_all(&message("from another server")).unwrap();
    let stored = say(&mut member, ".").unwrap();
    assert!(stored.starts_with("250 2.0.0 Accepted"), "{stored}");
    server.mailbox("alice", 1);
    member.write_all(b"X-LINK2STATE NEXT 5 4\r\nlink").unwrap();
    let told = reply(&mut member).unwrap();
    assert!(told.starts_with("550 5.5.0 Link state refused"), "{told}");

    let stranger = OwnKey::open(&folder.path().join("stranger")).unwrap();
    let as_stranger = client_config(&stranger, &[expected]).unwrap();
    assert!(secured(&server, as_stranger).is_err());
    wait::until("the refusal is logged", || {
        let log = server.log();
        log.contains("not taken for a server of the organisation")
            .then_some(())
    });

    // Its key is taken out: the session ends, and the next one doesn't begin.
    server.apply(&organization(&keys(own), ""));
    let last = reply(&mut member).unwrap();
    assert!(last.starts_with("421 4.7.0"), "{last}");
    assert!(secured(&server, as_mail2).is_err());
}
