//! Whether it matters to anybody that a connector is out.

use crate::links::Links;
use crate::topology::{ConnectorId, GroupId, Topology};

/// Whether, without a connector, some way that could lead over it could lead around it. If not, every server would do with its mail what
/// it does anyway, and there is nothing to announce.
///
/// Ways over the connector begin where its beginning can be reached without passing its end, and go where can be reached from its
/// end without passing its beginning. Where all connectors come in pairs the answer is exact; else it may be yes in vain, never no.
#[must_use]
pub fn has_alternative(topology: &Topology, links: &Links, connector: ConnectorId) -> bool {
    let Some(known) = topology.connector(connector) else {
        return false;
    };
    let works = |id: ConnectorId| id != connector && !links.is_down(id);
    let before = reach(
        topology,
        &[known.from],
        Some(known.to),
        Direction::Back,
        &works,
    );
    let beyond = reach(
        topology,
        &[known.to],
        Some(known.from),
        Direction::On,
        &works,
    );
    let starts: Vec<GroupId> = groups(&before);
    let around = reach(topology, &starts, None, Direction::On, &works);
    around
        .iter()
        .zip(&beyond)
        .any(|(around, beyond)| *around && *beyond)
}

#[derive(Clone, Copy)]
enum Direction {
    On,
    Back,
}

fn groups(reached: &[bool]) -> Vec<GroupId> {
    let places = reached.iter().enumerate().filter(|(_, is)| **is);
    places.map(|(place, _)| GroupId::at(place)).collect()
}

/// Which groups are reached from some, without entering one.
fn reach(
    topology: &Topology,
    from: &[GroupId],
    except: Option<GroupId>,
    direction: Direction,
    works: &impl Fn(ConnectorId) -> bool,
) -> Vec<bool> {
    let mut reached = vec![false; topology.groups().len()];
    let mut border = from.to_vec();
    for group in from {
        if let Some(reached) = reached.get_mut(group.place()) {
            *reached = true;
        }
    }
    while let Some(group) = border.pop() {
        let Some(group) = topology.group(group) else {
            continue;
        };
        let ways = match direction {
            Direction::On => &group.ways_out,
            Direction::Back => &group.ways_in,
        };
        let working = ways.iter().filter(|id| works(**id));
        for connector in working.filter_map(|id| topology.connector(*id)) {
            let next = match direction {
                Direction::On => connector.to,
                Direction::Back => connector.from,
            };
            if let Some(reached) = reached.get_mut(next.place())
                && !*reached
                && Some(next) != except
            {
                *reached = true;
                border.push(next);
            }
        }
    }
    reached
}
