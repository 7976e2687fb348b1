//! The way over routing groups: each rule of the choice, and each restriction.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../plan/mod.rs"]
mod plan;
mod restrictions;

use bridgehead_linkstate::{Claim, Links, Target};
use bridgehead_mail::{Address, Hours, Journey, NextHop, Priority, Timestamp};
use bridgehead_routing::settings::Scope;
use bridgehead_routing::{Facts, Goal, Settings, Table};
use plan::{between, out, pair, space, world};
use std::sync::Arc;

fn calm(settings: &Settings) -> Table {
    Table::build(settings, &Links::default())
}

fn any() -> Facts<'static> {
    Facts::at(Timestamp::from_millis(1_000_000))
}

fn link(table: &Table, goal: &str, facts: &Facts<'_>) -> String {
    match hop(table, goal, facts) {
        Ok(NextHop::Servers { connector, servers }) => {
            format!(
                "{} {}",
                connector.as_deref().unwrap_or("-"),
                servers.join("+")
            )
        }
        Ok(NextHop::Unreachable { goal, why }) => format!("unreachable {goal}: {why}"),
        Ok(hop) => hop.link().to_string(),
        Err(failure) => failure.to_string(),
    }
}

fn hop(table: &Table, goal: &str, facts: &Facts<'_>) -> Result<NextHop, bridgehead_mail::Failure> {
    match Address::parse(goal) {
        Ok(address) => table.route(Goal::Address(&address), facts),
        Err(_) => table.route(Goal::Server(goal), facts),
    }
}

/// a - b - c in a line, and a - d - c, which costs more.
fn square(server: &str) -> Settings {
    let mut connectors = Vec::new();
    connectors.extend(pair("a", "b", 10));
    connectors.extend(pair("b", "c", 10));
    connectors.extend(pair("a", "d", 20));
    connectors.extend(pair("d", "c", 20));
    world(server, &["a", "b", "c", "d"], connectors)
}

#[test]
fn a_home_is_reached_directly_in_the_group_and_by_the_cheapest_path_elsewhere() {
    let table = calm(&square("a1"));
    assert_eq!(link(&table, "a1", &any()), "local");
    assert_eq!(link(&table, "A2", &any()), "- a2");
    assert_eq!(link(&table, "b2", &any()), "a-b b1+b2");
    assert_eq!(link(&table, "c1", &any()), "a-b b1+b2");
    assert_eq!(link(&table, "d1", &any()), "a-d d1+d2");
    let lost = link(&table, "z9", &any());
    assert_eq!(lost, "unreachable z9: the organisation has no server z9");
}

#[test]
fn who_is_no_bridgehead_hands_to_those_that_are_in_their_order() {
    let mut settings = square("a2");
    settings = bridged(settings, "a-b", &["a1"], &["b2", "b1"]);
    assert_eq!(link(&calm(&settings), "c1", &any()), "- a1");
    let settings = Settings {
        server: "a1".into(),
        ..settings
    };
    assert_eq!(link(&calm(&settings), "c1", &any()), "a-b b2+b1");
}

/// With these bridgeheads of one connector.
fn bridged(settings: Settings, name: &str, sources: &[&str], targets: &[&str]) -> Settings {
    let named = |names: &[&str]| {
        names
            .iter()
            .map(|name| Box::from(*name))
            .collect::<Vec<_>>()
    };
    let mut connectors = settings.connectors;
    for connector in &mut connectors {
        if &*connector.name == name {
            connector.sources = named(sources);
            connector.targets = named(targets);
        }
    }
    world(&settings.server, &["a", "b", "c", "d"], connectors)
}

#[test]
fn a_cut_line_is_gone_around_and_the_table_follows_the_links() {
    let settings = square("a1");
    let table = calm(&settings);
    let cut = Arc::new(out(&settings, &["b-c"]));
    let after = table.with_links(Arc::clone(&cut));
    assert_eq!(link(&after, "c1", &any()), "a-d d1+d2");
    assert_eq!(link(&after, "b1", &any()), "a-b b1+b2");
    let fresh = Table::build(&settings, &cut);
    assert_eq!(link(&fresh, "c1", &any()), "a-d d1+d2");
    let healed = after.with_links(Arc::new(Links::default()));
    assert_eq!(link(&healed, "c1", &any()), "a-b b1+b2");
}

