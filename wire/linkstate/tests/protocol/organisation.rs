//! A small organisation in memory: nodes, a clock, and a network that can be cut.

use bridgehead_linkstate::codec::{Body, Message};
use bridgehead_linkstate::{
    Action, ConnectorId, ConnectorPlan, Fault, Identity, KeyFault, Node, Outcome, Plan, ServerId,
    ServerPlan, Settings, Signer, Target, Time, Topology, Verifier,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Seals with a secret; as good as a signature where nobody breaks it on purpose.
pub(crate) struct Key(pub(crate) u64);

fn keyed(secret: u64, message: &[u8]) -> Vec<u8> {
    let sum = message.iter().fold(secret, |sum, octet| {
        (sum ^ u64::from(*octet))
            .wrapping_mul(0x0100_0000_01b3)
            .rotate_left(5)
    });
    sum.to_le_bytes().to_vec()
}

impl Signer for Key {
    fn sign(&self, message: &[u8]) -> Vec<u8> {
        keyed(self.0, message)
    }
}

/// Everybody's keys, as the directory has them.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    pub(crate) secrets: BTreeMap<String, u64>,
    pub(crate) revoked: BTreeSet<String>,
}

impl Verifier for Keys {
    fn verify(&self, origin: &str, message: &[u8], seal: &[u8]) -> Result<(), KeyFault> {
        if self.revoked.contains(origin) {
            return Err(KeyFault::Revoked);
        }
        let secret = self.secrets.get(origin).ok_or(KeyFault::Missing)?;
        if keyed(*secret, message) == seal {
            Ok(())
        } else {
            Err(KeyFault::Mismatch)
        }
    }
}

/// The secret of a server, as long as it has its first key.
pub(crate) fn secret(name: &str) -> u64 {
    name.bytes().fold(17, |sum: u64, octet| {
        sum.wrapping_mul(31) ^ u64::from(octet)
    })
}

/// Groups with their servers; connectors in pairs, named by their ends, between first servers.
pub(crate) fn plan(groups: &[(&str, &[&str])], pairs: &[(&str, &str, u32)]) -> Plan {
    let mut plan = Plan::default();
    for (group, servers) in groups {
        plan.groups.push((*group).to_owned());
        for server in *servers {
            plan.servers.push(ServerPlan {
                name: (*server).to_owned(),
                group: (*group).to_owned(),
                key: secret(server).to_le_bytes().to_vec(),
            });
        }
    }
    for (one, other, cost) in pairs {
        for (from, to) in [(one, other), (other, one)] {
            let first = |group: &&str| {
                let found = groups.iter().find(|(name, _)| name == group);
                vec![found.unwrap().1[0].to_owned()]
            };
            plan.connectors.push(ConnectorPlan {
                name: format!("{from}-{to}"),
                from: (*from).to_owned(),
                to: (*to).to_owned(),
                cost: *cost,
                weight: 1,
                sources: first(from),
                targets: first(to),
            });
        }
    }
    plan
}

/// A triangle of groups with two servers each.
pub(crate) fn triangle() -> Plan {
    plan(
        &[
            ("a", &["a1", "a2"]),
            ("b", &["b1", "b2"]),
            ("c", &["c1", "c2"]),
        ],
        &[("a", "b", 1), ("b", "c", 1), ("a", "c", 5)],
    )
}

/// The organisation.
pub(crate) struct Organisation {
    pub(crate) now: Time,
    pub(crate) topology: Arc<Topology>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) keys: Keys,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) reports: Vec<(String, Fault)>,
    /// Pairs of servers between which nothing passes.
    pub(crate) cut: BTreeSet<(String, String)>,
    /// Of all messages that were sent: from, to and the octets.
    pub(crate) sent: Vec<(String, String, Vec<u8>)>,
    /// How many of a hundred messages are lost, as if by chance.
    pub(crate) lost_percent: u64,
    chance: u64,
    /// The number of the process that runs under each name.
    pub(crate) instances: BTreeMap<String, u64>,
    travelling: VecDeque<(Time, String, String, Vec<u8>)>,
    starts: u64,
}

