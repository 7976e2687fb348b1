//! Who recipients really are: every kind of object, graphs of them, and what reports are asked for.
#![allow(clippy::unwrap_used)]

use bridgehead_categorizer::{ADDRESSEES_MAX, Categorized, Sender, Snapshot, categorize, explain};
use bridgehead_directory::parse_organisation;
use bridgehead_mail::{
    Address, BodyKind, Destination, DsnText, Envelope, Notify, Orcpt, Origin, Protocol, Recipient,
    ReversePath, Timestamp,
};
use proptest::prelude::*;
use std::fmt::Write;

const HEAD: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"
[[accepted-domain]]
name = "example.test"
[[accepted-domain]]
name = "inner.test"
kind = "internal-relay"
[[accepted-domain]]
name = "partner.test"
kind = "external-relay"
"#;

const PEOPLE: &str = r#"
[[mailbox]]
name = "alice"
addresses = ["alice@example.test", "a.smith@example.test"]
[[mailbox]]
name = "bob"
addresses = ["bob@example.test", "bob@inner.test"]
[[contact]]
name = "carol"
addresses = ["carol@example.test"]
target = "carol@example.net"
[[group]]
name = "staff"
addresses = ["staff@example.test"]
members = ["alice", "bob", "carol", "outside@example.net", "a.smith@example.test"]
"#;

fn snapshot(objects: &str) -> Snapshot {
    let (organisation, _) = parse_organisation(&format!("{HEAD}{objects}"), "org.toml").unwrap();
    Snapshot::build(7, organisation)
}

fn mailbox(name: &str, more: &str) -> String {
    format!("[[mailbox]]\nname = \"{name}\"\naddresses = [\"{name}@example.test\"]\n{more}\n")
}

