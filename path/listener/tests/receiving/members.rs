//! Other servers of the organisation: who is taken for one, what they may do, and when it is over.

use crate::room::{Room, server};
use crate::tls::{TlsClient, after_starttls, config, handshake, say};
use crate::traffic::read_until;
use bridgehead_listener::{Role, StateSink, TlsMode, VirtualServer};
use bridgehead_mail::SessionId;
use bridgehead_membership::{ALPN, OwnKey, Roster, client_config};
use rustls::ClientConfig;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

fn key() -> OwnKey {
    let folder = tempfile::tempdir().unwrap();
    OwnKey::open(folder.path()).unwrap()
}

fn roster(servers: &[(&str, &[[u8; 32]])]) -> Roster {
    Roster::new(servers.iter().copied())
}

/// A room whose organisation has this server and `b1`.
struct Organisation {
    room: Room,
    own: OwnKey,
    b1: OwnKey,
}

impl Organisation {
    fn new() -> Self {
        Self::with(server("mx", Role::Mx))
    }

    fn with(virtual_server: VirtualServer) -> Self {
        let organisation = Self {
            room: Room::new(vec![virtual_server]),
            own: key(),
            b1: key(),
        };
        let keys = [organisation.b1.public()];
        organisation.names(&[("b1", &keys)]);
        organisation
    }

    /// The directory names these keys from now on.
    fn names(&self, servers: &[(&str, &[[u8; 32]])]) {
        let listener = &self.room.listener;
        listener.set_members(&self.own, roster(servers)).unwrap();
    }

    fn config(&self, key: &OwnKey) -> Arc<ClientConfig> {
        client_config(key, &[self.own.public()]).unwrap()
    }

    /// A client in TLS that has shown this key, and what it is offered; none if it was dropped.
    fn session(&self, key: &OwnKey) -> Option<(TlsClient, String)> {
        let stream = after_starttls(&self.room, "mx");
        let mut client = handshake(&self.config(key), stream);
        client.write_all(b"EHLO b1.test\r\n").ok()?;
        let mut first = [0];
        client.read_exact(&mut first).ok()?;
        let offers = read_until(&mut client, "250 HELP\r\n");
        Some((client, offers))
    }
}

/// Keeps what it hears; refuses `bad`.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl StateSink for Heard {
    fn chunk(
        &self,
        from: &str,
        session: SessionId,
        place: &str,
        number: u32,
        octets: &[u8],
    ) -> Result<(), String> {
        let text = String::from_utf8_lossy(octets).into_owned();
        let line = format!("{session}: {from} {place} {number} {text}");
        self.0.lock().unwrap().push(line);
        match octets {
            b"bad" => Err("it is\r\nbad".to_owned()),
            _ => Ok(()),
        }
    }

    fn ended(&self, session: SessionId) {
        self.0.lock().unwrap().push(format!("{session}: ended"));
    }
}

#[test]
fn a_member_passes_mail_on_with_its_journey() {
    let organisation = Organisation::new();
    let (mut client, offers) = organisation.session(&organisation.b1).unwrap();
    assert!(offers.contains("250-X-JOURNEY\r\n"), "{offers}");
    assert!(offers.contains("250-X-LINK2STATE\r\n"), "{offers}");
    let mail = "MAIL FROM:<a@client.test> X-JOURNEY=paris/b1";
    say(&mut client, mail, "OK\r\n");
    say(
        &mut client,
        "RCPT TO:<x@elsewhere.test>",
        "Recipient OK\r\n",
    );
    // She only takes mail of those who authenticated; that was judged where the mail came in.
    say(
        &mut client,
        "RCPT TO:<dora@example.test>",
        "Recipient OK\r\n",
    );
    say(&mut client, "DATA", "CRLF.CRLF\r\n");
    say(&mut client, "x\r\n.\r\nQUIT", "Goodbye\r\n");
    let messages = organisation.room.messages();
    let journey = messages[0].0.journey.as_ref().unwrap();
    assert_eq!(*journey.groups, ["paris".into()]);
    assert_eq!(*journey.servers, ["b1".into()]);
}

#[test]
fn a_recipient_whom_only_the_other_server_knows_so_far_is_asked_for_again() {
    let organisation = Organisation::new();
    let (mut client, _) = organisation.session(&organisation.b1).unwrap();
    let nobody = "RCPT TO:<nobody@example.test>";
    say(
        &mut client,
        "MAIL FROM:<a@client.test> X-JOURNEY=/",
        "OK\r\n",
    );
    let reply = say(&mut client, nobody, "\r\n");
    assert!(reply.starts_with("451 4.4.3"), "{reply}");
    // Without a journey nobody has found it out before.
    say(&mut client, "RSET", "\r\n");
    say(&mut client, "MAIL FROM:<a@client.test>", "OK\r\n");
    let reply = say(&mut client, nobody, "\r\n");
    assert!(reply.starts_with("550 5.1.1"), "{reply}");
}

#[test]
fn mail_of_a_member_without_a_journey_is_judged_like_any_other() {
    let organisation = Organisation::new();
    let (mut client, _) = organisation.session(&organisation.b1).unwrap();
    say(&mut client, "MAIL FROM:<a@client.test>", "OK\r\n");
    let reply = say(&mut client, "RCPT TO:<dora@example.test>", "\r\n");
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
    say(
        &mut client,
        "RCPT TO:<x@elsewhere.test>",
        "Recipient OK\r\n",
    );
}

