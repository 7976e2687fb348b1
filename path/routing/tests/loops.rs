//! Whatever the servers of an organisation believe, each for itself, of its connectors, their state and where a mailbox is at home: a message ends
//! somewhere. It never takes a step from one group to another twice, and where all have the same connectors and homes it never comes back
//! into a group that it has left.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod plan;

use bridgehead_linkstate::{Claim, Links, ServerId, Target};
use bridgehead_mail::{Journey, NextHop, Timestamp};
use bridgehead_routing::settings::Connector;
use bridgehead_routing::{Facts, Goal, Table};
use plan::{between, world};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

const GROUPS: [&str; 5] = ["a", "b", "c", "d", "e"];
const SERVERS: [&str; 3] = ["1", "2", "3"];

/// From, to, cost, and the only source bridgehead, if there is only one.
type Way = (usize, usize, u32, Option<usize>);

fn ways() -> impl Strategy<Value = Vec<Way>> {
    let groups = 0..GROUPS.len();
    let way = (groups.clone(), groups, 1u32..5, prop::option::of(0..3usize));
    prop::collection::vec(way, 1..16)
}

/// What one server believes: which connectors there are, which of them are out, and which only for one of their bridgeheads.
type Belief = (u16, u16, u16);

fn table(server: &str, ways: &[Way], (missing, down, partly): Belief) -> Table {
    let mut connectors: Vec<Connector> = Vec::new();
    let (mut broken, mut partial) = (Vec::new(), Vec::new());
    for (number, (from, to, cost, source)) in ways.iter().enumerate() {
        // A quarter is missing, another quarter is out.
        let bit = |of: u16| (of >> (number % 16)) & 1 == 1;
        let is_missing = bit(missing) && bit(missing.rotate_left(7));
        if from == to || is_missing {
            continue;
        }
        let name = format!("c{number:02}");
        let mut connector = between(&name, GROUPS[*from], GROUPS[*to], *cost);
        let source = source.map(|source| format!("{}{}", GROUPS[*from], SERVERS[source]));
        connector.sources = source.into_iter().map(Into::into).collect();
        connectors.push(connector);
        if bit(down) && bit(down.rotate_left(5)) {
            broken.push(name);
        } else if bit(partly) {
            partial.push(name);
        }
    }
    let settings = world(server, &GROUPS, connectors);
    let topology = settings.topology.as_deref().unwrap();
    let mut said: BTreeMap<ServerId, Vec<Claim>> = BTreeMap::new();
    for name in broken.iter().chain(&partial) {
        let id = topology.connector_of_name(name).unwrap();
        let sources = &topology.connector(id).unwrap().sources;
        let first = usize::from(partly) % sources.len();
        let all = broken.contains(name);
        for source in sources
            .iter()
            .skip(if all { 0 } else { first })
            .take(if all { 3 } else { 1 })
        {
            let claim = Claim {
                target: Target::Connector(id),
                down: true,
                surcharge: 0,
            };
            said.entry(*source).or_default().push(claim);
        }
    }
    let said = said
        .iter()
        .map(|(source, claims)| (*source, claims.as_slice()));
    Table::build(&settings, &Links::derive(topology, said))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_message_ends_and_takes_no_step_twice(
        ways in ways(),
        beliefs in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u16>()), 15),
        homes in prop::collection::vec(0..15_usize, 15),
        picks in prop::collection::vec(any::<usize>(), 160),
        agree in any::<bool>(),
    ) {
        let names: Vec<String> = GROUPS
            .iter()
            .flat_map(|group| SERVERS.map(|number| format!("{group}{number}")))
            .collect();
        let mut tables: HashMap<&str, Table> = HashMap::new();
        for (name, belief) in names.iter().zip(&beliefs) {
            let belief = if agree { beliefs[0] } else { *belief };
            tables.insert(name.as_str(), table(name, &ways, belief));
        }
        let home = |at: &str| {
            let place = names.iter().position(|name| name == at).unwrap();
            if agree { "e2" } else { names[homes[place]].as_str() }
        };
        let mut at = "a1".to_owned();
        let mut journey = Journey::default();
        let mut been = vec!["a".to_owned()];
        for (step, pick) in picks.iter().enumerate() {
            // Twenty steps between five groups, and in each at most two visits of three servers.
            prop_assert!(step <= 130, "it goes round: {been:?}");
            let facts = Facts {
                journey: Some(&journey),
                ..Facts::at(Timestamp::EPOCH)
            };
            let hop = tables[at.as_str()].route(Goal::Server(home(&at)), &facts).unwrap();
            let NextHop::Servers { connector, servers } = hop else {
                break;
            };
            let next = servers[pick % servers.len()].to_string();
            let (own, group) = (at.clone(), at[..1].to_owned());
            prop_assert_eq!(connector.is_some(), next[..1] != group);
            journey = journey.onward(&own, &group, connector.is_some());
            if connector.is_some() {
                let step = [group.clone(), next[..1].to_owned()];
                prop_assert!(!been.windows(2).any(|two| *two == step), "again to {next}: {been:?}");
                prop_assert!(!agree || !been.contains(&step[1]), "back into {next}: {been:?}");
                been.push(next[..1].to_owned());
            }
            at = next;
        }
    }

    #[test]
    fn where_all_agree_and_something_leads_there_it_arrives(ways in ways(), picks in prop::collection::vec(any::<usize>(), 64), partly in any::<u16>()) {
        let mut reached = vec![0];
        let mut border = vec![0];
        while let Some(group) = border.pop() {
            for (from, to, ..) in &ways {
                if *from == group && !reached.contains(to) {
                    reached.push(*to);
                    border.push(*to);
                }
            }
        }
        let (mut at, mut journey) = ("a1".to_owned(), Journey::default());
        let mut arrived = false;
        for pick in picks {
            let facts = Facts {
                journey: Some(&journey),
                ..Facts::at(Timestamp::EPOCH)
            };
            let hop = table(&at, &ways, (0, 0, partly)).route(Goal::Server("e2"), &facts).unwrap();
            let NextHop::Servers { connector, servers } = hop else {
                arrived = hop == NextHop::Local;
                break;
            };
            journey = journey.onward(&at, &at[..1], connector.is_some());
            at = servers[pick % servers.len()].to_string();
        }
        prop_assert_eq!(arrived, reached.contains(&4));
    }
}
