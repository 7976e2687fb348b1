//! Who may send to whom, how much, who is told, and what is journaled.
#![allow(clippy::unwrap_used)]

use bridgehead_categorizer::{Categorized, Sender, Snapshot, categorize, explain, journals};
use bridgehead_directory::parse_organisation;
use bridgehead_mail::{
    Address, BodyKind, Destination, Envelope, Notify, Origin, Protocol, Recipient, ReversePath,
    Timestamp,
};

const OBJECTS: &str = r#"
[organization]
name = "Example"
postmaster = "alice@example.test"
[[accepted-domain]]
name = "example.test"
[[mailbox]]
name = "alice"
addresses = ["alice@example.test"]
max-send-size = "1 KiB"
max-send-recipients = 2
[[mailbox]]
name = "bob"
addresses = ["bob@example.test"]
department = "Sales"
[[mailbox]]
name = "chief"
addresses = ["chief@example.test"]
accept-from = ["inner", "partner"]
reject-from = ["bob"]
max-receive-size = "2 KiB"
[[mailbox]]
name = "internal"
addresses = ["internal@example.test"]
authenticated-senders-only = true
[[contact]]
name = "partner"
addresses = ["partner@example.test"]
target = "p@partner.test"
[[group]]
name = "outer"
addresses = ["outer@example.test"]
members = ["alice"]
[[group]]
name = "inner"
addresses = ["inner@example.test"]
members = ["outer", "sales", "inner"]
[[dynamic-group]]
name = "sales"
addresses = ["sales@example.test"]
filter = "(department=Sales)"
[[group]]
name = "closed"
addresses = ["closed@example.test"]
members = ["bob", "chief"]
accept-from = ["alice"]
[[group]]
name = "moderated"
addresses = ["moderated@example.test"]
members = ["bob", "internal"]
moderators = ["alice"]
[[group]]
name = "secret"
addresses = ["secret@example.test"]
members = ["bob", "x@elsewhere.test"]
hidden-members = true
[[group]]
name = "owned"
addresses = ["owned@example.test"]
members = ["x@elsewhere.test", "bob"]
report-to = "owner"
owner = "alice"
[[group]]
name = "above"
addresses = ["above@example.test"]
members = ["owned", "internal@elsewhere.test"]
report-to = "owner"
owner = "bob"
[[group]]
name = "quiet"
addresses = ["quiet@example.test"]
members = ["x@elsewhere.test"]
report-to = "nobody"
"#;

fn snapshot(more: &str) -> Snapshot {
    let (organisation, _) = parse_organisation(&format!("{OBJECTS}{more}"), "org.toml").unwrap();
    Snapshot::build(7, organisation)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope(user: Option<&str>, from: &str, to: &[&str]) -> Envelope {
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: match from {
            "" => ReversePath::Null,
            from => ReversePath::Address(address(from)),
        },
        recipients: to.iter().map(|to| Recipient::plain(address(to))).collect(),
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
                authenticated: user.is_some(),
                utf8: false,
            },
            tls: None,
            user: user.map(Into::into),
        },
        accepted: Timestamp::EPOCH,
        journey: None,
    }
}

fn sent(user: Option<&str>, from: &str, to: &[&str], size: u64) -> Categorized {
    categorize(&snapshot(""), &envelope(user, from, to), Some(size))
}

/// `mailbox` or address of each addressee, and `address status` of each failure.
fn shown(result: &Categorized) -> Vec<String> {
    let reached = result.addressees.iter().map(|one| match &one.destination {
        Destination::Mailbox(name) => name.to_string(),
        Destination::Remote => one.address.to_string(),
    });
    let failed = result.failed.iter();
    let failed = failed.map(|(who, failure)| format!("{} {}", who.address, failure.status));
    reached.chain(failed).collect()
}

#[test]
fn only_those_who_may_send_to_a_mailbox_also_through_groups_in_groups() {
    let chief = &["chief@example.test"];
    let refused = ["chief@example.test 5.7.1"];
    // alice is in outer, which is in inner.
    assert_eq!(
        shown(&sent(Some("alice"), "alice@example.test", chief, 10)),
        ["chief"]
    );
    // bob is in sales by its filter, and is rejected all the same.
    assert_eq!(
        shown(&sent(Some("bob"), "bob@example.test", chief, 10)),
        refused
    );
    assert_eq!(
        shown(&sent(Some("internal"), "internal@example.test", chief, 10)),
        refused
    );
    // A contact stands for its address elsewhere.
    assert_eq!(shown(&sent(None, "p@partner.test", chief, 10)), ["chief"]);
    assert_eq!(shown(&sent(None, "q@partner.test", chief, 10)), refused);
}