#[test]
fn nobody_else_sees_anything_of_it() {
    let organisation = Organisation::new();
    let stream = after_starttls(&organisation.room, "mx");
    let mut client = handshake(&config(&organisation.room), stream);
    let offers = say(&mut client, "EHLO client.test", "250 HELP\r\n");
    assert!(!offers.contains("X-"), "{offers}");
    let reply = say(&mut client, "X-LINK2STATE ONLY 0 1", "\r\n");
    assert!(reply.starts_with("500 5.5.2"), "{reply}");
    let reply = say(&mut client, "MAIL FROM:<> X-JOURNEY=/", "\r\n");
    assert!(reply.starts_with("555 5.5.4"), "{reply}");
    let mut clear = organisation.room.client("mx");
    let reply = clear.command("X-LINK2STATE ONLY 0 1").unwrap();
    assert_eq!(reply.code, 500, "{reply:?}");
}

#[test]
fn another_key_or_a_certificate_that_is_valid_elsewhere_lets_nobody_in() {
    let organisation = Organisation::new();
    assert!(organisation.session(&key()).is_none());
    // The certificate of this very server is valid for everybody who trusts it; as a proof of membership it is nothing.
    let mut ordinary = ClientConfig::clone(&config(&organisation.room));
    ordinary.alpn_protocols = vec![ALPN.to_vec()];
    let stream = after_starttls(&organisation.room, "mx");
    let mut client = handshake(&Arc::new(ordinary), stream);
    let written = client.write_all(b"EHLO b1.test\r\n");
    let read = written.and_then(|()| client.read(&mut [0]));
    assert!(read.is_err(), "{read:?}");
}

#[test]
fn a_key_that_the_directory_no_longer_names_is_out() {
    let organisation = Organisation::new();
    let (mut idle, _) = organisation.session(&organisation.b1).unwrap();
    let (mut busy, _) = organisation.session(&organisation.b1).unwrap();
    say(&mut busy, "MAIL FROM:<a@client.test> X-JOURNEY=/", "OK\r\n");
    say(&mut busy, "RCPT TO:<bob@example.test>", "Recipient OK\r\n");
    // What doesn't concern it changes nothing.
    let keys = [organisation.b1.public(), [7; 32]];
    organisation.names(&[("b1", &keys), ("b2", &[])]);
    say(&mut idle, "NOOP", "OK\r\n");

    organisation.names(&[("b1", &keys[1..])]);
    let last = read_until(&mut idle, "\r\n");
    assert!(last.starts_with("421 4.7.0"), "{last}");
    assert!(organisation.session(&organisation.b1).is_none());
    say(&mut busy, "DATA", "CRLF.CRLF\r\n");
    let end = say(&mut busy, "x\r\n.", "closing\r\n");
    assert!(end.starts_with("250 2.0.0 Accepted as"), "{end}");
    assert_eq!(organisation.room.messages().len(), 1);
}

#[test]
fn link_state_is_heard_with_who_said_it_and_when_that_is_over() {
    let organisation = Organisation::new();
    let (mut client, _) = organisation.session(&organisation.b1).unwrap();
    let reply = say(&mut client, "X-LINK2STATE ONLY 0 2\r\n", "\r\n");
    assert_eq!(
        reply,
        "550 5.5.0 Link state refused: link state isn't kept here\r\n"
    );
    let heard = Arc::new(Heard::default());
    let sink: Arc<dyn StateSink> = Arc::clone(&heard) as _;
    organisation.room.listener.set_state_sink(sink);
    client.write_all(b"X-LINK2STATE FIRST 0 3\r\ntoo").unwrap();
    read_until(&mut client, "taken\r\n");
    client.write_all(b"X-LINK2STATE LAST 1 3\r\nbad").unwrap();
    let reply = read_until(&mut client, "\r\n");
    assert_eq!(reply, "550 5.5.0 Link state refused: it is??bad\r\n");
    say(&mut client, "QUIT", "Goodbye\r\n");
    drop(client);
    for _ in 0..500 {
        if heard.0.lock().unwrap().len() == 3 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let heard = heard.0.lock().unwrap();
    let [first, second, end] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert!(first.ends_with(": b1 FIRST 0 too"), "{first}");
    assert!(second.ends_with(": b1 LAST 1 bad"), "{second}");
    assert!(end.ends_with(": ended"), "{end}");
}

#[test]
fn octets_that_never_come_are_no_chunk() {
    let organisation = Organisation::new();
    let heard = Arc::new(Heard::default());
    let sink: Arc<dyn StateSink> = Arc::clone(&heard) as _;
    organisation.room.listener.set_state_sink(sink);
    let (mut client, _) = organisation.session(&organisation.b1).unwrap();
    client.write_all(b"X-LINK2STATE ONLY 0 9\r\nhalf").unwrap();
    client.conn.send_close_notify();
    client.flush().unwrap();
    drop(client);
    for _ in 0..500 {
        if !heard.0.lock().unwrap().is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let heard = heard.0.lock().unwrap();
    assert!(heard.len() == 1 && heard[0].ends_with("ended"), "{heard:?}");
}

#[test]
fn members_are_known_in_implicit_tls_too() {
    let organisation = Organisation::with(VirtualServer {
        tls: TlsMode::Implicit,
        ..server("mx", Role::Mx)
    });
    let stream = TcpStream::connect(organisation.room.address("mx")).unwrap();
    let mut client = handshake(&organisation.config(&organisation.b1), stream);
    read_until(&mut client, "Bridgehead\r\n");
    let offers = say(&mut client, "EHLO b1.test", "250 HELP\r\n");
    assert!(offers.contains("250-X-LINK2STATE\r\n"), "{offers}");
}
