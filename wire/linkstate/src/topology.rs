//! The topology: groups, servers and connectors as the directory has them.
//!
//! What it is: a plan that was checked as a whole, its names in order, each with a number. Guards: every name leads somewhere, every
//! connector costs something, servers stand where their connectors need them. Refuses a plan with the reasons, all of them.
//! It is given from outside and never travels by this protocol.

mod plan;
mod ways;

pub use plan::{ConnectorPlan, Plan, PlanFault, ServerPlan};

pub(crate) use ways::Hop;

use std::collections::BTreeSet;
use ways::Ways;

/// A name has at most this many octets.
pub const NAME_OCTETS_MAX: usize = 128;
/// The highest cost of a connector.
pub const COST_MAX: u32 = 100;
/// The most groups, servers or connectors of one plan.
pub const OBJECTS_MAX: usize = 65_536;

/// A routing group, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub(crate) u32);
/// A server, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(crate) u32);
/// A connector, by its place in the order of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectorId(pub(crate) u32);

macro_rules! number {
    ($name:ident) => {
        impl $name {
            /// Its place in the order of names, from 0.
            #[must_use]
            pub const fn place(self) -> usize {
                self.0 as usize
            }

            pub(crate) fn at(place: usize) -> Self {
                Self(u32::try_from(place).unwrap_or(u32::MAX))
            }
        }
    };
}
number!(GroupId);
number!(ServerId);
number!(ConnectorId);

/// A link that a server can say something about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A connector of which it is a source bridgehead.
    Connector(ConnectorId),
    /// Another server of its group.
    Peer(ServerId),
}

/// A routing group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Box<str>,
    /// Its servers.
    pub servers: Vec<ServerId>,
    /// Connectors that lead out of it.
    pub ways_out: Vec<ConnectorId>,
    /// Connectors that lead into it.
    pub ways_in: Vec<ConnectorId>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: Box<str>,
    /// Its group.
    pub group: GroupId,
    /// What stands for its key: if it changes, what was said with the old key is forgotten.
    pub key: Box<[u8]>,
}

/// A connector between two groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connector {
    /// Its name.
    pub name: Box<str>,
    /// The group that it leads out of.
    pub from: GroupId,
    /// The group that it leads to.
    pub to: GroupId,
    /// Its cost, from 1 to [`COST_MAX`].
    pub cost: u32,
    /// Its share where it isn't the only one of equal cost.
    pub weight: u32,
    /// The servers that may use it.
    pub sources: Vec<ServerId>,
    /// The servers that it leads to.
    pub targets: Vec<ServerId>,
}

/// The organisation's topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    groups: Vec<Group>,
    servers: Vec<Server>,
    connectors: Vec<Connector>,
    fingerprint: u64,
    /// The same ways as the groups have, as searches read them.
    out: Ways,
    into: Ways,
}

