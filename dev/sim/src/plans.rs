//! Topologies to simulate: connected, with pairs of connectors, by a seed.

use crate::chance::Chance;
use bridgehead_linkstate::{ConnectorPlan, Plan, ServerPlan};

/// How large.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Servers.
    pub servers: u64,
    /// Routing groups.
    pub groups: u64,
    /// Connectors; each direction counts.
    pub connectors: u64,
}

/// A connected organisation. `bridgeheads` is the most that a connector has at one end.
#[must_use]
pub fn connected(size: Size, bridgeheads: u64, chance: &mut Chance) -> Plan {
    let mut plan = Plan::default();
    let groups = size.groups.max(2);
    let name = |group: u64| format!("g{group:05}");
    for group in 0..groups {
        plan.groups.push(name(group));
    }
    let mut members: Vec<Vec<String>> = plan.groups.iter().map(|_| Vec::new()).collect();
    for server in 0..size.servers.max(groups) {
        // One for each group first.
        let group = if server < groups {
            server
        } else {
            chance.below(groups)
        };
        let planned = ServerPlan {
            name: format!("s{server:05}"),
            group: name(group),
            key: server.to_le_bytes().to_vec(),
        };
        if let Some(members) = members.get_mut(place(group)) {
            members.push(planned.name.clone());
        }
        plan.servers.push(planned);
    }
    let pairs = (size.connectors / 2).max(groups - 1);
    for pair in 0..pairs {
        // A tree first, then whatever comes.
        let one = if pair + 1 < groups {
            pair + 1
        } else {
            chance.below(groups)
        };
        let other = if pair + 1 < groups {
            chance.below(pair + 1)
        } else {
            chance.below(groups)
        };
        if one == other {
            continue;
        }
        let cost = u32::try_from(chance.between(1, 20)).unwrap_or(1);
        let mut ends = |group: u64| {
            let mut chosen = Vec::new();
            for _ in 0..chance.between(1, bridgeheads) {
                let members = members.get(place(group));
                chosen.extend(members.and_then(|members| chance.one_of(members)).cloned());
            }
            chosen
        };
        let (at_one, at_other) = (ends(one), ends(other));
        let ways = [
            (one, other, &at_one, &at_other),
            (other, one, &at_other, &at_one),
        ];
        for (from, to, sources, targets) in ways {
            plan.connectors.push(ConnectorPlan {
                name: format!("c{pair:05}-{from}-{to}"),
                from: name(from),
                to: name(to),
                cost,
                weight: 1,
                sources: sources.clone(),
                targets: targets.clone(),
            });
        }
    }
    plan
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
