//! Why a message takes its way: the runners-up, and what each lost by.

use super::{Route, Scene, Table, search};
use crate::topology::{ConnectorId, GroupId};
use std::fmt;

/// How a choice of path came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was chosen.
    pub route: Route,
    /// The other connectors of the group, the best first.
    pub runners_up: Vec<RunnerUp>,
}

/// A connector that wasn't chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerUp {
    /// The connector.
    pub connector: ConnectorId,
    /// The best way over it; empty if there is none.
    pub path: Vec<ConnectorId>,
    /// What that costs.
    pub cost: Option<u32>,
    /// Why it lost.
    pub why: Why,
}

/// Why a connector lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It didn't: it has a share of the load.
    Shares,
    /// Another name comes first, where no load is shared: the way chosen avoids a group that was visited.
    Name,
    /// It needs more hops for the same cost.
    Hops {
        /// It.
        its: u32,
        /// The chosen one.
        chosen: u32,
    },
    /// It costs more.
    Cost {
        /// It.
        its: u32,
        /// The chosen one.
        chosen: u32,
    },
    /// It is out.
    Down,
    /// A restriction keeps the message from it.
    NotAllowed,
    /// From its end there is only a way back into a group that was visited.
    LeadsBack,
    /// No working way leads from its end to the goal.
    NoWay,
}

impl fmt::Display for Why {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shares => write!(to, "shares the load: same cost and hops"),
            Self::Name => write!(to, "lost: same cost and hops, later in name order"),
            Self::Hops { its, chosen } => {
                write!(to, "lost: same cost, but {its} hops are more than {chosen}")
            }
            Self::Cost { its, chosen } => {
                write!(to, "lost: cost {its} is higher than {chosen}")
            }
            Self::Down => write!(to, "lost: it is down"),
            Self::NotAllowed => write!(to, "lost: its restrictions don't let this message through"),
            Self::LeadsBack => write!(to, "lost: it only leads back into a group already visited"),
            Self::NoWay => write!(to, "lost: no working way leads on from its end"),
        }
    }
}

impl Table {
    /// Where a message for a group goes, and why no other way.
    #[must_use]
    pub fn explain(&self, scene: &Scene<'_>, to: GroupId, visited: &[GroupId]) -> Explanation {
        let route = self.route(scene, to, visited);
        let topology = scene.topology;
        let (own, costs) = (self.own, scene.all());
        let cost = |id| costs.of(id);
        let steps = search::towards(
            topology,
            to,
            &|group| group == own || visited.contains(&group),
            &costs,
        );
        let open = search::towards(topology, to, &|group| group == own, &costs);
        let (chosen, shares) = match &route {
            Route::Via(way) => (Some(way), self.shares(scene, to, visited)),
            _ => (None, Vec::new()),
        };
        let first = chosen.and_then(|way| way.path.first().copied());
        let ways = topology.group(self.own).filter(|_| to != self.own);
        let mut runners_up = Vec::new();
        for id in ways.map_or(&[][..], |group| &group.ways_out) {
            let Some(connector) = topology.connector(*id).filter(|_| first != Some(*id)) else {
                continue;
            };
            let leads_back = visited.contains(&connector.to);
            let rest = search::follow(topology, connector.to, to, &steps).filter(|_| !leads_back);
            let (path, total, why) = match (cost(*id), rest) {
                (None, _) if !scene.may(*id) => (Vec::new(), None, Why::NotAllowed),
                (None, _) => (Vec::new(), None, Why::Down),
                (Some(_), None) => {
                    let blocked = search::follow(topology, connector.to, to, &open).is_some();
                    let why = if blocked { Why::LeadsBack } else { Why::NoWay };
                    (Vec::new(), None, why)
                }
                (Some(_), Some(rest)) => {
                    let path: Vec<ConnectorId> = [*id].into_iter().chain(rest).collect();
                    let total: u32 = path.iter().filter_map(|id| cost(*id)).sum();
                    let hops = u32::try_from(path.len()).unwrap_or(u32::MAX);
                    let winner = chosen.map_or((0, 0), |way| {
                        (way.cost, u32::try_from(way.path.len()).unwrap_or(u32::MAX))
                    });
                    let shares = shares.iter().any(|share| share.connector == *id);
                    (path, Some(total), lost_by((total, hops), winner, shares))
                }
            };
            runners_up.push(RunnerUp {
                connector: *id,
                path,
                cost: total,
                why,
            });
        }
        runners_up.sort_by_key(|runner_up| (runner_up.why, runner_up.connector));
        Explanation { route, runners_up }
    }
}

fn lost_by((cost, hops): (u32, u32), winner: (u32, u32), shares: bool) -> Why {
    if shares {
        Why::Shares
    } else if cost > winner.0 {
        Why::Cost {
            its: cost,
            chosen: winner.0,
        }
    } else if hops > winner.1 {
        Why::Hops {
            its: hops,
            chosen: winner.1,
        }
    } else {
        Why::Name
    }
}
