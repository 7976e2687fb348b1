//! Forged, replayed, misplaced: refused with the reason, told once, and nothing else happens.

use crate::organisation::{Key, Organisation, secret, triangle};
use bridgehead_linkstate::codec::{Body, Message};
use bridgehead_linkstate::{
    EPOCH_MAX, Entry, Fault, Record, SEQUENCE_JUMP_MAX, Statement, Subject, Version,
};

fn down(name: &str) -> Entry {
    Entry {
        subject: Subject::Connector,
        name: name.into(),
        down: true,
        surcharge: 0,
        queued: 0,
        delay: 0,
    }
}

fn statement(origin: &str, epoch: u64, sequence: u32, entries: &[Entry]) -> Statement {
    Statement {
        origin: origin.into(),
        instance: 5,
        version: Version { epoch, sequence },
        entries: entries.to_vec(),
    }
}

fn update(organisation: &Organisation, from: &str, records: Vec<Record>) -> Vec<u8> {
    let message = Message {
        instance: organisation.instances.get(from).copied().unwrap_or(0),
        fingerprint: organisation.topology.fingerprint(),
        number: 77,
        body: Body::Update(records.into_iter().map(|record| (0, record)).collect()),
    };
    message.write()
}

/// What a1 says to an update from `from` with a statement that was sealed with the secret of `sealer`.
fn offer(
    organisation: &mut Organisation,
    from: &str,
    sealer: &str,
    statement: Statement,
) -> Result<(), Fault> {
    let record = Record::seal(statement, &Key(secret(sealer))).unwrap();
    let octets = update(organisation, from, vec![record]);
    let now = organisation.now;
    let node = organisation.nodes.get_mut("a1").unwrap();
    node.receive(now, from, &octets)
}

#[test]
fn nobody_speaks_for_another() {
    let mut organisation = Organisation::new(&triangle());
    let words = statement("b1", 100, 1, &[down("b-c")]);
    let forged = offer(&mut organisation, "c1", "c1", words.clone());
    assert_eq!(
        forged.unwrap_err().to_string(),
        "c1 passed on a record of b1 that isn't taken: the seal is not of its key"
    );
    let unknown = offer(&mut organisation, "c1", "x9", statement("x9", 1, 1, &[]));
    assert_eq!(
        unknown.unwrap_err().to_string(),
        "c1 passed on a record of x9, which is no member of this organisation"
    );
    assert_eq!(organisation.down(), Vec::<String>::new());
    // Told once, however often it comes.
    for _ in 0..100 {
        offer(&mut organisation, "c1", "c1", words.clone()).unwrap_err();
    }
    organisation.run(1);
    assert_eq!(organisation.reported().len(), 2);
    // What is sealed rightly may be passed on by anybody.
    offer(&mut organisation, "c1", "b1", words).unwrap();
    assert!(organisation.says("a1", "b-c"));
}

#[test]
fn only_neighbours_are_listened_to() {
    let mut organisation = Organisation::new(&triangle());
    for stranger in ["c2", "x9", ""] {
        let words = statement("b1", 100, 1, &[down("b-c")]);
        let refused = offer(&mut organisation, stranger, "b1", words).unwrap_err();
        assert_eq!(
            refused,
            Fault::Stranger {
                from: stranger.into()
            }
        );
    }
    organisation.run(1);
    assert_eq!(organisation.down(), Vec::<String>::new());
}

#[test]
fn nobody_speaks_of_links_that_arent_its_own() {
    let mut organisation = Organisation::new(&triangle());
    let entries = [down("a-c"), down("b-c"), down("nowhere")];
    offer(
        &mut organisation,
        "b1",
        "b1",
        statement("b1", 100, 1, &entries),
    )
    .unwrap();
    let known = ["a-b", "a-c", "b-a", "b-c", "c-a", "c-b"];
    let down = known
        .into_iter()
        .filter(|name| organisation.says("a1", name));
    assert_eq!(down.collect::<Vec<_>>(), ["b-c"]);
    organisation.run(1);
    let reported = organisation.reported();
    for line in [
        "a1: b1 speaks of a-c, which is no link of its own: this entry doesn't count",
        "a1: b1 speaks of nowhere, which isn't in the configuration: this entry doesn't count",
    ] {
        assert!(reported.contains(&line.to_owned()), "{reported:?}");
    }
}

