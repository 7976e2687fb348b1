//! A plan of the topology, its checks, and what is wrong with it in words.

use super::ways::Ways;
use super::{
    COST_MAX, Connector, ConnectorId, Group, GroupId, NAME_OCTETS_MAX, OBJECTS_MAX, Server,
    ServerId, Topology,
};
use crate::digest::{hash, mix};
use std::collections::{BTreeMap, BTreeSet};

/// The topology as it is configured, by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The routing groups.
    pub groups: Vec<String>,
    /// The servers.
    pub servers: Vec<ServerPlan>,
    /// The connectors between groups.
    pub connectors: Vec<ConnectorPlan>,
}

/// A server as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerPlan {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// What stands for its key.
    pub key: Vec<u8>,
}

/// A connector as it is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectorPlan {
    /// Its name.
    pub name: String,
    /// The group that it leads out of.
    pub from: String,
    /// The group that it leads to.
    pub to: String,
    /// Its cost.
    pub cost: u32,
    /// Its share among equals; 0 counts as 1.
    pub weight: u32,
    /// The servers that may use it; none: all of the group.
    pub sources: Vec<String>,
    /// The servers that it leads to; none: all of the group.
    pub targets: Vec<String>,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanFault {
    /// More objects of a kind than there may be.
    #[error("{count} objects of the kind {kind}, but there may be {OBJECTS_MAX}")]
    TooMany {
        /// Of which kind.
        kind: &'static str,
        /// How many.
        count: usize,
    },
    /// A name that can't be one.
    #[error("a {kind} is named '{name}': 1 to {NAME_OCTETS_MAX} octets are expected")]
    Name {
        /// Of what.
        kind: &'static str,
        /// The name, cut to what can be shown.
        name: String,
    },
    /// Two objects of one name.
    #[error("two {kind}s are named '{name}'")]
    Twice {
        /// Of what.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A group that isn't there.
    #[error("{of} names the routing group '{name}', which isn't there")]
    UnknownGroup {
        /// What names it.
        of: String,
        /// The name.
        name: String,
    },
    /// A server that isn't there.
    #[error("connector '{connector}' names the server '{name}', which isn't there")]
    UnknownServer {
        /// The connector.
        connector: String,
        /// The name.
        name: String,
    },
    /// A bridgehead outside its group.
    #[error(
        "connector '{connector}' names '{name}' as a {end} bridgehead, but it isn't in routing group '{group}'"
    )]
    Elsewhere {
        /// The connector.
        connector: String,
        /// The server.
        name: String,
        /// Source or target.
        end: &'static str,
        /// Where it would have to be.
        group: String,
    },
    /// A group at the end of a connector has no servers.
    #[error(
        "connector '{connector}' has no {end} bridgehead: routing group '{group}' has no servers"
    )]
    Nobody {
        /// The connector.
        connector: String,
        /// Source or target.
        end: &'static str,
        /// The group.
        group: String,
    },
    /// A cost that isn't between 1 and the highest.
    #[error(
        "connector '{connector}' costs {cost}: 1 to {COST_MAX} is expected, a way without cost would make loops free"
    )]
    Cost {
        /// The connector.
        connector: String,
        /// The cost.
        cost: u32,
    },
    /// A connector that leads nowhere.
    #[error("connector '{connector}' leads from routing group '{group}' to itself")]
    Circle {
        /// The connector.
        connector: String,
        /// The group.
        group: String,
    },
}

pub(super) fn build(plan: &Plan) -> Result<Topology, Vec<PlanFault>> {
    let mut faults = Vec::new();
    let groups = names("routing group", plan.groups.iter(), &mut faults);
    let server_names = plan.servers.iter().map(|server| &server.name);
    let servers = names("server", server_names, &mut faults);
    let connector_names = plan.connectors.iter().map(|connector| &connector.name);
    let connectors = names("connector", connector_names, &mut faults);

    let mut topology = Topology::default();
    for name in groups.keys() {
        topology.groups.push(Group {
            name: (*name).into(),
            servers: Vec::new(),
            ways_out: Vec::new(),
            ways_in: Vec::new(),
        });
    }
    for place in servers.values() {
        if let Some(planned) = plan.servers.get(*place) {
            add_server(&mut topology, planned, &mut faults);
        }
    }
    if !faults.is_empty() {
        // Connectors would be blamed for servers that are wrong.
        return Err(faults);
    }
    for place in connectors.values() {
        if let Some(planned) = plan.connectors.get(*place) {
            add_connector(&mut topology, planned, &mut faults);
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let (groups, all) = (&topology.groups, &topology.connectors);
    topology.out = Ways::of_all(groups, all, |group| &group.ways_out, |one| one.to);
    topology.into = Ways::of_all(groups, all, |group| &group.ways_in, |one| one.from);
    topology.fingerprint = fingerprint(&topology);
    Ok(topology)
}

/// The names in their order, with the place of each in the plan.
fn names<'a>(
    kind: &'static str,
    all: impl ExactSizeIterator<Item = &'a String>,
    faults: &mut Vec<PlanFault>,
) -> BTreeMap<&'a str, usize> {
    let count = all.len();
    if count > OBJECTS_MAX {
        faults.push(PlanFault::TooMany { kind, count });
        return BTreeMap::new();
    }
    let mut sorted = BTreeMap::new();
    for (place, name) in all.enumerate() {
        if name.is_empty() || name.len() > NAME_OCTETS_MAX {
            let name = name.chars().take(40).collect();
            faults.push(PlanFault::Name { kind, name });
        } else if sorted.insert(name.as_str(), place).is_some() {
            let name = name.clone();
            faults.push(PlanFault::Twice { kind, name });
        }
    }
    sorted
}