const DELAY: Duration = Duration::from_millis(10);

impl Organisation {
    pub(crate) fn new(plan: &Plan) -> Self {
        let topology = Arc::new(Topology::build(plan).unwrap());
        let mut keys = Keys::default();
        for server in topology.servers() {
            keys.secrets
                .insert(server.name.to_string(), secret(&server.name));
        }
        let mut organisation = Self {
            now: Time::from_millis(1000),
            topology,
            settings: Arc::new(Settings::default()),
            keys,
            nodes: BTreeMap::new(),
            reports: Vec::new(),
            cut: BTreeSet::new(),
            sent: Vec::new(),
            lost_percent: 0,
            chance: 1,
            instances: BTreeMap::new(),
            travelling: VecDeque::new(),
            starts: 0,
        };
        let names: Vec<String> = organisation.keys.secrets.keys().cloned().collect();
        for name in names {
            organisation.start(&name);
        }
        organisation.run(10);
        organisation
    }

    /// A process of this name starts, with a new instance and epoch.
    pub(crate) fn start(&mut self, name: &str) {
        let node = self.process(name);
        self.nodes.insert(name.to_owned(), node);
    }

    pub(crate) fn process(&mut self, name: &str) -> Node {
        self.starts += 1;
        self.process_of(name, 1_000_000 + self.starts, self.starts)
    }

    pub(crate) fn process_of(&mut self, name: &str, instance: u64, epoch: u64) -> Node {
        self.process_with(name, instance, epoch, secret(name))
    }

    pub(crate) fn process_with(&mut self, name: &str, instance: u64, epoch: u64, key: u64) -> Node {
        self.instances.insert(name.to_owned(), instance);
        let identity = Identity {
            server: name.into(),
            instance,
            epoch,
        };
        let keys = (
            Arc::new(Key(key)) as Arc<dyn Signer>,
            Arc::new(self.keys.clone()) as Arc<dyn Verifier>,
        );
        let (settings, topology) = (Arc::clone(&self.settings), Arc::clone(&self.topology));
        Node::new(self.now, settings, topology, &identity, keys).unwrap()
    }

    pub(crate) fn stop(&mut self, name: &str) {
        self.nodes.remove(name);
    }

    /// Lets so many seconds pass.
    pub(crate) fn run(&mut self, seconds: u64) {
        self.run_millis(seconds * 1000);
    }

    pub(crate) fn run_millis(&mut self, millis: u64) {
        let end = self.now.after(Duration::from_millis(millis));
        loop {
            self.act();
            let arrival = self.travelling.iter().map(|(at, ..)| *at).min();
            let deadline = self.nodes.values().map(Node::deadline).min();
            let next = arrival
                .unwrap_or(Time::NEVER)
                .min(deadline.unwrap_or(Time::NEVER));
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            let (here, later) = std::mem::take(&mut self.travelling)
                .into_iter()
                .partition(|(at, ..)| *at <= self.now);
            self.travelling = later;
            for (_, from, to, octets) in here {
                if let Some(node) = self.nodes.get_mut(&to) {
                    // Reported, too.
                    let _ = node.receive(self.now, &from, &octets);
                }
            }
            for node in self.nodes.values_mut() {
                if node.deadline() <= self.now {
                    node.tick(self.now);
                }
            }
        }
        self.now = end;
    }

    /// Does what the nodes ask for.
    fn act(&mut self) {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        let mut again = true;
        while again {
            again = false;
            for name in &names {
                while let Some(action) = self.nodes.get_mut(name).and_then(Node::poll) {
                    again = true;
                    self.carry_out(name, action);
                }
            }
        }
    }

    fn carry_out(&mut self, name: &str, action: Action) {
        match action {
            Action::Send { to, octets } => {
                let to = self.topology.server(to).unwrap().name.to_string();
                self.chance = self
                    .chance
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let lost = (self.chance >> 33) % 100 < self.lost_percent;
                self.sent
                    .push((name.to_owned(), to.clone(), octets.clone()));
                if !lost && self.passes(name, &to) {
                    let at = self.now.after(DELAY);
                    self.travelling.push_back((at, name.to_owned(), to, octets));
                }
            }
            Action::Probe(target) => {
                let outcome = self.outcome(name, target);
                let now = self.now;
                self.nodes
                    .get_mut(name)
                    .unwrap()
                    .note_link(now, target, outcome);
            }
            Action::Changed => {}
            Action::Report(fault) => self.reports.push((name.to_owned(), fault)),
        }
    }

