//! Large organisations: what one failure costs, how long it takes until everybody knows, and how fast tables are.

use crate::chance::Chance;
use crate::network::{Network, Speed};
use crate::original;
use crate::plans::{self, Size};
use crate::world::{Counts, World};
use bridgehead_linkstate::path::{Route, Scene, Table, has_alternative};
use bridgehead_linkstate::{Claim, ConnectorId, GroupId, Links, ServerId, Target, Topology};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECOND: u64 = 1000;

/// What one event came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What happened.
    pub what: &'static str,
    /// From the event to the first announcement, in milliseconds.
    pub detected: u64,
    /// From an announcement until the last server had it; of the slowest.
    pub converged: u64,
    /// The target for that: hops from the origin times the longest delay, and two seconds.
    pub allowed: u64,
    /// Messages with records.
    pub updates: u64,
    /// Other messages, without those that a calm organisation sends anyway.
    pub others: u64,
    /// Octets, likewise.
    pub octets: u64,
    /// Updates over the busiest adjacency, both directions together.
    pub adjacency_most: u64,
    /// How many records were made; each is a failure seen by one server.
    pub records: u64,
    /// Servers whose picture wasn't the expected one at the end.
    pub disagreeing: u64,
    /// Messages of mail that were sent meanwhile, and had to wait.
    pub mail: (u64, u64),
    /// The original's way.
    pub original: Option<original::Cost>,
    /// The same where the master of the one group that notices is dead.
    pub masterless: Option<original::Cost>,
}

/// A large organisation at work.
pub struct Scale {
    world: World,
    chance: Chance,
    /// What it sends in a calm minute: messages and octets.
    calm: (u64, u64),
}

impl Scale {
    /// Builds one and lets it come to rest.
    ///
    /// # Errors
    /// If there is no such organisation.
    pub fn build(size: Size, seed: u64) -> Result<Self, String> {
        let mut chance = Chance::new(seed);
        let plan = plans::connected(size, 1, &mut chance);
        let topology = Topology::build(&plan).map_err(|faults| format!("{faults:?}"))?;
        let network = Network::new(Speed::default(), chance.next());
        let mut world = World::new(topology, network, 60 * SECOND, Chance::new(chance.next()));
        world.run(world.now() + 120 * SECOND);
        world.count_anew();
        world.run(world.now() + 60 * SECOND);
        let calm = (world.counts.others, world.counts.octets);
        Ok(Self {
            world,
            chance,
            calm,
        })
    }

