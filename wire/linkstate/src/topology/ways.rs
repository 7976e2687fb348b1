//! The connectors of all groups in one row, as a search reads them: only where each leads, and which it is.
//!
//! Guards: the order is that of [`Group::ways_out`](super::Group::ways_out) and [`Group::ways_in`](super::Group::ways_in).

use super::{Connector, ConnectorId, Group, GroupId};

/// A connector seen from the group at one of its ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Which.
    pub(crate) id: ConnectorId,
    /// The group at its other end.
    pub(crate) other: GroupId,
    /// What it costs as configured.
    pub(crate) cost: u32,
}

/// The connectors that begin, or those that end, in each group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    /// Of each group: where its own begin.
    starts: Box<[usize]>,
    hops: Box<[Hop]>,
}

impl Ways {
    pub(super) fn of_all(
        groups: &[Group],
        connectors: &[Connector],
        of: impl Fn(&Group) -> &[ConnectorId],
        other: impl Fn(&Connector) -> GroupId,
    ) -> Self {
        let mut starts = Vec::with_capacity(groups.len() + 1);
        let mut hops = Vec::with_capacity(connectors.len());
        for group in groups {
            starts.push(hops.len());
            let known = of(group).iter().filter_map(|id| {
                let connector = connectors.get(id.place())?;
                let other = other(connector);
                let cost = connector.cost;
                Some(Hop {
                    id: *id,
                    other,
                    cost,
                })
            });
            hops.extend(known);
        }
        starts.push(hops.len());
        Self {
            starts: starts.into(),
            hops: hops.into(),
        }
    }

    /// Those of one group.
    pub(crate) fn of(&self, group: GroupId) -> &[Hop] {
        let bounds = self
            .starts
            .get(group.place())
            .zip(self.starts.get(group.place() + 1));
        let hops = bounds.and_then(|(start, end)| self.hops.get(*start..*end));
        hops.unwrap_or_default()
    }
}
