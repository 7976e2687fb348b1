//! What operators do to queued mail, on a running server: each control changes exactly what it says, survives a kill, and can be
//! taken back.

use crate::{id_in, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
use serde_json::Value;
use std::net::SocketAddr;

const SLOW: &str = "retry-schedule = [\"1h\"]";

fn held(server: &Server, number: u32, to: &str) -> String {
    let reply = send(
        server.inbound(),
        "bob@example.test",
        &[to],
        &message(&format!("number {number}")),
    );
    id_in(&reply)
}

/// A server whose next hop doesn't answer, and some messages that have failed once.
fn stuck(next_hop: SocketAddr, count: u32, lines: &str) -> (Server, Vec<String>) {
    let organization = Organization::new()
        .server(lines)
        .smart_host("out", "*", next_hop);
    stuck_in(&organization, count)
}

fn stuck_in(organization: &Organization, count: u32) -> (Server, Vec<String>) {
    let server = Server::start(organization);
    let ids: Vec<String> = (0..count)
        .map(|number| held(&server, number, &format!("to{number}@example.net")))
        .collect();
    await_phase(&server, "retry", u64::from(count));
    (server, ids)
}

fn in_phase(server: &Server, phase: &str) -> u64 {
    let found = server.ask(&["queue", "find", &format!("phase:{phase}")]);
    found["matched"].as_u64().unwrap()
}

fn await_phase(server: &Server, phase: &str, count: u64) {
    wait::until(&format!("{count} in phase {phase}"), || {
        (in_phase(server, phase) == count).then_some(())
    });
}

fn said(server: &Server, arguments: &[&str]) -> String {
    let output = server.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    text
}

fn changed(answer: &Value) -> (u64, u64) {
    let number = |key: &str| answer[key].as_u64().unwrap();
    (number("changed"), number("already"))
}

fn open(address: SocketAddr) -> Sink {
    Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap()
}

#[test]
fn what_is_frozen_stays_so_over_a_kill_until_it_is_thawed() {
    let address = tools::nobody();
    let (mut server, ids) = stuck(address, 4, SLOW);
    let predicate = "to:to1@* or to:to2@*";
    let dry = server.ask(&["queue", "freeze", "--dry-run", "--where", predicate]);
    assert_eq!((&dry["matched"], changed(&dry)), (&Value::from(2), (0, 0)));
    assert_eq!(in_phase(&server, "frozen"), 0, "a dry run changes nothing");
    let answer = server.ask(&["queue", "freeze", "--where", predicate]);
    assert_eq!(changed(&answer), (2, 0), "{answer:#}");
    let again = server.ask(&["queue", "freeze", "--where", predicate]);
    assert_eq!(changed(&again), (0, 2), "{again:#}");
    server.kill();
    server.run(&[]);
    let sink = open(address);
    // After a start some may just be on their way through the categorizer, and are said to be busy.
    wait::until("a retry of all", || {
        let answer = server.ask(&["queue", "retry", "--all"]);
        (answer["busy"] == 0).then_some(())
    });
    wait::until("the others at the next hop", || {
        (sink.count() == 2).then_some(())
    });
    await_phase(&server, "frozen", 2);
    // The next hop has a message before it is known here that it has.
    wait::until("only these", || (server.queued() == 2).then_some(()));
    let why = said(&server, &["message", "why", &ids[1]]);
    assert!(why.contains("it was frozen by administrator"), "{why}");
    assert!(why.contains("queue thaw"), "{why}");
    let answer = server.ask(&["queue", "thaw", &ids[1], &ids[2]]);
    assert_eq!(changed(&answer), (2, 0), "{answer:#}");
    wait::until("all at the next hop", || (sink.count() == 4).then_some(()));
    server.await_empty_queue();
}

#[test]
fn held_outbound_mail_waits_and_local_mail_flows() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .server(SLOW)
        .smart_host("out", "*", sink.address());
    let mut server = Server::start(&organization);
    let answer = server.ask(&["server", "hold"]);
    assert_eq!(answer["changed"], true);
    assert_eq!(server.ask(&["server", "hold"])["changed"], false);
    held(&server, 1, "b@example.net");
    held(&server, 2, "alice@example.test");
    assert_eq!(server.mailbox("alice", 1).len(), 1);
    await_phase(&server, "frozen", 1);
    server.kill();
    server.run(&[]);
    await_phase(&server, "frozen", 1);
    let list = said(&server, &["queue", "list"]);
    assert!(list.contains("ALL OUTBOUND MAIL IS HELD by"), "{list}");
    assert_eq!(sink.count(), 0);
    server.ask(&["server", "release"]);
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    server.await_empty_queue();
}