    /// The topology.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.world.topology
    }

    /// Messages and octets in a calm minute.
    #[must_use]
    pub const fn calm(&self) -> (u64, u64) {
        self.calm
    }

    /// A pair of connectors that others can replace: its two directions.
    fn some_line(&mut self) -> Option<[ConnectorId; 2]> {
        let topology = Arc::clone(&self.world.topology);
        let all: Vec<ConnectorId> = topology.connector_ids().collect();
        let calm = Links::default();
        for _ in 0..1000 {
            let one = *self.chance.one_of(&all)?;
            let known = topology.connector(one)?;
            let mut back = topology.group(known.to)?.ways_out.iter().copied();
            let other = back.find(|id| {
                let back = topology.connector(*id);
                back.is_some_and(|back| {
                    back.sources == known.targets && back.targets == known.sources
                })
            });
            if let Some(other) = other
                && has_alternative(&topology, &calm, one)
            {
                return Some([one, other]);
            }
        }
        None
    }

    /// A line is cut while mail flows; then it heals.
    ///
    /// # Errors
    /// If something happens that never should.
    pub fn lose_a_line(&mut self, lost_per_mille: u64) -> Result<[Outcome; 2], String> {
        let line = self
            .some_line()
            .ok_or("there is no line that others can replace")?;
        self.world.network.lost_per_mille = lost_per_mille;
        let down: Vec<(ConnectorId, ServerId)> = line
            .iter()
            .filter_map(|id| Some((*id, *self.world.topology.connector(*id)?.sources.first()?)))
            .collect();
        let sources: Vec<ServerId> = down.iter().map(|(_, source)| *source).collect();
        let expected = links_of(&self.world.topology, &down);
        for id in line {
            self.world.set_line(id, false);
        }
        let original = original::flood(
            &self.world.topology,
            &self.world.network,
            &sources,
            &BTreeSet::new(),
        );
        let begin = |world: &mut World| {
            for (id, source) in &down {
                world.attempt(*source, *id);
            }
        };
        let mut lost = self.measure("a line is cut", 120, begin, &expected, &sources)?;
        lost.original = Some(original);
        lost.masterless = self.without_master(&sources);
        for id in line {
            self.world.set_line(id, true);
        }
        let calm = Links::default();
        let mut healed = self.measure("it heals", 120, |_| {}, &calm, &sources)?;
        healed.original = Some(original::flood(
            &self.world.topology,
            &self.world.network,
            &sources,
            &BTreeSet::new(),
        ));
        self.world.network.lost_per_mille = 0;
        Ok([lost, healed])
    }

    /// The original's way where one server notices, and the master of its group is dead; none if it is the master.
    fn without_master(&self, sources: &[ServerId]) -> Option<original::Cost> {
        let (topology, network) = (&self.world.topology, &self.world.network);
        let source = sources.first()?;
        let master = original::master_of(topology, *source).filter(|id| id != source)?;
        let dead = [master].into();
        Some(original::flood(topology, network, &[*source], &dead))
    }

    /// A bridgehead dies, and comes back.
    ///
    /// # Errors
    /// If something happens that never should.
    pub fn lose_a_server(&mut self) -> Result<[Outcome; 2], String> {
        let line = self
            .some_line()
            .ok_or("there is no line that others can replace")?;
        let topology = Arc::clone(&self.world.topology);
        let source = topology
            .connector(line[0])
            .and_then(|line| line.sources.first());
        let dead = *source.ok_or("a connector without a source")?;
        // Whoever has a connector to it notices, and so do its peers.
        let mut attempts = Vec::new();
        for id in topology.connector_ids() {
            if let Some(connector) = topology.connector(id)
                && connector.targets.contains(&dead)
            {
                attempts.extend(connector.sources.first().map(|source| (id, *source)));
            }
        }
        let sources: Vec<ServerId> = attempts.iter().map(|(_, source)| *source).collect();
        let original = original::flood(&topology, &self.world.network, &sources, &[dead].into());
        let begin = |world: &mut World| {
            world.act(&crate::world::Step::Crash(dead));
            for (id, source) in &attempts {
                world.attempt(*source, *id);
            }
        };
        // What everybody should believe is what most do: whether a loss is worth telling depends on who sees it first.
        let mut lost = self.measure_agreement("a bridgehead dies", 150, begin, &sources)?;
        lost.original = Some(original);
        let calm = Links::default();
        let back = |world: &mut World| world.act(&crate::world::Step::Start(dead));
        let healed = self.measure("it comes back", 150, back, &calm, &sources)?;
        Ok([lost, healed])
    }

    fn measure_agreement(
        &mut self,
        what: &'static str,
        seconds: u64,
        begin: impl FnOnce(&mut World),
        sources: &[ServerId],
    ) -> Result<Outcome, String> {
        let anybody = sources.first().copied().ok_or("nobody would notice")?;
        let mut outcome = self.measure(what, seconds, begin, &Links::default(), sources)?;
        let links = self
            .world
            .node(anybody)
            .map(|node| Arc::clone(node.links()));
        let links = links.unwrap_or_default();
        outcome.disagreeing = self.world.disagreeing(&links).count() as u64;
        Ok(outcome)
    }

    fn measure(
        &mut self,
        what: &'static str,
        seconds: u64,
        begin: impl FnOnce(&mut World),
        expected: &Links,
        sources: &[ServerId],
    ) -> Result<Outcome, String> {
        let world = &mut self.world;
        world.count_anew();
        let earlier = world.mail.len();
        let servers: Vec<ServerId> = world.topology.server_ids().collect();
        let start = world.now();
        // Half of the mail begins where it happens: the rest of a large organisation hardly notices.
        let near = world.topology.server_ids();
        let is_near = |server: &ServerId| {
            let mut sources = sources.iter();
            sources.any(|source| source == server || world.topology.are_peers(*source, *server))
        };
        let near: Vec<ServerId> = near.filter(is_near).collect();
        for number in 0..2000_u64 {
            let begins = if number % 2 == 0 { &near } else { &servers };
            let (from, to) = (self.chance.one_of(begins), self.chance.one_of(&servers));
            if let (Some(from), Some(to)) = (from, to) {
                world.post(start + number * 10, *from, *to);
            }
        }
        begin(world);
        world.run(start + seconds * SECOND);
        world.look_for_stale_records();
        if let Some(breach) = world.breach.take() {
            return Err(breach);
        }
        if let Some(report) = world.reports.first() {
            return Err(format!("reported although nobody does wrong: {report}"));
        }
        let mail = world.mail.get(earlier..).unwrap_or_default();
        let first = world.first_birth.unwrap_or(start);
        let hops = furthest(&world.topology, sources);
        let calm = |a_minute: u64| a_minute * seconds / 60;
        let Counts {
            updates,
            others,
            octets,
            ..
        } = world.counts;
        Ok(Outcome {
            what,
            detected: first - start,
            converged: world.slowest,
            allowed: hops * world.network.longest() + 2 * SECOND,
            updates,
            others: others.saturating_sub(calm(self.calm.0)),
            octets: octets.saturating_sub(calm(self.calm.1)),
            adjacency_most: world
                .counts
                .by_adjacency
                .values()
                .copied()
                .max()
                .unwrap_or(0),
            records: world.births,
            disagreeing: world.disagreeing(expected).count() as u64,
            mail: (
                mail.len() as u64,
                mail.iter().filter(|mail| mail.delayed).count() as u64,
            ),
            original: None,
            masterless: None,
        })
    }

    /// A line flaps each second for so many seconds; gives the updates over the busiest adjacency, when every failure counts
    /// as a loss at once, which is the worst case.
    ///
    /// # Errors
    /// If something happens that never should.
    pub fn flap(&mut self, seconds: u64) -> Result<Outcome, String> {
        let line = self
            .some_line()
            .ok_or("there is no line that others can replace")?;
        let source = self.world.topology.connector(line[0]);
        let source = source.and_then(|line| line.sources.first().copied());
        let source = source.ok_or("a connector without a source")?;
        let begin = |world: &mut World| {
            let start = world.now();
            for second in 0..seconds {
                world.flap_at(start + second * SECOND, source, line[0], second % 2 == 1);
            }
        };
        let held = links_of(&self.world.topology, &[(line[0], source)]);
        self.measure("a line flaps", seconds, begin, &held, &[source])
    }
}

