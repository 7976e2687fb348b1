//! Bounces of bounces: kept as badmail, listed, shown, taken back and deleted; and they cause no mail.

use crate::{message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Moment, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};
use serde_json::Value;

/// A next hop that refuses recipients whose name starts with `bad`.
fn refusing() -> Sink {
    let script = |moment: Moment<'_>| match moment {
        Moment::Rcpt(path) if path.starts_with("<bad") => Some("550 5.1.1 no such user".to_owned()),
        _ => None,
    };
    Sink::start_with(ALL_EXTENSIONS, Box::new(script)).unwrap()
}

fn names(list: &Value) -> Vec<String> {
    let messages = list["messages"].as_array().unwrap().iter();
    messages
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

fn await_badmail(server: &Server, count: usize) -> Vec<String> {
    wait::until(&format!("{count} messages of badmail"), || {
        let found = names(&server.ask(&["badmail", "list"]));
        (found.len() == count).then_some(found)
    })
}

#[test]
fn a_report_that_nobody_takes_is_badmail_over_a_kill_and_can_be_taken_back() {
    let sink = refusing();
    let organization = Organization::new().smart_host("out", "*", sink.address());
    let mut server = Server::start(&organization);
    // Neither the recipient nor the sender exists.
    send(
        server.inbound(),
        "bad-sender@example.net",
        &["bad@example.net"],
        &message("to nobody"),
    );
    let name = await_badmail(&server, 1).remove(0);
    server.await_empty_queue();
    assert_eq!(sink.count(), 0);
    server.kill();
    server.run(&[]);
    assert_eq!(await_badmail(&server, 1)[0], name);
    let shown = server.ask(&["badmail", "show", &name]);
    let reason = shown["reason"].as_str().unwrap();
    assert!(reason.contains("<bad-sender@example.net>"), "{reason}");
    assert!(reason.contains("said: 550 5.1.1 no such user"), "{reason}");
    let file = shown["file"].as_str().unwrap().to_owned();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("X-Sender: \r\nX-Receiver: bad-sender@example.net\r\n"),
        "{text}"
    );
    assert!(
        text.contains("multipart/report") && text.contains("Subject: to nobody"),
        "{text}"
    );
    let id = name.split('-').next().unwrap();
    let trace = server.ask(&["message", "trace", id]);
    let steps = trace["steps"].as_array().unwrap();
    assert!(
        steps.iter().any(|step| step["step"] == "badmail"),
        "{trace:#}"
    );
    // Taken back, it comes to the same end: one more.
    server.ask(&["queue", "import", &file]);
    await_badmail(&server, 2);
    assert_eq!(server.ask(&["badmail", "delete", &name])["deleted"], 1);
    assert_eq!(server.ask(&["badmail", "delete", "--all"])["deleted"], 1);
    await_badmail(&server, 0);
    assert!(!server.command(&["badmail", "show", &name]).status.success());
    assert!(server.uids("alice").is_empty() && server.uids("bob").is_empty());
}

#[test]
fn badmail_is_bounded() {
    let sink = refusing();
    let organization = Organization::new()
        .server("badmail-max-messages = 2")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    for number in 0..5 {
        send(
            server.inbound(),
            "",
            &[&format!("bad{number}@example.net")],
            &message("null"),
        );
    }
    server.await_empty_queue();
    let newest = await_badmail(&server, 2);
    let shown = server.ask(&["badmail", "show", &newest[1]]);
    assert!(
        shown["reason"]
            .as_str()
            .unwrap()
            .contains("<bad4@example.net>"),
        "{shown:#}"
    );
    assert!(server.log().contains("badmail is full"));
}
