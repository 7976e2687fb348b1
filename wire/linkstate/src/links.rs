//! What the records of all servers come to: which connectors are out, and what load adds to the others.
//!
//! Guards: a connector is out only when all of its source bridgeheads say so or are themselves out; a server is out only when
//! every server of its group of whom nobody complains says that it can't be reached. One server's word takes nobody else's away: a
//! connector that is down for one of its source bridgeheads only works, over the others.

use crate::topology::{ConnectorId, GroupId, ServerId, Target, Topology};
use std::collections::{BTreeMap, BTreeSet};

/// What one server says about one of its links, found in the topology.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The link.
    pub target: Target,
    /// Nothing gets through.
    pub down: bool,
    /// What its load adds to its cost.
    pub surcharge: u8,
}

/// The state of the organisation's links, as far as it isn't as configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Links {
    down: BTreeSet<ConnectorId>,
    surcharges: BTreeMap<ConnectorId, u32>,
    out: BTreeSet<ServerId>,
    /// Which source bridgeheads say that a connector is down for them.
    down_at: BTreeSet<(ConnectorId, ServerId)>,
}

impl Links {
    /// What claims come to.
    pub fn derive<'a>(
        topology: &Topology,
        claims: impl Iterator<Item = (ServerId, &'a [Claim])>,
    ) -> Self {
        let mut said = Said::default();
        for (origin, claims) in claims {
            for claim in claims {
                said.take(topology, origin, claim);
            }
        }
        let out = said.out(topology);
        let mut touched: BTreeSet<ConnectorId> = said.connectors.keys().copied().collect();
        for server in &out {
            touched.extend(topology.sourced_by(*server));
        }
        let mut links = Self {
            out,
            ..Self::default()
        };
        for id in touched {
            let Some(connector) = topology.connector(id) else {
                continue;
            };
            let words = said.connectors.get(&id);
            let word = |source: &ServerId| words.and_then(|words| words.get(source));
            let says_down = |source: &&ServerId| word(source).is_some_and(|claim| claim.down);
            let those = connector.sources.iter().filter(says_down);
            links.down_at.extend(those.map(|source| (id, *source)));
            let works = |source: &&ServerId| !links.out.contains(source) && !says_down(source);
            let working = connector.sources.iter().filter(works);
            let loads = working.map(|source| word(source).map_or(0, |claim| claim.surcharge));
            match loads.min() {
                None => {
                    links.down.insert(id);
                }
                Some(0) => {}
                Some(load) => {
                    links.surcharges.insert(id, u32::from(load));
                }
            }
        }
        links
    }

    /// What a connector costs now; none if it is out.
    #[must_use]
    pub fn cost(&self, topology: &Topology, connector: ConnectorId) -> Option<u32> {
        let configured = topology.connector(connector)?.cost;
        if self.down.contains(&connector) {
            return None;
        }
        Some(configured + self.surcharges.get(&connector).copied().unwrap_or(0))
    }

    /// Makes of what connectors cost as configured what they cost now; gives whether anything differs.
    pub(crate) fn apply(&self, costs: &mut Costs) -> bool {
        for id in &self.down {
            costs.set(*id, None);
        }
        for (id, surcharge) in &self.surcharges {
            let cost = costs.of(*id);
            costs.set(*id, cost.map(|cost| cost + surcharge));
        }
        !self.down.is_empty() || !self.surcharges.is_empty()
    }

    /// Whether a connector is out.
    #[must_use]
    pub fn is_down(&self, connector: ConnectorId) -> bool {
        self.down.contains(&connector)
    }

    /// Whether a source bridgehead of a connector can't use it: it says so, or nobody of its group reaches it. Others may.
    #[must_use]
    pub fn is_down_at(&self, connector: ConnectorId, source: ServerId) -> bool {
        self.out.contains(&source) || self.down_at.contains(&(connector, source))
    }

