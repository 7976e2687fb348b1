//! How news travels: everybody hears it, nobody twice from the same, and nothing is believed for too long.

use crate::organisation::{Organisation, triangle};
use bridgehead_linkstate::codec::{Body, MESSAGE_OCTETS_MAX, Message};
use bridgehead_linkstate::{ConnectorPlan, Plan, ServerPlan, Target, Version};
use std::time::Duration;

#[test]
fn a_calm_organisation_only_compares_digests() {
    let mut organisation = Organisation::new(&triangle());
    organisation.sent.clear();
    organisation.run(3600);
    assert!(
        organisation
            .nodes
            .values()
            .all(|node| node.records().count() == 0)
    );
    let adjacencies = 3 + 3;
    // Once a minute, and its acknowledgement.
    assert_eq!(organisation.sent.len(), adjacencies * 60 * 2);
    for (_, _, octets) in &organisation.sent {
        let body = Message::read(octets).unwrap().body;
        assert!(matches!(body, Body::Digest { .. } | Body::Acknowledgement));
    }
    assert_eq!(organisation.reported(), Vec::<String>::new());
}

#[test]
fn everybody_hears_of_a_loss_and_of_its_end_at_most_twice_on_each_adjacency() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.sent.clear();
    organisation.lose("a1", "a-b");
    organisation.run_millis(200);
    assert_eq!(organisation.down(), ["a-b"]);
    let updates = organisation.updates();
    assert!(updates.values().all(|count| *count == 1), "{updates:?}");
    // b1 hears of it from c1 and passes it on, as much as a1 itself, into the cut.
    assert_eq!(updates.len(), 7, "{updates:?}");

    organisation.heal("a1", "b1");
    organisation.sent.clear();
    organisation.run(10);
    assert_eq!(organisation.down(), Vec::<String>::new());
    let updates = organisation.updates();
    assert!(updates.values().all(|count| *count <= 2), "{updates:?}");
    // What is calm is forgotten in the end.
    organisation.run(31 * 60);
    assert!(
        organisation
            .nodes
            .values()
            .all(|node| node.records().count() == 0)
    );
}

#[test]
fn lost_messages_are_sent_again() {
    for lost_percent in [20, 40, 60] {
        let mut organisation = Organisation::new(&triangle());
        organisation.lost_percent = lost_percent;
        organisation.cut("a1", "b1");
        organisation.lose("a1", "a-b");
        organisation.run(240);
        for server in organisation.nodes.keys() {
            assert!(
                organisation.says(server, "a-b"),
                "{server}, {lost_percent} %"
            );
        }
    }
}

#[test]
fn one_update_that_is_lost_is_missed_soon_where_acknowledgements_come_soon() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    // a2 has nobody else who tells it.
    organisation.cut("a1", "a2");
    organisation.lose("a1", "a-b");
    organisation.heal("a1", "a2");
    assert!(!organisation.says("a2", "a-b"));
    organisation.sent.clear();
    organisation.run_millis(600);
    assert!(organisation.says("a2", "a-b"));
    let again = organisation.updates();
    let to_a2 = again.get(&("a1".to_owned(), "a2".to_owned()));
    assert_eq!(to_a2, Some(&1), "{again:?}");
}

