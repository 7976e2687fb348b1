//! Organisations to route in: groups named by letters, each with three servers, as `a1`, `a2`, `a3`.

#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_linkstate::{Claim, ConnectorPlan, Links, Plan, ServerPlan, Target, Topology};
use bridgehead_mail::Domain;
use bridgehead_routing::Settings;
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use std::sync::Arc;

const SERVERS: [&str; 3] = ["1", "2", "3"];

/// A connector from one group to another; its targets are named.
pub(crate) fn between(name: &str, from: &str, to: &str, cost: u32) -> Connector {
    Connector {
        group: from.into(),
        next_hop: ConnectorHop::Group,
        // Kept here until the plan is made.
        address_spaces: vec![AddressSpace {
            pattern: Pattern::Domain(Domain::parse(to).unwrap()),
            cost,
        }],
        ..Connector::named(name)
    }
}

/// Connectors both ways, with two targets each.
pub(crate) fn pair(one: &str, other: &str, cost: u32) -> [Connector; 2] {
    let mut pair = [(one, other), (other, one)].map(|(from, to)| {
        let mut connector = between(&format!("{from}-{to}"), from, to, cost);
        connector.targets = vec![format!("{to}1").into(), format!("{to}2").into()];
        connector
    });
    pair.sort_by(|one, other| one.name.cmp(&other.name));
    pair
}

/// A connector to an address space, by MX records.
pub(crate) fn space(name: &str, group: &str, pattern: &str, cost: u32) -> Connector {
    let pattern = match pattern.strip_prefix("*.") {
        Some(parent) => Pattern::Below(Domain::parse(parent).unwrap()),
        None if pattern == "*" => Pattern::All,
        None => Pattern::Domain(Domain::parse(pattern).unwrap()),
    };
    Connector {
        group: group.into(),
        address_spaces: vec![AddressSpace { pattern, cost }],
        ..Connector::named(name)
    }
}

/// The settings of a server in an organisation.
pub(crate) fn world(server: &str, groups: &[&str], connectors: Vec<Connector>) -> Settings {
    let servers = groups.iter().flat_map(|group| {
        SERVERS.map(|number| ServerPlan {
            name: format!("{group}{number}"),
            group: (*group).to_owned(),
            key: Vec::new(),
        })
    });
    let names = |names: &[Box<str>]| names.iter().map(ToString::to_string).collect();
    let mut plans = Vec::new();
    for connector in &connectors {
        if connector.next_hop != ConnectorHop::Group {
            continue;
        }
        let goal = &connector.address_spaces[0];
        plans.push(ConnectorPlan {
            name: connector.name.to_string(),
            from: connector.group.to_string(),
            to: goal.pattern.to_string(),
            cost: goal.cost,
            weight: connector.weight.unwrap_or(0),
            sources: names(&connector.sources),
            targets: names(&connector.targets),
        });
    }
    let plan = Plan {
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        servers: servers.collect(),
        connectors: plans,
    };
    Settings {
        server: server.into(),
        topology: Some(Arc::new(Topology::build(&plan).unwrap())),
        connectors,
    }
}

/// Links of which some connectors are out.
pub(crate) fn out(settings: &Settings, names: &[&str]) -> Links {
    let topology = settings.topology.as_deref().unwrap();
    let mut claims = Vec::new();
    for name in names {
        let id = topology.connector_of_name(name).unwrap();
        for source in &topology.connector(id).unwrap().sources {
            let claim = Claim {
                target: Target::Connector(id),
                down: true,
                surcharge: 0,
            };
            claims.push((*source, [claim]));
        }
    }
    // One server says one thing about each of its links.
    let mut by_source = std::collections::BTreeMap::new();
    for (source, [claim]) in &claims {
        by_source
            .entry(*source)
            .or_insert_with(Vec::new)
            .push(*claim);
    }
    let said = by_source
        .iter()
        .map(|(source, claims)| (*source, claims.as_slice()));
    Links::derive(topology, said)
}