#[test]
fn where_every_way_is_cut_it_goes_as_far_as_it_can() {
    let settings = square("a1");
    let table = Table::build(&settings, &out(&settings, &["b-c", "d-c"]));
    assert_eq!(link(&table, "c1", &any()), "a-b b1+b2");
    // The beginning is cut: it waits for its bridgehead's retries.
    let table = Table::build(&settings, &out(&settings, &["a-b", "a-d"]));
    assert_eq!(link(&table, "c1", &any()), "a-b b1+b2");
}

#[test]
fn a_group_that_was_left_is_entered_again_only_where_nothing_else_was_ever_meant_to_lead_on() {
    let settings = square("a1");
    let table = calm(&settings);
    let journey = Journey {
        groups: vec!["b".into()],
        servers: Vec::new(),
    };
    let facts = Facts {
        journey: Some(&journey),
        ..any()
    };
    assert_eq!(link(&table, "c1", &facts), "a-d d1+d2");
    // A sender that knew where it goes wouldn't have brought it here: its mailbox has moved. So it may go back, but takes no
    // step twice.
    let left = |groups: &[&str]| Journey {
        groups: groups.iter().map(|name| Box::from(*name)).collect(),
        servers: Vec::new(),
    };
    let told = |journey: &Journey| {
        let facts = Facts {
            journey: Some(journey),
            ..any()
        };
        link(&table, "c1", &facts)
    };
    assert_eq!(told(&left(&["B", "d"])), "a-b b1+b2");
    assert_eq!(told(&left(&["B", "d", "a", "b"])), "a-d d1+d2");
    // What came back from the goal's group stays: who is there believes otherwise, and one of the two will hear.
    assert!(told(&left(&["a", "b", "c", "d"])).starts_with("unreachable"));
    let told = told(&left(&["B", "d", "a", "b", "a", "D"]));
    assert!(
        told.starts_with("unreachable c1: every way leads back"),
        "{told}"
    );
}

#[test]
fn a_former_home_sends_mail_on_to_where_the_mailbox_is_now() {
    // A hub and three others: mail for b1 was on its way from a1 over the hub, h.
    let mut connectors = Vec::new();
    for spoke in ["a", "b", "c"] {
        connectors.extend(pair(spoke, "h", 10));
    }
    let groups = ["a", "b", "c", "h"];
    let came = Journey {
        groups: vec!["a".into(), "h".into()],
        servers: Vec::new(),
    };
    let facts = Facts {
        journey: Some(&came),
        ..any()
    };
    let table = calm(&world("b1", &groups, connectors.clone()));
    // It has moved to another spoke, or to the one that the mail came from.
    for home in ["c1", "a1", "h3"] {
        assert_eq!(link(&table, home, &facts), "b-h h1+h2", "{home}");
    }
    assert_eq!(link(&table, "b2", &facts), "- b2");
    let back = came.onward("b1", "b", true);
    let facts = Facts {
        journey: Some(&back),
        ..any()
    };
    let hub = calm(&world("h1", &groups, connectors));
    assert_eq!(link(&hub, "c1", &facts), "h-c c1+c2");
    assert_eq!(link(&hub, "a1", &facts), "h-a a1+a2");
}

#[test]
fn a_server_that_had_it_is_asked_last_and_a_third_time_never() {
    let settings = bridged(square("a3"), "a-b", &["a1", "a2"], &[]);
    let table = calm(&settings);
    let had = |servers: &[&str]| Journey {
        groups: Vec::new(),
        servers: servers.iter().map(|name| Box::from(*name)).collect(),
    };
    let with = |journey: &Journey| {
        let facts = Facts {
            journey: Some(journey),
            ..any()
        };
        link(&table, "b1", &facts)
    };
    assert_eq!(with(&had(&[])), "- a1+a2");
    assert_eq!(with(&had(&["a1"])), "- a2");
    assert_eq!(with(&had(&["a1", "a3", "a2"])), "- a1+a2");
    let told = with(&had(&["a1", "a3", "a2", "a3", "a1", "a2"]));
    assert!(told.starts_with("unreachable b1: every server"), "{told}");
}

