//! The ways to all groups under one set of barred connectors, each found when it is first asked for.

use crate::net::Net;
use bridgehead_linkstate::path::{self, Route, Scene, Why};
use bridgehead_linkstate::{ConnectorId, GroupId, Links, Topology};
use std::sync::OnceLock;

/// Ways under one set of barred connectors.
#[derive(Debug)]
pub(crate) struct Paths {
    pub(crate) table: path::Table,
    barred: Barred,
    reach: Box<[OnceLock<Reach>]>,
}

/// The connectors that may not be used.
#[derive(Clone, Debug, Default)]
struct Barred {
    /// Of each connector: whether it is one of them. Empty if none is.
    marks: Vec<bool>,
}

impl Barred {
    fn new(topology: &Topology, barred: &[ConnectorId]) -> Self {
        let mut marks = Vec::new();
        if !barred.is_empty() {
            marks.resize(topology.connectors().len(), false);
        }
        for id in barred {
            if let Some(mark) = marks.get_mut(id.place()) {
                *mark = true;
            }
        }
        Self { marks }
    }

    fn allows(&self, id: ConnectorId) -> bool {
        !self.marks.get(id.place()).is_some_and(|is| *is)
    }

    fn scene<'s>(
        &self,
        topology: &'s Topology,
        links: &'s Links,
        allows: &'s dyn Fn(ConnectorId) -> bool,
    ) -> Scene<'s> {
        let scene = Scene::new(topology, links);
        match self.marks.is_empty() {
            true => scene,
            false => scene.with(allows),
        }
    }
}

/// How a group is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    pub(crate) route: Route,
    /// The ways that share the load, with their shares; where there is but one, or not all have a share, none.
    shares: Vec<(u32, Vec<ConnectorId>)>,
}

impl Paths {
    pub(crate) fn compute(
        topology: &Topology,
        links: &Links,
        own: GroupId,
        barred: &[ConnectorId],
    ) -> Self {
        let barred = Barred::new(topology, barred);
        let allows = |id: ConnectorId| barred.allows(id);
        let scene = barred.scene(topology, links, &allows);
        let table = path::Table::compute(&scene, own);
        Self::of(table, topology, barred)
    }

    fn of(table: path::Table, topology: &Topology, barred: Barred) -> Self {
        let groups = topology.groups().iter();
        Self {
            table,
            barred,
            reach: groups.map(|_| OnceLock::new()).collect(),
        }
    }

    /// The same after a change of the links.
    pub(crate) fn updated(&self, topology: &Topology, before: &Links, after: &Links) -> Self {
        let allows = |id: ConnectorId| self.barred.allows(id);
        let mut table = self.table.clone();
        let before = self.barred.scene(topology, before, &allows);
        let after = self.barred.scene(topology, after, &allows);
        table.update(&before, &after);
        Self::of(table, topology, self.barred.clone())
    }

    /// Cost and hops to a group; nothing of both to the own one.
    pub(crate) fn distance(&self, to: GroupId) -> Option<(u32, u32)> {
        if to == self.table.own() {
            return Some((0, 0));
        }
        self.table.distance(to)
    }

    /// How a group is reached.
    pub(crate) fn reach(&self, net: &Net, links: &Links, to: GroupId) -> Option<&Reach> {
        let topology = net.topology()?;
        let found = self.reach.get(to.place())?;
        Some(found.get_or_init(|| {
            let allows = |id: ConnectorId| self.barred.allows(id);
            let scene = self.barred.scene(topology, links, &allows);
            let route = self.table.route(&scene, to, &[]);
            let shares = match &route {
                Route::Via(way) => self.shares(net, &scene, to, &way.path),
                Route::Here | Route::Wait(_) => Vec::new(),
            };
            Reach { route, shares }
        }))
    }

    /// How the way to a group came about.
    pub(crate) fn explain(
        &self,
        net: &Net,
        links: &Links,
        to: GroupId,
    ) -> Option<path::Explanation> {
        let topology = net.topology()?;
        let allows = |id: ConnectorId| self.barred.allows(id);
        let scene = self.barred.scene(topology, links, &allows);
        Some(self.table.explain(&scene, to, &[]))
    }

    fn shares(
        &self,
        net: &Net,
        scene: &Scene<'_>,
        to: GroupId,
        best: &[ConnectorId],
    ) -> Vec<(u32, Vec<ConnectorId>)> {
        let weight = |id: ConnectorId| net.connector(net.place(id)?)?.weight;
        // It is one of those that would share.
        if best.first().is_none_or(|first| weight(*first).is_none()) {
            return Vec::new();
        }
        let firsts = self.table.shares(scene, to, &[]);
        if firsts.len() < 2 || !firsts.iter().all(|share| weight(share.connector).is_some()) {
            return Vec::new();
        }
        let explained = self.table.explain(scene, to, &[]);
        let others = explained.runners_up.into_iter();
        let others = others.filter(|other| other.why == Why::Shares);
        let ways = [best.to_vec()]
            .into_iter()
            .chain(others.map(|other| other.path));
        let mut shares: Vec<(u32, Vec<ConnectorId>)> = ways
            .filter_map(|path| Some((weight(*path.first()?)?, path)))
            .collect();
        // The same order whichever is the best, so that a message keeps its way as long as that is one of them.
        shares.sort_by_key(|(_, path)| path.first().copied());
        shares
    }
}

impl Reach {
    /// The connectors that its mail takes first.
    pub(crate) fn firsts(&self) -> Vec<ConnectorId> {
        if self.shares.is_empty() {
            return self.best().first().copied().into_iter().collect();
        }
        let firsts = self.shares.iter().map(|(_, path)| path.first().copied());
        firsts.flatten().collect()
    }

    /// The path that a message takes as far as it works, by its key.
    pub(crate) fn path(&self, key: u64) -> &[ConnectorId] {
        let shared = pick(&self.shares, key, |(weight, _)| *weight);
        shared.map_or_else(|| self.best(), |(_, path)| path)
    }

    /// The first of the best paths.
    pub(crate) fn best(&self) -> &[ConnectorId] {
        match &self.route {
            Route::Here => &[],
            Route::Via(way) => &way.path,
            Route::Wait(path::Wait::Cut { path, .. }) => path,
            Route::Wait(path::Wait::Visited | path::Wait::NoWay) => &[],
        }
    }
}

/// One of some by their weights and a number that is spread evenly. None of none.
pub(crate) fn pick<T>(of: &[T], key: u64, weight: impl Fn(&T) -> u32) -> Option<&T> {
    let total: u64 = of.iter().map(|one| u64::from(weight(one))).sum();
    let mut left = key.checked_rem(total)?;
    for one in of {
        let weight = u64::from(weight(one));
        if left < weight {
            return Some(one);
        }
        left -= weight;
    }
    None
}