#[test]
fn who_hasnt_authenticated_is_nobody_of_ours_whatever_it_says() {
    let refused = ["chief@example.test 5.7.1"];
    assert_eq!(
        shown(&sent(
            None,
            "alice@example.test",
            &["chief@example.test"],
            10
        )),
        refused
    );
    let internal = &["internal@example.test"];
    let refused = ["internal@example.test 5.7.1"];
    assert_eq!(
        shown(&sent(None, "alice@example.test", internal, 10)),
        refused
    );
    assert_eq!(
        shown(&sent(Some("alice"), "alice@example.test", internal, 10)),
        ["internal"]
    );
}

#[test]
fn reports_reach_people_but_not_closed_groups() {
    assert_eq!(
        shown(&sent(None, "", &["chief@example.test"], 10)),
        ["chief"]
    );
    assert_eq!(
        shown(&sent(None, "", &["closed@example.test"], 10)),
        ["closed@example.test 5.7.1"]
    );
}

#[test]
fn each_object_on_the_way_is_asked() {
    // closed takes alice's mail, and chief behind it as well; bob's not.
    let closed = &["closed@example.test"];
    assert_eq!(
        shown(&sent(Some("alice"), "alice@example.test", closed, 10)),
        ["bob", "chief"]
    );
    assert_eq!(
        shown(&sent(Some("bob"), "bob@example.test", closed, 10)),
        ["closed@example.test 5.7.1"]
    );
    // A stranger reaches those of the group that take it.
    let (snapshot, moderated) = (snapshot(""), "moderated@example.test");
    let by_alice = envelope(Some("alice"), "alice@example.test", &[moderated]);
    let known = categorize(&snapshot, &by_alice, Some(10));
    assert_eq!(shown(&known), ["bob", "internal"]);
}

#[test]
fn a_moderated_group_is_its_moderators_for_everybody_else() {
    let to = &["moderated@example.test"];
    assert_eq!(shown(&sent(None, "x@elsewhere.test", to, 10)), ["alice"]);
    assert_eq!(
        shown(&sent(Some("bob"), "bob@example.test", to, 10)),
        ["alice"]
    );
}

#[test]
fn sizes_and_counts_are_limited_for_senders_and_recipients() {
    let to = &["bob@example.test"];
    let alice = |to: &[&str], size| shown(&sent(Some("alice"), "alice@example.test", to, size));
    assert_eq!(alice(to, 1024), ["bob"]);
    assert_eq!(alice(to, 1025), ["bob@example.test 5.2.3"]);
    let three = &["bob@example.test", "a@x.test", "b@x.test"];
    assert_eq!(
        alice(three, 10),
        ["bob@example.test 5.5.3", "a@x.test 5.5.3", "b@x.test 5.5.3"]
    );
    let partner = |size| shown(&sent(None, "p@partner.test", &["chief@example.test"], size));
    assert_eq!(partner(2048), ["chief"]);
    assert_eq!(partner(2049), ["chief@example.test 5.2.3"]);
}

/// The reverse-path of each copy, with who gets it.
fn copies(known: &Categorized) -> Vec<String> {
    let lists = known.lists.iter().map(|list| {
        let path = list.return_path.address().map(ToString::to_string);
        let members: Vec<String> = list
            .addressees
            .iter()
            .map(|one| one.address.to_string())
            .collect();
        let notify = match list
            .addressees
            .iter()
            .all(|one| one.notify == Notify::Never)
        {
            true => "never",
            false => "failure",
        };
        format!(
            "<{}> {notify}: {}",
            path.unwrap_or_default(),
            members.join(" ")
        )
    });
    lists.collect()
}

#[test]
fn of_hidden_members_the_sender_never_hears_and_an_owner_hears_in_its_place() {
    let to = |group: &str| sent(None, "x@y.test", &[group], 10);
    let secret = to("secret@example.test");
    assert_eq!(
        copies(&secret),
        ["<> never: bob@example.test x@elsewhere.test"]
    );
    assert!(secret.addressees.is_empty());
    assert_eq!(
        copies(&to("quiet@example.test")),
        ["<> never: x@elsewhere.test"]
    );
    assert_eq!(
        copies(&to("owned@example.test")),
        ["<alice@example.test> failure: x@elsewhere.test bob@example.test"]
    );
    // Groups in it hear of nothing else; one with a way of its own keeps that.
    assert_eq!(
        copies(&to("above@example.test")),
        [
            "<bob@example.test> failure: internal@elsewhere.test",
            "<alice@example.test> failure: x@elsewhere.test bob@example.test",
        ]
    );
    assert_eq!(copies(&to("outer@example.test")), Vec::<String>::new());
}

