//! The organisation around a server: its topology, and how routing sees all connectors.
//!
//! Guards: names are written as the objects write theirs, whatever the case in which others name them. Refuses what doesn't make a
//! topology that holds, with the reasons; then servers go on without one.

use crate::room::{DIRECTORY, SMTP};
use bridgehead_directory::{
    Connector, Fault, Member, Name, Organisation, Pattern, Scope, Server, Snapshot, Urgency,
};
use bridgehead_linkstate::{ConnectorPlan, Plan, ServerPlan, Topology};
use bridgehead_mail::{Host, Priority};
use bridgehead_routing::settings as routing;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::sync::Arc;

/// Names by their folded form, as the objects write them.
struct Names<'o> {
    servers: HashMap<Box<str>, &'o Name>,
    groups: HashMap<Box<str>, &'o Name>,
    only: Option<&'o Name>,
}

impl<'o> Names<'o> {
    fn of(organisation: &'o Organisation) -> Self {
        let servers = organisation.servers.iter().map(|server| &server.name);
        let groups = organisation.routing_groups.iter().map(|group| &group.name);
        Self {
            servers: servers.map(|name| (name.folded(), name)).collect(),
            groups: groups.map(|name| (name.folded(), name)).collect(),
            only: match organisation.routing_groups.as_slice() {
                [only] => Some(&only.name),
                _ => None,
            },
        }
    }

    /// A group that is named, or the only one there is; empty if none is meant.
    fn group(&self, named: Option<&Name>) -> String {
        let Some(named) = named.or(self.only) else {
            return String::new();
        };
        let known = self.groups.get(&named.folded()).copied();
        known.unwrap_or(named).to_string()
    }

    fn servers(&self, named: &[Name]) -> Vec<String> {
        let written = named.iter().map(|name| {
            let known = self.servers.get(&name.folded()).copied();
            known.unwrap_or(name).to_string()
        });
        written.collect()
    }
}

/// The topology of the organisation; none where it has no routing groups, or where what it has doesn't make one.
pub(crate) fn topology(snapshot: &Snapshot) -> (Option<Arc<Topology>>, Vec<Fault>) {
    let organisation = snapshot.configuration();
    if organisation.routing_groups.is_empty() {
        return (None, Vec::new());
    }
    match Topology::build(&plan(organisation)) {
        Ok(topology) => (Some(Arc::new(topology)), Vec::new()),
        Err(faults) => {
            let faults = faults.into_iter().map(|fault| Fault {
                file: DIRECTORY.to_owned(),
                line: 0,
                key: "routing groups".to_owned(),
                reason: fault.to_string(),
            });
            (None, faults.collect())
        }
    }
}

fn plan(organisation: &Organisation) -> Plan {
    let names = Names::of(organisation);
    let groups = organisation.routing_groups.iter();
    let servers = organisation.servers.iter().map(|server| ServerPlan {
        name: server.name.to_string(),
        group: names.group(server.routing_group.as_ref()),
        // What was said with a key counts as long as that is one of its keys.
        key: server.member_keys.iter().flat_map(|key| key.0).collect(),
    });
    let connectors = organisation.connectors.iter().filter_map(|connector| {
        let target = connector.target_group.as_ref()?;
        Some(ConnectorPlan {
            name: connector.name.to_string(),
            from: names.group(connector.routing_group.as_ref()),
            to: names.group(Some(target)),
            cost: connector.cost.unwrap_or(COST),
            weight: connector.weight.unwrap_or(0),
            sources: names.servers(&connector.source_bridgeheads),
            targets: names.servers(&connector.target_bridgeheads),
        })
    });
    Plan {
        groups: groups.map(|group| group.name.to_string()).collect(),
        servers: servers.collect(),
        connectors: connectors.collect(),
    }
}

/// The cost of a connector to another group that names none.
const COST: u32 = 10;