/// How many hops it is to the server that is furthest from some.
fn furthest(topology: &Topology, from: &[ServerId]) -> u64 {
    let mut hops: BTreeMap<ServerId, u64> = from.iter().map(|server| (*server, 0)).collect();
    let mut border: VecDeque<ServerId> = from.iter().copied().collect();
    while let Some(server) = border.pop_front() {
        let so_far = hops.get(&server).copied().unwrap_or(0);
        for neighbour in topology.neighbours(server) {
            if let std::collections::btree_map::Entry::Vacant(place) = hops.entry(neighbour) {
                place.insert(so_far + 1);
                border.push_back(neighbour);
            }
        }
    }
    hops.values().copied().max().unwrap_or(0)
}

/// The picture of the links in which some sources say that their connectors are down.
#[must_use]
pub fn links_of(topology: &Topology, down: &[(ConnectorId, ServerId)]) -> Links {
    let claim = |(id, source): &(ConnectorId, ServerId)| {
        let claim = Claim {
            target: Target::Connector(*id),
            down: true,
            surcharge: 0,
        };
        (*source, [claim])
    };
    let claims: BTreeMap<ServerId, [Claim; 1]> = down.iter().map(claim).collect();
    Links::derive(
        topology,
        claims.iter().map(|(id, claims)| (*id, &claims[..])),
    )
}

/// How long tables take: the middle and the worst of some full and of some incremental computations, each the least of three times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Speeds {
    /// All ways of one group, computed anew.
    pub full: [Duration; 2],
    /// After one connector that the table uses changed.
    pub incremental: [Duration; 2],
}

/// Measures the computation of tables on this topology.
#[must_use]
pub fn speeds(topology: &Topology, rounds: usize, seed: u64) -> Speeds {
    let mut chance = Chance::new(seed);
    let groups: Vec<_> = topology.group_ids().collect();
    let calm = Links::default();
    let scene = Scene::new(topology, &calm);
    let mut full = Vec::new();
    let mut incremental = Vec::new();
    for _ in 0..rounds {
        let (Some(group), Some(to)) = (chance.one_of(&groups), chance.one_of(&groups)) else {
            continue;
        };
        full.push(least(|| {
            let begin = Instant::now();
            let table = Table::compute(&scene, *group);
            (begin.elapsed(), table.own())
        }));
        let table = Table::compute(&scene, *group);
        // One that the table uses; most others change nothing.
        let Route::Via(way) = table.route(&scene, *to, &[]) else {
            continue;
        };
        let Some(connector) = chance.one_of(&way.path) else {
            continue;
        };
        let cut = calm.without(*connector);
        let changed = Scene::new(topology, &cut);
        let mut without = table.clone();
        without.update(&scene, &changed);
        for (table, before, after) in [(&table, &scene, &changed), (&without, &changed, &scene)] {
            incremental.push(least(|| {
                let mut table = table.clone();
                let begin = Instant::now();
                table.update(before, after);
                (begin.elapsed(), table.own())
            }));
        }
    }
    Speeds {
        full: middle_and_worst(full),
        incremental: middle_and_worst(incremental),
    }
}

/// The least of three times: what else the machine does is not what is measured.
fn least(measured: impl Fn() -> (Duration, GroupId)) -> Duration {
    let times = (0..3).map(|_| std::hint::black_box(measured()).0);
    times.min().unwrap_or_default()
}

fn middle_and_worst(mut all: Vec<Duration>) -> [Duration; 2] {
    all.sort();
    let middle = all.get(all.len() / 2).copied().unwrap_or_default();
    [middle, all.last().copied().unwrap_or_default()]
}
