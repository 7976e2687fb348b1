//! Reports are read back by a parser that somebody else wrote.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_mail::{
    Address, Domain, DsnText, Failure, MessageId, Notify, Orcpt, Recipient, RemoteReply,
    StatusCode, Timestamp,
};
use bridgehead_mime::{Action, Headers, Report, Reported, Returned, Texts};
use mail_parser::{MessageParser, MimeHeaders};
use std::io;

fn failed(address: &str, words: &str) -> Reported {
    let remote = RemoteReply {
        host: "mx.example.net [192.0.2.1]:25".into(),
        code: 550,
        text: words.into(),
    };
    let failure = Failure::new(StatusCode::permanent(1, 1), "No such mailbox").said(remote);
    Reported {
        recipient: Recipient {
            address: Address::parse(address).unwrap(),
            notify: Notify::Unsaid,
            orcpt: Some(Orcpt {
                kind: DsnText::new("rfc822").unwrap(),
                address: DsnText::new("Bob@example.net").unwrap(),
            }),
        },
        action: Action::Failed(failure),
    }
}

fn written(recipients: &[Reported], returned: Returned<'_>) -> Vec<u8> {
    in_language("en", recipients, returned)
}

fn in_language(tag: &str, recipients: &[Reported], returned: Returned<'_>) -> Vec<u8> {
    let texts = Texts::built_in();
    let server = Domain::parse("mail1.example.test").unwrap();
    let report = Report {
        id: MessageId::from_u128(1),
        at: Timestamp::from_millis(1_795_443_067_000),
        server: &server,
        from_domain: &server,
        to: &Address::parse("alice@example.test").unwrap(),
        about: MessageId::from_u128(2),
        accepted: Timestamp::from_millis(1_795_443_000_000),
        envid: Some(&DsnText::new("QQ314159").unwrap()),
        recipients,
        returned,
        language: texts.find(tag).unwrap(),
    };
    let mut octets = Vec::new();
    let add = |piece: &[u8]| {
        octets.extend_from_slice(piece);
        Ok::<(), io::Error>(())
    };
    report.write(add).unwrap();
    octets
}

fn part_text(octets: &[u8], part: u32) -> String {
    let message = MessageParser::new().parse(octets).unwrap();
    String::from_utf8_lossy(message.part(part).unwrap().contents()).into_owned()
}

#[test]
fn a_report_has_three_parts_that_say_the_same() {
    let headers = Headers {
        octets: b"Subject: hello\r\nFrom: alice@example.test\r\n".to_vec(),
        cut: false,
    };
    let octets = written(
        &[failed("bob@example.net", "5.1.1 who?")],
        Returned::Headers(headers),
    );
    let message = MessageParser::new().parse(&octets).unwrap();
    let kind = message.content_type().unwrap();
    assert_eq!(kind.attribute("report-type"), Some("delivery-status"));
    assert_eq!(message.parts.len(), 4);
    assert!(
        part_text(&octets, 1)
            .contains("The server mx.example.net [192.0.2.1]:25 said: 550 5.1.1 who?")
    );
    let status = part_text(&octets, 2);
    for line in [
        "Original-Envelope-Id: QQ314159\r\n",
        "Reporting-MTA: dns; mail1.example.test\r\n",
        "Original-Recipient: rfc822; Bob@example.net\r\n",
        "Final-Recipient: rfc822; bob@example.net\r\n",
        "Action: failed\r\n",
        "Status: 5.1.1\r\n",
        "Remote-MTA: dns; mx.example.net\r\n",
        "Diagnostic-Code: smtp; 550 5.1.1 who?\r\n",
    ] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    assert!(part_text(&octets, 3).contains("Subject: hello"));
}

#[test]
fn the_other_servers_words_cannot_add_a_field() {
    let octets = written(
        &[failed("bob@example.net", "no\r\nAction: delivered\r\n")],
        Returned::Headers(Headers::default()),
    );
    assert!(!part_text(&octets, 2).contains("\nAction: delivered"));
}

