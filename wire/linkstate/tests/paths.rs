//! The choice of path against an independent reading of its rules: all simple ways are written down, and the best is taken.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use bridgehead_linkstate::path::{Route, Scene, Share, Table, Wait, Why, has_alternative};
use bridgehead_linkstate::{
    Claim, ConnectorId, ConnectorPlan, GroupId, Links, Plan, ServerId, ServerPlan, Target, Topology,
};
use proptest::prelude::*;

/// Groups a, b, ..; connectors by ends and cost, named c00, c01, ..; one server in each group.
fn topology(groups: usize, ways: &[(usize, usize, u32)]) -> Topology {
    let name = |group: usize| format!("g{group}");
    let plan = Plan {
        groups: (0..groups).map(name).collect(),
        servers: (0..groups)
            .map(|group| ServerPlan {
                name: format!("s{group}"),
                group: name(group),
                key: Vec::new(),
            })
            .collect(),
        connectors: ways
            .iter()
            .enumerate()
            .filter(|(_, (from, to, _))| from != to)
            .map(|(number, (from, to, cost))| ConnectorPlan {
                name: format!("c{number:02}"),
                from: name(*from),
                to: name(*to),
                cost: *cost,
                weight: u32::try_from(number).unwrap() % 3 + 1,
                ..ConnectorPlan::default()
            })
            .collect(),
    };
    Topology::build(&plan).unwrap()
}

fn group(topology: &Topology, number: usize) -> GroupId {
    topology.group_of_name(&format!("g{number}")).unwrap()
}

fn connector(topology: &Topology, name: &str) -> ConnectorId {
    topology.connector_of_name(name).unwrap()
}

/// Links in which the source of each of these connectors says that it is down, or dearer.
fn links(topology: &Topology, states: &[(ConnectorId, bool, u8)]) -> Links {
    let said: Vec<(ServerId, Claim)> = states
        .iter()
        .map(|(id, down, surcharge)| {
            let source = topology.connector(*id).unwrap().sources[0];
            let claim = Claim {
                target: Target::Connector(*id),
                down: *down,
                surcharge: *surcharge,
            };
            (source, claim)
        })
        .collect();
    let claims = said
        .iter()
        .map(|(id, claim)| (*id, std::slice::from_ref(claim)));
    Links::derive(topology, claims)
}

/// All simple ways.
fn all_ways(
    scene: &Scene<'_>,
    from: GroupId,
    to: GroupId,
    visited: &[GroupId],
) -> Vec<Vec<ConnectorId>> {
    let mut found = Vec::new();
    let mut open = vec![(vec![from], Vec::new())];
    while let Some((groups, path)) = open.pop() {
        let here = *groups.last().unwrap();
        if here == to {
            found.push(path);
            continue;
        }
        for id in &scene.topology.group(here).unwrap().ways_out {
            let next = scene.topology.connector(*id).unwrap().to;
            let works = scene.links.cost(scene.topology, *id).is_some() && scene.may(*id);
            if works && !groups.contains(&next) && !visited.contains(&next) {
                open.push((
                    [&groups[..], &[next]].concat(),
                    [&path[..], &[*id]].concat(),
                ));
            }
        }
    }
    found
}

/// Cost, hops and the first connector: what is compared.
fn worth(scene: &Scene<'_>, path: &[ConnectorId]) -> (u32, usize, ConnectorId) {
    let cost = |id: &ConnectorId| scene.links.cost(scene.topology, *id).unwrap();
    (path.iter().map(cost).sum(), path.len(), path[0])
}

type Ways = Vec<(usize, usize, u32)>;

fn ways(groups: usize) -> impl Strategy<Value = Ways> {
    prop::collection::vec((0..groups, 0..groups, 1u32..5), 0..16)
}

fn states() -> impl Strategy<Value = Vec<(prop::sample::Index, bool, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0u8..4), 0..6)
}

