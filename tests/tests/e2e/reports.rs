//! Delivery status notifications (RFC 3461, 3464), read by Python's parser.

use crate::{client, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Moment, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
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
    "auto-submitted": str(m["Auto-Submitted"]),
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
    assert_eq!(server.queued(), 1);
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
fn nobody_is_told_about_mail_from_nobody() {
    let sink = refusing(ALL_EXTENSIONS);
    let server = Server::start(&Organization::new().smart_host("out", "*", sink.address()));
    send(server.inbound(), "", &["bad@example.net"], &message("null"));
    server.await_empty_queue();
    assert!(server.uids("alice").is_empty());
    assert!(server.uids("bob").is_empty());
    assert_eq!(sink.count(), 0);
}
