//! Searches over groups: from one group to all, from all to one, and the repair of a search after a change.
//!
//! Labels are compared by cost, then hops, then the first connector's place in the order of names; each way is longer than its
//! beginning by that order, because every connector costs something. The repair is that of Ramalingam and Reps: first whose label
//! can't stand any more, then new labels for those and for whoever a change made better.

use crate::topology::{ConnectorId, GroupId, Topology};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// So many groups are mended one by one, whatever share of all they are.
const MANY: usize = 16;

/// How a group is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label {
    pub(super) cost: u32,
    pub(super) hops: u32,
    /// The place of the first connector.
    pub(super) first: u32,
}

impl Label {
    const UNREACHED: Self = Self {
        cost: u32::MAX,
        hops: u32::MAX,
        first: u32::MAX,
    };
    const OWN: Self = Self {
        cost: 0,
        hops: 0,
        first: u32::MAX,
    };

    pub(super) fn is_reached(&self) -> bool {
        *self != Self::UNREACHED
    }

    /// The label at the end of a connector that begins here.
    fn along(self, id: ConnectorId, cost: u32) -> Self {
        Self {
            cost: self.cost.saturating_add(cost),
            hops: self.hops.saturating_add(1),
            first: if self.hops == 0 { id.0 } else { self.first },
        }
    }
}

type Border = BinaryHeap<Reverse<(Label, u32)>>;

fn label(labels: &[Label], group: GroupId) -> Label {
    let known = labels.get(group.place());
    known.copied().unwrap_or(Label::UNREACHED)
}

/// Labels of all groups, seen from one.
pub(super) fn full(
    topology: &Topology,
    own: GroupId,
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) -> Vec<Label> {
    let mut labels = vec![Label::UNREACHED; topology.groups().len()];
    let mut border = Border::new();
    border.push(Reverse((Label::OWN, own.0)));
    settle(topology, &mut labels, &mut border, cost);
    labels
}

/// Takes better labels from the border until there are none.
fn settle(
    topology: &Topology,
    labels: &mut [Label],
    border: &mut Border,
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) {
    while let Some(Reverse((found, group))) = border.pop() {
        let group = GroupId(group);
        match labels.get_mut(group.place()) {
            Some(label) if found < *label => *label = found,
            _ => continue,
        }
        let ways = topology.group(group).map(|group| group.ways_out.as_slice());
        for id in ways.unwrap_or_default() {
            let Some(connector) = topology.connector(*id) else {
                continue;
            };
            // Nothing costs less than configured: most connectors need no look at their state.
            let known = label(labels, connector.to);
            if found.along(*id, connector.cost) < known
                && let Some(cost) = cost(*id)
                && found.along(*id, cost) < known
            {
                border.push(Reverse((found.along(*id, cost), connector.to.0)));
            }
        }
    }
}

/// Mends labels after some connectors changed their costs.
pub(super) fn repair(
    topology: &Topology,
    own: GroupId,
    labels: &mut [Label],
    changed: &[ConnectorId],
    (before, after): (
        &impl Fn(ConnectorId) -> Option<u32>,
        &impl Fn(ConnectorId) -> Option<u32>,
    ),
) {
    let Some(lost) = whose_label_falls(topology, own, labels, changed, (before, after)) else {
        for (label, anew) in labels.iter_mut().zip(full(topology, own, after)) {
            *label = anew;
        }
        return;
    };
    for group in &lost {
        if let Some(label) = labels.get_mut(group.place()) {
            *label = Label::UNREACHED;
        }
    }
    let mut border = Border::new();
    let mut offer = |labels: &[Label], id: ConnectorId| {
        let (Some(connector), Some(cost)) = (topology.connector(id), after(id)) else {
            return;
        };
        let from = label(labels, connector.from);
        let beyond = from.along(id, cost);
        if from.is_reached() && beyond < label(labels, connector.to) {
            border.push(Reverse((beyond, connector.to.0)));
        }
    };
    for group in &lost {
        let ways = topology.group(*group).map(|group| group.ways_in.as_slice());
        for id in ways.unwrap_or_default() {
            offer(labels, *id);
        }
    }
    for id in changed {
        offer(labels, *id);
    }
    settle(topology, labels, &mut border, after);
}

