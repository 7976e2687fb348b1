//! Receiving (RFC 5321 and extensions), as seen by a client that may be hostile.

use crate::{client, message, send, trace_fields};
use bridgehead_testkit::client::Client;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools};

fn server() -> Server {
    Server::start(&Organization::new())
}

/// A transaction up to `354`.
fn in_data(server: &Server) -> Client {
    let mut client = client(server.inbound());
    for line in ["MAIL FROM:<a@example.org>", "RCPT TO:<alice@example.test>"] {
        assert_eq!(client.command(line).unwrap().code, 250);
    }
    assert_eq!(client.command("DATA").unwrap().code, 354);
    client
}

#[test]
fn extensions_are_offered() {
    let server = server();
    let mut client = Client::connect(server.inbound()).unwrap();
    let offered = client.ehlo("client.example.org").unwrap().lines;
    for name in [
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "DSN",
        "STARTTLS",
    ] {
        assert!(
            offered.iter().any(|line| line == name),
            "{name}: {offered:?}"
        );
    }
    assert!(offered.iter().any(|line| line.starts_with("SIZE ")));
    assert!(
        !offered.iter().any(|line| line.starts_with("AUTH")),
        "no AUTH outside TLS"
    );
}

#[test]
fn every_reply_after_the_greeting_has_an_enhanced_code() {
    let server = server();
    let mut client = client(server.inbound());
    for line in [
        "NOOP",
        "RSET",
        "VRFY alice",
        "HELP",
        "NONSENSE",
        "MAIL FROM:<a@example.org>",
        "RCPT TO:<nobody@example.test>",
        "RCPT TO:<alice@example.test>",
        "MAIL FROM:<again@example.org>",
        "RSET",
        "DATA",
        // Nobody knows how many octets follow this one: it is the last.
        "BDAT x",
    ] {
        let reply = client.command(line).unwrap();
        let class = (reply.code / 100).to_string();
        for text in &reply.lines {
            let code = text.split_whitespace().next().unwrap_or_default();
            let digits: Vec<&str> = code.split('.').collect();
            assert!(digits.len() == 3 && digits[0] == class, "{line}: {reply:?}");
        }
    }
    assert!(client.command("NOOP").is_err(), "the session went on");
}

#[test]
fn vrfy_tells_nothing() {
    let server = server();
    let mut client = client(server.inbound());
    assert_eq!(client.command("VRFY alice").unwrap().code, 252);
    assert_eq!(client.command("VRFY nobody").unwrap().code, 252);
}

#[test]
fn helo_is_enough() {
    let server = server();
    let mut client = Client::connect(server.inbound()).unwrap();
    assert_eq!(client.command("HELO client.example.org").unwrap().code, 250);
    let reply = client.send("a@example.org", &["alice@example.test"], &message("helo"));
    assert_eq!(reply.unwrap().code, 250);
    server.mailbox("alice", 1);
}

#[test]
fn strangers_do_not_relay() {
    let server = server();
    let mut client = client(server.strict());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    let reply = client.command("RCPT TO:<b@example.net>").unwrap();
    assert_eq!(reply.code, 550);
    assert!(reply.text().starts_with("5.7.1"), "{reply:?}");
    for trick in [
        "RCPT TO:<b%example.net@example.test>",
        "RCPT TO:<@example.test:b@example.net>",
        "RCPT TO:<example.net!b@example.test>",
        "RCPT TO:<\"b@example.net\"@example.test>",
        "RCPT TO:<\"b@example.net\">",
    ] {
        let reply = client.command(trick).unwrap();
        assert!(!reply.is_good(), "{trick}: {reply:?}");
    }
    assert_eq!(
        client.command("RCPT TO:<alice@example.test>").unwrap().code,
        250
    );
}

#[test]
fn unknown_recipients_are_refused_at_once() {
    let server = server();
    let mut client = client(server.strict());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    let reply = client.command("RCPT TO:<nobody@example.test>").unwrap();
    assert_eq!(reply.code, 550);
    assert!(reply.text().starts_with("5.1.1"), "{reply:?}");
}

