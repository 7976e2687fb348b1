//! Connections that are turned round (ATRN, RFC 2645): those that clients ask for, and those that this server has asked for.

use crate::room::{Room, plain, server};
use crate::tls::{TlsClient, after_starttls, config, handshake, say};
use crate::traffic::read_until;
use bridgehead_listener::{Role, Turn, Turned, VirtualServer, Waiting};
use bridgehead_mail::{Domain, Refusal};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ALICE: &str = "AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=";

/// Mail waits for kept.example, and for alice only; keeps what is turned round.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Turned>>>);

impl Waiting for Kept {
    fn start(&self, user: Option<&str>, _: &Domain) -> Result<u64, Refusal> {
        user.map(|_| 1).ok_or(Refusal::NotToBeAsked)
    }

    fn turn(&self, user: &str, domains: &[Domain]) -> Result<Box<dyn Turn>, Refusal> {
        match (user, domains) {
            ("alice", [only]) if only.as_str() == "kept.example" => Ok(Box::new(self.clone())),
            ("alice", []) => Err(Refusal::NoMail),
            _ => Err(Refusal::TurnRefused),
        }
    }
}

impl Turn for Kept {
    fn take(self: Box<Self>, turned: Turned) {
        self.0.lock().unwrap().push(turned);
    }
}

fn room(servers: Vec<VirtualServer>) -> (Room, Kept) {
    let room = Room::new(servers);
    let kept = Kept::default();
    room.listener.set_waiting(Arc::new(kept.clone()));
    (room, kept)
}

fn alice(room: &Room) -> TlsClient {
    let mut client = handshake(&config(room), after_starttls(room, "submission"));
    let offers = say(&mut client, "EHLO [192.0.2.1]", "250 HELP\r\n");
    assert!(offers.contains("250-ATRN\r\n"), "{offers}");
    assert!(say(&mut client, "ATRN", "\r\n").starts_with("530 5.7.0"));
    assert!(say(&mut client, ALICE, "\r\n").starts_with("235 2.7.0"));
    client
}

/// Waits for what other threads do.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what}");
}

#[test]
fn the_connection_with_its_tls_and_its_place_goes_to_who_hands_over() {
    let (room, kept) = room(vec![server("submission", Role::Submission)]);
    let mut client = alice(&room);
    assert!(say(&mut client, "ATRN", "\r\n").starts_with("453 "));
    assert!(say(&mut client, "ATRN other.example", "\r\n").starts_with("450 "));
    let said = say(&mut client, "ATRN kept.example", "\r\n");
    assert_eq!(said, "250 2.0.0 OK, now reversing the connection\r\n");
    let mut turned = until("nothing was turned", || kept.0.lock().unwrap().pop());
    assert_eq!(&*turned.hello, "[192.0.2.1]");
    assert!(turned.address.is_loopback());
    assert!(turned.tls.as_deref().unwrap().starts_with("TLS1_3 "));
    room.runtime.block_on(async {
        turned.line.write_all(b"EHLO provider\r\n").await.unwrap();
        turned.line.flush().await.unwrap();
    });
    assert_eq!(read_until(&mut client, "\r\n"), "EHLO provider\r\n");
    // It counts, but the listener doesn't wait for its end.
    assert_eq!(room.listener.view()[0].sessions, 1);
    let long = Duration::from_secs(600);
    room.runtime.block_on(room.listener.shutdown(long));
    drop(turned);
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(rest, b"");
}

#[test]
fn a_place_is_free_when_a_turned_connection_is_gone() {
    let narrow = VirtualServer {
        max_sessions: 1,
        ..server("submission", Role::Submission)
    };
    let (room, kept) = room(vec![narrow]);
    let mut client = alice(&room);
    say(&mut client, "ATRN kept.example", "\r\n");
    let turned = until("nothing was turned", || kept.0.lock().unwrap().pop());
    let sessions = || room.listener.view()[0].sessions;
    assert_eq!(sessions(), 1);
    drop(turned);
    until("the place is taken still", || {
        (sessions() == 0).then_some(())
    });
}

