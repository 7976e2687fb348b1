//! A real Postfix as the next hop and as the previous hop.

use crate::{message, send};
use bridgehead_testkit::client::Client;
use bridgehead_testkit::corpus::{self, Sample};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::postfix::{Job, Postfix, self_signed};
use bridgehead_tests::skip::skip;
use bridgehead_tests::{Server, tools, wait};

const KEEP: Job<'_> = Job::Keep {
    domain: "example.net",
};

/// Postfix's Maildir has LF for CRLF.
fn with_line_feeds(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut octets = content.iter().peekable();
    while let Some(octet) = octets.next() {
        if *octet != b'\r' || octets.peek() != Some(&&b'\n') {
            out.push(*octet);
        }
    }
    out
}

/// What Postfix hands on as it is: header fields that are fields, and lines that it doesn't fold.
fn is_plain_for_postfix(sample: &Sample) -> bool {
    [
        "dots-",
        "octet-",
        "text-",
        "utf8-",
        "size-",
        "line-ends-after",
        "all-octets",
        "each-octet",
    ]
    .iter()
    .any(|start| sample.name.starts_with(start))
        && sample.content.starts_with(b"From: ")
        && sample.fits_data()
        && sample
            .content
            .split(|octet| *octet == b'\n')
            .all(|line| line.len() < 990)
}

#[test]
fn postfix_as_the_next_hop_gets_it_under_tls() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("postfix_as_the_next_hop_gets_it_under_tls", reason);
    }
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(folder.path(), "postfix.example.net");
    let postfix = Postfix::start(
        KEEP,
        &format!(
            "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\n\
             smtpd_tls_received_header = yes",
            certificate.display(),
            key.display()
        ),
    );
    let server = Server::start(&Organization::new().smart_host("out", "*", postfix.address()));
    send(
        server.inbound(),
        "a@example.org",
        &["b@example.net"],
        &message("next"),
    );
    let kept = String::from_utf8(postfix.await_kept(1).remove(0)).unwrap();
    assert!(kept.ends_with("Subject: next\n\nbody\n"), "{kept}");
    assert!(kept.contains("with ESMTPS"), "{kept}");
    server.await_empty_queue();
}

#[test]
fn odd_messages_arrive_at_postfix_unchanged() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("odd_messages_arrive_at_postfix_unchanged", reason);
    }
    let postfix = Postfix::start(KEEP, "");
    let server = Server::start(&Organization::new().smart_host("out", "*", postfix.address()));
    let samples: Vec<Sample> = corpus::messages()
        .into_iter()
        .filter(is_plain_for_postfix)
        .collect();
    assert!(samples.len() > 100, "{}", samples.len());
    let mut client = Client::connect(server.inbound()).unwrap();
    client.ehlo("client.example.org").unwrap();
    for sample in &samples {
        client
            .command("MAIL FROM:<a@example.org> BODY=8BITMIME")
            .unwrap();
        client.command("RCPT TO:<b@example.net>").unwrap();
        let reply = client.data(&sample.content).unwrap();
        assert_eq!(reply.code, 250, "{}: {reply:?}", sample.name);
    }
    let kept = postfix.await_kept(samples.len());
    for sample in &samples {
        let wanted = with_line_feeds(&sample.content);
        assert!(
            kept.iter().any(|one| one.ends_with(&wanted)),
            "{} didn't arrive as it was",
            sample.name
        );
    }
}

#[test]
fn postfix_refuses_a_recipient_and_the_sender_learns_it() {
    if let Err(reason) = Postfix::is_possible() {
        return skip(
            "postfix_refuses_a_recipient_and_the_sender_learns_it",
            reason,
        );
    }
    let postfix = Postfix::start(
        KEEP,
        "smtpd_recipient_restrictions = reject_unauth_destination",
    );
    let server = Server::start(&Organization::new().smart_host("out", "*", postfix.address()));
    send(
        server.inbound(),
        "bob@example.test",
        &["x@elsewhere.example", "b@example.net"],
        &message("refused"),
    );
    postfix.await_kept(1);
    let report = String::from_utf8(server.mailbox("bob", 1).remove(0)).unwrap();
    assert!(report.contains("Relay access denied"), "{report}");
    assert!(report.contains("5.7.1"), "{report}");
}

#[test]
fn postfix_as_the_previous_hop_hands_over_under_tls() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("postfix_as_the_previous_hop_hands_over_under_tls", reason);
    }
    let server = Server::start(&Organization::new());
    let postfix = Postfix::start(
        Job::PassOn {
            to: server.strict(),
        },
        "smtp_tls_security_level = may",
    );
    tools::smtp_source(
        postfix.address(),
        &[
            "-s",
            "5",
            "-m",
            "50",
            "-l",
            "3000",
            "-f",
            "a@example.org",
            "-t",
            "alice@example.test",
        ],
    )
    .good();
    let messages = server.mailbox("alice", 50);
    let text = String::from_utf8_lossy(&messages[0]).into_owned();
    assert!(text.contains("with ESMTPS"), "{text}");
    wait::until("Postfix's queue is empty", || {
        (postfix.queued() == 0).then_some(())
    });
}

#[test]
fn between_two_postfixes_nothing_is_lost() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("between_two_postfixes_nothing_is_lost", reason);
    }
    let keeper = Postfix::start(KEEP, "");
    let server = Server::start(&Organization::new().smart_host("out", "*", keeper.address()));
    let passer = Postfix::start(
        Job::PassOn {
            to: server.inbound(),
        },
        "",
    );
    tools::smtp_source(
        passer.address(),
        &[
            "-s",
            "5",
            "-m",
            "100",
            "-l",
            "2000",
            "-f",
            "a@example.org",
            "-t",
            "b@example.net",
        ],
    )
    .good();
    assert_eq!(keeper.await_kept(100).len(), 100);
}
