//! The original's way, for comparison: whole tables, one master in each group.
//!
//! Exchange Server 2003 as its guides describe it. A bridgehead tells the master of its group that a connector went down or came up; the
//! master raises the version and sends the whole table to each server of its group; bridgeheads that got it compare digests with
//! the bridgeheads at the other ends of their connectors, and where they differ send them the whole table; these tell their master,
//! and so on. Where the master is dead nothing goes on in its group. Sizes follow what the guide's own sample shows.

use crate::network::Network;
use bridgehead_linkstate::{ServerId, Topology};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// What is said of an organisation, a group, a server and a connector in the table takes about so many octets.
const GROUP_OCTETS: usize = 200;
const SERVER_OCTETS: usize = 80;
const CONNECTOR_OCTETS: usize = 400;
/// A digest query and its answer, and a change told to the master.
const DIGEST_OCTETS: usize = 160;
const CHANGE_OCTETS: usize = 200;

/// What one change costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Until the last server that hears of it has done so, in milliseconds.
    pub converged: u64,
    /// Messages, digests among them.
    pub messages: u64,
    /// Octets of all messages.
    pub octets: u64,
    /// Tables sent over the busiest adjacency, both directions together.
    pub adjacency_most: u64,
    /// Servers that never hear of it.
    pub never: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    /// A change, told to the master.
    Change,
    /// The whole table, from the master to a member.
    FromMaster,
    /// The whole table, between bridgeheads or from one to its master.
    Table,
}

/// What the table of this organisation comes to.
#[must_use]
pub fn table_octets(topology: &Topology) -> usize {
    topology.groups().len() * GROUP_OCTETS
        + topology.servers().len() * SERVER_OCTETS
        + topology.connectors().len() * CONNECTOR_OCTETS
}

/// One change, noticed by `sources`, in a network where `dead` servers are, and where the bridgeheads of a cut line don't
/// reach each other.
#[must_use]
pub fn flood(
    topology: &Topology,
    network: &Network,
    sources: &[ServerId],
    dead: &BTreeSet<ServerId>,
) -> Cost {
    let table = table_octets(topology);
    let mut cost = Cost::default();
    let mut knows: BTreeSet<ServerId> = sources.iter().copied().collect();
    let mut by_adjacency: BTreeMap<(ServerId, ServerId), u64> = BTreeMap::new();
    let mut border = BinaryHeap::new();
    let mut has_spread: BTreeSet<ServerId> = BTreeSet::new();
    for source in sources {
        border.push(Reverse((0, *source, News::Change)));
    }
    while let Some(Reverse((now, server, news))) = border.pop() {
        if knows.insert(server) || now == 0 {
            cost.converged = cost.converged.max(now);
        }
        let master = master_of(topology, server);
        let is_master = master == Some(server);
        let mut send = |cost: &mut Cost, to: ServerId, octets: usize, news: News| {
            if dead.contains(&to) || !network.connects(server, to) {
                return;
            }
            cost.messages += 1;
            cost.octets += octets as u64;
            if octets == table {
                let pair = (server.min(to), server.max(to));
                *by_adjacency.entry(pair).or_default() += 1;
            }
            let delay = network.delay(topology, server, to, octets);
            border.push(Reverse((now + delay, to, news)));
        };
        // To the master, who alone tells the others of the group.
        if !is_master && news != News::FromMaster {
            let octets = if news == News::Change {
                CHANGE_OCTETS
            } else {
                table
            };
            if let Some(master) = master.filter(|master| !knows.contains(master)) {
                send(&mut cost, master, octets, News::Table);
            }
        }
        if !has_spread.insert(server) {
            continue;
        }
        if is_master {
            for peer in topology.peers(server) {
                send(&mut cost, peer, table, News::FromMaster);
            }
        }
        // Digests on all connectors; tables where they differ.
        let abroad = topology.neighbours(server).into_iter();
        let abroad: Vec<ServerId> = abroad
            .filter(|other| !topology.are_peers(server, *other))
            .collect();
        for other in abroad {
            cost.messages += 2;
            cost.octets += DIGEST_OCTETS as u64;
            if !knows.contains(&other) {
                send(&mut cost, other, table, News::Table);
            }
        }
    }
    let living = topology
        .server_ids()
        .filter(|server| !dead.contains(server));
    cost.never = living.filter(|server| !knows.contains(server)).count() as u64;
    cost.adjacency_most = by_adjacency.values().copied().max().unwrap_or(0);
    cost
}

/// The first server installed.
#[must_use]
pub fn master_of(topology: &Topology, server: ServerId) -> Option<ServerId> {
    let group = topology
        .server(server)
        .and_then(|server| topology.group(server.group));
    group?.servers.first().copied()
}
