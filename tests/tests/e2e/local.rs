//! Who gets it: mailboxes, groups, contacts, forwarding; and what stands in the mailbox.

use crate::{client, message, send, trace_fields};
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};

const OBJECTS: &str = r#"
[[mailbox]]
name = "carol"
addresses = ["carol@example.test"]
forward-to = ["carol@example.net"]
keep-copy = true

[[mailbox]]
name = "dave"
addresses = ["dave@example.test"]
forward-to = ["bob@example.test"]

[[group]]
name = "staff"
addresses = ["staff@example.test"]
members = ["alice", "bob", "alice@example.test", "inner", "a.smith@example.test"]

[[group]]
name = "inner"
addresses = ["inner@example.test"]
members = ["staff", "bob"]

[[contact]]
name = "erin"
addresses = ["erin@example.test"]
target = "erin@example.net"
"#;

#[test]
fn swaks_reaches_a_mailbox() {
    let server = Server::start(&Organization::new());
    tools::swaks(
        server.inbound(),
        &[
            "--from",
            "a@example.org",
            "--to",
            "alice@example.test",
            "--body",
            "hello",
        ],
    )
    .good();
    let messages = server.mailbox("alice", 1);
    let text = String::from_utf8_lossy(&messages[0]).into_owned();
    assert!(
        text.starts_with("Return-Path: <a@example.org>\r\n"),
        "{text}"
    );
    assert!(text.contains("Received: from "), "{text}");
    assert!(text.contains("[127.0.0.1]"), "{text}");
    assert!(
        text.ends_with("hello\r\n\r\n\r\n") || text.contains("hello"),
        "{text}"
    );
}

#[test]
fn all_names_of_a_mailbox_reach_it() {
    let server = Server::start(&Organization::new());
    let names = [
        "alice@example.test",
        "ALICE@EXAMPLE.TEST",
        "a.smith@example.test",
        "alice+lists@example.test",
        "postmaster@example.test",
        "abuse@example.test",
        "\"alice\"@example.test",
    ];
    for (number, name) in names.iter().enumerate() {
        send(
            server.strict(),
            "a@example.org",
            &[name],
            &message(&number.to_string()),
        );
    }
    server.mailbox("alice", names.len());
    let mut client = client(server.strict());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    // RFC 5321 §4.5.1.
    assert_eq!(client.command("RCPT TO:<Postmaster>").unwrap().code, 250);
}

#[test]
fn members_of_nested_groups_get_one_copy() {
    let server = Server::start(&Organization::new().with(OBJECTS));
    send(
        server.inbound(),
        "a@example.org",
        &["staff@example.test", "alice@example.test"],
        &message("group"),
    );
    server.await_empty_queue();
    assert_eq!(server.mailbox("alice", 1).len(), 1);
    assert_eq!(server.mailbox("bob", 1).len(), 1);
}

#[test]
fn contacts_and_forwarding_leave_the_house() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .with(OBJECTS)
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    send(
        server.strict(),
        "a@example.org",
        &[
            "erin@example.test",
            "carol@example.test",
            "dave@example.test",
        ],
        &message("forward"),
    );
    server.mailbox("carol", 1);
    server.mailbox("bob", 1);
    server.await_empty_queue();
    assert!(server.uids("dave").is_empty());
    let mut rcpts: Vec<String> = sink
        .received()
        .into_iter()
        .flat_map(|one| one.rcpts)
        .collect();
    rcpts.sort();
    assert_eq!(rcpts.len(), 2, "{rcpts:?}");
    assert!(rcpts[0].starts_with("<carol@example.net>"), "{rcpts:?}");
    assert!(rcpts[1].starts_with("<erin@example.net>"), "{rcpts:?}");
}

#[test]
fn one_message_for_many_is_the_same_for_all() {
    let server = Server::start(&Organization::new());
    let content = message("both");
    send(
        server.inbound(),
        "a@example.org",
        &["alice@example.test", "bob@example.test"],
        &content,
    );
    for mailbox in ["alice", "bob"] {
        let messages = server.mailbox(mailbox, 1);
        trace_fields(mailbox, &messages[0], &content);
    }
}

#[test]
fn relay_domains_are_passed_on() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .with(
            "[[accepted-domain]]\nname = \"old.example\"\nkind = \"internal-relay\"\n\n\
             [[accepted-domain]]\nname = \"partner.example\"\nkind = \"external-relay\"\n\n\
             [[mailbox]]\nname = \"frank\"\naddresses = [\"frank@old.example\"]\n",
        )
        .smart_host("partner", "partner.example", sink.address())
        .smart_host("old", "old.example", sink.address());
    let server = Server::start(&organization);
    for to in [
        "frank@old.example",
        "unknown@old.example",
        "anybody@partner.example",
    ] {
        send(server.strict(), "a@example.org", &[to], &message("relay"));
    }
    server.mailbox("frank", 1);
    wait::until("two at the next hop", || (sink.count() == 2).then_some(()));
}
