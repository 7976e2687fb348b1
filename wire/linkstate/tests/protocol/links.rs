//! What counts as down, for whom, and what is worth saying.

use crate::organisation::{Organisation, plan, triangle};
use bridgehead_linkstate::{Claim, Links, Outcome, Target};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn a_connector_is_down_only_when_all_its_source_bridgeheads_say_so() {
    let mut both = triangle();
    for connector in &mut both.connectors {
        if connector.name == "a-b" {
            connector.sources = vec!["a1".to_owned(), "a2".to_owned()];
        }
    }
    let mut organisation = Organisation::new(&both);
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(5);
    assert_eq!(organisation.down(), Vec::<String>::new(), "a2 can use it");
    organisation.cut("a2", "b1");
    organisation.lose("a2", "a-b");
    organisation.run(1);
    assert_eq!(organisation.down(), ["a-b"]);
    organisation.heal("a2", "b1");
    organisation.run(120);
    assert!(!organisation.says("c1", "a-b"));
}

#[test]
fn that_one_bridgehead_of_two_is_cut_off_is_said_even_where_no_way_leads_around() {
    let groups: [(&str, &[&str]); 2] = [("a", &["a1", "a2", "a3"]), ("b", &["b1"])];
    let mut pair = plan(&groups, &[("a", "b", 1)]);
    for connector in &mut pair.connectors {
        if connector.name == "a-b" {
            connector.sources = vec!["a1".to_owned(), "a2".to_owned()];
        }
    }
    let mut organisation = Organisation::new(&pair);
    let topology = Arc::clone(&organisation.topology);
    let id = topology.connector_of_name("a-b").unwrap();
    let down_at = |of: &str, organisation: &Organisation| {
        let links = organisation.nodes[of].links();
        let cut = ["a1", "a2"].map(|name| topology.server_of_name(name).unwrap());
        cut.map(|source| links.is_down_at(id, source))
    };
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(5);
    for server in ["a1", "a2", "a3"] {
        assert_eq!(down_at(server, &organisation), [true, false], "{server}");
    }
    assert_eq!(organisation.down(), Vec::<String>::new());
    assert!(!organisation.nodes["a3"].links().is_calm());
    // When the other is cut off as well that is said too, or it would get the mail of the first.
    organisation.cut("a2", "b1");
    organisation.lose("a2", "a-b");
    organisation.run(5);
    assert_eq!(down_at("a3", &organisation), [true, true]);
    assert!(organisation.nodes["a3"].links().is_down(id));
    organisation.heal("a1", "b1");
    organisation.run(120);
    assert_eq!(down_at("a3", &organisation), [false, true]);
    organisation.heal("a2", "b1");
    organisation.run(120);
    assert!(organisation.nodes["a3"].links().is_calm());
}

#[test]
fn an_idle_bridgehead_tries_its_own_when_another_complains() {
    let mut both = triangle();
    for connector in &mut both.connectors {
        if connector.name == "a-b" {
            connector.sources = vec!["a1".to_owned(), "a2".to_owned()];
        }
    }
    let mut organisation = Organisation::new(&both);
    organisation.cut("a1", "b1");
    organisation.cut("a2", "b1");
    organisation.lose("a1", "a-b");
    organisation.run(5);
    assert_eq!(organisation.down(), ["a-b"]);
}

#[test]
fn a_link_without_an_alternative_is_not_worth_an_announcement() {
    let chain = plan(
        &[("a", &["a1", "a2"]), ("b", &["b1"]), ("c", &["c1"])],
        &[("a", "b", 1), ("b", "c", 1)],
    );
    let mut organisation = Organisation::new(&chain);
    organisation.cut("b1", "c1");
    organisation.sent.clear();
    organisation.lose("b1", "b-c");
    organisation.run(600);
    assert_eq!(organisation.down(), Vec::<String>::new());
    assert!(organisation.updates().is_empty());
    // The server itself knows.
    let watches: Vec<bool> = organisation.nodes["b1"]
        .watches()
        .map(|(_, watch)| watch.is_lost())
        .collect();
    assert_eq!(watches, [true]);
}

