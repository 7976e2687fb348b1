//! Small organisations in random trouble: lines cut in one direction or both, crashes, partitions, loss, flapping, skewed clocks.
//!
//! What must hold whatever happens: no message enters a group twice, none is lost or delivered twice; no record outlives its age;
//! nobody is accused wrongly. And when all is healed: every message arrives, all servers agree that all is well, and in the end
//! nothing is left of what was said.

use crate::chance::Chance;
use crate::network::{Network, Speed};
use crate::plans::{self, Size};
use crate::world::{Step, World};
use bridgehead_linkstate::{Links, ServerId, Topology};

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
/// How long the trouble lasts.
const TROUBLE: u64 = 5 * MINUTE;
/// After this time at the latest mail has arrived: a held link is let up after ten minutes at most.
const PATIENCE: u64 = 20 * MINUTE;

/// What a scenario came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages sent, and how many of them had to wait.
    pub mail: u64,
    /// How many had to wait.
    pub delayed: u64,
    /// The most servers that one message went over.
    pub received_most: u32,
    /// Link-state messages.
    pub messages: u64,
}

/// Runs the scenario of a seed.
///
/// # Errors
/// What should never happen, in words.
pub fn run(seed: u64) -> Result<Tally, String> {
    let mut chance = Chance::new(seed);
    let size = Size {
        servers: chance.between(2, 14),
        groups: chance.between(2, 7),
        connectors: chance.between(2, 24),
    };
    let plan = plans::connected(size, 2, &mut chance);
    let topology = Topology::build(&plan).map_err(|faults| format!("{faults:?}"))?;
    let network = Network::new(Speed::default(), chance.next());
    let skew = [0, MINUTE, 400 * 24 * 60 * MINUTE];
    let skew = chance.one_of(&skew).copied().unwrap_or(0);
    let mut world = World::new(topology, network, skew, Chance::new(chance.next()));
    let begin = world.now();
    let servers: Vec<ServerId> = world.topology.server_ids().collect();
    for _ in 0..chance.between(20, 60) {
        let (from, to) = (chance.one_of(&servers), chance.one_of(&servers));
        if let (Some(from), Some(to)) = (from, to) {
            world.post(begin + chance.below(TROUBLE), *from, *to);
        }
    }
    for _ in 0..chance.between(1, 6) {
        trouble(&mut world, begin, &servers, &mut chance);
    }
    world.plan(begin + TROUBLE, vec![Step::Heal]);
    check(&mut world, begin)
}

/// Something goes wrong for a while.
fn trouble(world: &mut World, begin: u64, servers: &[ServerId], chance: &mut Chance) {
    let at = begin + chance.below(TROUBLE);
    let end = at + chance.between(SECOND, 3 * MINUTE);
    match chance.below(6) {
        0 => {
            if let Some(server) = chance.one_of(servers) {
                world.plan(at, vec![Step::Crash(*server)]);
                world.plan(end, vec![Step::Start(*server)]);
            }
        }
        1 => {
            let lost = chance.between(10, 300);
            world.plan(at, vec![Step::Lose(lost)]);
            world.plan(end, vec![Step::Lose(0)]);
        }
        2 => {
            // A line that comes and goes.
            let period = chance.between(SECOND, 30 * SECOND);
            let pair = line(world, chance);
            for time in (at..end).step_by(usize::try_from(2 * period).unwrap_or(1)) {
                world.plan(time, pass(&pair, false));
                world.plan(time + period, pass(&pair, true));
            }
        }
        3 => {
            // Only in one direction.
            let pair: Vec<_> = line(world, chance).into_iter().step_by(2).collect();
            world.plan(at, pass(&pair, false));
            world.plan(end, pass(&pair, true));
        }
        4 => {
            // A partition through everything, also through groups.
            let side: Vec<bool> = servers.iter().map(|_| chance.per_mille(400)).collect();
            let mut pairs = Vec::new();
            for (one, in_one) in servers.iter().zip(&side) {
                for (other, in_other) in servers.iter().zip(&side) {
                    if in_one != in_other {
                        pairs.push((*one, *other));
                    }
                }
            }
            world.plan(at, pass(&pairs, false));
            world.plan(end, pass(&pairs, true));
        }
        _ => {
            let pair = line(world, chance);
            world.plan(at, pass(&pair, false));
            world.plan(end, pass(&pair, true));
        }
    }
}

/// What lies between the groups at the ends of some connector: each pair of servers in both directions, one after the other.
fn line(world: &World, chance: &mut Chance) -> Vec<(ServerId, ServerId)> {
    let all = world.topology.connectors();
    let servers = chance.one_of(all).and_then(|connector| {
        let from = world.topology.group(connector.from)?;
        Some((&from.servers, &world.topology.group(connector.to)?.servers))
    });
    let Some((from, to)) = servers else {
        return Vec::new();
    };
    let pairs = from
        .iter()
        .flat_map(|one| to.iter().map(move |other| (*one, *other)));
    pairs
        .flat_map(|(one, other)| [(one, other), (other, one)])
        .collect()
}

fn pass(pairs: &[(ServerId, ServerId)], passes: bool) -> Vec<Step> {
    let step = |(from, to): &(ServerId, ServerId)| Step::Pass(*from, *to, passes);
    pairs.iter().map(step).collect()
}

/// Runs the scenario to its end, and looks.
fn check(world: &mut World, begin: u64) -> Result<Tally, String> {
    let healed = begin + TROUBLE;
    let age = world.settings().max_age.as_secs() * SECOND;
    let end = healed + PATIENCE + age;
    while world.now() < end {
        world.run(world.now() + MINUTE);
        world.look_for_stale_records();
        if let Some(breach) = world.breach.take() {
            return Err(breach);
        }
        if world.now() > healed + PATIENCE
            && let Some(lost) = world.mail.iter().find(|mail| mail.delivered.is_none())
        {
            let node = lost.at.and_then(|at| world.node(at));
            return Err(format!(
                "a message isn't there long after all was healed: {lost:?}, {node:?}"
            ));
        }
    }
    if let Some(report) = world.reports.first() {
        return Err(format!("reported although nobody does wrong: {report}"));
    }
    if let Some(server) = world.disagreeing(&Links::default()).next() {
        return Err(format!(
            "{server:?} doesn't take all links for well, but they are"
        ));
    }
    let all = world.topology.server_ids();
    for node in all.filter_map(|server| world.node(server)) {
        if node.records().next().is_some() {
            return Err(format!("something is left of what was said: {node:?}"));
        }
    }
    Ok(Tally {
        mail: world.mail.len() as u64,
        delayed: world.mail.iter().filter(|mail| mail.delayed).count() as u64,
        received_most: world
            .mail
            .iter()
            .map(|mail| mail.received)
            .max()
            .unwrap_or(0),
        messages: world.counts.updates + world.counts.others,
    })
}