fn add_server(topology: &mut Topology, planned: &ServerPlan, faults: &mut Vec<PlanFault>) {
    let Some(group) = topology.group_of_name(&planned.group) else {
        faults.push(PlanFault::UnknownGroup {
            of: format!("server '{}'", planned.name),
            name: planned.group.clone(),
        });
        return;
    };
    let id = ServerId::at(topology.servers.len());
    topology.servers.push(Server {
        name: planned.name.as_str().into(),
        group,
        key: planned.key.as_slice().into(),
    });
    if let Some(group) = topology.groups.get_mut(group.place()) {
        group.servers.push(id);
    }
}

fn add_connector(topology: &mut Topology, planned: &ConnectorPlan, faults: &mut Vec<PlanFault>) {
    let before = faults.len();
    let connector = &planned.name;
    if planned.cost == 0 || planned.cost > COST_MAX {
        faults.push(PlanFault::Cost {
            connector: connector.clone(),
            cost: planned.cost,
        });
    }
    if planned.from == planned.to {
        faults.push(PlanFault::Circle {
            connector: connector.clone(),
            group: planned.from.clone(),
        });
    }
    let source = (planned.from.as_str(), "source", planned.sources.as_slice());
    let target = (planned.to.as_str(), "target", planned.targets.as_slice());
    let [from, to] = [source, target].map(|end| bridgeheads(topology, connector, end, faults));
    let (Some((from, sources)), Some((to, targets))) = (from, to) else {
        return;
    };
    if faults.len() > before {
        return;
    }
    let id = ConnectorId::at(topology.connectors.len());
    topology.connectors.push(Connector {
        name: connector.as_str().into(),
        from,
        to,
        cost: planned.cost,
        weight: planned.weight.clamp(1, 1000),
        sources,
        targets,
    });
    if let Some(group) = topology.groups.get_mut(from.place()) {
        group.ways_out.push(id);
    }
    if let Some(group) = topology.groups.get_mut(to.place()) {
        group.ways_in.push(id);
    }
}

/// The group at one end of a connector and the servers that stand for it.
fn bridgeheads(
    topology: &Topology,
    connector: &str,
    (group, end, named): (&str, &'static str, &[String]),
    faults: &mut Vec<PlanFault>,
) -> Option<(GroupId, Vec<ServerId>)> {
    let connector = || connector.to_owned();
    let Some(id) = topology.group_of_name(group) else {
        faults.push(PlanFault::UnknownGroup {
            of: format!("connector '{}'", connector()),
            name: group.to_owned(),
        });
        return None;
    };
    let members = topology.group(id).map(|group| group.servers.clone());
    let mut servers = BTreeSet::new();
    for name in named {
        match topology.server_of_name(name) {
            None => faults.push(PlanFault::UnknownServer {
                connector: connector(),
                name: name.clone(),
            }),
            Some(server) if !members.as_ref().is_some_and(|all| all.contains(&server)) => {
                faults.push(PlanFault::Elsewhere {
                    connector: connector(),
                    name: name.clone(),
                    end,
                    group: group.to_owned(),
                });
            }
            Some(server) => {
                servers.insert(server);
            }
        }
    }
    if named.is_empty() {
        servers.extend(members.unwrap_or_default());
    }
    if servers.is_empty() && named.is_empty() {
        faults.push(PlanFault::Nobody {
            connector: connector(),
            end,
            group: group.to_owned(),
        });
    }
    Some((id, servers.into_iter().collect()))
}

fn fingerprint(topology: &Topology) -> u64 {
    let mut sum = mix(topology.groups.len() as u64);
    let mut add = |value: u64| sum = mix(sum ^ value);
    for group in &topology.groups {
        add(hash(group.name.as_bytes()));
    }
    for server in &topology.servers {
        add(hash(server.name.as_bytes()));
        add(server.group.place() as u64);
        add(hash(&server.key));
    }
    for connector in &topology.connectors {
        add(hash(connector.name.as_bytes()));
        add(connector.from.place() as u64);
        add(connector.to.place() as u64);
        add(u64::from(connector.cost));
        add(u64::from(connector.weight));
        for end in [&connector.sources, &connector.targets] {
            add(end.len() as u64);
            for server in end {
                add(server.place() as u64);
            }
        }
    }
    sum
}