#[test]
fn replays_change_nothing_even_after_the_record_has_aged_out() {
    let mut organisation = Organisation::new(&triangle());
    let old = statement("b1", 100, 1, &[down("b-c")]);
    offer(&mut organisation, "b1", "b1", old.clone()).unwrap();
    assert!(organisation.says("a1", "b-c"));
    // b1 hears of it, wonders, and takes it back.
    organisation.run(60);
    assert_eq!(organisation.down(), Vec::<String>::new());
    offer(&mut organisation, "c1", "b1", old.clone()).unwrap();
    assert!(!organisation.says("a1", "b-c"));
    organisation.run(2 * 60 * 60);
    organisation.stop("b1");
    assert!(
        organisation
            .nodes
            .values()
            .all(|node| node.records().count() == 0)
    );
    offer(&mut organisation, "c1", "b1", old.clone()).unwrap();
    assert!(!organisation.says("a1", "b-c"));
    // Nor after another topology came into force.
    let mut other = triangle();
    other.connectors[0].cost = 7;
    organisation.reconfigure(&other, None);
    offer(&mut organisation, "c1", "b1", old).unwrap();
    assert!(!organisation.says("a1", "b-c"));
}

#[test]
fn implausible_versions_are_refused() {
    let mut organisation = Organisation::new(&triangle());
    organisation.stop("b1");
    let mut offer = |epoch, sequence| {
        offer(
            &mut organisation,
            "c1",
            "b1",
            statement("b1", epoch, sequence, &[]),
        )
        .is_ok()
    };
    assert!(!offer(EPOCH_MAX + 1, 1));
    assert!(!offer(7, 0));
    assert!(offer(7, u32::MAX / 2));
    assert!(!offer(7, u32::MAX / 2 + SEQUENCE_JUMP_MAX + 1));
    assert!(offer(7, u32::MAX / 2 + SEQUENCE_JUMP_MAX));
    assert!(offer(EPOCH_MAX, 1));
}

#[test]
fn a_revoked_member_isnt_heard_and_what_it_said_dies_with_its_key() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("b1", "c1");
    organisation.lose("b1", "b-c");
    organisation.run(1);
    assert_eq!(organisation.down(), ["b-c"]);
    organisation.keys.revoked.insert("b1".to_owned());
    let keys = std::sync::Arc::new(organisation.keys.clone());
    let now = organisation.now;
    for node in organisation.nodes.values_mut() {
        let keys = std::sync::Arc::clone(&keys);
        node.replace_verifier(now, keys);
    }
    // What it had said is gone already.
    assert!(!organisation.says("a1", "b-c") && !organisation.says("c1", "b-c"));
    let newer = statement("b1", 1000, 1, &[down("b-a")]);
    assert_eq!(
        offer(&mut organisation, "b1", "b1", newer)
            .unwrap_err()
            .to_string(),
        "b1 passed on a record of b1 that isn't taken: its key was revoked"
    );
    // The topology without its key: what it said is forgotten at once.
    organisation.stop("b1");
    let mut without = triangle();
    for server in &mut without.servers {
        if server.name == "b1" {
            server.key = Vec::new();
        }
    }
    organisation.reconfigure(&without, None);
    organisation.run(1);
    assert_eq!(organisation.down(), Vec::<String>::new());
}

#[test]
fn two_servers_of_one_name_are_noticed() {
    let mut organisation = Organisation::new(&triangle());
    organisation.run(120);
    // A copy of b1's machine, key and all, speaks up somewhere else.
    let copy = statement("b1", 500, 1, &[down("b-c")]);
    offer(&mut organisation, "c1", "b1", copy).unwrap();
    organisation.run(5);
    let reported = organisation.reported();
    assert!(
        reported.contains(&"b1: two servers are running under the name b1".to_owned()),
        "{reported:?}"
    );
    assert_eq!(
        organisation.down(),
        Vec::<String>::new(),
        "the real one is believed"
    );
}

#[test]
fn a_second_server_of_the_name_with_another_key_isnt_heard() {
    let mut organisation = Organisation::new(&triangle());
    let second = organisation.process_with("b1", 4711, 99, 123_456);
    organisation.nodes.insert("b1".to_owned(), second);
    organisation.cut("b1", "c1");
    organisation.lose("b1", "b-c");
    organisation.run(5);
    assert!(!organisation.says("a1", "b-c") && !organisation.says("b2", "b-c"));
    let reported = organisation.reported();
    for server in ["a1", "b2"] {
        let line = format!(
            "{server}: b1 passed on a record of b1 that isn't taken: the seal is not of its key"
        );
        assert!(reported.contains(&line), "{reported:?}");
    }
}

