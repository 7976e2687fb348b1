//! The simulated organisation: servers with their own clocks, a network, mail, and what goes wrong.
//!
//! Events happen in order of time, then of number: the same seed gives the same run. The servers run the product's own protocol core
//! and choice of path. Guards: what must always hold is checked as it happens; the first breach is kept and ends the run.

mod mail;
mod servers;

pub use mail::Mail;

use crate::chance::Chance;
use crate::network::Network;
use bridgehead_linkstate::path::Table;
use bridgehead_linkstate::{
    ConnectorId, GroupId, Links, Outcome, ServerId, Settings, Target, Topology, Version,
};
use servers::Machine;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    /// Link state arrives.
    Arrival {
        from: ServerId,
        to: ServerId,
        octets: Vec<u8>,
    },
    /// A node wants its tick.
    Wake(ServerId),
    /// A probe ended.
    Probed {
        server: ServerId,
        start: u64,
        target: Target,
        outcome: Outcome,
    },
    /// A message is sent.
    Post { from: ServerId, to: ServerId },
    /// A message arrives at a server.
    Handed { mail: usize, at: ServerId },
    /// A server tries what waits.
    Retry(ServerId),
    /// A link shows itself in one state or the other.
    Shown {
        server: ServerId,
        connector: ConnectorId,
        works: bool,
    },
    /// The scenario goes on with this step.
    Step(usize),
}

/// What was sent.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Messages with records.
    pub updates: u64,
    /// All other messages of the protocol.
    pub others: u64,
    /// Octets of all messages.
    pub octets: u64,
    /// Updates that got through, by adjacency, both directions together.
    pub by_adjacency: HashMap<(ServerId, ServerId), u64>,
}

/// One record: origin, process and version.
type Key = (ServerId, u64, Version);

/// A table, with the picture of the links that it was made from.
type KnownTable = (Arc<Links>, Arc<Table>);

/// A simulated organisation.
pub struct World {
    /// Its topology.
    pub topology: Arc<Topology>,
    /// The network.
    pub network: Network,
    /// What was sent since it was last set back.
    pub counts: Counts,
    /// All mail.
    pub mail: Vec<Mail>,
    /// The first thing that should never have happened.
    pub breach: Option<String>,
    /// What servers reported.
    pub reports: Vec<String>,
    /// Of the records made since counting began: how long the slowest took until the last server took it.
    pub slowest: u64,
    counting_since: u64,
    settings: Arc<Settings>,
    machines: Vec<Machine>,
    chance: Chance,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    what: HashMap<u64, Event>,
    number: u64,
    /// When each record was made, by true time.
    born: HashMap<Key, u64>,
    /// How many records were made since this was set back.
    pub births: u64,
    /// The first record made since this was set back.
    pub first_birth: Option<u64>,
    tables: HashMap<GroupId, Vec<KnownTable>>,
    steps: BTreeMap<usize, Vec<Step>>,
}

/// What a scenario does to the organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Lets nothing, or everything, pass from one server to another.
    Pass(ServerId, ServerId, bool),
    /// A server stops, with its mail on its disk.
    Crash(ServerId),
    /// It starts again.
    Start(ServerId),
    /// So many messages of a thousand are lost.
    Lose(u64),
    /// Everything works again.
    Heal,
}

impl World {
    /// An organisation whose servers have all just started. Clocks differ by up to `skew` milliseconds and run up to 200 ppm fast or
    /// slow if that isn't 0.
    #[must_use]
    pub fn new(topology: Topology, network: Network, skew: u64, mut chance: Chance) -> Self {
        let topology = Arc::new(topology);
        let machines = topology
            .server_ids()
            .map(|_| Machine::new(skew, &mut chance))
            .collect();
        let mut world = Self {
            topology,
            network,
            counts: Counts::default(),
            mail: Vec::new(),
            breach: None,
            reports: Vec::new(),
            slowest: 0,
            counting_since: 0,
            settings: Arc::new(Settings::default()),
            machines,
            chance,
            now: 1000,
            events: BinaryHeap::new(),
            what: HashMap::new(),
            number: 0,
            born: HashMap::new(),
            births: 0,
            first_birth: None,
            tables: HashMap::new(),
            steps: BTreeMap::new(),
        };
        for server in world.topology.server_ids() {
            world.start(server);
        }
        world
    }

    /// The time, in milliseconds.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// The settings of all servers.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A message will be sent.
    pub fn post(&mut self, at: u64, from: ServerId, to: ServerId) {
        self.happen(at, Event::Post { from, to });
    }

    /// Something will be done to the organisation.
    pub fn plan(&mut self, at: u64, steps: Vec<Step>) {
        let number = self.steps.len();
        self.steps.insert(number, steps);
        self.happen(at, Event::Step(number));
    }

    /// Does something to the organisation now.
    pub fn act(&mut self, step: &Step) {
        match step {
            Step::Pass(from, to, passes) => self.network.set(*from, *to, *passes),
            Step::Crash(server) => self.crash(*server),
            Step::Start(server) => self.start(*server),
            Step::Lose(share) => self.network.lost_per_mille = *share,
            Step::Heal => {
                self.network.heal();
                for server in self.topology.server_ids() {
                    self.start(server);
                }
            }
        }
    }

    /// Lets time pass until `end`, or until something happened that never should.
    pub fn run(&mut self, end: u64) {
        while let Some(Reverse((at, number))) = self.events.peek().copied() {
            if at > end || self.breach.is_some() {
                break;
            }
            self.events.pop();
            self.now = self.now.max(at);
            if let Some(event) = self.what.remove(&number) {
                self.handle(event);
            }
        }
        self.now = self.now.max(end);
    }

    /// Starts counting anew.
    pub fn count_anew(&mut self) {
        self.counts = Counts::default();
        self.first_birth = None;
        self.births = 0;
        self.slowest = 0;
        self.counting_since = self.now;
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival { from, to, octets } => self.arrive(from, to, &octets),
            Event::Wake(server) => self.wake(server),
            Event::Probed {
                server,
                start,
                target,
                outcome,
            } => self.probed(server, start, target, outcome),
            Event::Post { from, to } => self.posted(from, to),
            Event::Handed { mail, at } => self.handed(mail, at),
            Event::Retry(server) => self.retry(server),
            Event::Shown {
                server,
                connector,
                works,
            } => self.show(server, connector, works),
            Event::Step(number) => {
                for step in self.steps.remove(&number).unwrap_or_default() {
                    self.act(&step);
                }
            }
        }
    }

    fn happen(&mut self, at: u64, event: Event) {
        self.number += 1;
        self.what.insert(self.number, event);
        self.events.push(Reverse((at, self.number)));
    }

    fn breach(&mut self, what: &str) {
        let now = self.now;
        self.breach
            .get_or_insert_with(|| format!("at {now} ms: {what}"));
    }
}
