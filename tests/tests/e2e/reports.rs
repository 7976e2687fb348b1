//! Delivery status notifications (RFC 3461, 3464), read by Python's parser.

use crate::{client, id_in, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Moment, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, binary, tools, wait};
use serde_json::Value;
use std::process::Command;

/// Takes a report apart: `{"from", "to", "type", "parts", "message", "recipients", "returned"}`.
const TAKE_APART: &str = r#"
import email, json, sys
from email import policy
m = email.message_from_binary_file(sys.stdin.buffer, policy=policy.SMTP)
assert m.get_content_type() == "multipart/report", m.get_content_type()
assert m.get_param("report-type") == "delivery-status"
parts = list(m.iter_parts())
assert not m.defects, m.defects
status = list(parts[1].iter_parts()) if parts[1].is_multipart() else parts[1].get_payload()
fields = [dict((k.lower(), str(v)) for k, v in one.items()) for one in status]
print(json.dumps({
    "from": str(m["From"]), "to": str(m["To"]), "return-path": str(m["Return-Path"]),
    "auto-submitted": str(m["Auto-Submitted"]), "subject": str(m["Subject"]),
    "language": str(parts[0]["Content-Language"]), "text": parts[0].get_content(),
    "types": [part.get_content_type() for part in parts],
    "message": fields[0], "recipients": fields[1:],
    "returned": parts[2].as_string() if len(parts) > 2 else None,
}))
"#;

fn take_apart(report: &[u8]) -> Value {
    let mut command = Command::new("python3");
    command.arg("-c").arg(TAKE_APART);
    let said = tools::run(command, report);
    if !said.success {
        panic!("{}\n{}", said.text, String::from_utf8_lossy(report));
    }
    serde_json::from_str(&said.text).unwrap()
}

/// A next hop that refuses recipients whose name starts with `bad`.
fn refusing(extensions: &[&str]) -> Sink {
    let script = |moment: Moment<'_>| match moment {
        Moment::Rcpt(path) if path.starts_with("<bad") => Some("550 5.1.1 no such user".to_owned()),
        _ => None,
    };
    Sink::start_with(extensions, Box::new(script)).unwrap()
}

#[test]
fn a_refused_recipient_is_reported_and_the_others_go_on() {
    let sink = refusing(ALL_EXTENSIONS);
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    send(
        server.inbound(),
        "bob@example.test",
        &["bad@example.net", "good@example.net"],
        &message("half"),
    );
    wait::until("the good one", || (sink.count() == 1).then_some(()));
    let report = take_apart(&server.mailbox("bob", 1)[0]);
    assert_eq!(report["return-path"], "<>", "{report:#}");
    assert_eq!(report["types"][1], "message/delivery-status");
    assert_eq!(report["auto-submitted"], "auto-replied");
    let recipients = report["recipients"].as_array().unwrap();
    assert_eq!(recipients.len(), 1, "{report:#}");
    let one = &recipients[0];
    assert_eq!(one["action"], "failed");
    assert_eq!(one["status"], "5.1.1");
    assert!(
        one["final-recipient"]
            .as_str()
            .unwrap()
            .contains("bad@example.net")
    );
    assert!(
        one["diagnostic-code"]
            .as_str()
            .unwrap()
            .contains("no such user")
    );
    assert!(one["remote-mta"].is_string(), "{report:#}");
    assert!(
        report["returned"]
            .as_str()
            .unwrap()
            .contains("Subject: half")
    );
}

#[test]
fn what_is_too_old_is_reported_and_forgotten() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]\nexpire-after = \"2s\"")
        .smart_host("out", "*", tools::nobody());
    let server = Server::start(&organization);
    send(
        server.inbound(),
        "bob@example.test",
        &["b@example.net"],
        &message("old"),
    );
    let report = take_apart(&server.mailbox("bob", 1)[0]);
    let one = &report["recipients"][0];
    assert_eq!(one["action"], "failed", "{report:#}");
    assert!(
        one["status"].as_str().unwrap().starts_with("4.4.")
            || one["status"].as_str().unwrap().starts_with("5.4."),
        "{report:#}"
    );
    server.await_empty_queue();
}

#[test]
fn a_late_message_is_reported_once() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]\ndelay-notice-after = \"1s\"\nexpire-after = \"1h\"")
        .smart_host("out", "*", tools::nobody());
    let server = Server::start(&organization);
    send(
        server.inbound(),
        "bob@example.test",
        &["b@example.net"],
        &message("late"),
    );
    let report = take_apart(&server.mailbox("bob", 1)[0]);
    assert_eq!(report["recipients"][0]["action"], "delayed", "{report:#}");
    // The report itself is gone when it is known that it was delivered.
    wait::until("the message alone", || (server.queued() == 1).then_some(()));
}