#[test]
fn two_neighbours_of_one_name_are_noticed() {
    let mut organisation = Organisation::new(&triangle());
    let from_instance = |organisation: &mut Organisation, instance: u64| {
        let message = Message {
            instance,
            fingerprint: organisation.topology.fingerprint(),
            number: 1,
            body: Body::Acknowledgement,
        };
        let now = organisation.now;
        let node = organisation.nodes.get_mut("a1").unwrap();
        node.receive(now, "b1", &message.write()).unwrap();
        organisation.run_millis(0);
    };
    // One change is a restart; to and fro isn't.
    from_instance(&mut organisation, 1);
    assert_eq!(organisation.reported(), Vec::<String>::new());
    let first = organisation.instances["b1"];
    from_instance(&mut organisation, first);
    let reported = organisation.reported();
    let twin = "a1: two servers are running under the name b1".to_owned();
    assert_eq!(reported, [twin]);
    // Somebody uses this server's own name.
    let now = organisation.now;
    let node = organisation.nodes.get_mut("a1").unwrap();
    let refused = node.receive(now, "a1", b"x").unwrap_err();
    assert_eq!(refused, Fault::Twin { name: "a1".into() });
}

#[test]
fn twins_dont_flood_the_organisation() {
    let mut organisation = Organisation::new(&triangle());
    organisation.run(120);
    organisation.reported();
    organisation.sent.clear();
    let mut epoch = 1_000_000;
    for _ in 0..600 {
        epoch += 1_000;
        let copy = statement("b1", epoch, 1, &[]);
        offer(&mut organisation, "c1", "b1", copy).unwrap();
        organisation.run(1);
    }
    // Ten minutes: the twin says something each second, b1 only now and then.
    let answers = organisation.updates();
    let by_b1 = answers.iter().filter(|((from, _), _)| from == "b1");
    let most = by_b1.map(|(_, count)| *count).max().unwrap_or(0);
    assert!(most <= 20, "{answers:?}");
}

#[test]
fn a_member_that_talks_all_the_time_is_passed_on_once_a_second() {
    let mut organisation = Organisation::new(&triangle());
    organisation.stop("b1");
    organisation.sent.clear();
    for number in 1..=200 {
        let words = statement("b1", 100, number, &[]);
        offer(&mut organisation, "c1", "b1", words).unwrap();
        organisation.run_millis(50);
    }
    organisation.run(2);
    let updates = organisation.updates();
    let to_a2 = updates[&("a1".to_owned(), "a2".to_owned())];
    assert!((10..=12).contains(&to_a2), "{updates:?}");
    let b1 = organisation.topology.server_of_name("b1").unwrap();
    let held = organisation.nodes["a2"].record(b1).unwrap();
    assert_eq!(held.record.statement().version.sequence, 200);
}

#[test]
fn words_in_this_servers_name_are_answered_even_just_after_it_spoke() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    // Whoever has its key says that all is well, just when it has said something itself.
    let a1 = organisation.topology.server_of_name("a1").unwrap();
    let of_a1 = |organisation: &Organisation| {
        let held = organisation.nodes["c2"].record(a1).unwrap();
        held.record.statement().version
    };
    let epoch = of_a1(&organisation).epoch;
    organisation.stop("a1");
    organisation.start("a1");
    organisation.lose("a1", "a-b");
    let words = statement("a1", epoch + 1000, 1, &[]);
    offer(&mut organisation, "c1", "a1", words).unwrap();
    let now = organisation.now;
    let connector = organisation.connector("a-b");
    let target = bridgehead_linkstate::Target::Connector(connector);
    let outcome = bridgehead_linkstate::Outcome::Fails;
    let node = organisation.nodes.get_mut("a1").unwrap();
    node.note_link(now, target, outcome);
    organisation.run(5);
    assert_eq!(of_a1(&organisation).epoch, epoch + 1001);
    assert!(organisation.says("c2", "a-b"));
}

#[test]
fn octets_that_are_no_message_are_refused_with_the_reason() {
    let mut organisation = Organisation::new(&triangle());
    let now = organisation.now;
    let whole = update(&organisation, "b1", Vec::new());
    let node = organisation.nodes.get_mut("a1").unwrap();
    let mut refused = |octets: &[u8]| node.receive(now, "b1", octets).unwrap_err().to_string();
    assert_eq!(
        refused(b"X-LINK2STATE"),
        "a message from b1 is refused: this is no link-state message"
    );
    assert_eq!(
        refused(&whole[..20]),
        "a message from b1 is refused: the message is cut off"
    );
    assert_eq!(
        refused(&vec![0; 200_000]),
        "a message from b1 is refused: the message is longer than it may be or says it is"
    );
}
