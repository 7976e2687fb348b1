//! The choice of a way in an organisation of 2,000 routing groups.

use bridgehead_linkstate::{ConnectorPlan, Links, Plan, ServerPlan, Topology};
use bridgehead_mail::{Address, Domain, NextHop, Timestamp};
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_routing::{Facts, Goal, Settings, Table};
use divan::Bencher;
use std::hint::black_box;
use std::sync::Arc;

const GROUPS: usize = 2000;

fn main() {
    divan::main();
}

/// A ring with chords; every hundredth group has a way to the Internet.
fn settings(restricted: bool) -> Settings {
    let mut connectors = Vec::new();
    let mut plans = Vec::new();
    for from in 0..GROUPS {
        for (step, cost) in [(1, 10), (GROUPS - 1, 10), (37, 25), (411, 60)] {
            let to = (from + step) % GROUPS;
            let name = format!("c{from}-{to}");
            plans.push(ConnectorPlan {
                name: name.clone(),
                from: format!("g{from}"),
                to: format!("g{to}"),
                cost,
                ..ConnectorPlan::default()
            });
            let mut connector = Connector::named(&name);
            connector.group = format!("g{from}").into();
            connector.next_hop = ConnectorHop::Group;
            if restricted && from % 10 == 1 {
                connector.restrictions.size_max = Some(1000);
            }
            connectors.push(connector);
        }
        if from % 100 == 50 {
            let mut connector = Connector::named(&format!("internet-{from}"));
            connector.group = format!("g{from}").into();
            connector.address_spaces = vec![AddressSpace {
                pattern: Pattern::All,
                cost: 10,
            }];
            connectors.push(connector);
        }
    }
    let server = |number: usize| ServerPlan {
        name: format!("s{number}"),
        group: format!("g{number}"),
        key: Vec::new(),
    };
    let plan = Plan {
        groups: (0..GROUPS).map(|number| format!("g{number}")).collect(),
        servers: (0..GROUPS).map(server).collect(),
        connectors: plans,
    };
    let topology = Topology::build(&plan).ok().map(Arc::new);
    assert!(topology.is_some(), "the plan holds");
    Settings {
        server: "s0".into(),
        topology,
        connectors,
    }
}

fn route(table: &Table, goal: Goal<'_>, size: u64) -> Option<NextHop> {
    let facts = Facts {
        size,
        ..Facts::at(Timestamp::EPOCH)
    };
    table.route(goal, &facts).ok()
}

#[divan::bench]
fn to_all_home_servers_in_turn(bencher: Bencher<'_, '_>) {
    let table = Table::build(&settings(false), &Links::default());
    let names: Vec<String> = (1..GROUPS).map(|number| format!("s{number}")).collect();
    let mut next = names.iter().cycle();
    bencher.bench_local(|| {
        let name = next.next().map_or("s1", String::as_str);
        route(black_box(&table), Goal::Server(name), 0)
    });
}

#[divan::bench]
fn to_an_address(bencher: Bencher<'_, '_>) {
    let table = Table::build(&settings(false), &Links::default());
    let domain = Domain::parse("a.b.example.net").ok();
    let address = domain.and_then(|domain| Address::parse(&format!("x@{domain}")).ok());
    let Some(address) = address else {
        return;
    };
    bencher.bench_local(|| route(black_box(&table), Goal::Address(&address), 0));
}

/// The best way bars the message: another table serves it, and is kept.
#[divan::bench]
fn to_all_home_servers_around_a_restriction(bencher: Bencher<'_, '_>) {
    let table = Table::build(&settings(true), &Links::default());
    let names: Vec<String> = (1..GROUPS).map(|number| format!("s{number}")).collect();
    let mut next = names.iter().cycle();
    bencher.bench_local(|| {
        let name = next.next().map_or("s1", String::as_str);
        route(black_box(&table), Goal::Server(name), 5000)
    });
}

/// The same once each has been asked for.
#[divan::bench(sample_count = 10_000)]
fn to_known_home_servers_around_a_restriction(bencher: Bencher<'_, '_>) {
    let table = Table::build(&settings(true), &Links::default());
    let names: Vec<String> = (1..GROUPS).map(|number| format!("s{number}")).collect();
    for name in &names {
        black_box(route(&table, Goal::Server(name), 5000));
    }
    let mut next = names.iter().cycle();
    bencher.bench_local(|| {
        let name = next.next().map_or("s1", String::as_str);
        route(black_box(&table), Goal::Server(name), 5000)
    });
}

/// The first of a kind, which finds nothing kept.
#[divan::bench]
fn the_first_around_a_restriction(bencher: Bencher<'_, '_>) {
    let settings = settings(true);
    bencher
        .with_inputs(|| Table::build(&settings, &Links::default()))
        .bench_local_refs(|table| route(table, Goal::Server("s2"), 5000));
}

/// The nearest way to the Internet bars it.
#[divan::bench]
fn to_an_address_around_a_restriction(bencher: Bencher<'_, '_>) {
    let mut settings = settings(true);
    let near = settings.connectors.iter_mut();
    for connector in near.filter(|one| &*one.name == "internet-50") {
        connector.restrictions.size_max = Some(1000);
    }
    let table = Table::build(&settings, &Links::default());
    let Ok(address) = Address::parse("x@a.b.example.net") else {
        return;
    };
    bencher.bench_local(|| route(black_box(&table), Goal::Address(&address), 5000));
}

#[divan::bench]
fn a_new_state_of_links(bencher: Bencher<'_, '_>) {
    let table = Table::build(&settings(false), &Links::default());
    let id = table.settings().topology.as_ref();
    let id = id.and_then(|topology| topology.connector_of_name("c3-4"));
    let Some(id) = id else {
        return;
    };
    let links = Arc::new(Links::default().without(id));
    bencher.bench_local(|| black_box(&table).with_links(Arc::clone(&links)));
}