fn placed(
    topology: &Topology,
    states: &[(prop::sample::Index, bool, u8)],
) -> Vec<(ConnectorId, bool, u8)> {
    let all = topology.connectors();
    let of_name = |at: usize| connector(topology, &all[at].name);
    let mut placed: Vec<_> = states
        .iter()
        .filter(|_| !all.is_empty())
        .map(|(index, down, surcharge)| (of_name(index.index(all.len())), *down, *surcharge))
        .collect();
    placed.sort_by_key(|(id, _, _)| *id);
    placed.dedup_by_key(|(id, _, _)| *id);
    placed
}

/// Follows changes of the links, and computes anew beside it.
fn follow(topology: &Topology, changes: &[Vec<(prop::sample::Index, bool, u8)>]) {
    let own = group(topology, 0);
    let mut before = Links::default();
    let mut table = Table::compute(&Scene::new(topology, &before), own);
    let mut steps: Vec<Links> = changes
        .iter()
        .map(|states| links(topology, &placed(topology, states)))
        .collect();
    // Each way out is lost once.
    for id in &topology.group(own).unwrap().ways_out {
        steps.push(links(topology, &[(*id, true, 0)]));
    }
    for after in steps {
        table.update(
            &Scene::new(topology, &before),
            &Scene::new(topology, &after),
        );
        assert_eq!(table, Table::compute(&Scene::new(topology, &after), own));
        before = after;
    }
}