#[test]
fn what_a_partition_missed_follows_when_it_heals_and_only_that() {
    let mut organisation = Organisation::new(&triangle());
    for group in ["a1", "b1"] {
        organisation.cut(group, "c1");
    }
    organisation.run(180);
    organisation.lose("c1", "c-b");
    organisation.lose("c1", "c-a");
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(120);
    for group in ["a1", "b1"] {
        organisation.heal(group, "c1");
    }
    organisation.sent.clear();
    organisation.run(120);
    organisation.heal("a1", "b1");
    organisation.run(120);
    assert_eq!(organisation.down(), Vec::<String>::new());
    let digests: Vec<_> = organisation
        .nodes
        .values()
        .map(|node| {
            node.records()
                .map(|(id, held)| (id, held.record.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(digests.iter().all(|records| *records == digests[0]));
}

#[test]
fn a_restarted_server_learns_and_takes_back_what_it_said_before() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(1);
    organisation.stop("a1");
    organisation.heal("a1", "b1");
    organisation.run(50);
    assert!(organisation.says("b2", "a-b"));
    // The machine's clock was set back: the epoch is an old one.
    organisation.start("a1");
    organisation.run(5);
    assert!(!organisation.says("a2", "a-b") && !organisation.says("b2", "a-b"));
    let node = &organisation.nodes["a2"];
    let a1 = organisation.topology.server_of_name("a1").unwrap();
    let (_, held) = node.records().find(|(id, _)| *id == a1).unwrap();
    assert_eq!(held.record.statement().version.sequence, 1);
    assert_eq!(organisation.reported(), Vec::<String>::new());
}

#[test]
fn an_epoch_that_went_back_is_put_right_by_the_echo() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(1);
    let said = organisation.nodes["b2"].records().next().unwrap().1;
    let before = said.record.statement().version;
    let again = organisation.process_of("a1", 77, before.epoch - 1);
    organisation.heal("a1", "b1");
    organisation.nodes.insert("a1".to_owned(), again);
    organisation.run(200);
    assert_eq!(organisation.down(), Vec::<String>::new());
    let said = organisation.nodes["b2"].records().next().unwrap().1;
    let expected = Version {
        epoch: before.epoch + 1,
        sequence: 1,
    };
    assert_eq!(said.record.statement().version, expected);
}

#[test]
fn what_a_dead_server_said_is_forgotten_after_its_age_and_not_before() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    let said_at = organisation.now;
    organisation.stop("a1");
    let age = organisation.settings.max_age.as_secs();
    organisation.run(age - 60);
    assert!(organisation.says("c2", "a-b"));
    organisation.run(60);
    assert!(organisation.now.since(said_at) <= organisation.settings.max_age);
    for server in organisation.nodes.keys() {
        assert!(!organisation.says(server, "a-b"), "{server}");
    }
}

#[test]
fn a_running_server_says_again_what_holds() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    for _ in 0..10 {
        organisation.run(15 * 60);
        // The other end has found out for itself.
        assert_eq!(organisation.down(), ["a-b", "b-a"]);
    }
}

#[test]
fn many_records_travel_in_as_many_messages_as_they_need() {
    // A ring of groups with long names; each server speaks of 300 connectors, more than fit into one message together.
    let name = |kind: &str, number: usize| format!("{kind}{number:0>100}");
    let mut ring = Plan::default();
    for number in 0..4 {
        ring.groups.push(name("g", number));
        ring.servers.push(ServerPlan {
            name: name("s", number),
            group: name("g", number),
            key: Vec::new(),
        });
        for next in [(number + 1) % 4, (number + 3) % 4] {
            for parallel in 0..150 {
                ring.connectors.push(ConnectorPlan {
                    name: name(&format!("{number}-{next}-"), parallel),
                    from: name("g", number),
                    to: name("g", next),
                    cost: 1,
                    ..ConnectorPlan::default()
                });
            }
        }
    }
    let mut organisation = Organisation::new(&ring);
    organisation.sent.clear();
    let last = name("s", 3);
    organisation.stop(&last);
    for number in 0..3 {
        let server = name("s", number);
        for next in [(number + 1) % 4, (number + 3) % 4] {
            // One of them stays, so that the others are worth saying.
            for parallel in 1..150 {
                let id = organisation.connector(&name(&format!("{number}-{next}-"), parallel));
                let now = organisation.now;
                let node = organisation.nodes.get_mut(&server).unwrap();
                node.note_load(now, Target::Connector(id), 9, Duration::from_secs(90));
            }
        }
    }
    organisation.run(60);
    // Whoever joins now gets all of it at once.
    organisation.sent.clear();
    organisation.start(&last);
    organisation.run(5);
    let loaded = organisation.connector(&name("1-2-", 149));
    let node = &organisation.nodes[&last];
    assert_eq!(node.links().cost(node.topology(), loaded), Some(6));
    let to_the_last = organisation
        .updates()
        .into_iter()
        .filter(|((_, to), _)| *to == last);
    let messages: usize = to_the_last.map(|(_, count)| count).sum();
    assert!((2..=8).contains(&messages), "{messages}");
    let too_large = |(_, _, octets): &&(_, _, Vec<u8>)| octets.len() > MESSAGE_OCTETS_MAX;
    assert_eq!(organisation.sent.iter().filter(too_large).count(), 0);
}