#[test]
fn a_frozen_link_holds_new_mail_too_and_no_other_link() {
    let (first, second) = (Sink::start().unwrap(), Sink::start().unwrap());
    let organization = Organization::new()
        .smart_host("first", "first.example", first.address())
        .smart_host("second", "*", second.address());
    let server = Server::start(&organization);
    // The name of a link is that of its connector and host.
    let link = format!(
        "first/[{}]:{}",
        first.address().ip(),
        first.address().port()
    );
    server.ask(&["link", "freeze", &link]);
    held(&server, 1, "b@first.example");
    held(&server, 2, "b@second.example");
    wait::until("the other at its hop", || {
        (second.count() == 1).then_some(())
    });
    await_phase(&server, "frozen", 1);
    let found = server.ask(&["queue", "find", "phase:frozen"]);
    assert_eq!(found["messages"][0]["links"][0], link.as_str(), "{found:#}");
    let list = said(&server, &["queue", "list"]);
    assert!(
        list.contains(&format!("link {link} is frozen by")),
        "{list}"
    );
    assert_eq!(first.count(), 0);
    assert_eq!(server.ask(&["link", "thaw", &link])["changed"], true);
    wait::until("it at its hop", || (first.count() == 1).then_some(()));
}

#[test]
fn what_was_deleted_can_be_had_back_also_after_a_kill() {
    let address = tools::nobody();
    let (mut server, ids) = stuck(address, 3, SLOW);
    let answer = server.ask(&["queue", "delete", "--where", "from:bob@* subject:*"]);
    assert_eq!(changed(&answer), (3, 0), "{answer:#}");
    assert!(answer["undo-until"].as_u64().is_some(), "{answer:#}");
    let list = server.ask(&["queue", "list"]);
    assert_eq!(
        (&list["messages"], &list["deleted"]),
        (&Value::from(0), &Value::from(3))
    );
    server.kill();
    server.run(&[]);
    assert_eq!(in_phase(&server, "deleted"), 3);
    let answer = server.ask(&["queue", "freeze", "--all"]);
    assert_eq!(answer["matched"], 0, "what is deleted is out of reach");
    let answer = server.ask(&["queue", "restore", &ids[0]]);
    assert_eq!(changed(&answer), (1, 0), "{answer:#}");
    let sink = open(address);
    server.ask(&["queue", "retry", "--all"]);
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    assert_eq!(in_phase(&server, "deleted"), 2);
    // What is deleted already can be had gone at once.
    let answer = server.ask(&["queue", "delete", "--now", "--where", "phase:deleted"]);
    assert_eq!(changed(&answer), (2, 0), "{answer:#}");
    await_phase(&server, "deleted", 0);
}

#[test]
fn at_the_end_of_its_undo_window_a_deleted_message_goes_and_its_sender_may_be_told() {
    let lines = format!("{SLOW}\nundo-window = \"1s\"");
    let (server, ids) = stuck(tools::nobody(), 2, &lines);
    server.ask(&["queue", "delete", &ids[0]]);
    server.ask(&["queue", "delete", "--report", &ids[1]]);
    wait::until("nothing queued", || {
        let list = server.ask(&["queue", "list"]);
        (list["messages"] == 0 && list["deleted"] == 0).then_some(())
    });
    let reports = server.mailbox("bob", 1);
    let report = String::from_utf8_lossy(&reports[0]).into_owned();
    assert!(
        report.contains("An administrator removed the message"),
        "{report}"
    );
    assert!(report.contains("to1@example.net"), "{report}");
    assert_eq!(server.uids("bob").len(), 1, "only one was to be reported");
    let trace = said(&server, &["message", "trace", &ids[0]]);
    assert!(trace.contains("delete by administrator"), "{trace}");
}