    /// The source bridgeheads that say that a connector is down for them, by connector.
    pub fn down_at(&self) -> impl Iterator<Item = (ConnectorId, ServerId)> + '_ {
        self.down_at.iter().copied()
    }

    /// The connectors that are out.
    pub fn down(&self) -> impl Iterator<Item = ConnectorId> + '_ {
        self.down.iter().copied()
    }

    /// The servers that their groups can't reach.
    pub fn out(&self) -> impl Iterator<Item = ServerId> + '_ {
        self.out.iter().copied()
    }

    /// Whether everything is as configured.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let is_whole = self.down.is_empty() && self.down_at.is_empty() && self.out.is_empty();
        is_whole && self.surcharges.is_empty()
    }

    /// The connectors that don't cost the same in both. Who may use one has no say in the paths.
    #[must_use]
    pub fn differing(&self, other: &Self) -> Vec<ConnectorId> {
        let mut all: BTreeSet<ConnectorId> = self
            .down
            .symmetric_difference(&other.down)
            .copied()
            .collect();
        let both = self.surcharges.keys().chain(other.surcharges.keys());
        all.extend(both.filter(|id| self.surcharges.get(id) != other.surcharges.get(id)));
        all.into_iter().collect()
    }

    /// These links with one connector more out, to ask what would be then.
    #[must_use]
    pub fn without(&self, connector: ConnectorId) -> Self {
        let mut links = self.clone();
        links.down.insert(connector);
        links
    }
}

/// What each connector costs, for a search over all of them.
pub(crate) struct Costs(Vec<u32>);

impl Costs {
    const NONE: u32 = u32::MAX;

    pub(crate) fn configured(topology: &Topology) -> Self {
        let connectors = topology.connectors().iter();
        Self(connectors.map(|connector| connector.cost).collect())
    }

    /// None if it can't be used.
    pub(crate) fn of(&self, id: ConnectorId) -> Option<u32> {
        let cost = self.0.get(id.place()).copied();
        cost.filter(|cost| *cost != Self::NONE)
    }

    fn set(&mut self, id: ConnectorId, cost: Option<u32>) {
        if let Some(known) = self.0.get_mut(id.place()) {
            *known = cost.unwrap_or(Self::NONE);
        }
    }

    /// Takes those out that may not be used.
    pub(crate) fn retain(&mut self, may: impl Fn(ConnectorId) -> bool) {
        for (place, cost) in self.0.iter_mut().enumerate() {
            if !may(ConnectorId::at(place)) {
                *cost = Self::NONE;
            }
        }
    }
}

/// All claims, by what they are about.
#[derive(Default)]
struct Said {
    connectors: BTreeMap<ConnectorId, BTreeMap<ServerId, Claim>>,
    /// Of each server that somebody complains of: who does.
    complaints: BTreeMap<GroupId, BTreeMap<ServerId, BTreeSet<ServerId>>>,
}

impl Said {
    fn take(&mut self, topology: &Topology, origin: ServerId, claim: &Claim) {
        match claim.target {
            Target::Connector(id) => {
                self.connectors
                    .entry(id)
                    .or_default()
                    .insert(origin, *claim);
            }
            Target::Peer(peer) if claim.down => {
                if let Some(server) = topology.server(peer) {
                    let group = self.complaints.entry(server.group).or_default();
                    group.entry(peer).or_default().insert(origin);
                }
            }
            Target::Peer(_) => {}
        }
    }

    /// The servers that all others say they can't reach.
    fn out(&self, topology: &Topology) -> BTreeSet<ServerId> {
        let mut out = BTreeSet::new();
        for (group, complaints) in &self.complaints {
            let members = topology.group(*group).map(|group| group.servers.as_slice());
            let members = members.unwrap_or_default().iter();
            let trusted: BTreeSet<ServerId> = members
                .filter(|member| !complaints.contains_key(member))
                .copied()
                .collect();
            // Where everybody complains of everybody nobody is believed.
            if !trusted.is_empty() {
                let agreed = complaints.iter().filter(|(_, by)| trusted.is_subset(by));
                out.extend(agreed.map(|(server, _)| *server));
            }
        }
        out
    }
}
