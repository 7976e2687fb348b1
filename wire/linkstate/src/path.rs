//! The way from one group to each other: least cost, then fewest hops, then the order of names.
//!
//! What it is: a table of one group, made of the topology and the state of the links. Pure: the same input gives the same table,
//! whether it was computed at once or followed the changes one by one. Guards: a way never leads into a group that the message has
//! visited. Where no way works the message waits, and the answer says where and behind what.

mod alternative;
mod border;
mod explain;
mod search;

pub use alternative::has_alternative;
pub use explain::{Explanation, RunnerUp, Why};

use crate::links::{Costs, Links};
use crate::topology::{ConnectorId, GroupId, Topology};
use search::Label;
use std::sync::Arc;

/// What a choice of path is made on.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// The state of the links.
    pub links: &'a Links,
    /// Which connectors may be used at all, by their restrictions; none: all.
    allows: Option<&'a dyn Fn(ConnectorId) -> bool>,
}

impl<'a> Scene<'a> {
    /// Without restrictions.
    #[must_use]
    pub fn new(topology: &'a Topology, links: &'a Links) -> Self {
        Self {
            topology,
            links,
            allows: None,
        }
    }

    /// With restrictions.
    #[must_use]
    pub fn with(self, allows: &'a dyn Fn(ConnectorId) -> bool) -> Self {
        Self {
            allows: Some(allows),
            ..self
        }
    }

    /// What a connector costs now; none if it is out or not allowed.
    fn cost(&self, id: ConnectorId) -> Option<u32> {
        let cost = self.links.cost(self.topology, id)?;
        self.may(id).then_some(cost)
    }

    /// Whether restrictions let a connector be used.
    #[must_use]
    pub fn may(&self, id: ConnectorId) -> bool {
        self.allows.is_none_or(|allows| allows(id))
    }

    /// What a connector costs as configured; none if it isn't allowed.
    fn configured(&self, id: ConnectorId) -> Option<u32> {
        let cost = self.topology.connector(id)?.cost;
        self.may(id).then_some(cost)
    }

    /// What all connectors cost as configured.
    fn all_configured(&self) -> Costs {
        let mut costs = Costs::configured(self.topology);
        if let Some(allows) = self.allows {
            costs.retain(allows);
        }
        costs
    }

    /// What all connectors cost now.
    fn all(&self) -> Costs {
        let mut costs = self.all_configured();
        self.links.apply(&mut costs);
        costs
    }
}

/// A way that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The connectors, in order; never empty.
    pub path: Vec<ConnectorId>,
    /// What they cost together.
    pub cost: u32,
}

/// Where a message goes from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// It is in its group.
    Here,
    /// Along a way that works.
    Via(Way),
    /// No way works.
    Wait(Wait),
}

/// Why a message waits, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Every way is cut. The message goes along the configured way as far as that works.
    Cut {
        /// The configured way.
        path: Vec<ConnectorId>,
        /// The first connector of it that is out.
        behind: ConnectorId,
        /// The group where the message waits.
        at: GroupId,
        /// The connector towards that group; none if that is here.
        toward: Option<ConnectorId>,
    },
    /// Every way leads into a group that the message has visited.
    Visited,
    /// No connector leads there, or none that the message may take.
    NoWay,
}

/// One of several connectors of equal cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The connector.
    pub connector: ConnectorId,
    /// How much of the load it takes.
    pub weight: u32,
}

/// The ways from one group to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    own: GroupId,
    live: Vec<Label>,
    configured: Arc<[Label]>,
}

impl Table {
    /// Computes the table of a group.
    #[must_use]
    pub fn compute(scene: &Scene<'_>, own: GroupId) -> Self {
        let mut costs = scene.all_configured();
        let configured = search::full(scene.topology, own, &costs);
        let live = match scene.links.apply(&mut costs) {
            true => search::full(scene.topology, own, &costs),
            false => configured.clone(),
        };
        Self {
            own,
            live,
            configured: configured.into(),
        }
    }