#[test]
fn whom_the_sender_reaches_otherwise_as_well_gets_one_copy_and_that_is_the_senders() {
    let both = ["owned@example.test", "bob@example.test"];
    for to in [both, [both[1], both[0]]] {
        let known = sent(None, "x@y.test", &to, 10);
        assert_eq!(shown(&known), ["bob"]);
        assert_eq!(
            copies(&known),
            ["<alice@example.test> failure: x@elsewhere.test"]
        );
    }
}

#[test]
fn a_message_from_nobody_stays_one() {
    let known = sent(None, "", &["owned@example.test"], 10);
    assert_eq!(copies(&known), Vec::<String>::new());
    assert!(
        known
            .addressees
            .iter()
            .all(|one| one.notify == Notify::Never)
    );
}

#[test]
fn a_copy_for_a_list_is_only_delivered() {
    let forwarding = "[[mailbox]]\nname = \"fred\"\naddresses = [\"fred@example.test\"]\n\
                      forward-to = [\"bob\"]\nkeep-copy = true\n";
    let to = [
        "fred@example.test",
        "bob@example.test",
        "internal@example.test",
    ];
    let mut copy = envelope(None, "alice@example.test", &to);
    copy.origin.virtual_server = bridgehead_categorizer::LIST.into();
    let known = categorize(&snapshot(forwarding), &copy, Some(10));
    assert_eq!(shown(&known), ["fred", "bob", "internal"]);
    assert_eq!(journals(&snapshot(forwarding), &copy, &known), []);
}

#[test]
fn who_fails_by_two_ways_fails_once() {
    let twice = "[[group]]\nname = \"twice\"\naddresses = [\"twice@example.test\"]\n\
                 members = [\"one\", \"two\"]\n\
                 [[group]]\nname = \"one\"\naddresses = [\"one@example.test\"]\nmembers = [\"internal\"]\n\
                 [[group]]\nname = \"two\"\naddresses = [\"two@example.test\"]\nmembers = [\"internal\"]\n";
    let envelope = envelope(
        None,
        "x@y.test",
        &["twice@example.test", "internal@example.test"],
    );
    let known = categorize(&snapshot(twice), &envelope, Some(10));
    assert_eq!(shown(&known), ["internal@example.test 5.7.1"]);
}

#[test]
fn explaining_shows_the_object_that_says_no() {
    let (bob, to) = (address("bob@example.test"), address("chief@example.test"));
    let sender = Sender {
        user: Some("bob"),
        address: Some(&bob),
        size: None,
    };
    let explained = explain(&snapshot(""), &to, sender);
    let step = explained.steps.last().unwrap();
    assert_eq!(step.object, "mailbox chief");
    assert!(step.text.contains("5.7.1"), "{}", step.text);
}

#[test]
fn each_rule_journals_a_message_once_and_never_a_journal() {
    let snapshot = snapshot(
        "[[journal-rule]]\nname = \"everything\"\neverything = true\njournal-to = \"a@archive.test\"\n\
         [[journal-rule]]\nname = \"partners\"\ndomains = [\"partner.test\"]\njournal-to = \"p@archive.test\"\n\
         [[journal-rule]]\nname = \"sales\"\nmembers = [\"sales\"]\njournal-to = \"s@archive.test\"\n",
    );
    let rules = |envelope: &Envelope| -> Vec<String> {
        let known = categorize(&snapshot, envelope, Some(10));
        let all = journals(&snapshot, envelope, &known);
        all.into_iter().map(|one| one.rule.to_string()).collect()
    };
    let plain = envelope(None, "x@y.test", &["alice@example.test"]);
    assert_eq!(rules(&plain), ["everything"]);
    let partner = envelope(None, "p@partner.test", &["alice@example.test"]);
    assert_eq!(rules(&partner), ["everything", "partners"]);
    // bob gets it as a member of inner, by sales.
    let by_group = envelope(
        None,
        "x@y.test",
        &["inner@example.test", "partner@example.test"],
    );
    assert_eq!(rules(&by_group), ["everything", "partners", "sales"]);
    let by_bob = envelope(Some("bob"), "bob@example.test", &["x@y.test"]);
    assert_eq!(rules(&by_bob), ["everything", "sales"]);
    let mut report = envelope(None, "", &["s@archive.test"]);
    report.origin.virtual_server = bridgehead_categorizer::JOURNAL.into();
    assert_eq!(rules(&report), Vec::<String>::new());
    let known = categorize(&snapshot, &by_group, Some(10));
    let journal = journals(&snapshot, &by_group, &known).pop().unwrap();
    let bob = (
        address("bob@example.test"),
        Some(address("inner@example.test")),
    );
    assert!(
        journal.recipients.contains(&bob),
        "{:?}",
        journal.recipients
    );
}
