//! The servers: they start, run by their own clocks, talk, and crash.

use super::{Event, Key, Step, World};
use crate::chance::Chance;
use crate::seals::{Seal, Seals};
use bridgehead_linkstate::codec::{Body, Message};
use bridgehead_linkstate::{
    Action, ConnectorId, Identity, Links, Node, Outcome, ServerId, Statement, Target, Time,
};
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// A server and what stays when it crashes.
pub(super) struct Machine {
    pub(super) node: Option<Node>,
    /// Its clock: ahead by so many milliseconds, and so much too fast.
    ahead: u64,
    per_million: u64,
    /// When it has asked to be woken.
    wake_at: u64,
    pub(super) starts: u64,
    /// Mail on its disk.
    pub(super) queue: BTreeSet<usize>,
    pub(super) retries: bool,
}

impl Machine {
    pub(super) fn new(skew: u64, chance: &mut Chance) -> Self {
        Self {
            node: None,
            ahead: chance.below(skew + 1),
            per_million: if skew == 0 { 0 } else { chance.below(200) },
            wake_at: u64::MAX,
            starts: 0,
            queue: BTreeSet::new(),
            retries: false,
        }
    }

    fn clock(&self, now: u64) -> Time {
        Time::from_millis(self.ahead + now + now * self.per_million / 1_000_000)
    }

    /// When its clock shows a time, or a moment later.
    fn true_time(&self, shown: Time) -> u64 {
        if shown == Time::NEVER {
            return u64::MAX;
        }
        let since = shown.as_millis().saturating_sub(self.ahead);
        let slow = u128::from(since) * 1_000_000 / u128::from(1_000_000 + self.per_million);
        u64::try_from(slow).unwrap_or(u64::MAX).saturating_add(1)
    }
}

fn key_of(origin: ServerId, statement: &Statement) -> Key {
    (origin, statement.instance, statement.version)
}

impl World {
    fn machine(&mut self, server: ServerId) -> Option<&mut Machine> {
        self.machines.get_mut(server.place())
    }

    /// Whether a server runs.
    #[must_use]
    pub fn is_running(&self, server: ServerId) -> bool {
        let machine = self.machines.get(server.place());
        machine.is_some_and(|machine| machine.node.is_some())
    }

    /// A server's own link state, if it runs.
    #[must_use]
    pub fn node(&self, server: ServerId) -> Option<&Node> {
        self.machines.get(server.place())?.node.as_ref()
    }

    pub(super) fn start(&mut self, server: ServerId) {
        let Some(name) = self
            .topology
            .server(server)
            .map(|server| server.name.clone())
        else {
            return;
        };
        let now = self.now;
        let instance = self.chance.next();
        // A clock that is set anew at a start may go back.
        let epoch = 1 + now + self.chance.below(100_000);
        let (settings, topology) = (Arc::clone(&self.settings), Arc::clone(&self.topology));
        let Some(machine) = self
            .machine(server)
            .filter(|machine| machine.node.is_none())
        else {
            return;
        };
        machine.starts += 1;
        let identity = Identity {
            server: name.clone(),
            instance,
            epoch,
        };
        let keys = (Arc::new(Seal(name)) as Arc<_>, Arc::new(Seals) as Arc<_>);
        let time = machine.clock(now);
        machine.node = Node::new(time, settings, topology, &identity, keys).ok();
        machine.wake_at = u64::MAX;
        self.with_node(server, |node, time| node.tick(time));
        self.retry_soon(server, 1);
    }

    pub(super) fn crash(&mut self, server: ServerId) {
        if let Some(machine) = self.machine(server) {
            machine.node = None;
        }
    }