    /// Follows a change of the links; topology and restrictions must be those that it was computed with.
    pub fn update(&mut self, before: &Scene<'_>, after: &Scene<'_>) {
        let changed = before.links.differing(after.links);
        search::repair(
            after.topology,
            self.own,
            &mut self.live,
            &changed,
            (before, after),
        );
    }

    /// The group whose table it is.
    #[must_use]
    pub const fn own(&self) -> GroupId {
        self.own
    }

    /// Cost and hops of the best way to a group, if one works; nothing for the own group.
    #[must_use]
    pub fn distance(&self, to: GroupId) -> Option<(u32, u32)> {
        let label = self
            .live
            .get(to.place())
            .filter(|label| label.is_reached())?;
        (to != self.own).then_some((label.cost, label.hops))
    }

    /// Where a message for a group goes, when it has visited some groups already.
    #[must_use]
    pub fn route(&self, scene: &Scene<'_>, to: GroupId, visited: &[GroupId]) -> Route {
        if to == self.own {
            return Route::Here;
        }
        let topology = scene.topology;
        let live = |id| scene.cost(id);
        if let Some(path) =
            self.avoiding(topology, &self.live, to, visited, (&live, &|| scene.all()))
        {
            let cost = path.iter().filter_map(|id| live(*id)).sum();
            return Route::Via(Way { path, cost });
        }
        let configured = |id| scene.configured(id);
        if let Some(path) = self.avoiding(
            topology,
            &self.configured,
            to,
            visited,
            (&configured, &|| scene.all_configured()),
        ) && let Some(behind) = path.iter().find(|id| live(**id).is_none()).copied()
            && let Some(at) = topology.connector(behind).map(|connector| connector.from)
        {
            let toward = path.first().copied().filter(|_| at != self.own);
            return Route::Wait(Wait::Cut {
                path,
                behind,
                at,
                toward,
            });
        }
        let is_known = self.configured.get(to.place());
        let has_way = is_known.is_some_and(|label| label.is_reached());
        Route::Wait(if has_way { Wait::Visited } else { Wait::NoWay })
    }

    /// The connectors that share the load to a group: all first ones of the ways of least cost and fewest hops that avoid
    /// the groups visited. None if no way works.
    #[must_use]
    pub fn shares(&self, scene: &Scene<'_>, to: GroupId, visited: &[GroupId]) -> Vec<Share> {
        let live = |id| scene.cost(id);
        let mut firsts = search::firsts(scene.topology, self.own, &self.live, to, visited, &live);
        if firsts.is_empty()
            && let Route::Via(way) = self.route(scene, to, visited)
        {
            firsts.extend(way.path.first());
        }
        let share = |connector| Share {
            connector,
            weight: scene
                .topology
                .connector(connector)
                .map_or(1, |connector| connector.weight),
        };
        firsts.into_iter().map(share).collect()
    }

    /// The path by the labels if it avoids the groups visited, else the best that does.
    fn avoiding(
        &self,
        topology: &Topology,
        labels: &[Label],
        to: GroupId,
        visited: &[GroupId],
        (cost, costs): (&impl Fn(ConnectorId) -> Option<u32>, &impl Fn() -> Costs),
    ) -> Option<Vec<ConnectorId>> {
        let path = search::trace(topology, self.own, labels, to, cost)?;
        let leads_back = |id: &ConnectorId| {
            let to = topology.connector(*id).map(|connector| connector.to);
            to.is_some_and(|to| visited.contains(&to))
        };
        if !path.iter().any(leads_back) {
            return Some(path);
        }
        let avoid = |group: GroupId| group != self.own && visited.contains(&group);
        let steps = search::towards(topology, to, &avoid, &costs());
        search::follow(topology, self.own, to, &steps)
    }
}

impl Share {
    /// One of some shares by a number that is spread evenly, as a hash of the message's id is.
    #[must_use]
    pub fn pick(shares: &[Self], key: u64) -> Option<ConnectorId> {
        let total: u64 = shares.iter().map(|share| u64::from(share.weight)).sum();
        let mut left = key.checked_rem(total)?;
        for share in shares {
            let weight = u64::from(share.weight);
            if left < weight {
                return Some(share.connector);
            }
            left -= weight;
        }
        None
    }
}
