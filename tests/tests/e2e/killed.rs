//! Killed in the middle of groups, their copies and journals: everybody has each message once.

use crate::message;
use bridgehead_testkit::client::Client;
use bridgehead_tests::Server;
use bridgehead_tests::organization::Organization;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

const MEMBERS: usize = 60;
const ROUNDS: usize = 6;
/// To each of the two groups, in each round.
const MESSAGES: usize = 4;

/// `all` has everybody, some twice; `hidden` everybody under a reverse-path of its own. All mail is journaled.
fn organization() -> Organization {
    let mut objects = String::new();
    let mut names = Vec::new();
    for number in 0..MEMBERS {
        let name = format!("m{number}");
        writeln!(
            objects,
            "[[mailbox]]\nname = \"{name}\"\naddresses = [\"{name}@example.test\"]"
        )
        .unwrap();
        names.push(format!("\"{name}\""));
    }
    let (half, most) = (names[..MEMBERS / 2].join(", "), names[10..].join(", "));
    let everybody = names.join(", ");
    let mut group = |name: &str, members: &str, more: &str| {
        writeln!(
            objects,
            "[[group]]\nname = \"{name}\"\naddresses = [\"{name}@example.test\"]\n\
             members = [{members}]\n{more}"
        )
        .unwrap();
    };
    group("half", &half, "");
    group("most", &most, "");
    group("all", "\"half\", \"most\"", "");
    group(
        "hidden",
        &everybody,
        "hidden-members = true\nowner = \"alice\"\n",
    );
    objects.push_str(
        "[[mailbox]]\nname = \"archive\"\naddresses = [\"archive@example.test\"]\n\
         [[journal-rule]]\nname = \"all\"\neverything = true\njournal-to = \"archive@example.test\"\n",
    );
    Organization::new().with(&objects)
}

fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    let line = text.lines().find(|line| line.starts_with("Subject: "));
    line.unwrap().to_owned()
}

#[test]
fn groups_and_journals_survive_kills_with_each_message_once() {
    let mut server = Server::start(&organization());
    let mut number = 0;
    for round in 0..ROUNDS {
        let mut client = Client::connect(server.strict()).unwrap();
        client.ehlo("client.example.org").unwrap();
        for to in ["all@example.test", "hidden@example.test"].repeat(MESSAGES) {
            number += 1;
            let sent = client.send("a@example.org", &[to], &message(&format!("n{number}")));
            assert!(sent.unwrap().is_good());
        }
        // Sooner and later: in the categorizer, between stored copies, in the middle of deliveries.
        std::thread::sleep(Duration::from_millis(15 * round as u64));
        server.kill();
        server.run(&[]);
    }
    server.await_empty_queue();
    let expected = ROUNDS * MESSAGES * 2;
    for member in 0..MEMBERS {
        let uids = server.uids(&format!("m{member}"));
        assert_eq!(uids.len(), expected, "m{member}");
    }
    for mailbox in ["m0", "m15", "m59", "archive"] {
        let messages = server.mailbox(mailbox, expected);
        let subjects: BTreeSet<String> = messages.iter().map(|one| subject(one)).collect();
        assert_eq!(
            (messages.len(), subjects.len()),
            (expected, expected),
            "{mailbox}"
        );
    }
    // Nobody was told of a failure.
    assert_eq!(server.uids("alice").len(), 0);
}