/// What routing is to know on one server.
pub(crate) fn routing_settings(
    snapshot: &Snapshot,
    server: &Server,
    topology: Option<Arc<Topology>>,
) -> routing::Settings {
    let organisation = snapshot.configuration();
    let names = Names::of(organisation);
    let connectors = organisation.connectors.iter();
    let mut lists = HashMap::new();
    routing::Settings {
        server: server.name.as_str().into(),
        topology,
        connectors: connectors
            .filter_map(|connector| {
                let senders = senders(connector, &mut lists);
                route(connector, senders, &names)
            })
            .collect(),
    }
}

/// The number of the list of those who may send over a connector; none if all may. The same list has the same number.
fn senders<'o>(
    connector: &'o Connector,
    known: &mut HashMap<(&'o [Member], &'o [Member]), u32>,
) -> Option<u32> {
    let list = (&*connector.accept_from, &*connector.reject_from);
    if list.0.is_empty() && list.1.is_empty() {
        return None;
    }
    let fresh = u32::try_from(known.len()).unwrap_or(u32::MAX);
    Some(*known.entry(list).or_insert(fresh))
}

fn route(
    connector: &Connector,
    senders: Option<u32>,
    names: &Names<'_>,
) -> Option<routing::Connector> {
    let next_hop = match connector.smart_hosts.as_slice() {
        _ if connector.target_group.is_some() => routing::ConnectorHop::Group,
        [] if connector.next_hop.is_some() => routing::ConnectorHop::Mx,
        // Nobody to connect to: its mail waits until it is fetched.
        [] if !connector.asked_by.is_empty() => routing::ConnectorHop::SmartHosts(Box::default()),
        [] => return None,
        hosts => {
            let hosts = hosts.iter().map(|host| Host {
                name: host.name.clone(),
                port: host.port.or(connector.port).unwrap_or(SMTP),
            });
            routing::ConnectorHop::SmartHosts(hosts.collect())
        }
    };
    let boxed = |named: &[Name]| names.servers(named).into_iter().map(Into::into).collect();
    let spaces = connector.address_space.iter();
    let limits = connector.limits.iter();
    Some(routing::Connector {
        name: connector.name.as_str().into(),
        group: names.group(connector.routing_group.as_ref()).into(),
        sources: boxed(&connector.source_bridgeheads),
        targets: boxed(&connector.target_bridgeheads),
        scope: match connector.scope.unwrap_or_default() {
            Scope::Organisation => routing::Scope::Organisation,
            Scope::Group => routing::Scope::Group,
        },
        weight: connector.weight,
        address_spaces: spaces
            .map(|space| routing::AddressSpace {
                pattern: pattern(&space.pattern),
                cost: space.cost,
            })
            .collect(),
        next_hop,
        apart: limits.map(|limit| pattern(&limit.domain)).collect(),
        restrictions: routing::Restrictions {
            size_max: connector.max_message_size.map(|size| size.0),
            priorities: connector.priorities.iter().map(priority).collect(),
            senders,
            hours: connector.schedule.clone(),
            zone: zone(connector),
        },
    })
}

fn priority(written: &Urgency) -> Priority {
    match written {
        Urgency::Low => Priority::Low,
        Urgency::Normal => Priority::Normal,
        Urgency::High => Priority::High,
    }
}

fn pattern(written: &Pattern) -> routing::Pattern {
    match written {
        Pattern::Any => routing::Pattern::All,
        Pattern::Domain(domain) => routing::Pattern::Domain(domain.clone()),
        Pattern::Below(domain) => routing::Pattern::Below(domain.clone()),
    }
}

/// The time zone of a connector's schedule.
pub(crate) fn zone(written: &Connector) -> TimeZone {
    match &written.schedule_zone {
        Some(zone) => zone.time_zone(),
        None if written.schedule.is_empty() => TimeZone::UTC,
        None => TimeZone::try_system().unwrap_or(TimeZone::UTC),
    }
}