#[test]
fn messages_are_redirected_to_another_connector() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .server(SLOW)
        .smart_host("out", "*", tools::nobody())
        .smart_host("spare", "nobody.example", sink.address());
    let server = Server::start(&organization);
    let id = held(&server, 1, "b@example.net");
    await_phase(&server, "retry", 1);
    let no = server.command(&["queue", "redirect", "--via", "nowhere", &id]);
    let no = String::from_utf8_lossy(&no.stderr).into_owned();
    assert!(
        no.contains("this server has no connector \"nowhere\""),
        "{no}"
    );
    server.ask(&["queue", "redirect", "--via", "spare", &id]);
    wait::until("it at the other hop", || (sink.count() == 1).then_some(()));
    server.await_empty_queue();
}

#[test]
fn nobody_loses_mail_because_the_link_of_somebody_else_was_meant() {
    let organization = Organization::new()
        .server(SLOW)
        .smart_host("out", "*", tools::nobody())
        .smart_host("other", "other.example", tools::nobody());
    let server = Server::start(&organization);
    let both = send(
        server.inbound(),
        "bob@example.test",
        &["a@example.net", "b@other.example"],
        &message("for two links"),
    );
    let both = id_in(&both);
    let one = held(&server, 1, "c@other.example");
    // The first is one message, though it waits on both links.
    await_phase(&server, "retry", 2);
    let meant = "domain:other.example";
    let answer = server.ask(&["queue", "delete", "--where", meant]);
    assert_eq!(changed(&answer), (1, 0), "{answer:#}");
    assert_eq!(answer["left-alone"], 1, "{answer:#}");
    let found = server.ask(&["queue", "find", "not phase:deleted"]);
    assert_eq!(found["messages"][0]["id"], both.as_str(), "{found:#}");
    let told = said(&server, &["queue", "delete", "--where", meant, "--dry-run"]);
    assert!(told.contains("--whole-messages takes these too"), "{told}");
    let answer = server.ask(&["queue", "delete", "--where", meant, "--whole-messages"]);
    assert_eq!(changed(&answer), (1, 0), "{answer:#}");
    let back = server.ask(&["queue", "restore", &both, &one]);
    assert_eq!(changed(&back), (2, 0), "{back:#}");
}

#[test]
fn messages_are_given_up_when_the_operator_says() {
    let (server, ids) = stuck(tools::nobody(), 1, SLOW);
    server.ask(&["queue", "expire", "--in", "1s", &ids[0]]);
    let report = server.mailbox("bob", 1).remove(0);
    let report = String::from_utf8_lossy(&report).into_owned();
    assert!(report.contains("5.4.7"), "{report}");
    server.await_empty_queue();
}

#[test]
fn who_the_recipients_are_is_found_out_again() {
    let contact = |to: &str| {
        format!(
            "[[contact]]\nname = \"carol\"\naddresses = [\"carol@example.test\"]\ntarget = \"{to}\"\n"
        )
    };
    let with = |to: &str| {
        Organization::new()
            .server(SLOW)
            .smart_host("out", "*", tools::nobody())
            .with(&contact(to))
    };
    let mut server = Server::start(&with("carol@example.net"));
    held(&server, 1, "carol@example.test");
    await_phase(&server, "retry", 1);
    server.apply(&with("alice@example.test"));
    // What was found out stands, until somebody says otherwise.
    await_phase(&server, "retry", 1);
    // Once more if it is just being routed.
    wait::until("it resubmitted", || {
        let answer = server.ask(&["queue", "resubmit", "--where", "to:carol@*"]);
        (changed(&answer) == (1, 0)).then_some(())
    });
    assert_eq!(server.mailbox("alice", 1).len(), 1);
    server.await_empty_queue();
}

#[test]
fn urgent_mail_goes_first() {
    let address = tools::nobody();
    // Over several connections the end of one and the begin of another may change places.
    let connector = format!(
        "[[connector]]\nname = \"out\"\nrouting-group = \"main\"\nmax-connections = 1\n\
         address-space = [{{ pattern = \"*\", cost = 10 }}]\nsmart-hosts = [\"{address}\"]\n"
    );
    let organization = Organization::new().server(SLOW).with(&connector);
    let (server, ids) = stuck_in(&organization, 5);
    server.ask(&["queue", "priority", "--set", "high", &ids[4]]);
    server.ask(&["queue", "priority", "--set", "low", &ids[0]]);
    let found = server.ask(&["queue", "find", "priority:high"]);
    assert_eq!(found["messages"][0]["id"], ids[4].as_str(), "{found:#}");
    server.ask(&["server", "hold"]);
    let sink = open(address);
    server.ask(&["queue", "retry", "--all"]);
    await_phase(&server, "frozen", 5);
    server.ask(&["server", "release"]);
    wait::until("all at the next hop", || (sink.count() == 5).then_some(()));
    let received = sink.received();
    let first = String::from_utf8_lossy(&received[0].content).into_owned();
    let last = String::from_utf8_lossy(&received[4].content).into_owned();
    assert!(first.contains("number 4"), "{first}");
    assert!(last.contains("number 0"), "{last}");
}