#[test]
fn the_wishes_of_the_sender_are_honoured() {
    let sink = refusing(ALL_EXTENSIONS);
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let mut client = client(server.inbound());
    for line in [
        "MAIL FROM:<bob@example.test> RET=HDRS ENVID=QQ+2B314159",
        "RCPT TO:<bad1@example.net> NOTIFY=NEVER",
        "RCPT TO:<bad2@example.net> NOTIFY=FAILURE ORCPT=rfc822;first+2Bhand@example.org",
        "RCPT TO:<alice@example.test> NOTIFY=SUCCESS",
        "RCPT TO:<good@example.net> NOTIFY=SUCCESS,FAILURE",
    ] {
        let reply = client.command(line).unwrap();
        assert_eq!(reply.code, 250, "{line}: {reply:?}");
    }
    let content = [message("wishes"), b"secret body\r\n".to_vec()].concat();
    assert_eq!(client.data(&content).unwrap().code, 250);
    server.await_empty_queue();
    let reports = server.mailbox("bob", 2);
    let mut seen = Vec::new();
    for report in &reports {
        let report = take_apart(report);
        assert_eq!(
            report["message"]["original-envelope-id"], "QQ+314159",
            "{report:#}"
        );
        assert!(
            !report["returned"]
                .as_str()
                .unwrap_or_default()
                .contains("secret body")
        );
        for one in report["recipients"].as_array().unwrap() {
            let who = one["final-recipient"].as_str().unwrap().to_owned();
            if who.contains("bad2") {
                let original = one["original-recipient"].as_str().unwrap();
                assert!(
                    original.contains("first+2Bhand@example.org")
                        || original.contains("first+hand@example.org"),
                    "{report:#}"
                );
            }
            seen.push((who, one["action"].as_str().unwrap().to_owned()));
        }
    }
    seen.sort();
    let seen: Vec<(&str, &str)> = seen
        .iter()
        .map(|(who, action)| (who.rsplit(';').next().unwrap().trim(), action.as_str()))
        .collect();
    // The next hop offers DSN: what becomes of `good` is its business now (RFC 3461 §5.2.1).
    assert_eq!(
        seen,
        [
            ("alice@example.test", "delivered"),
            ("bad2@example.net", "failed")
        ]
    );
    let passed_on = sink.received()[0].clone();
    assert!(passed_on.mail.contains("RET=HDRS"), "{passed_on:?}");
    assert!(
        passed_on.mail.contains("ENVID=QQ+2B314159"),
        "{passed_on:?}"
    );
    assert!(
        passed_on.rcpts[0].contains("NOTIFY=SUCCESS,FAILURE"),
        "{passed_on:?}"
    );
}

#[test]
fn where_reports_end_the_sender_is_told_that_it_was_relayed() {
    let sink = refusing(&["PIPELINING"]);
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    let mut client = client(server.inbound());
    client.command("MAIL FROM:<bob@example.test>").unwrap();
    client
        .command("RCPT TO:<good@example.net> NOTIFY=SUCCESS")
        .unwrap();
    assert_eq!(client.data(&message("relayed")).unwrap().code, 250);
    let report = take_apart(&server.mailbox("bob", 1)[0]);
    assert_eq!(report["recipients"][0]["action"], "relayed", "{report:#}");
}

#[test]
fn of_a_group_the_sender_hears_that_it_was_expanded_and_who_failed() {
    let sink = refusing(ALL_EXTENSIONS);
    let group = "[[group]]\nname = \"staff\"\naddresses = [\"staff@example.test\"]\n\
                 members = [\"alice\", \"bad@example.net\"]\n";
    let organization = Organization::new()
        .with(group)
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    let mut client = client(server.inbound());
    client.command("MAIL FROM:<bob@example.test>").unwrap();
    client
        .command("RCPT TO:<staff@example.test> NOTIFY=SUCCESS,FAILURE")
        .unwrap();
    assert_eq!(client.data(&message("group")).unwrap().code, 250);
    server.await_empty_queue();
    let reports = server.mailbox("bob", 2);
    let told = reports.iter().map(|report| {
        let report = take_apart(report);
        let one = report["recipients"][0].clone();
        let whom = one["final-recipient"].as_str().unwrap().to_owned();
        (one["action"].as_str().unwrap().to_owned(), whom)
    });
    let mut told: Vec<(String, String)> = told.collect();
    told.sort();
    // RFC 3461 §5.2.7.3: success ends at the group; what fails behind it is told.
    assert_eq!(told[0].0, "expanded");
    assert!(told[0].1.ends_with("staff@example.test"), "{told:?}");
    assert_eq!(told[1].0, "failed");
    assert!(told[1].1.ends_with("bad@example.net"), "{told:?}");
}

#[test]
fn nobody_is_told_about_mail_from_nobody() {
    let sink = refusing(ALL_EXTENSIONS);
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    send(server.inbound(), "", &["bad@example.net"], &message("null"));
    server.await_empty_queue();
    assert!(server.uids("alice").is_empty());
    assert!(server.uids("bob").is_empty());
    assert_eq!(sink.count(), 0);
}