#[test]
fn the_other_servers_words_are_ascii_and_short_where_they_must_be() {
    let words = format!("d\u{e9}sol\u{e9} {}", "\u{3042}".repeat(1000));
    let octets = written(
        &[failed("bob@example.net", &words)],
        Returned::Headers(Headers::default()),
    );
    let status = part_text(&octets, 2);
    assert!(
        status.is_ascii() && status.contains("d\\x{E9}sol\\x{E9} \\x{3042}"),
        "{status}"
    );
    let text = part_text(&octets, 1);
    assert!(text.contains("d\u{e9}sol\u{e9} \u{3042}"), "{text}");
    // All of it is: every server can take it.
    let text = String::from_utf8(octets).unwrap();
    assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 998));
}

#[test]
fn a_whole_message_comes_back_as_it_was() {
    let content = b"Subject: x\r\n\r\nbody \xff\r\n".to_vec();
    let octets = written(&[failed("bob@example.net", "no")], Returned::Full(&content));
    let found = octets
        .windows(content.len())
        .any(|window| window == content);
    assert!(found);
}

#[test]
fn an_international_address_has_its_own_types() {
    let octets = written(
        &[failed("jörg@example.net", "no")],
        Returned::Headers(Headers::default()),
    );
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("report-type=global-delivery-status"));
    assert!(text.contains("Final-Recipient: utf-8; jörg@example.net"));
}

#[test]
fn the_part_for_people_is_in_their_language() {
    for (tag, subject, meaning) in [
        (
            "en",
            "Your message could not be delivered",
            "There is no mailbox",
        ),
        ("de", "Ihre Nachricht konnte nicht", "gibt es kein Postfach"),
        (
            "fr",
            "Votre message n'a pas pu",
            "Aucune bo\u{ee}te aux lettres",
        ),
        ("nl", "Uw bericht kon niet", "Er is geen postvak"),
        (
            "es",
            "No se pudo entregar su mensaje",
            "No hay ning\u{fa}n buz\u{f3}n",
        ),
    ] {
        let octets = in_language(
            tag,
            &[failed("bob@example.net", "5.1.1 who?")],
            Returned::Headers(Headers::default()),
        );
        assert!(octets.is_ascii(), "{tag}");
        let message = MessageParser::new().parse(&octets).unwrap();
        assert!(message.subject().unwrap().starts_with(subject), "{tag}");
        let text = part_text(&octets, 1);
        assert!(text.contains(meaning), "{text}");
        assert!(text.contains("550 5.1.1 who?") && text.contains("mail1.example.test"));
        assert!(!text.contains(['{', '}']), "{text}");
        // Machines read the same in every language.
        assert!(part_text(&octets, 2).contains("Status: 5.1.1\r\n"));
    }
}

#[test]
fn every_kind_says_what_became_of_the_recipient() {
    let recipient = failed("bob@example.net", "no").recipient;
    let reply = RemoteReply {
        host: "mx.example.net [192.0.2.1]:25".into(),
        code: 250,
        text: "kept".into(),
    };
    let late = Failure::new(StatusCode::transient(4, 1), "No answer");
    let until = Timestamp::from_millis(1_795_543_000_000);
    for (action, word, text) in [
        (
            Action::Delayed(late, until),
            "delayed",
            "tried until 2026-11-24 17:56 UTC",
        ),
        (Action::Delivered, "delivered", "Delivered to the mailbox."),
        (Action::Relayed(reply), "relayed", "which said: 250 kept"),
        (Action::Expanded, "expanded", "members of the group"),
    ] {
        let one = Reported {
            recipient: recipient.clone(),
            action,
        };
        let octets = written(&[one], Returned::Headers(Headers::default()));
        assert!(
            part_text(&octets, 1).contains(text),
            "{}",
            part_text(&octets, 1)
        );
        assert!(part_text(&octets, 2).contains(&format!("Action: {word}\r\n")));
    }
}

#[test]
fn the_whole_is_declared_as_its_most_demanding_part() {
    let headers = Headers {
        octets: b"Subject: \xe9\r\n".to_vec(),
        cut: false,
    };
    let octets = written(
        &[failed("bob@example.net", "no")],
        Returned::Headers(headers),
    );
    let head = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = std::str::from_utf8(&octets[..head]).unwrap();
    assert!(head.contains("Content-Transfer-Encoding: 8bit"), "{head}");
}