    /// Does something with a node, and then what it asks for.
    pub(super) fn with_node(&mut self, server: ServerId, act: impl FnOnce(&mut Node, Time)) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(server.place()) else {
            return;
        };
        let time = machine.clock(now);
        let Some(node) = machine.node.as_mut() else {
            return;
        };
        act(node, time);
        let mut actions = Vec::new();
        while let Some(action) = node.poll() {
            actions.push(action);
        }
        if !actions.is_empty()
            && let Some(held) = node.record(server)
        {
            let key = key_of(server, held.record.statement());
            if let Entry::Vacant(place) = self.born.entry(key) {
                place.insert(now);
                self.births += 1;
                self.first_birth.get_or_insert(now);
            }
        }
        for action in actions {
            self.carry_out(server, action);
        }
        self.plan_wake(server);
    }

    fn plan_wake(&mut self, server: ServerId) {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(server.place()) else {
            return;
        };
        let Some(node) = &machine.node else {
            return;
        };
        let at = machine.true_time(node.deadline()).max(now + 1);
        if at < machine.wake_at && at != u64::MAX {
            machine.wake_at = at;
            self.happen(at, Event::Wake(server));
        }
    }

    pub(super) fn wake(&mut self, server: ServerId) {
        let now = self.now;
        if let Some(machine) = self.machine(server)
            && machine.wake_at <= now
        {
            machine.wake_at = u64::MAX;
            self.with_node(server, |node, time| {
                if node.deadline() <= time {
                    node.tick(time);
                }
            });
        }
    }

    fn carry_out(&mut self, server: ServerId, action: Action) {
        match action {
            Action::Send { to, octets } => self.send(server, to, octets),
            Action::Probe(target) => {
                let outcome = self.outcome(server, target);
                let start = self.machine(server).map_or(0, |machine| machine.starts);
                let wait = 2 * self.network.longest();
                let event = Event::Probed {
                    server,
                    start,
                    target,
                    outcome,
                };
                self.happen(self.now + wait, event);
            }
            Action::Changed => {
                self.retry_soon(server, 1);
            }
            Action::Report(fault) => {
                let name = self
                    .topology
                    .server(server)
                    .map(|server| server.name.clone());
                let name = name.unwrap_or_default();
                self.reports
                    .push(format!("at {} ms, {name}: {fault}", self.now));
            }
        }
    }

    fn send(&mut self, from: ServerId, to: ServerId, octets: Vec<u8>) {
        self.counts.octets += octets.len() as u64;
        let kind = Message::read(&octets).map(|message| message.body);
        let is_update = matches!(kind, Ok(Body::Update(_)));
        if is_update {
            self.counts.updates += 1;
        } else {
            self.counts.others += 1;
        }
        let lost = self.network.lost_per_mille;
        if !self.network.passes(from, to) || self.chance.per_mille(lost) {
            return;
        }
        if is_update {
            let pair = (from.min(to), from.max(to));
            *self.counts.by_adjacency.entry(pair).or_default() += 1;
        }
        let delay = self.network.delay(&self.topology, from, to, octets.len());
        self.happen(self.now + delay, Event::Arrival { from, to, octets });
    }

    pub(super) fn arrive(&mut self, from: ServerId, to: ServerId, octets: &[u8]) {
        let Some(name) = self.topology.server(from).map(|server| server.name.clone()) else {
            return;
        };
        let brought = self.brought(to, octets);
        self.with_node(to, |node, time| {
            // A refusal is reported, too, and every report is looked at.
            let _ = node.receive(time, &name, octets);
        });
        for (origin, key) in brought {
            let taken = self.node(to).and_then(|node| node.record(origin));
            let is_taken = taken.is_some_and(|held| key == key_of(origin, held.record.statement()));
            if let Some(born) = self.born.get(&key).filter(|_| is_taken)
                && *born >= self.counting_since
            {
                self.slowest = self.slowest.max(self.now - born);
            }
        }
    }

    /// The records in a message that the server doesn't have.
    fn brought(&self, to: ServerId, octets: &[u8]) -> Vec<(ServerId, Key)> {
        let body = Message::read(octets).map(|message| message.body);
        let (Ok(Body::Update(records)), Some(node)) = (body, self.node(to)) else {
            return Vec::new();
        };
        let found = records.iter().filter_map(|(_, record)| {
            let origin = self.topology.server_of_name(&record.statement().origin)?;
            Some((origin, key_of(origin, record.statement())))
        });
        let held = |origin| {
            node.record(origin)
                .map(|held| key_of(origin, held.record.statement()))
        };
        found
            .filter(|(origin, key)| held(*origin) != Some(*key))
            .collect()
    }

    pub(super) fn probed(
        &mut self,
        server: ServerId,
        start: u64,
        target: Target,
        outcome: Outcome,
    ) {
        if self
            .machine(server)
            .is_some_and(|machine| machine.starts == start)
        {
            self.with_node(server, |node, time| node.note_link(time, target, outcome));
        }
    }

    /// How an attempt to use a link ends.
    pub(super) fn outcome(&self, server: ServerId, target: Target) -> Outcome {
        let works = match target {
            Target::Peer(peer) => self.reaches(server, peer),
            Target::Connector(id) => {
                let targets = self.topology.connector(id).map(|found| &found.targets);
                let mut targets = targets.into_iter().flatten();
                targets.any(|target| self.reaches(server, *target))
            }
        };
        if works {
            Outcome::Works
        } else {
            Outcome::Fails
        }
    }

    pub(super) fn reaches(&self, from: ServerId, to: ServerId) -> bool {
        self.network.connects(from, to) && self.is_running(to)
    }

    /// A server tries to use a connector, as if it had mail for it.
    pub fn attempt(&mut self, server: ServerId, connector: ConnectorId) {
        let target = Target::Connector(connector);
        let outcome = self.outcome(server, target);
        self.with_node(server, |node, time| node.note_link(time, target, outcome));
    }

    /// A link will be up or down, for the protocol beyond doubt: as many outcomes are noted as that takes.
    pub fn flap_at(&mut self, at: u64, server: ServerId, connector: ConnectorId, works: bool) {
        let event = Event::Shown {
            server,
            connector,
            works,
        };
        self.happen(at, event);
    }

    pub(super) fn show(&mut self, server: ServerId, connector: ConnectorId, works: bool) {
        self.set_line(connector, works);
        let settings = Arc::clone(&self.settings);
        let target = Target::Connector(connector);
        self.with_node(server, |node, time| {
            if works {
                node.note_link(time, target, Outcome::Works);
                return;
            }
            for retry in 0..=settings.glitch_retries {
                // As if the failures had been the glitch interval apart.
                let time = time.after(settings.glitch_interval * retry);
                node.note_link(time, target, Outcome::Fails);
            }
        });
    }

    /// Cuts, or heals, everything between the bridgeheads of a connector, in both directions.
    pub fn set_line(&mut self, connector: ConnectorId, passes: bool) {
        let Some(connector) = self.topology.connector(connector).cloned() else {
            return;
        };
        for source in &connector.sources {
            for target in &connector.targets {
                self.act(&Step::Pass(*source, *target, passes));
                self.act(&Step::Pass(*target, *source, passes));
            }
        }
    }

    /// The running servers whose picture of the links isn't this one.
    pub fn disagreeing<'a>(&'a self, links: &'a Links) -> impl Iterator<Item = ServerId> + 'a {
        let all = self.topology.server_ids();
        all.filter(move |server| {
            self.node(*server)
                .is_some_and(|node| **node.links() != *links)
        })
    }

    /// Records that some server keeps beyond their age; by true time.
    pub fn look_for_stale_records(&mut self) {
        let slack = 1000 + self.settings.max_age.as_secs() / 2;
        let most = u64::try_from(self.settings.max_age.as_millis()).unwrap_or(u64::MAX) + slack;
        for server in self.topology.server_ids() {
            let Some(node) = self.node(server) else {
                continue;
            };
            let stale = node.records().find_map(|(origin, held)| {
                let born = self.born.get(&key_of(origin, held.record.statement()))?;
                (self.now - born > most).then(|| (origin, self.now - born))
            });
            if let Some((origin, age)) = stale {
                self.breach(&format!(
                    "{server:?} keeps a record of {origin:?} of {age} ms"
                ));
                return;
            }
        }
    }
}