#[test]
fn a_bridgehead_whose_own_line_is_down_hands_over_to_one_whose_line_works() {
    let down_at = |settings: &Settings, names: &[&str]| {
        let topology = settings.topology.as_deref().unwrap();
        let claim = [Claim {
            target: Target::Connector(topology.connector_of_name("a-b").unwrap()),
            down: true,
            surcharge: 0,
        }];
        let said = names
            .iter()
            .map(|name| (topology.server_of_name(name).unwrap(), &claim[..]));
        Table::build(settings, &Links::derive(topology, said))
    };
    let of = |server: &str, sources: &[&str]| bridged(square(server), "a-b", sources, &[]);
    let two = ["a1", "a2"];
    let cut = down_at(&of("a1", &two), &["a1"]);
    assert_eq!(link(&cut, "b1", &any()), "- a2");
    // It works, so it is used, and nobody goes around.
    assert_eq!(
        link(&down_at(&of("a2", &two), &["a1"]), "b1", &any()),
        "a-b b1+b2+b3"
    );
    assert_eq!(
        link(&down_at(&of("a3", &two), &["a1"]), "b1", &any()),
        "- a2+a1"
    );
    // Whoever had it doesn't get it back: this server tries, and goes on trying.
    let had = Journey {
        groups: Vec::new(),
        servers: vec!["A2".into()],
    };
    let facts = Facts {
        journey: Some(&had),
        ..any()
    };
    assert_eq!(link(&cut, "b1", &facts), "a-b b1+b2+b3");
    let three = of("a1", &["a1", "a2", "a3"]);
    assert_eq!(link(&down_at(&three, &["a1"]), "b1", &facts), "- a3");
    // Where all are cut the connector is down: there is no way round to b, so mail waits here for the line.
    let mut line = three.clone();
    line.connectors
        .retain(|connector| &*connector.name == "a-b");
    let line = bridged(line, "a-b", &two, &[]);
    assert_eq!(link(&down_at(&line, &two), "b1", &any()), "a-b b1+b2+b3");
    assert_eq!(link(&down_at(&line, &["a1"]), "b1", &any()), "- a2");
}

#[test]
fn a_server_that_its_group_cannot_reach_is_tried_last() {
    let settings = bridged(square("a3"), "a-b", &["a1", "a2"], &[]);
    let topology = settings.topology.clone().unwrap();
    let peer = |name: &str| topology.server_of_name(name).unwrap();
    let gone = [Claim {
        target: Target::Peer(peer("a1")),
        down: true,
        surcharge: 0,
    }];
    let said = [(peer("a2"), &gone[..]), (peer("a3"), &gone[..])];
    let links = Links::derive(&topology, said.into_iter());
    assert_eq!(
        link(&Table::build(&settings, &links), "b1", &any()),
        "- a2+a1"
    );
}

#[test]
fn the_address_space_is_chosen_by_total_cost_then_hops_then_name() {
    let mut settings = square("a1");
    // 10 + 5 at b, 20 + 1 at c, 20 + 1 at d: the last two differ by hops.
    for (name, group, cost) in [("out-b", "b", 5), ("out-c", "c", 1), ("out-d", "d", 1)] {
        settings.connectors.push(space(name, group, "*", cost));
    }
    let far = calm(&settings);
    assert_eq!(link(&far, "x@example.net", &any()), "a-b b1+b2");
    let cheap = |settings: &mut Settings, name: &str, cost| {
        for connector in &mut settings.connectors {
            if &*connector.name == name {
                connector.address_spaces[0].cost = cost;
            }
        }
    };
    cheap(&mut settings, "out-b", 50);
    // Same cost 21; d is one hop away, c two.
    assert_eq!(link(&calm(&settings), "x@example.net", &any()), "a-d d1+d2");
    settings.connectors.push(space("near", "a", "*", 21));
    // Same cost again, no hop at all.
    assert_eq!(
        link(&calm(&settings), "x@example.net", &any()),
        "near/example.net"
    );
    settings.connectors.push(space("also", "a", "*", 21));
    assert_eq!(
        link(&calm(&settings), "x@example.net", &any()),
        "also/example.net"
    );
    settings
        .connectors
        .push(space("partner", "c", "*.example.net", 100));
    assert_eq!(
        link(&calm(&settings), "x@a.example.net", &any()),
        "a-b b1+b2"
    );
}

#[test]
fn at_the_end_of_its_path_mail_leaves_by_the_connector_or_its_bridgehead() {
    let mut settings = square("c2");
    let mut gate = space("gate", "c", "*", 1);
    gate.sources = vec!["c1".into()];
    settings.connectors.push(gate);
    assert_eq!(link(&calm(&settings), "x@example.net", &any()), "- c1");
    let settings = Settings {
        server: "c1".into(),
        ..settings
    };
    assert_eq!(
        link(&calm(&settings), "x@example.net", &any()),
        "gate/example.net"
    );
}