    fn passes(&self, one: &str, other: &str) -> bool {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        !self.cut.contains(&pair(one, other)) && !self.cut.contains(&pair(other, one))
    }

    fn outcome(&self, name: &str, target: Target) -> Outcome {
        let topology = self.nodes[name].topology();
        let targets = match target {
            Target::Peer(peer) => vec![peer],
            Target::Connector(id) => topology.connector(id).unwrap().targets.clone(),
        };
        let reaches = |id: ServerId| {
            let target = &topology.server(id).unwrap().name;
            self.nodes.contains_key(&**target) && self.passes(name, target)
        };
        if targets.into_iter().any(reaches) {
            Outcome::Works
        } else {
            Outcome::Fails
        }
    }

    /// Nothing passes between two servers any more.
    pub(crate) fn cut(&mut self, one: &str, other: &str) {
        self.cut.insert((one.to_owned(), other.to_owned()));
    }

    pub(crate) fn heal(&mut self, one: &str, other: &str) {
        self.cut.remove(&(one.to_owned(), other.to_owned()));
    }

    /// A server tries to send mail over a connector, and fails until it is called down.
    pub(crate) fn lose(&mut self, server: &str, connector: &str) {
        let target = Target::Connector(self.connector(connector));
        for _ in 0..3 {
            let now = self.now;
            let outcome = self.outcome(server, target);
            self.nodes
                .get_mut(server)
                .unwrap()
                .note_link(now, target, outcome);
            self.run_millis(1000);
        }
    }

    pub(crate) fn connector(&self, name: &str) -> ConnectorId {
        self.topology.connector_of_name(name).unwrap()
    }

    /// The names of the connectors that are out, as each server sees it; panics if they don't agree.
    pub(crate) fn down(&self) -> Vec<String> {
        let mut views: Vec<(&String, Vec<String>)> = Vec::new();
        for (server, node) in &self.nodes {
            let name = |id| node.topology().connector(id).unwrap().name.to_string();
            views.push((server, node.links().down().map(name).collect()));
        }
        let (_, first) = &views[0];
        assert!(views.iter().all(|(_, view)| view == first), "{views:?}");
        first.clone()
    }

    /// Whether a server takes a connector for down.
    pub(crate) fn says(&self, server: &str, connector: &str) -> bool {
        let node = &self.nodes[server];
        let id = node.topology().connector_of_name(connector);
        node.links().is_down(id.unwrap())
    }

    /// How many updates went from each server to each since `sent` was emptied.
    pub(crate) fn updates(&self) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for (from, to, octets) in &self.sent {
            if let Ok(message) = Message::read(octets)
                && matches!(message.body, Body::Update(_))
            {
                *counts.entry((from.clone(), to.clone())).or_default() += 1;
            }
        }
        counts
    }

    /// What was reported since the last call, in words.
    pub(crate) fn reported(&mut self) -> Vec<String> {
        let reports = std::mem::take(&mut self.reports).into_iter();
        reports
            .map(|(server, fault)| format!("{server}: {fault}"))
            .collect()
    }

    /// A new topology comes into force everywhere, or on some servers only.
    pub(crate) fn reconfigure(&mut self, plan: &Plan, only: Option<&[&str]>) {
        let topology = Arc::new(Topology::build(plan).unwrap());
        let now = self.now;
        let mut gone = Vec::new();
        for (name, node) in &mut self.nodes {
            if only.is_none_or(|only| only.contains(&name.as_str()))
                && node.replace_topology(now, Arc::clone(&topology)).is_err()
            {
                gone.push(name.clone());
            }
        }
        for name in gone {
            self.stop(&name);
        }
        if only.is_none() {
            // What is under way is addressed by names, what is sent from now on by the new numbers.
            self.topology = topology;
        }
    }
}