proptest! {
    #[test]
    fn the_best_of_all_ways_is_taken(
        ways in ways(6),
        states in states(),
        forbidden in any::<prop::sample::Index>(),
        visited in prop::collection::vec(1usize..6, 0..3),
    ) {
        let topology = topology(6, &ways);
        let links = links(&topology, &placed(&topology, &states));
        let count = topology.connectors().len();
        let forbidden = (count > 1).then(|| forbidden.index(count));
        let allows = |id: ConnectorId| Some(id.place()) != forbidden;
        let scene = Scene::new(&topology, &links).with(&allows);
        let own = group(&topology, 0);
        let visited: Vec<GroupId> = visited.iter().map(|number| group(&topology, *number)).collect();
        let table = Table::compute(&scene, own);
        for number in 1..6 {
            let to = group(&topology, number);
            let all = all_ways(&scene, own, to, &visited);
            let best = all.iter().map(|path| worth(&scene, path)).min();
            let chosen = table.route(&scene, to, &visited);
            let shares = table.shares(&scene, to, &visited);
            match (&chosen, best) {
                (Route::Via(way), Some(best)) => {
                    let (cost, hops, first) = worth(&scene, &way.path);
                    prop_assert_eq!((cost, hops), (best.0, best.1));
                    prop_assert_eq!(cost, way.cost);
                    prop_assert!(all.contains(&way.path));
                    if visited.is_empty() {
                        prop_assert_eq!(first, best.2);
                        let equal = all.iter().map(|path| worth(&scene, path));
                        let mut firsts: Vec<_> = equal
                            .filter(|worth| (worth.0, worth.1) == (best.0, best.1))
                            .map(|worth| worth.2)
                            .collect();
                        firsts.sort();
                        firsts.dedup();
                        let shared: Vec<_> = shares.iter().map(|share| share.connector).collect();
                        prop_assert_eq!(shared, firsts);
                    }
                    prop_assert!(shares.iter().any(|share| share.connector == first) || !visited.is_empty());
                    prop_assert!(!shares.is_empty());
                }
                (Route::Wait(_), None) => prop_assert!(shares.is_empty()),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    #[test]
    fn following_changes_comes_to_the_same_as_computing_anew(
        ways in ways(7),
        changes in prop::collection::vec(states(), 1..8),
    ) {
        follow(&topology(7, &ways), &changes);
    }

    #[test]
    fn so_it_does_where_a_change_touches_many_groups(
        ways in prop::collection::vec((0..60_usize, 0..60_usize, 1u32..5), 60..150),
        changes in prop::collection::vec(states(), 1..8),
    ) {
        // One way out of the own group, so that its loss is everybody's.
        let ways = ways.into_iter().filter(|(from, _, _)| *from != 0).chain([(0, 1, 1)]);
        follow(&topology(60, &ways.collect::<Vec<_>>()), &changes);
    }

    #[test]
    fn nothing_to_announce_means_that_nobody_would_go_another_way(ways in ways(6), states in states()) {
        let topology = topology(6, &ways);
        let links = links(&topology, &placed(&topology, &states));
        for own_connector in topology.connectors() {
            let id = connector(&topology, &own_connector.name);
            if links.is_down(id) || has_alternative(&topology, &links, id) {
                continue;
            }
            let without = links.without(id);
            for from in (0..6).map(|number| group(&topology, number)) {
                let before = Table::compute(&Scene::new(&topology, &links), from);
                let after = Table::compute(&Scene::new(&topology, &without), from);
                for to in (0..6).map(|number| group(&topology, number)) {
                    let scene = Scene::new(&topology, &links);
                    if let Route::Via(way) = before.route(&scene, to, &[])
                        && way.path.contains(&id)
                    {
                        prop_assert_eq!(after.distance(to), None);
                    }
                }
            }
        }
    }

    #[test]
    fn in_pairs_an_alternative_is_another_way_to_the_same_end(ways in ways(6)) {
        let pairs: Ways = ways.iter().flat_map(|(from, to, cost)| [(*from, *to, *cost), (*to, *from, *cost)]).collect();
        let topology = topology(6, &pairs);
        let calm = Links::default();
        for one in topology.connectors() {
            let id = connector(&topology, &one.name);
            // Its twin in the other direction stays.
            let table = Table::compute(&Scene::new(&topology, &calm.without(id)), one.from);
            prop_assert_eq!(has_alternative(&topology, &calm, id), table.distance(one.to).is_some());
        }
    }
}

#[test]
fn a_group_loses_its_way_although_a_lost_one_seemed_to_support_it() {
    // g3 by g1 and g0's only way out; g2 becomes as good in the moment in which it is lost itself.
    let topology = topology(5, &[(0, 4, 1), (4, 1, 1), (4, 2, 1), (1, 3, 1), (2, 3, 1)]);
    let [to_g2, g1_g3, g2_g3] = ["c02", "c03", "c04"].map(|name| connector(&topology, name));
    let before = links(&topology, &[(g2_g3, false, 1)]);
    let after = links(&topology, &[(to_g2, true, 0), (g1_g3, true, 0)]);
    let (before, after) = (
        Scene::new(&topology, &before),
        Scene::new(&topology, &after),
    );
    let mut table = Table::compute(&before, group(&topology, 0));
    assert_eq!(table.distance(group(&topology, 3)), Some((3, 3)));
    table.update(&before, &after);
    assert_eq!(table.distance(group(&topology, 3)), None);
    assert_eq!(table, Table::compute(&after, group(&topology, 0)));
}

#[test]
fn equal_ways_share_by_weight() {
    // Two ways of cost 2 and two hops, one of cost 2 and one hop from g2 on.
    let topology = topology(4, &[(0, 1, 1), (0, 2, 1), (1, 3, 1), (2, 3, 1)]);
    let calm = Links::default();
    let scene = Scene::new(&topology, &calm);
    let table = Table::compute(&scene, group(&topology, 0));
    let shares = table.shares(&scene, group(&topology, 3), &[]);
    let weights: Vec<u32> = shares.iter().map(|share| share.weight).collect();
    assert_eq!(weights, [1, 2]);
    let mut counts = [0; 2];
    for key in 0..300 {
        let chosen = Share::pick(&shares, key).unwrap();
        counts[shares
            .iter()
            .position(|share| share.connector == chosen)
            .unwrap()] += 1;
    }
    assert_eq!(counts, [100, 200]);
    assert_eq!(Share::pick(&[], 7), None);
}

#[test]
fn without_a_way_the_message_goes_as_far_as_it_can_and_the_answer_says_where() {
    let topology = topology(5, &[(0, 1, 1), (1, 2, 1), (2, 3, 1)]);
    let [c0, c1, c2] = ["c00", "c01", "c02"].map(|name| connector(&topology, name));
    let cut = links(&topology, &[(c2, true, 0)]);
    let scene = Scene::new(&topology, &cut);
    let to = group(&topology, 3);
    let route = |from: usize, visited: &[GroupId]| {
        Table::compute(&scene, group(&topology, from)).route(&scene, to, visited)
    };
    let waits = |path: Vec<ConnectorId>, toward| {
        Route::Wait(Wait::Cut {
            path,
            behind: c2,
            at: group(&topology, 2),
            toward,
        })
    };
    assert_eq!(route(0, &[]), waits(vec![c0, c1, c2], Some(c0)));
    assert_eq!(route(2, &[group(&topology, 1)]), waits(vec![c2], None));
    let nowhere = Table::compute(&scene, group(&topology, 0));
    let nowhere = nowhere.route(&scene, group(&topology, 4), &[]);
    assert_eq!(nowhere, Route::Wait(Wait::NoWay));
    assert_eq!(
        topology.unreachable_from(group(&topology, 0)),
        [group(&topology, 4)]
    );
    // Only the group that it came from leads on.
    let back = self::topology(3, &[(0, 1, 1), (1, 0, 1), (0, 2, 1)]);
    let calm = Links::default();
    let scene = Scene::new(&back, &calm);
    let table = Table::compute(&scene, group(&back, 1));
    let route = table.route(&scene, group(&back, 2), &[group(&back, 0)]);
    assert_eq!(route, Route::Wait(Wait::Visited));
}

#[test]
fn the_explanation_says_what_each_lost_by() {
    let ways = [
        (0, 3, 3), // c00: chosen
        (0, 1, 1), // c01: same cost, two hops
        (1, 3, 2),
        (0, 3, 4), // c03: dearer
        (0, 3, 1), // c04: down
        (0, 3, 1), // c05: not allowed
        (0, 2, 1), // c06: leads back only
        (2, 0, 1),
        (0, 3, 3), // c08: shares
        (0, 4, 1), // c09: leads nowhere
    ];
    let topology = topology(5, &ways);
    let down = links(&topology, &[(connector(&topology, "c04"), true, 0)]);
    let forbidden = connector(&topology, "c05");
    let allows = |id| id != forbidden;
    let scene = Scene::new(&topology, &down).with(&allows);
    let table = Table::compute(&scene, group(&topology, 0));
    let explained = table.explain(&scene, group(&topology, 3), &[]);
    let Route::Via(way) = &explained.route else {
        panic!("{explained:?}");
    };
    assert_eq!(way.path, [connector(&topology, "c00")]);
    let said: Vec<String> = explained
        .runners_up
        .iter()
        .map(|one| {
            let name = &topology.connector(one.connector).unwrap().name;
            format!("{name} {}", one.why)
        })
        .collect();
    assert_eq!(
        said,
        [
            "c08 shares the load: same cost and hops",
            "c01 lost: same cost, but 2 hops are more than 1",
            "c03 lost: cost 4 is higher than 3",
            "c04 lost: it is down",
            "c05 lost: its restrictions don't let this message through",
            "c06 lost: no working way leads on from its end",
            "c09 lost: no working way leads on from its end",
        ]
    );
    // With g1 visited, its way leads back.
    let explained = table.explain(&scene, group(&topology, 3), &[group(&topology, 1)]);
    let c01 = explained
        .runners_up
        .iter()
        .find(|one| one.connector == connector(&topology, "c01"));
    assert_eq!(c01.map(|one| one.why), Some(Why::LeadsBack));
}