impl Topology {
    /// Checks a plan and numbers its objects.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn build(plan: &Plan) -> Result<Self, Vec<PlanFault>> {
        plan::build(plan)
    }

    /// The groups, in the order of their names.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The servers, in the order of their names.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The connectors, in the order of their names.
    #[must_use]
    pub fn connectors(&self) -> &[Connector] {
        &self.connectors
    }

    /// The numbers of the groups.
    pub fn group_ids(&self) -> impl Iterator<Item = GroupId> + use<> {
        (0..self.groups.len()).map(GroupId::at)
    }

    /// The numbers of the servers.
    pub fn server_ids(&self) -> impl Iterator<Item = ServerId> + use<> {
        (0..self.servers.len()).map(ServerId::at)
    }

    /// The numbers of the connectors.
    pub fn connector_ids(&self) -> impl Iterator<Item = ConnectorId> + use<> {
        (0..self.connectors.len()).map(ConnectorId::at)
    }

    /// One group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.place())
    }

    /// One server.
    #[must_use]
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.place())
    }

    /// One connector.
    #[must_use]
    pub fn connector(&self, id: ConnectorId) -> Option<&Connector> {
        self.connectors.get(id.place())
    }

    /// The connectors that lead out of a group, with the groups that they lead to.
    pub(crate) fn hops_out(&self, of: GroupId) -> &[Hop] {
        self.out.of(of)
    }

    /// The connectors that lead into a group, with the groups that they come from.
    pub(crate) fn hops_in(&self, of: GroupId) -> &[Hop] {
        self.into.of(of)
    }

    /// The group of this name.
    #[must_use]
    pub fn group_of_name(&self, name: &str) -> Option<GroupId> {
        place(&self.groups, name, |group| &group.name).map(GroupId::at)
    }

    /// The server of this name.
    #[must_use]
    pub fn server_of_name(&self, name: &str) -> Option<ServerId> {
        place(&self.servers, name, |server| &server.name).map(ServerId::at)
    }

    /// The connector of this name.
    #[must_use]
    pub fn connector_of_name(&self, name: &str) -> Option<ConnectorId> {
        place(&self.connectors, name, |connector| &connector.name).map(ConnectorId::at)
    }

    /// The other servers of a server's group.
    pub fn peers(&self, of: ServerId) -> impl Iterator<Item = ServerId> + '_ {
        let group = self.server(of).and_then(|server| self.group(server.group));
        let servers = group.into_iter().flat_map(|group| &group.servers);
        servers.copied().filter(move |peer| *peer != of)
    }

    /// Whether both are in the same group.
    #[must_use]
    pub fn are_peers(&self, one: ServerId, other: ServerId) -> bool {
        let group = |id| self.server(id).map(|server| server.group);
        one != other && group(one).is_some() && group(one) == group(other)
    }

    /// Connectors of which a server is a source bridgehead.
    pub fn sourced_by(&self, source: ServerId) -> impl Iterator<Item = ConnectorId> + '_ {
        let group = self
            .server(source)
            .and_then(|server| self.group(server.group));
        let ways = group.into_iter().flat_map(|group| &group.ways_out);
        ways.copied()
            .filter(move |way| self.is_source(source, *way))
    }

    /// Whether a server is a source bridgehead of a connector.
    #[must_use]
    pub fn is_source(&self, server: ServerId, connector: ConnectorId) -> bool {
        self.connector(connector)
            .is_some_and(|connector| connector.sources.contains(&server))
    }

    /// Whom a server exchanges link state with: its peers, and the bridgeheads at the other ends of its connectors.
    #[must_use]
    pub fn neighbours(&self, of: ServerId) -> BTreeSet<ServerId> {
        let mut all: BTreeSet<ServerId> = self.peers(of).collect();
        let group = self.server(of).and_then(|server| self.group(server.group));
        let Some(group) = group else {
            return all;
        };
        for connector in group.ways_out.iter().filter_map(|id| self.connector(*id)) {
            if connector.sources.contains(&of) {
                all.extend(&connector.targets);
            }
        }
        for connector in group.ways_in.iter().filter_map(|id| self.connector(*id)) {
            if connector.targets.contains(&of) {
                all.extend(&connector.sources);
            }
        }
        all
    }

    /// The groups that no way leads to from a group, to be shown to whoever configured it.
    #[must_use]
    pub fn unreachable_from(&self, from: GroupId) -> Vec<GroupId> {
        let mut reached: BTreeSet<GroupId> = [from].into();
        let mut border = vec![from];
        while let Some(group) = border.pop() {
            let ways = self.group(group).map(|group| group.ways_out.as_slice());
            for way in ways.unwrap_or_default() {
                if let Some(connector) = self.connector(*way)
                    && reached.insert(connector.to)
                {
                    border.push(connector.to);
                }
            }
        }
        self.group_ids()
            .filter(|group| !reached.contains(group))
            .collect()
    }

    /// Differs where topologies differ: neighbours tell each other, so that a change that hasn't reached everybody is seen.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

fn place<T>(sorted: &[T], name: &str, of: impl Fn(&T) -> &str) -> Option<usize> {
    sorted
        .binary_search_by(|candidate| of(candidate).cmp(name))
        .ok()
}
