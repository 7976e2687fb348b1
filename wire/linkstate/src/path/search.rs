//! Searches over groups: from one group to all, from all to one, and the repair of a search after a change.
//!
//! Labels are compared by cost, then hops, then the first connector's place in the order of names; each way is longer than its
//! beginning by that order, because every connector costs something. The repair is that of Ramalingam and Reps: first whose label
//! can't stand any more, then new labels for those and for whoever a change made better.

use super::Scene;
use super::border::Border;
use crate::links::Costs;
use crate::topology::{ConnectorId, GroupId, Hop, Topology};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// So many groups are mended one by one, and in a large organisation that part of all.
const FEW: usize = 32;

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

type Heap = BinaryHeap<Reverse<(Label, u32)>>;

fn label(labels: &[Label], group: GroupId) -> Label {
    let known = labels.get(group.place());
    known.copied().unwrap_or(Label::UNREACHED)
}

/// Labels of all groups, seen from one.
pub(super) fn full(topology: &Topology, own: GroupId, costs: &Costs) -> Vec<Label> {
    let mut labels = vec![Label::UNREACHED; topology.groups().len()];
    let mut border = Border::new(labels.len());
    if let Some(label) = labels.get_mut(own.place()) {
        *label = Label::OWN;
        border.push(0, own);
    }
    while let Some((at, group)) = border.pop() {
        let found = label(&labels, group);
        // Else a cheaper way was found since it was put in.
        if found.cost == at {
            for hop in topology.hops_out(group) {
                if let Some(cost) = costs.of(hop.id)
                    && let Some(known) = labels.get_mut(hop.other.place())
                {
                    let beyond = found.along(hop.id, cost);
                    // One that is as cheap is in the border already.
                    if beyond.cost < known.cost {
                        border.push(beyond.cost, hop.other);
                    }
                    *known = beyond.min(*known);
                }
            }
        }
    }
    labels
}

/// Takes better labels from the border until there are none; gives up, and says no, when so many groups got one that it is quicker
/// to begin anew.
fn settle(
    topology: &Topology,
    labels: &mut [Label],
    border: &mut Heap,
    cost: &impl Fn(ConnectorId) -> Option<u32>,
) -> bool {
    let mut left = few(labels.len());
    while let Some(Reverse((found, group))) = border.pop() {
        let group = GroupId(group);
        match labels.get_mut(group.place()) {
            Some(label) if found < *label => *label = found,
            _ => continue,
        }
        left = match left.checked_sub(1) {
            Some(left) => left,
            None => return false,
        };
        for hop in topology.hops_out(group) {
            let known = label(labels, hop.other);
            // Nothing costs less than configured: most connectors need no look at their state.
            if found.along(hop.id, hop.cost) < known
                && let Some(cost) = cost(hop.id)
                && found.along(hop.id, cost) < known
            {
                border.push(Reverse((found.along(hop.id, cost), hop.other.0)));
            }
        }
    }
    true
}

/// Mends labels after some connectors changed their costs.
pub(super) fn repair(
    topology: &Topology,
    own: GroupId,
    labels: &mut Vec<Label>,
    changed: &[ConnectorId],
    (before, after): (&Scene<'_>, &Scene<'_>),
) {
    let lost = whose_label_falls(topology, own, labels, changed, (before, after));
    let Some(lost) = lost.filter(|_| changed.len() <= few(labels.len())) else {
        *labels = full(topology, own, &after.all());
        return;
    };
    for group in &lost {
        if let Some(label) = labels.get_mut(group.place()) {
            *label = Label::UNREACHED;
        }
    }
    let mut border = Heap::new();
    let mut offer = |labels: &[Label], id: ConnectorId, from: GroupId, to: GroupId| {
        let from = label(labels, from);
        if from.is_reached()
            && let Some(cost) = after.cost(id)
            && from.along(id, cost) < label(labels, to)
        {
            border.push(Reverse((from.along(id, cost), to.0)));
        }
    };
    for group in &lost {
        for hop in topology.hops_in(*group) {
            offer(labels, hop.id, hop.other, *group);
        }
    }
    for id in changed {
        if let Some(connector) = topology.connector(*id) {
            offer(labels, *id, connector.from, connector.to);
        }
    }
    if !settle(topology, labels, &mut border, &|id| after.cost(id)) {
        *labels = full(topology, own, &after.all());
    }
}

