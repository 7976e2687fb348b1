//! Plans that don't add up, and topologies that change.

use crate::organisation::{Organisation, plan, triangle};
use bridgehead_linkstate::{ConnectorPlan, Plan, ServerPlan, Topology};

fn faults(change: impl FnOnce(&mut Plan)) -> Vec<String> {
    let mut changed = triangle();
    change(&mut changed);
    let faults = Topology::build(&changed).unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plan_is_refused_with_all_its_reasons() {
    let connector = |change: fn(&mut ConnectorPlan)| faults(|plan| change(&mut plan.connectors[0]));
    assert_eq!(
        connector(|one| one.cost = 0),
        ["connector 'a-b' costs 0: 1 to 100 is expected, a way without cost would make loops free"]
    );
    assert_eq!(
        connector(|one| one.to = "nowhere".into()),
        ["connector 'a-b' names the routing group 'nowhere', which isn't there"]
    );
    assert_eq!(
        connector(|one| one.sources = vec!["x1".into(), "b1".into()]),
        [
            "connector 'a-b' names the server 'x1', which isn't there",
            "connector 'a-b' names 'b1' as a source bridgehead, but it isn't in routing group 'a'",
        ]
    );
    assert_eq!(
        connector(|one| (one.to, one.cost, one.targets) = ("a".into(), 101, vec![])),
        [
            "connector 'a-b' costs 101: 1 to 100 is expected, a way without cost would make loops free",
            "connector 'a-b' leads from routing group 'a' to itself",
        ]
    );
    assert_eq!(
        faults(|plan| plan.servers.push(ServerPlan {
            name: "b1".into(),
            group: "c".into(),
            key: vec![9],
        })),
        ["two servers are named 'b1'"]
    );
    assert_eq!(
        faults(|plan| plan.groups[2] = String::new()),
        [
            "a routing group is named '': 1 to 128 octets are expected",
            "server 'c1' names the routing group 'c', which isn't there",
            "server 'c2' names the routing group 'c', which isn't there",
        ]
    );
    assert_eq!(
        faults(|plan| plan.servers.retain(|server| server.group != "c")).len(),
        4,
        "each bridgehead of c at the ends of four connectors"
    );
    let empty = |plan: &mut Plan| {
        plan.groups.push("d".into());
        plan.connectors[0].to = "d".into();
        plan.connectors[0].targets.clear();
    };
    assert_eq!(
        faults(empty),
        ["connector 'a-b' has no target bridgehead: routing group 'd' has no servers"]
    );
    let many = Plan {
        groups: (0..70_000).map(|number| number.to_string()).collect(),
        ..Plan::default()
    };
    assert_eq!(
        Topology::build(&many).unwrap_err()[0].to_string(),
        "70000 objects of the kind routing group, but there may be 65536"
    );
}

#[test]
fn groups_that_no_way_leads_to_are_shown() {
    let mut islands = plan(
        &[("a", &["a1"]), ("b", &["b1"]), ("c", &["c1"])],
        &[("a", "b", 1)],
    );
    islands.connectors.push(ConnectorPlan {
        name: "one-way".into(),
        from: "c".into(),
        to: "a".into(),
        cost: 1,
        ..ConnectorPlan::default()
    });
    let topology = Topology::build(&islands).unwrap();
    let from = |name: &str| {
        let unreachable = topology.unreachable_from(topology.group_of_name(name).unwrap());
        let name = |id| topology.group(id).unwrap().name.to_string();
        unreachable.into_iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(from("a"), ["c"]);
    assert_eq!(from("c"), Vec::<String>::new());
}

#[test]
fn deleted_objects_die() {
    let mut organisation = Organisation::new(&triangle());
    organisation.cut("a1", "b1");
    organisation.lose("a1", "a-b");
    organisation.lose("b1", "b-a");
    organisation.run(1);
    assert_eq!(organisation.down(), ["a-b", "b-a"]);
    // The connector is taken away.
    let mut without = triangle();
    without
        .connectors
        .retain(|connector| connector.name != "a-b");
    organisation.reconfigure(&without, None);
    organisation.run(5);
    assert_eq!(organisation.down(), ["b-a"]);
    organisation.reported();
    // The group is taken away, with its servers.
    let mut smaller = without.clone();
    smaller.groups.retain(|group| group != "b");
    smaller.servers.retain(|server| server.group != "b");
    smaller
        .connectors
        .retain(|connector| connector.from != "b" && connector.to != "b");
    organisation.reconfigure(&smaller, None);
    organisation.run(5);
    assert_eq!(organisation.nodes.len(), 4);
    assert_eq!(organisation.down(), Vec::<String>::new());
    for node in organisation.nodes.values() {
        let origins = node
            .records()
            .map(|(id, _)| &*node.topology().server(id).unwrap().name);
        assert!(origins.into_iter().all(|name| !name.starts_with('b')));
    }
}

#[test]
fn a_change_that_hasnt_reached_everybody_is_seen_and_harms_nobody() {
    let mut organisation = Organisation::new(&triangle());
    let mut more = triangle();
    more.connectors.push(ConnectorPlan {
        name: "z-new".into(),
        from: "a".into(),
        to: "c".into(),
        cost: 1,
        sources: vec!["a1".into()],
        targets: vec!["c1".into()],
        weight: 1,
    });
    organisation.reconfigure(&more, Some(&["a1"]));
    organisation.run(1);
    let node = organisation.nodes.get_mut("a1").unwrap();
    let target = node.topology().connector_of_name("z-new").unwrap();
    for _ in 0..3 {
        let now = organisation.now;
        let node = organisation.nodes.get_mut("a1").unwrap();
        let target = bridgehead_linkstate::Target::Connector(target);
        node.note_link(now, target, bridgehead_linkstate::Outcome::Fails);
        organisation.cut("a1", "c1");
        organisation.run_millis(1000);
    }
    organisation.run(60);
    let reported = organisation.reported();
    assert!(
        reported.contains(
            &"b1: a1 has another topology: a change of the configuration hasn't reached both"
                .to_owned()
        ),
        "{reported:?}"
    );
    assert!(
        reported.contains(
            &"b1: a1 speaks of z-new, which isn't in the configuration: this entry doesn't count"
                .to_owned()
        ),
        "{reported:?}"
    );
    // When it has reached everybody, what was said counts.
    organisation.reconfigure(&more, None);
    organisation.run(1);
    let down = organisation.down();
    assert!(down.contains(&"z-new".to_owned()), "{down:?}");
}