/// The groups whose label nothing supports any more; none if they are so many that it is quicker to begin anew.
fn whose_label_falls(
    topology: &Topology,
    own: GroupId,
    labels: &[Label],
    changed: &[ConnectorId],
    (before, after): (
        &impl Fn(ConnectorId) -> Option<u32>,
        &impl Fn(ConnectorId) -> Option<u32>,
    ),
) -> Option<Vec<GroupId>> {
    let supports = |id: ConnectorId, cost: &dyn Fn(ConnectorId) -> Option<u32>| {
        let connector = topology.connector(id)?;
        let (from, to) = (label(labels, connector.from), label(labels, connector.to));
        // Looking up the cost takes longest.
        if !from.is_reached() || to.hops != from.hops.saturating_add(1) {
            return None;
        }
        let supported = from.along(id, cost(id)?) == to && connector.to != own;
        supported.then_some(connector.to)
    };
    let mut lost = Vec::new();
    let mut is_lost = vec![false; labels.len()];
    let mut doubtful: Vec<GroupId> = changed
        .iter()
        .filter_map(|id| supports(*id, before))
        .collect();
    while let Some(group) = doubtful.pop() {
        let Some(known) = topology.group(group) else {
            continue;
        };
        let stands = |id: &ConnectorId| {
            let from = topology.connector(*id).map(|connector| connector.from);
            let from_stands = from.is_some_and(|from| !marked(&is_lost, from));
            from_stands && supports(*id, after).is_some()
        };
        if marked(&is_lost, group) || known.ways_in.iter().any(stands) {
            continue;
        }
        if let Some(mark) = is_lost.get_mut(group.place()) {
            *mark = true;
        }
        lost.push(group);
        if lost.len() > MANY.max(labels.len() / 4) {
            return None;
        }
        // Also whom it seems to support since the change: that counts no more either.
        let ways = known.ways_out.iter();
        doubtful.extend(ways.filter_map(|id| supports(*id, before).or(supports(*id, after))));
    }
    Some(lost)
}

fn marked(marks: &[bool], group: GroupId) -> bool {
    marks.get(group.place()).is_some_and(|mark| *mark)
}

/// The path to a group by its label.
pub(super) fn trace(
    topology: &Topology,
    own: GroupId,
    labels: &[Label],
    to: GroupId,
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) -> Option<Vec<ConnectorId>> {
    let mut path = Vec::new();
    let mut group = to;
    while group != own {
        let goal = label(labels, group);
        let known = topology.group(group).filter(|_| goal.is_reached())?;
        let found = known.ways_in.iter().find_map(|id| {
            let from = topology.connector(*id)?.from;
            let label = Some(label(labels, from)).filter(Label::is_reached)?;
            (label.along(*id, cost(*id)?) == goal).then_some((*id, from))
        });
        let (id, from) = found?;
        path.push(id);
        group = from;
    }
    path.reverse();
    Some(path)
}

/// The first connectors of all ways of least cost and fewest hops that avoid some groups, in order of names.
pub(super) fn firsts(
    topology: &Topology,
    own: GroupId,
    labels: &[Label],
    to: GroupId,
    visited: &[GroupId],
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) -> BTreeSet<ConnectorId> {
    let mut firsts = BTreeSet::new();
    let mut seen: BTreeSet<GroupId> = [to].into();
    let mut border = vec![to];
    while let Some(group) = border.pop() {
        let goal = label(labels, group);
        let known = topology.group(group);
        let known = known.filter(|_| goal.is_reached() && !visited.contains(&group));
        for id in known.map_or(&[][..], |group| &group.ways_in) {
            let (Some(connector), Some(cost)) = (topology.connector(*id), cost(*id)) else {
                continue;
            };
            let from = label(labels, connector.from);
            let beyond = from.along(*id, cost);
            if !from.is_reached() || (beyond.cost, beyond.hops) != (goal.cost, goal.hops) {
                continue;
            }
            if connector.from == own {
                firsts.insert(*id);
            } else if seen.insert(connector.from) {
                border.push(connector.from);
            }
        }
    }
    firsts
}

/// How a group gets to the goal of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Step {
    pub(super) cost: u32,
    pub(super) hops: u32,
    /// The connector to take from here.
    pub(super) next: ConnectorId,
}

/// How each group gets to one, through no group that is to be avoided (they themselves get there, though).
pub(super) fn towards(
    topology: &Topology,
    to: GroupId,
    avoid: &impl Fn(GroupId) -> bool,
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) -> Vec<Option<Step>> {
    let mut steps: Vec<Option<Step>> = vec![None; topology.groups().len()];
    if avoid(to) {
        return steps;
    }
    let mut border = BinaryHeap::new();
    let mut done = vec![false; steps.len()];
    border.push(Reverse((0_u32, 0_u32, to)));
    while let Some(Reverse((sum, hops, group))) = border.pop() {
        match done.get_mut(group.place()) {
            Some(done) if !*done => *done = true,
            _ => continue,
        }
        if avoid(group) {
            continue;
        }
        let ways = topology.group(group).map(|group| group.ways_in.as_slice());
        for id in ways.unwrap_or_default() {
            let (Some(connector), Some(cost)) = (topology.connector(*id), cost(*id)) else {
                continue;
            };
            let step = Step {
                cost: sum.saturating_add(cost),
                hops: hops.saturating_add(1),
                next: *id,
            };
            if let Some(known) = steps.get_mut(connector.from.place())
                && connector.from != to
                && known.is_none_or(|known| step < known)
            {
                *known = Some(step);
                border.push(Reverse((step.cost, step.hops, connector.from)));
            }
        }
    }
    steps
}

/// The path from a group by the steps of a search.
pub(super) fn follow(
    topology: &Topology,
    from: GroupId,
    to: GroupId,
    steps: &[Option<Step>],
) -> Option<Vec<ConnectorId>> {
    let mut path = Vec::new();
    let mut group = from;
    while group != to && path.len() <= steps.len() {
        let step = steps.get(group.place()).copied().flatten()?;
        path.push(step.next);
        group = topology.connector(step.next)?.to;
    }
    (group == to).then_some(path)
}