#[test]
fn bare_line_ends_are_refused() {
    let server = server();
    for (name, content) in [
        ("LF", &b"Subject: x\r\n\r\nbare\nline\r\n.\r\n"[..]),
        ("CR", b"Subject: x\r\n\r\nbare\rline\r\n.\r\n"),
        (
            "smuggled",
            b"Subject: x\r\n\r\na\n.\nMAIL FROM:<x@example.org>\r\n.\r\n",
        ),
        (
            "half smuggled",
            b"Subject: x\r\n\r\na\r\n.\nMAIL FROM:<x@example.org>\r\n.\r\n",
        ),
        (
            "the other half",
            b"Subject: x\r\n\r\na\n.\r\nMAIL FROM:<x@example.org>\r\n.\r\n",
        ),
        (
            "after CR",
            b"Subject: x\r\n\r\na\r.\rMAIL FROM:<x@example.org>\r\n.\r\n",
        ),
    ] {
        let mut client = in_data(&server);
        client.write(content).unwrap();
        let reply = client.reply().unwrap();
        assert_eq!(reply.code, 550, "{name}: {reply:?}");
        assert!(reply.text().starts_with("5.6.0"), "{name}: {reply:?}");
        assert_eq!(
            client.command("NOOP").unwrap().code,
            250,
            "{name}: only one reply to one message"
        );
    }
    assert_eq!(server.queued(), 0);
    assert!(server.uids("alice").is_empty());
}

#[test]
fn bare_line_ends_are_normalised_where_the_virtual_server_says_so() {
    let server = Server::start(&Organization::new().inbound("bare-line-ends = \"normalise\""));
    let mut client = in_data(&server);
    client
        .write(b"Subject: x\r\n\r\na\nb\n.\nc\r\n.\r\n")
        .unwrap();
    assert_eq!(client.reply().unwrap().code, 250);
    let messages = server.mailbox("alice", 1);
    trace_fields(
        "normalised",
        &messages[0],
        b"Subject: x\r\n\r\na\r\nb\r\n.\r\nc\r\n",
    );
}

#[test]
fn nul_is_refused() {
    let server = server();
    let mut client = in_data(&server);
    client.write(b"Subject: x\r\n\r\na\0b\r\n.\r\n").unwrap();
    let reply = client.reply().unwrap();
    assert_eq!(reply.code / 100, 5, "{reply:?}");
    assert_eq!(client.command("NOOP").unwrap().code, 250);
}