#[test]
fn a_link_is_announced_when_an_alternative_comes_up() {
    let mut organisation = Organisation::new(&triangle());
    // First the detour is lost, then the direct way: nobody could go another way.
    organisation.cut("a1", "c1");
    organisation.lose("a1", "a-c");
    organisation.lose("c1", "c-a");
    organisation.run(1);
    assert_eq!(organisation.down(), ["a-c", "c-a"]);
    organisation.cut("b1", "c1");
    organisation.lose("b1", "b-c");
    organisation.run(1);
    assert!(!organisation.says("b2", "b-c"));
    organisation.heal("a1", "c1");
    organisation.run(120);
    // Now mail for c goes over a, which everybody knows.
    for server in organisation.nodes.keys() {
        assert!(!organisation.says(server, "a-c"), "{server}");
        assert!(organisation.says(server, "b-c"), "{server}");
    }
}

#[test]
fn a_dead_bridgehead_takes_its_connectors_out_when_its_whole_group_says_so() {
    let groups: [(&str, &[&str]); 3] = [("a", &["a1", "a2", "a3"]), ("b", &["b1"]), ("c", &["c1"])];
    let mut cyclic = plan(&groups, &[("a", "b", 1), ("b", "c", 1), ("a", "c", 5)]);
    // Another server leads from a to c: the dead one isn't the only way.
    for connector in &mut cyclic.connectors {
        if connector.name == "a-c" {
            connector.sources = vec!["a2".to_owned()];
        }
    }
    let mut organisation = Organisation::new(&cyclic);
    organisation.stop("a1");
    let peer = |name: &str, organisation: &Organisation| {
        Target::Peer(organisation.topology.server_of_name(name).unwrap())
    };
    let dead = peer("a1", &organisation);
    // Only one has mail for it; the other tries because the first complains.
    for _ in 0..3 {
        let now = organisation.now;
        let node = organisation.nodes.get_mut("a2").unwrap();
        node.note_link(now, dead, Outcome::Fails);
        organisation.run_millis(1000);
    }
    organisation.run(5);
    assert_eq!(organisation.down(), ["a-b"]);
    organisation.start("a1");
    organisation.run(90);
    assert_eq!(organisation.down(), Vec::<String>::new());
}

#[test]
fn one_server_that_cant_reach_another_takes_nothing_out() {
    let groups: [(&str, &[&str]); 3] = [("a", &["a1", "a2", "a3"]), ("b", &["b1"]), ("c", &["c1"])];
    let mut organisation = Organisation::new(&plan(
        &groups,
        &[("a", "b", 1), ("b", "c", 1), ("a", "c", 5)],
    ));
    organisation.cut("a1", "a2");
    organisation.run(600);
    assert_eq!(organisation.down(), Vec::<String>::new());
    assert!(organisation.nodes["c1"].links().out().next().is_none());
}

#[test]
fn where_everybody_complains_of_everybody_nobody_is_believed() {
    let topology = bridgehead_linkstate::Topology::build(&triangle()).unwrap();
    let [a1, a2] = ["a1", "a2"].map(|name| topology.server_of_name(name).unwrap());
    let complaint = |of| {
        [Claim {
            target: Target::Peer(of),
            down: true,
            surcharge: 0,
        }]
    };
    let (of_a1, of_a2) = (complaint(a1), complaint(a2));
    let one = Links::derive(&topology, [(a2, &of_a1[..])].into_iter());
    assert_eq!(one.out().collect::<Vec<_>>(), [a1]);
    let both = [(a2, &of_a1[..]), (a1, &of_a2[..])];
    assert!(Links::derive(&topology, both.into_iter()).is_calm());
}

