//! Wishes of senders: when a message may leave, by when it should be there, and how urgent it is.

use crate::{client, message, send};
use bridgehead_testkit::client::Client;
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
use std::net::SocketAddr;

/// Sends one message with parameters of MAIL.
fn wish(server: SocketAddr, parameters: &str, to: &str) {
    let mut client: Client = client(server);
    let from = format!("MAIL FROM:<bob@example.test> {parameters}");
    assert_eq!(client.command(&from).unwrap().code, 250, "{parameters}");
    assert_eq!(
        client.command(&format!("RCPT TO:<{to}>")).unwrap().code,
        250
    );
    assert_eq!(client.data(&message("wish")).unwrap().code, 250);
}

fn deferred(server: &Server) -> bool {
    let id = server.ask(&["queue", "find", "phase:deferred to:alice@example.test"]);
    id["matched"] == 1
}

#[test]
fn a_message_is_held_as_long_as_its_sender_wishes() {
    let organization = Organization::new().inbound("max-hold = \"1h\"");
    let mut server = Server::start(&organization);
    wish(server.inbound(), "HOLDFOR=600", "alice@example.test");
    wish(server.inbound(), "HOLDFOR=5", "bob@example.test");
    wait::until("it held", || deferred(&server).then_some(()));
    server.kill();
    server.run(&[]);
    wait::until("it held after the kill", || deferred(&server).then_some(()));
    assert_eq!(server.mailbox("bob", 1).len(), 1);
    assert!(deferred(&server) && server.uids("alice").is_empty());
    let mut client = client(server.inbound());
    let far = client.command("MAIL FROM:<bob@example.test> HOLDUNTIL=2999-01-01T00:00:00Z");
    assert_eq!(far.unwrap().code, 501);
}

#[test]
fn what_cant_be_there_in_time_comes_back() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", tools::nobody());
    let server = Server::start(&organization);
    wish(server.inbound(), "BY=2;R", "b@example.net");
    let report = server.mailbox("bob", 1).remove(0);
    let report = String::from_utf8_lossy(&report).into_owned();
    assert!(report.contains("5.4.7"), "{report}");
    server.await_empty_queue();
}

#[test]
fn urgent_mail_is_passed_on_as_such() {
    let extensions = [ALL_EXTENSIONS, &["MT-PRIORITY", "DELIVERBY"]].concat();
    let sink = Sink::start_with(&extensions, Box::new(|_| None)).unwrap();
    let organization = Organization::new().smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    wish(server.inbound(), "MT-PRIORITY=5 BY=600;N", "b@example.net");
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    let mail = sink.received()[0].mail.clone();
    assert!(mail.contains("MT-PRIORITY=5"), "{mail}");
    assert!(mail.contains("BY=") && mail.contains(";N"), "{mail}");
    send(
        server.inbound(),
        "bob@example.test",
        &["c@example.net"],
        &message("plain"),
    );
    wait::until("the other", || (sink.count() == 2).then_some(()));
    assert!(!sink.received()[1].mail.contains("MT-PRIORITY"));
}