#[test]
fn a_batch_of_commands_is_answered_in_order() {
    let server = server();
    let mut client = client(server.inbound());
    client
        .write(
            b"MAIL FROM:<a@example.org>\r\nRCPT TO:<nobody@example.test>\r\n\
              RCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
        )
        .unwrap();
    let codes: Vec<u16> = (0..5).map(|_| client.reply().unwrap().code).collect();
    assert_eq!(codes, [250, 550, 250, 250, 354]);
    client
        .write(b"Subject: x\r\n\r\nb\r\n.\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        .unwrap();
    let codes: Vec<u16> = (0..4).map(|_| client.reply().unwrap().code).collect();
    assert_eq!(codes, [250, 250, 250, 221]);
    server.mailbox("alice", 1);
    server.mailbox("bob", 1);
}

#[test]
fn too_large_is_refused_before_and_after() {
    let server = Server::start(&Organization::new().inbound("max-message-size = \"64 KiB\""));
    let mut client = client(server.inbound());
    let reply = client
        .command("MAIL FROM:<a@example.org> SIZE=65537")
        .unwrap();
    assert_eq!(reply.code, 552, "{reply:?}");
    let big = [b"Subject: x\r\n\r\n", &b"0123456789\r\n".repeat(10_000)[..]].concat();
    let reply = client
        .send("a@example.org", &["alice@example.test"], &big)
        .unwrap();
    assert_eq!(reply.code, 552, "{reply:?}");
    assert_eq!(client.command("NOOP").unwrap().code, 250);
    let reply = client
        .send("a@example.org", &["alice@example.test"], &message("small"))
        .unwrap();
    assert_eq!(reply.code, 250);
    server.mailbox("alice", 1);
}

#[test]
fn too_many_recipients_wait_for_the_next_transaction() {
    let server = Server::start(&Organization::new().inbound("max-recipients = 3"));
    let mut client = client(server.inbound());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    for number in 0..3 {
        let line = format!("RCPT TO:<r{number}@example.net>");
        assert_eq!(client.command(&line).unwrap().code, 250);
    }
    let reply = client.command("RCPT TO:<r4@example.net>").unwrap();
    assert_eq!(reply.code, 452, "{reply:?}");
}

#[test]
fn too_many_errors_end_the_session() {
    let server = Server::start(&Organization::new().inbound("max-errors = 3"));
    let mut client = client(server.inbound());
    let mut codes = Vec::new();
    while let Ok(reply) = client.command("NONSENSE") {
        codes.push(reply.code);
        assert!(codes.len() < 10, "{codes:?}");
    }
    assert_eq!(codes.last(), Some(&421), "{codes:?}");
}

#[test]
fn octets_that_are_no_smtp_do_not_hurt() {
    let server = server();
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0xFF; 100_000],
        &[b'A'; 100_000],
        b"\r\n\r\n\r\n\r\n\r\n",
        b"MAIL FROM:<\r\nRCPT TO:<>\r\nDATA\r\nBDAT 99999999999999999999\r\n",
    ] {
        let mut client = Client::connect(server.inbound()).unwrap();
        // The server may close at any moment.
        let _ = client.write(nonsense);
        let _ = client.write(b"\r\nQUIT\r\n");
        while client.reply().is_ok() {}
    }
    send(
        server.inbound(),
        "a@example.org",
        &["alice@example.test"],
        &message("alive"),
    );
    server.mailbox("alice", 1);
}

#[test]
fn commands_before_the_handshake_are_not_carried_into_it() {
    let server = server();
    let script = r#"
import socket, ssl, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
f = s.makefile("rb")
f.readline()
s.sendall(b"EHLO client.example.org\r\n")
while f.readline()[3:4] == b"-": pass
s.sendall(b"STARTTLS\r\nRSET\r\nMAIL FROM:<smuggled@example.org>\r\n")
answers = []
try:
    while True:
        line = f.readline()
        if not line: break
        answers.append(line.decode())
except OSError:
    pass
assert len(answers) <= 1, answers
print("closed after", answers)
"#;
    tools::python(script, server.inbound(), &[]).good();
}

#[test]
fn a_message_comes_in_chunks() {
    let server = server();
    let mut client = client(server.inbound());
    client
        .command("MAIL FROM:<a@example.org> BODY=8BITMIME")
        .unwrap();
    client.command("RCPT TO:<alice@example.test>").unwrap();
    assert_eq!(client.bdat(b"Subject: x\r\n\r", false).unwrap().code, 250);
    assert_eq!(client.bdat(b"\n.\r\n", false).unwrap().code, 250);
    assert_eq!(client.bdat(b"\xE9 end", true).unwrap().code, 250);
    let messages = server.mailbox("alice", 1);
    trace_fields("chunks", &messages[0], b"Subject: x\r\n\r\n.\r\n\xE9 end");
}

#[test]
fn python_sends_international_mail() {
    let server = server();
    let script = r#"
import smtplib, sys
from email.message import EmailMessage
m = EmailMessage()
m["From"] = "δοκιμή@example.org"
m["To"] = "alice@example.test"
m["Subject"] = "Grüße"
m.set_content("Köln\n")
s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=60)
s.send_message(m)
s.quit()
"#;
    tools::python(script, server.inbound(), &[]).good();
    let messages = server.mailbox("alice", 1);
    let text = String::from_utf8_lossy(&messages[0]).into_owned();
    assert!(text.contains("Subject: Grüße\r\n"), "{text}");
    assert!(text.contains("UTF8SMTP"), "{text}");
}