#[test]
fn a_link_that_is_only_held_down_is_let_up_when_it_is_the_only_way() {
    let mut organisation = Organisation::new(&triangle());
    // It comes and goes every few seconds, until it is held.
    for _ in 0..4 {
        organisation.cut("a1", "b1");
        organisation.lose("a1", "a-b");
        organisation.heal("a1", "b1");
        organisation.run(8);
    }
    assert!(organisation.says("c2", "a-b"));
    let lost = |organisation: &Organisation| {
        let mut watches = organisation.nodes["a1"].watches();
        watches.any(|(_, watch)| watch.is_lost())
    };
    assert!(!lost(&organisation));
    organisation.cut("a1", "c1");
    organisation.lose("a1", "a-c");
    organisation.lose("c1", "c-a");
    organisation.run(5);
    for server in ["a2", "b2", "c2"] {
        assert!(!organisation.says(server, "a-b"), "{server}");
    }
}

#[test]
fn a_link_that_flaps_each_second_costs_at_most_ten_updates_an_hour() {
    let mut organisation = Organisation::new(&triangle());
    let settings = (*organisation.settings).clone();
    // As if every failure counted at once, the worst case for damping.
    let hasty = bridgehead_linkstate::Settings {
        glitch_retries: 0,
        ..settings
    };
    organisation.settings = Arc::new(hasty);
    organisation.start("a1");
    organisation.run(10);
    organisation.sent.clear();
    let target = Target::Connector(organisation.connector("a-b"));
    for second in 0..3600 {
        let outcome = if second % 2 == 0 {
            Outcome::Fails
        } else {
            Outcome::Works
        };
        let now = organisation.now;
        let node = organisation.nodes.get_mut("a1").unwrap();
        node.note_link(now, target, outcome);
        organisation.run_millis(1000);
    }
    let updates = organisation.updates();
    let most = updates.values().max().copied().unwrap_or(0);
    assert!((1..=10).contains(&most), "{updates:?}");
    assert_eq!(organisation.down(), ["a-b"]);
    // When it has come to rest it comes back.
    organisation.run(15 * 60);
    assert_eq!(organisation.down(), Vec::<String>::new());
}

#[test]
fn with_the_usual_glitch_retries_such_a_link_costs_nothing() {
    let mut organisation = Organisation::new(&triangle());
    organisation.sent.clear();
    for second in 0..600 {
        if second % 2 == 0 {
            organisation.cut("a1", "b1");
        } else {
            organisation.heal("a1", "b1");
        }
        let now = organisation.now;
        let target = Target::Connector(organisation.connector("a-b"));
        let outcome = if second % 2 == 0 {
            Outcome::Fails
        } else {
            Outcome::Works
        };
        let node = organisation.nodes.get_mut("a1").unwrap();
        node.note_link(now, target, outcome);
        organisation.run_millis(1000);
    }
    assert!(
        organisation.updates().is_empty(),
        "{:?}",
        organisation.updates()
    );
}

#[test]
fn load_makes_a_connector_dearer_for_everybody() {
    let mut organisation = Organisation::new(&triangle());
    let id = organisation.connector("a-b");
    let now = organisation.now;
    let node = organisation.nodes.get_mut("a1").unwrap();
    node.note_load(now, Target::Connector(id), 500, Duration::from_secs(400));
    organisation.run(1);
    for node in organisation.nodes.values() {
        assert_eq!(node.links().cost(node.topology(), id), Some(1 + 20));
    }
    let (_, held) = organisation.nodes["c2"].records().next().unwrap();
    let entry = &held.record.statement().entries[0];
    assert_eq!((entry.queued, entry.delay, entry.down), (500, 400, false));
    organisation.run(120);
    let now = organisation.now;
    let node = organisation.nodes.get_mut("a1").unwrap();
    node.note_load(now, Target::Connector(id), 0, Duration::ZERO);
    organisation.run(1);
    assert!(
        organisation
            .nodes
            .values()
            .all(|node| node.links().is_calm())
    );
}