#[test]
fn an_address_space_of_its_group_serves_nobody_else() {
    let mut settings = square("a1");
    let mut near = space("near", "b", "*", 1);
    near.scope = Scope::Group;
    settings.connectors.push(near);
    let told = link(&calm(&settings), "x@example.net", &any());
    assert!(told.starts_with("5.4.4"), "{told}");
    let address = Address::parse("x@example.net").unwrap();
    let explained = calm(&settings).explain(Goal::Address(&address), &any());
    let verdict = &explained.candidates[0].verdict;
    assert_eq!(verdict, "lost: its scope is its own routing group, b");
    let inside = Settings {
        server: "b1".into(),
        ..settings
    };
    assert_eq!(
        link(&calm(&inside), "x@example.net", &any()),
        "near/example.net"
    );
}

#[test]
fn equal_ways_share_by_weight_and_a_message_keeps_its_way() {
    let shared = |first: Option<u32>, second: Option<u32>| {
        let mut connectors = vec![between("one", "a", "b", 10), between("two", "a", "b", 10)];
        connectors[0].weight = first;
        connectors[1].weight = second;
        calm(&world("a1", &["a", "b"], connectors))
    };
    let count = |table: &Table| {
        let on = |key: u64| {
            let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            link(table, "b1", &Facts { key, ..any() }) == "one b1+b2+b3"
        };
        (0..1000).filter(|key| on(*key)).count()
    };
    let some = count(&shared(Some(30), Some(10)));
    assert!((650..850).contains(&some), "{some}");
    // Without a share for each the first by name takes all.
    assert_eq!(count(&shared(None, None)), 1000);
    assert_eq!(count(&shared(Some(1), None)), 1000);

    let mut connectors = vec![space("east", "a", "*", 1), space("west", "a", "*", 1)];
    for connector in &mut connectors {
        connector.weight = Some(1);
    }
    let table = calm(&world("a1", &["a"], connectors));
    let east = (0..1000_u64).filter(|key| {
        let key = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        link(&table, "x@example.net", &Facts { key, ..any() }) == "east/example.net"
    });
    let east = east.count();
    assert!((400..600).contains(&east), "{east}");
}

#[test]
fn the_explanation_names_each_step_and_why_the_others_lost() {
    let mut settings = square("a1");
    settings.connectors.push(space("gate", "c", "*", 5));
    settings.connectors.push(space("home", "a", "*", 90));
    let table = calm(&settings);
    let address = Address::parse("x@example.net").unwrap();
    let explained = table.explain(Goal::Address(&address), &any());
    let rows: Vec<(&str, Option<u32>, &str)> = explained
        .candidates
        .iter()
        .map(|row| (&*row.connector, row.total, row.verdict.as_str()))
        .collect();
    let won = "chosen: the most specific address space, at the lowest cost";
    let lost = "lost: same address space, but cost 90 is higher than 25";
    assert_eq!(rows, [("gate", Some(25), won), ("home", Some(90), lost)]);
    let steps: Vec<(&str, u32)> = explained
        .path
        .iter()
        .map(|step| (&*step.connector, step.cost))
        .collect();
    assert_eq!(steps, [("a-b", 10), ("b-c", 10)]);
    let others: Vec<(&str, &str)> = explained
        .runners_up
        .iter()
        .map(|row| (&*row.connector, row.why.as_str()))
        .collect();
    assert_eq!(others, [("a-d", "lost: cost 40 is higher than 20")]);
}

#[test]
fn an_operators_choice_is_reached_over_groups() {
    let mut settings = square("a1");
    settings
        .connectors
        .push(space("gate", "c", "example.org", 5));
    let table = calm(&settings);
    let address = Address::parse("x@example.net").unwrap();
    let hop = table.by("gate", &address, &any()).unwrap();
    assert_eq!(hop.link().as_str(), "a-b/group");
    let hop = table.by("a-d", &address, &any()).unwrap();
    assert_eq!(hop.link().as_str(), "a-d/group");
}

/// Name, cost and hops, state.
type Row = (String, Option<(u32, u32)>, String);

#[test]
fn the_groups_are_told_with_distance_and_state() {
    let settings = square("a1");
    let table = Table::build(&settings, &out(&settings, &["b-c", "d-c"]));
    let rows: Vec<Row> = table
        .groups()
        .into_iter()
        .map(|row| (row.group.to_string(), row.distance, row.state))
        .collect();
    let row = |name: &str, distance, state: &str| (name.to_owned(), distance, state.to_owned());
    assert_eq!(
        rows,
        [
            row("a", Some((0, 0)), "here"),
            row("b", Some((10, 1)), "reached"),
            row("c", None, "cut: connector b-c is down"),
            row("d", Some((20, 1)), "reached"),
        ]
    );
}
