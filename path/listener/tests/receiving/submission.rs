//! Our own users: passwords, and whose address they may use.

use crate::room::{Room, server};
use crate::tls::{TlsClient, after_starttls, config, handshake, say};
use bridgehead_listener::Role;
use std::net::TcpStream;

const RIGHT: &str = "AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2U=";
const WRONG: &str = "AUTH PLAIN AGFsaWNlAHdyb25n";

fn client(room: &Room) -> TlsClient {
    let mut client = handshake(&config(room), after_starttls(room, "submission"));
    let offers = say(&mut client, "EHLO client.test", "250 HELP\r\n");
    assert!(offers.contains("250-AUTH PLAIN LOGIN\r\n"), "{offers}");
    client
}

#[test]
fn a_user_with_the_right_password_sends_to_anywhere_as_herself_only() {
    let room = Room::new(vec![server("submission", Role::Submission)]);
    let mut client = client(&room);
    let mut code = |line: &str| say(&mut client, line, "\r\n")[..9].to_owned();
    assert_eq!(code("MAIL FROM:<alice@example.test>"), "530 5.7.0");
    assert_eq!(code(WRONG), "535 5.7.8");
    assert_eq!(code(RIGHT), "235 2.7.0");
    assert_eq!(code("MAIL FROM:<bob@example.test>"), "553 5.7.1");
    assert_eq!(code("MAIL FROM:<a.smith@example.test>"), "250 2.1.0");
    assert_eq!(code("RCPT TO:<x@elsewhere.test>"), "250 2.1.5");
    assert_eq!(code("BDAT 0 LAST"), "250 2.0.0");
    let messages = room.messages();
    let origin = &messages[0].0.origin;
    assert_eq!(origin.user.as_deref(), Some("alice"));
    assert_eq!(origin.protocol.to_string(), "ESMTPSA");
}

#[test]
fn the_old_login_mechanism_works_and_a_second_check_is_remembered() {
    let room = Room::new(vec![server("submission", Role::Submission)]);
    for _ in 0..2 {
        let mut client = client(&room);
        assert_eq!(
            say(&mut client, "AUTH LOGIN", "\r\n"),
            "334 VXNlcm5hbWU6\r\n"
        );
        let name = "YWxpY2VAZXhhbXBsZS50ZXN0";
        assert_eq!(say(&mut client, name, "\r\n"), "334 UGFzc3dvcmQ6\r\n");
        let reply = say(&mut client, "Y29ycmVjdCBob3JzZQ==", "\r\n");
        assert!(reply.starts_with("235 2.7.0"), "{reply}");
    }
}

#[test]
fn a_mailbox_without_a_password_and_a_stranger_are_refused_alike() {
    let room = Room::new(vec![server("submission", Role::Submission)]);
    let mut client = client(&room);
    let bob = say(&mut client, "AUTH PLAIN AGJvYgA=", "\r\n");
    let stranger = say(&mut client, "AUTH PLAIN AHN0cmFuZ2VyAHg=", "\r\n");
    assert!(bob.starts_with("535 5.7.8"), "{bob}");
    assert_eq!(bob, stranger);
}

#[test]
fn outside_tls_a_password_is_not_even_looked_at() {
    let room = Room::new(vec![server("submission", Role::Submission)]);
    let mut stream = TcpStream::connect(room.address("submission")).unwrap();
    crate::traffic::read_until(&mut stream, "Bridgehead\r\n");
    say(&mut stream, "EHLO client.test", "250 HELP\r\n");
    assert!(say(&mut stream, RIGHT, "\r\n").starts_with("538 5.7.11"));
    assert!(say(&mut stream, "MAIL FROM:<alice@example.test>", "\r\n").starts_with("530 5.7.0"));
}