/// So many groups lose their label and so many get one, one by one: with more it is quicker to begin anew.
fn few(groups: usize) -> usize {
    FEW.max(groups / FEW)
}

/// The groups whose label nothing supports any more; none if they are so many that it is quicker to begin anew.
fn whose_label_falls(
    topology: &Topology,
    own: GroupId,
    labels: &[Label],
    changed: &[ConnectorId],
    (before, after): (&Scene<'_>, &Scene<'_>),
) -> Option<Vec<GroupId>> {
    let supports = |(id, from, to): (ConnectorId, GroupId, GroupId), scene: &Scene<'_>| {
        let (from, goal) = (label(labels, from), label(labels, to));
        // Looking up the cost takes longest.
        if !from.is_reached() || goal.hops != from.hops.saturating_add(1) || to == own {
            return false;
        }
        scene
            .cost(id)
            .is_some_and(|cost| from.along(id, cost) == goal)
    };
    let mut lost = Vec::new();
    let mut is_lost = vec![false; labels.len()];
    let ends = changed.iter().filter_map(|id| {
        let connector = topology.connector(*id)?;
        Some((*id, connector.from, connector.to))
    });
    let mut doubtful: Vec<GroupId> = ends
        .filter(|end| supports(*end, before))
        .map(|(_, _, to)| to)
        .collect();
    while let Some(group) = doubtful.pop() {
        let stands =
            |hop: &Hop| !marked(&is_lost, hop.other) && supports((hop.id, hop.other, group), after);
        if marked(&is_lost, group) || topology.hops_in(group).iter().any(stands) {
            continue;
        }
        if let Some(mark) = is_lost.get_mut(group.place()) {
            *mark = true;
        }
        lost.push(group);
        if lost.len() > few(labels.len()) {
            return None;
        }
        // Also whom it seems to support since the change: that counts no more either.
        let ways = topology.hops_out(group).iter().filter(|hop| {
            let end = (hop.id, group, hop.other);
            supports(end, before) || supports(end, after)
        });
        doubtful.extend(ways.map(|hop| hop.other));
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
    let mut goal = label(labels, to);
    if !goal.is_reached() {
        return None;
    }
    let mut path = vec![ConnectorId(0); goal.hops as usize];
    let mut group = to;
    for place in path.iter_mut().rev() {
        let mut ways = topology.hops_in(group).iter();
        let (id, from, before) = ways.find_map(|hop| {
            let from = label(labels, hop.other);
            // Nothing costs less than configured: most connectors need no look at their state.
            let may_be = from.hops.checked_add(1)? == goal.hops
                && from.cost.saturating_add(hop.cost) <= goal.cost;
            let fits = may_be && from.along(hop.id, cost(hop.id)?) == goal;
            fits.then_some((hop.id, hop.other, from))
        })?;
        *place = id;
        (group, goal) = (from, before);
    }
    (group == own).then_some(path)
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
    costs: &Costs,
) -> Vec<Option<Step>> {
    let mut steps: Vec<Option<Step>> = vec![None; topology.groups().len()];
    if avoid(to) {
        return steps;
    }
    let mut border = Border::new(steps.len());
    border.push(0, to);
    while let Some((at, group)) = border.pop() {
        let found = steps.get(group.place()).copied().flatten();
        let (sum, hops) = found.map_or((0, 0), |step| (step.cost, step.hops));
        // Else a cheaper way was found since it was put in.
        if sum != at || (group != to && avoid(group)) {
            continue;
        }
        for hop in topology.hops_in(group) {
            let Some(cost) = costs.of(hop.id).filter(|_| hop.other != to) else {
                continue;
            };
            let step = Step {
                cost: sum.saturating_add(cost),
                hops: hops.saturating_add(1),
                next: hop.id,
            };
            if let Some(known) = steps.get_mut(hop.other.place()) {
                // One that is as cheap is in the border already.
                if known.is_none_or(|known| step.cost < known.cost) {
                    border.push(step.cost, hop.other);
                }
                *known = Some(known.map_or(step, |known| step.min(known)));
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