#[test]
fn octets_behind_the_question_turn_nothing() {
    let (room, kept) = room(vec![server("submission", Role::Submission)]);
    let mut client = alice(&room);
    let said = say(&mut client, "ATRN kept.example\r\n220 here", "\r\n");
    assert!(said.starts_with("554 5.5.1 "), "{said}");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert!(rest.is_empty() && kept.0.lock().unwrap().is_empty());
}

#[test]
fn where_nobody_can_authenticate_it_is_not_offered() {
    let (room, _) = room(vec![server("mx", Role::Mx), plain("clear")]);
    for name in ["mx", "clear"] {
        let mut client = room.client(name);
        let offers = client.ehlo("client.test").unwrap().lines;
        assert!(!offers.iter().any(|line| line == "ATRN"), "{offers:?}");
        assert_eq!(client.command("ATRN").unwrap().code, 502);
    }
}

/// Reads until this stands at the end.
async fn heard(line: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let octet = line.read_u8().await.unwrap();
        text.push(char::from(octet));
    }
    text
}

#[test]
fn who_was_asked_is_a_client_like_any_other() {
    let (room, _) = room(vec![VirtualServer {
        greeting_delay: Duration::from_secs(50),
        auth: true,
        ..server("mx", Role::Mx)
    }]);
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let address = SocketAddr::from(([192, 0, 2, 9], 366)).ip();
    let listener = room.listener.clone();
    let tls = Some("TLS1_3 TEST".into());
    let receiving = async move { listener.receive("mx", Box::new(ours), address, tls).await };
    let receiving = room.runtime.spawn(receiving);
    room.runtime.block_on(async {
        let greeting = heard(&mut theirs, "\r\n").await;
        assert!(greeting.starts_with("220 "), "{greeting}");
        theirs
            .write_all(b"EHLO provider.example\r\n")
            .await
            .unwrap();
        let offers = heard(&mut theirs, "250 HELP\r\n").await;
        for never in ["STARTTLS", "AUTH", "ATRN", "ETRN"] {
            assert!(!offers.contains(never), "{offers}");
        }
        for (line, expected) in [
            ("ATRN", "502 "),
            ("MAIL FROM:<a@client.test>", "250 "),
            // Not ours: asking makes nobody a friend.
            ("RCPT TO:<x@elsewhere.test>", "550 5.7.1 "),
            ("RCPT TO:<bob@example.test>", "250 "),
            ("DATA", "354 "),
            ("x\r\n.", "250 "),
            ("QUIT", "221 "),
        ] {
            theirs
                .write_all(format!("{line}\r\n").as_bytes())
                .await
                .unwrap();
            let said = heard(&mut theirs, "\r\n").await;
            assert!(said.starts_with(expected), "{line}: {said}");
        }
        assert_eq!(receiving.await.unwrap(), Ok(1));
    });
    let (envelope, _) = &room.messages()[0];
    assert_eq!(envelope.origin.client, Some(address));
    assert_eq!(envelope.origin.protocol.to_string(), "ESMTPS");
    assert_eq!(room.listener.view()[0].sessions_total, 1);
}

#[test]
fn who_was_asked_needs_a_virtual_server_with_room() {
    let narrow = VirtualServer {
        max_sessions: 1,
        ..plain("mx")
    };
    let (room, _) = room(vec![narrow]);
    let receive = |name: &str| {
        let (ours, _theirs) = tokio::io::duplex(64);
        let address = SocketAddr::from(([192, 0, 2, 9], 366)).ip();
        let receiving = room.listener.receive(name, Box::new(ours), address, None);
        room.runtime.block_on(receiving)
    };
    assert_eq!(receive("other"), Err(Refusal::ShuttingDown));
    let _busy = room.client("mx");
    assert_eq!(receive("mx"), Err(Refusal::TooManySessions));
    room.runtime
        .block_on(room.listener.shutdown(Duration::ZERO));
    assert_eq!(receive("mx"), Err(Refusal::ShuttingDown));
}