#[test]
fn a_drained_server_takes_no_mail_and_empties_itself() {
    let address = tools::nobody();
    let (mut server, _) = stuck(address, 1, SLOW);
    let sink = open(address);
    assert_eq!(server.ask(&["server", "drain"])["changed"], true);
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    server.kill();
    server.run(&[]);
    let mut client = crate::client(server.inbound());
    let refused = client.command("MAIL FROM:<bob@example.test>").unwrap();
    assert_eq!(refused.code, 451, "{refused:?}");
    let list = said(&server, &["queue", "list"]);
    assert!(list.contains("THE SERVER IS BEING DRAINED"), "{list}");
    server.ask(&["server", "drain", "--off"]);
    let taken = client.command("MAIL FROM:<bob@example.test>").unwrap();
    assert_eq!(taken.code, 250, "{taken:?}");
}

#[test]
fn a_message_goes_out_as_a_file_and_comes_in_again() {
    let address = tools::nobody();
    let (server, ids) = stuck(address, 1, SLOW);
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().to_str().unwrap();
    said(&server, &["queue", "export", &ids[0], "--into", into]);
    let file = folder.path().join(format!("{}.eml", ids[0]));
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("X-Sender: bob@example.test\r\nX-Receiver: to0@example.net\r\n"),
        "{text}"
    );
    assert!(
        text.ends_with(&String::from_utf8(message("number 0")).unwrap()),
        "{text}"
    );
    server.ask(&["queue", "delete", "--now", &ids[0]]);
    server.await_empty_queue();
    let sink = open(address);
    said(&server, &["queue", "import", file.to_str().unwrap()]);
    server.ask(&["queue", "retry", "--all"]);
    // Its link may still be held.
    wait::until("it at the next hop", || {
        server.command(&["queue", "retry", "--all"]);
        (sink.count() == 1).then_some(())
    });
    let pickup = folder.path().join("pickup.eml");
    std::fs::write(&pickup, "x-sender: <bob@example.test>\nx-receiver: <alice@example.test>\nSubject: by hand\n\nhello\n").unwrap();
    said(&server, &["queue", "import", pickup.to_str().unwrap()]);
    let mail = server.mailbox("alice", 1).remove(0);
    let text = String::from_utf8_lossy(&mail);
    assert!(text.contains("Subject: by hand\r\n\r\nhello\r\n"), "{text}");
    let bad = folder.path().join("bad.eml");
    std::fs::write(&bad, "Subject: nobody\n\nhello\n").unwrap();
    let no = server.command(&["queue", "import", bad.to_str().unwrap()]);
    let no = String::from_utf8_lossy(&no.stderr).into_owned();
    assert!(
        no.contains("begins neither with X-Envelope nor with X-Sender"),
        "{no}"
    );
}

#[test]
fn conditions_that_are_none_are_refused_with_the_place() {
    let server = Server::start(&Organization::new());
    let no = server.command(&["queue", "delete", "--where", "form:bob@*"]);
    assert!(!no.status.success());
    let no = String::from_utf8_lossy(&no.stderr).into_owned();
    assert!(no.contains("at character 1: there is no \"form\""), "{no}");
    let no = server.command(&["queue", "freeze", "00000000000000000000000001"]);
    let no = String::from_utf8_lossy(&no.stderr).into_owned();
    assert!(no.contains("isn't in the queue"), "{no}");
    let why = server.command(&["message", "why", "00000000000000000000000001"]);
    let why = String::from_utf8_lossy(&why.stderr).into_owned();
    assert!(why.contains("nothing is known of message"), "{why}");
}