fn group(name: &str, members: &[&str]) -> String {
    format!(
        "[[group]]\nname = \"{name}\"\naddresses = [\"{name}@example.test\"]\nmembers = {members:?}\n"
    )
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn plain(text: &str) -> Recipient {
    Recipient::plain(address(text))
}

fn envelope(recipients: Vec<Recipient>) -> Envelope {
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: ReversePath::Null,
        recipients,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: Origin {
            virtual_server: "inbound".into(),
            client: None,
            helo: "".into(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        },
        accepted: Timestamp::EPOCH,
        journey: None,
    }
}

fn to(snapshot: &Snapshot, recipients: &[&str]) -> Categorized {
    categorize(
        snapshot,
        &envelope(recipients.iter().map(|text| plain(text)).collect()),
        None,
    )
}

/// `address>mailbox` or `address>remote`.
fn shown(result: &Categorized) -> Vec<String> {
    let addressees = result.addressees.iter().map(|addressee| {
        let destination = match &addressee.destination {
            Destination::Mailbox(name) => name,
            Destination::Remote => "remote",
        };
        format!("{}>{destination}", addressee.address)
    });
    addressees.collect()
}

fn failures(result: &Categorized) -> Vec<String> {
    let failed = result.failed.iter();
    failed
        .map(|(recipient, failure)| format!("{} {}", recipient.address, failure.status))
        .collect()
}

const SUCCESS_AND_FAILURE: Notify = Notify::On {
    success: true,
    failure: true,
    delay: false,
};
const FAILURE: Notify = Notify::On {
    success: false,
    failure: true,
    delay: false,
};
const SUCCESS: Notify = Notify::On {
    success: true,
    failure: false,
    delay: false,
};

#[test]
fn each_address_goes_where_it_belongs() {
    let snapshot = snapshot(PEOPLE);
    for (recipient, expected) in [
        ("alice@example.test", "alice@example.test>alice"),
        ("A.Smith@example.test", "A.Smith@example.test>alice"),
        ("alice+x@example.test", "alice+x@example.test>alice"),
        ("postmaster@example.test", "postmaster@example.test>alice"),
        ("Abuse@inner.test", "Abuse@inner.test>alice"),
        ("postmaster@partner.test", "postmaster@partner.test>remote"),
        ("bob@inner.test", "bob@inner.test>bob"),
        ("zoe@inner.test", "zoe@inner.test>remote"),
        ("zoe@partner.test", "zoe@partner.test>remote"),
        ("zoe@example.org", "zoe@example.org>remote"),
        ("carol@example.test", "carol@example.net>remote"),
    ] {
        let result = to(&snapshot, &[recipient]);
        assert_eq!(shown(&result), [expected]);
        assert!(result.failed.is_empty() && result.expanded.is_empty());
        assert_eq!(result.directory, 7);
    }
}

#[test]
fn an_unknown_recipient_fails_alone() {
    let result = to(&snapshot(PEOPLE), &["zoe@example.test", "bob@example.test"]);
    assert_eq!(shown(&result), ["bob@example.test>bob"]);
    assert_eq!(failures(&result), ["zoe@example.test 5.1.1"]);
}

#[test]
fn a_group_reaches_each_member_once() {
    let result = to(&snapshot(PEOPLE), &["staff@example.test"]);
    assert_eq!(
        shown(&result),
        [
            "alice@example.test>alice",
            "bob@example.test>bob",
            "carol@example.net>remote",
            "outside@example.net>remote",
        ]
    );
    assert_eq!(result.expanded.len(), 1);
}

#[test]
fn a_mailbox_gets_one_copy_whatever_the_path() {
    let all = [
        "staff@example.test",
        "alice+x@example.test",
        "postmaster@example.test",
        "a.smith@example.test",
        "staff+again@example.test",
    ];
    let result = to(&snapshot(PEOPLE), &all);
    let alices = shown(&result)
        .into_iter()
        .filter(|line| line.ends_with(">alice"));
    // The one the sender named counts, not the group's.
    assert_eq!(alices.collect::<Vec<_>>(), ["alice+x@example.test>alice"]);
    assert_eq!(result.expanded.len(), 2);
    assert_eq!(result.expanded[0].members, result.expanded[1].members);
}

#[test]
fn the_wishes_of_a_named_recipient_survive_its_group() {
    let mut alice = plain("alice@example.test");
    alice.notify = SUCCESS;
    let mut staff = plain("staff@example.test");
    staff.notify = Notify::Never;
    for recipients in [vec![staff.clone(), alice.clone()], vec![alice, staff]] {
        let result = categorize(&snapshot(PEOPLE), &envelope(recipients), None);
        let mut all = result.addressees.iter();
        let alice = all.find(|one| one.destination == Destination::Mailbox("alice".into()));
        let alice = alice.unwrap();
        assert_eq!((alice.notify, &alice.orcpt), (SUCCESS, &None));
    }
}

#[test]
fn groups_nested_ten_deep_are_followed() {
    let mut objects = mailbox("alice", "");
    for depth in 0..10 {
        let next = match depth {
            9 => "alice".to_owned(),
            _ => format!("g{}", depth + 1),
        };
        objects.push_str(&group(&format!("g{depth}"), &[&next]));
    }
    let result = to(&snapshot(&objects), &["g0@example.test"]);
    assert_eq!(shown(&result), ["alice@example.test>alice"]);
}

#[test]
fn groups_that_hold_each_other_are_harmless() {
    let objects = [
        mailbox("alice", ""),
        mailbox("bob", ""),
        group("one", &["two", "alice", "one"]),
        group("two", &["one", "bob@example.test", "two@example.test"]),
    ];
    let result = to(
        &snapshot(&objects.concat()),
        &["one@example.test", "two@example.test"],
    );
    assert_eq!(shown(&result).len(), 2);
    assert!(result.failed.is_empty());
}

#[test]
fn groups_that_hold_only_each_other_fail() {
    let objects = [
        mailbox("alice", ""),
        group("one", &["two"]),
        group("two", &["one"]),
        group("empty", &[]),
        group("outer", &["empty"]),
    ];
    let all = [
        "one@example.test",
        "empty@example.test",
        "outer@example.test",
    ];
    let result = to(&snapshot(&objects.concat()), &all);
    assert_eq!(
        failures(&result),
        [
            "one@example.test 5.4.6",
            "empty@example.test 5.2.4",
            "outer@example.test 5.2.4"
        ]
    );
    assert!(result.addressees.is_empty() && result.expanded.is_empty());
}

#[test]
fn ten_thousand_members_are_found() {
    let mut objects = mailbox("alice", "");
    let mut members = String::new();
    for number in 0..10_000 {
        let _ = write!(members, "\"m{number}@example.net\",");
    }
    let _ = write!(
        objects,
        "[[group]]\nname = \"all\"\naddresses = [\"all@example.test\"]\nmembers = [{members}\"alice\"]\n"
    );
    let result = to(&snapshot(&objects), &["all@example.test"]);
    assert_eq!(result.addressees.len(), 10_001);
    assert_eq!(result.expanded[0].members, 10_001);
}

#[test]
fn diamonds_cost_no_more_than_their_objects() {
    // Sixty layers of two groups, each holding both of the next: 2^40 paths.
    let mut objects = mailbox("alice", "");
    for layer in 0..40 {
        for side in ["l", "r"] {
            let next = match layer {
                39 => vec!["alice".to_owned()],
                _ => vec![format!("l{}", layer + 1), format!("r{}", layer + 1)],
            };
            let next: Vec<&str> = next.iter().map(String::as_str).collect();
            objects.push_str(&group(&format!("{side}{layer}"), &next));
        }
    }
    let result = to(&snapshot(&objects), &["l0@example.test"]);
    assert_eq!(shown(&result), ["alice@example.test>alice"]);
}

#[test]
fn what_is_too_deep_or_too_much_fails_as_a_whole() {
    let mut objects = mailbox("alice", "");
    for depth in 0..60 {
        let next = format!("g{}", depth + 1);
        objects.push_str(&group(&format!("g{depth}"), &["alice", &next]));
    }
    objects.push_str(&group("g60", &["alice"]));
    let members = "\"m@example.net\",".repeat(usize::try_from(ADDRESSEES_MAX).unwrap());
    let _ = write!(
        objects,
        "[[group]]\nname = \"all\"\naddresses = [\"all@example.test\"]\nmembers = [{members}]\n"
    );
    let snapshot = snapshot(&objects);
    let result = to(&snapshot, &["g0@example.test", "g20@example.test"]);
    assert_eq!(failures(&result), ["g0@example.test 5.4.6"]);
    assert_eq!(shown(&result), ["alice@example.test>alice"]);
    let result = to(&snapshot, &["alice@example.test", "all@example.test"]);
    assert_eq!(failures(&result), ["all@example.test 5.2.4"]);
    assert_eq!(shown(&result), ["alice@example.test>alice"]);
}

#[test]
fn forwarding_goes_through_a_chain_with_and_without_copies() {
    let objects = [
        mailbox("alice", "forward-to = [\"bob@example.test\"]"),
        mailbox(
            "bob",
            "forward-to = [\"carol@example.test\"]\nkeep-copy = true",
        ),
        mailbox(
            "carol",
            "forward-to = [\"carol@example.net\"]\nkeep-copy = false",
        ),
    ];
    let result = to(&snapshot(&objects.concat()), &["alice@example.test"]);
    assert_eq!(
        shown(&result),
        ["bob@example.test>bob", "carol@example.net>remote"]
    );
    assert!(result.expanded.is_empty());
}

#[test]
fn forwarding_that_goes_round_fails_unless_a_copy_is_kept() {
    let round = |more: &str| {
        let objects = [
            mailbox("alice", "forward-to = [\"bob@example.test\"]"),
            mailbox(
                "bob",
                &format!("forward-to = [\"alice@example.test\"]\n{more}"),
            ),
        ];
        to(&snapshot(&objects.concat()), &["alice@example.test"])
    };
    assert_eq!(failures(&round("")), ["alice@example.test 5.4.6"]);
    let kept = round("keep-copy = true");
    assert_eq!(shown(&kept), ["bob@example.test>bob"]);
    assert!(kept.failed.is_empty());
}

#[test]
fn reports_are_asked_for_as_rfc_3461_says() {
    let objects = [
        PEOPLE.to_owned(),
        mailbox("one", "forward-to = [\"x@example.net\"]"),
        mailbox("two", "forward-to = [\"x@example.net\", \"y@example.net\"]"),
        mailbox(
            "keeps",
            "forward-to = [\"x@example.net\"]\nkeep-copy = true",
        ),
    ];
    let snapshot = snapshot(&objects.concat());
    let asked = |recipient: &str, notify: Notify| {
        let mut recipient = plain(recipient);
        recipient.notify = notify;
        let result = categorize(&snapshot, &envelope(vec![recipient]), None);
        let all = result.addressees.iter().map(|one| one.notify);
        (all.collect::<Vec<_>>(), result.expanded.len())
    };
    let both = SUCCESS_AND_FAILURE;
    assert_eq!(asked("alice@example.test", both), (vec![both], 0));
    assert_eq!(asked("carol@example.test", both), (vec![both], 0));
    assert_eq!(asked("one@example.test", both), (vec![both], 0));
    assert_eq!(asked("two@example.test", both), (vec![FAILURE; 2], 1));
    assert_eq!(asked("keeps@example.test", both), (vec![both, FAILURE], 0));
    assert_eq!(asked("staff@example.test", both), (vec![FAILURE; 4], 1));
    assert_eq!(
        asked("staff@example.test", SUCCESS),
        (vec![Notify::Never; 4], 1)
    );
    let unsaid = Notify::Unsaid;
    assert_eq!(asked("staff@example.test", unsaid), (vec![unsaid; 4], 1));
}

#[test]
fn the_original_recipient_is_kept_or_filled_in() {
    let orcpt = |text: &str| {
        Some(Orcpt {
            kind: DsnText::new("rfc822").unwrap(),
            address: DsnText::new(text).unwrap(),
        })
    };
    let snapshot = snapshot(PEOPLE);
    let first = |recipient: Recipient| {
        let result = categorize(&snapshot, &envelope(vec![recipient]), None);
        result.addressees[0].orcpt.clone()
    };
    assert_eq!(first(plain("alice@example.test")), None);
    assert_eq!(first(plain("zoe@example.org")), None);
    assert_eq!(
        first(plain("carol@example.test")),
        orcpt("carol@example.test")
    );
    assert_eq!(
        first(plain("staff@example.test")),
        orcpt("staff@example.test")
    );
    let mut carol = plain("carol@example.test");
    carol.orcpt = orcpt("c@before.example");
    assert_eq!(first(carol), orcpt("c@before.example"));
}

#[test]
fn an_explanation_names_each_object_and_agrees_with_the_result() {
    let snapshot = snapshot(PEOPLE);
    let explained = explain(
        &snapshot,
        &address("staff+x@example.test"),
        Sender::default(),
    );
    let objects: Vec<&str> = explained.steps.iter().map(|step| &*step.object).collect();
    assert_eq!(
        objects,
        [
            "group staff",
            "group staff",
            "mailbox alice",
            "mailbox bob",
            "contact carol",
            "",
            "",
            "mailbox alice"
        ]
    );
    assert_eq!(explained.steps[1].text, "stands for 5 members");
    assert_eq!(
        explained.categorized,
        to(&snapshot, &["staff+x@example.test"])
    );
    let nobody = explain(&snapshot, &address("zoe@example.test"), Sender::default());
    assert_eq!(
        nobody.steps[0].text,
        "nobody has this address: 5.1.1 no such recipient here"
    );
}

proptest! {
    /// Any graph of forwardings, groups and contacts ends, reaches nobody twice, and forgets no recipient.
    #[test]
    fn any_graph_ends_and_forgets_nobody(
        edges in prop::collection::vec((0usize..12, 0usize..12), 0..40),
        keeps in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut objects = mailbox("alice", "");
        for (node, keep) in keeps.iter().enumerate() {
            let targets = edges.iter().filter(|(from, to)| *from == node && to != from);
            let targets: Vec<String> =
                targets.map(|(_, to)| format!("n{to}@example.test")).collect();
            let names: Vec<&str> = targets.iter().map(String::as_str).collect();
            let name = format!("n{node}");
            objects.push_str(&match node % 2 {
                0 => group(&name, &names),
                _ => mailbox(&name, &format!("forward-to = {names:?}\nkeep-copy = {keep}")),
            });
        }
        let snapshot = snapshot(&objects);
        for node in 0..12 {
            let result = to(&snapshot, &[&format!("n{node}@example.test")]);
            prop_assert!(!result.addressees.is_empty() || !result.failed.is_empty());
            let mut all = shown(&result);
            all.sort();
            all.dedup();
            prop_assert_eq!(all.len(), result.addressees.len());
        }
    }
}