fn report_about(server: &Server, header: &str) -> Value {
    let before = server.uids("bob").len();
    let content = [header.as_bytes(), &message("language")].concat();
    send(
        server.inbound(),
        "bob@example.test",
        &["bad@example.net"],
        &content,
    );
    take_apart(&server.mailbox("bob", before + 1)[before])
}

#[test]
fn a_report_is_in_the_language_that_its_reader_has() {
    let sink = refusing(ALL_EXTENSIONS);
    let organization = Organization::new()
        .server("report-language = \"nl\"")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    for (header, language, subject) in [
        ("", "nl", "Uw bericht kon niet worden bezorgd"),
        (
            "Accept-Language: de-CH, en;q=0.5\r\n",
            "de",
            "Ihre Nachricht konnte nicht zugestellt werden",
        ),
        (
            "Content-Language: fr\r\n",
            "fr",
            "Votre message n'a pas pu \u{ea}tre remis",
        ),
        (
            "Content-Language: xx\r\n",
            "nl",
            "Uw bericht kon niet worden bezorgd",
        ),
    ] {
        let report = report_about(&server, header);
        assert_eq!(report["language"], language, "{report:#}");
        assert_eq!(report["subject"], subject);
        let text = report["text"].as_str().unwrap();
        assert!(text.contains("550 5.1.1 no such user"), "{text}");
        assert_eq!(report["recipients"][0]["status"], "5.1.1");
    }
}

#[test]
fn operators_have_texts_of_their_own_and_a_broken_one_loses_no_report() {
    let sink = refusing(ALL_EXTENSIONS);
    let organization = Organization::new()
        .server("report-templates = \"texts\"\nreport-language = \"pl\"")
        .smart_host("out", "*", sink.address());
    let mut server = Server::prepare(binary::bridgehead(), "");
    let polish = server.data().join("texts/pl");
    std::fs::create_dir_all(&polish).unwrap();
    let file = polish.join("failure.txt");
    let text = "Subject: Nie dor\u{119}czono\n\n{recipients}\nSerwer: {server}\n";
    std::fs::write(&file, text).unwrap();
    server.run(&[]);
    server.apply(&organization);
    let report = report_about(&server, "");
    assert_eq!(report["subject"], "Nie dor\u{119}czono", "{report:#}");
    let body = report["text"].as_str().unwrap();
    assert!(
        body.contains("<bad@example.net>") && body.contains("Serwer: mail1"),
        "{body}"
    );
    // Broken: the apply is refused, with file, line and key.
    std::fs::write(&file, "Subject: x\n\n{recipents}\n").unwrap();
    let org = server.folder().join("org.toml");
    let refused = server.command(&["apply", "-f", org.to_str().unwrap()]);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&refused.stdout),
        String::from_utf8_lossy(&refused.stderr)
    );
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("texts/pl/failure.txt:3: {recipents}: unknown name"),
        "{said}"
    );
    // Broken at a start: it is said, and the reader gets another text.
    server.stop();
    server.run(&[]);
    server.learn_addresses();
    let report = report_about(&server, "");
    assert_eq!(
        report["subject"], "Your message could not be delivered",
        "{report:#}"
    );
    assert!(server.log().contains("failure.txt:3"), "{}", server.log());
}

#[test]
fn why_tells_of_each_attempt_with_the_words_and_the_connection() {
    let script = |moment: Moment<'_>| match moment {
        Moment::Rcpt(path) if path.starts_with("<late") => Some("450 4.2.0 come back".to_owned()),
        _ => None,
    };
    let sink = Sink::start_with(ALL_EXTENSIONS, Box::new(script)).unwrap();
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    let reply = send(
        server.inbound(),
        "bob@example.test",
        &["late@example.net", "good@example.net"],
        &message("why"),
    );
    let id = id_in(&reply);
    let attempts = wait::until("two attempts", || {
        let why = server.ask(&["message", "why", &id]);
        let attempts = why["attempts"].as_array().unwrap().clone();
        let deferred = attempts.iter().filter(|one| one["step"] == "deferred");
        (deferred.count() >= 2).then_some(attempts)
    });
    let host = format!("[127.0.0.1]:{}", sink.address().port());
    let said = |step: &str| {
        let one = attempts.iter().find(|one| one["step"] == step).unwrap();
        one["text"].as_str().unwrap().to_owned()
    };
    let deferred = said("deferred");
    for words in [
        &host,
        "said: 450 4.2.0 come back",
        "(in the clear: the other server offers no TLS)",
    ] {
        assert!(deferred.contains(words), "{deferred}");
    }
    let relayed = said("relayed");
    assert!(
        relayed.contains(&host) && relayed.contains("in the clear"),
        "{relayed}"
    );
}
