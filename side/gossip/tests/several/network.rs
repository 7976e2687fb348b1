//! Several servers in one process, and a network between them that can be cut.

use bridgehead_gossip::view::View;
use bridgehead_gossip::{BoxFuture, Carry, Gossip, GossipSettings, Keys, OwnedChunk};
use bridgehead_linkstate::{
    ConnectorPlan, KeyFault, Plan, ServerPlan, Settings, Signer, Topology, Verifier,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

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

/// Everybody's keys but those that were revoked.
pub(crate) struct Roster(pub(crate) BTreeSet<&'static str>);

impl Verifier for Roster {
    fn verify(&self, origin: &str, message: &[u8], seal: &[u8]) -> Result<(), KeyFault> {
        if self.0.contains(origin) {
            return Err(KeyFault::Revoked);
        }
        match keyed(secret(origin), message) == seal {
            true => Ok(()),
            false => Err(KeyFault::Mismatch),
        }
    }
}

pub(crate) fn roster(revoked: &[&'static str]) -> Arc<dyn Verifier> {
    Arc::new(Roster(revoked.iter().copied().collect()))
}

pub(crate) fn secret(name: &str) -> u64 {
    name.bytes().fold(17, |sum: u64, octet| {
        sum.wrapping_mul(31) ^ u64::from(octet)
    })
}

/// A triangle: a with one server, b with two, c with one; connectors in pairs from all servers to all.
pub(crate) fn triangle() -> Plan {
    let mut plan = Plan::default();
    for (group, servers) in [("a", ["a1", ""]), ("b", ["b1", "b2"]), ("c", ["c1", ""])] {
        plan.groups.push(group.to_owned());
        for name in servers.into_iter().filter(|name| !name.is_empty()) {
            plan.servers.push(ServerPlan {
                name: name.to_owned(),
                group: group.to_owned(),
                key: secret(name).to_le_bytes().to_vec(),
            });
        }
    }
    for (from, to) in ["ab", "ba", "bc", "cb", "ac", "ca"].map(|pair| pair.split_at(1)) {
        plan.connectors.push(ConnectorPlan {
            name: format!("{from}-{to}"),
            from: from.to_owned(),
            to: to.to_owned(),
            cost: 1,
            ..ConnectorPlan::default()
        });
    }
    plan
}

/// Everything of the protocol that takes minutes takes moments.
fn quick() -> Settings {
    let millis = Duration::from_millis;
    Settings {
        glitch_interval: millis(10),
        probe_interval: millis(20),
        probe_interval_max: millis(100),
        probe_timeout: millis(2000),
        originate_interval: millis(10),
        relay_interval: millis(5),
        gather: millis(1),
        patience: millis(100),
        patience_max: millis(200),
        digest_interval: millis(100),
        away_interval: millis(100),
        ..Settings::default()
    }
}

#[derive(Default)]
struct State {
    gossips: BTreeMap<String, Gossip>,
    cut: BTreeSet<(String, String)>,
    holes: BTreeSet<(String, String)>,
    probed: BTreeMap<String, usize>,
    working: BTreeSet<String>,
    captured: Vec<(String, String, Vec<OwnedChunk>)>,
}

/// The network.
#[derive(Clone, Default)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
}

/// One server's connections.
struct Ways {
    own: String,
    network: Network,
}

impl Ways {
    async fn pass(&self, to: &str) -> Result<Gossip, String> {
        let pair = (self.own.clone(), to.to_owned());
        let is_swallowed = self.network.state.lock().unwrap().holes.contains(&pair);
        if is_swallowed {
            std::future::pending::<()>().await;
        }
        let state = self.network.state.lock().unwrap();
        match state.gossips.get(to) {
            Some(gossip) if !state.cut.contains(&pair) => Ok(gossip.clone()),
            _ => Err(format!("nobody answers at {to}")),
        }
    }
}

impl Carry for Ways {
    fn send<'a>(
        &'a self,
        to: &'a str,
        chunks: Vec<OwnedChunk>,
    ) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let gossip = self.pass(to).await?;
            let captured = (self.own.clone(), to.to_owned(), chunks.clone());
            self.network.state.lock().unwrap().captured.push(captured);
            for chunk in chunks {
                gossip.receive(&self.own, 1, chunk.place, chunk.number, &chunk.octets)?;
            }
            Ok(())
        })
    }

    fn probe<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            self.network.count_probe(server);
            self.pass(server).await.map(drop)
        })
    }

    fn works(&self, connector: Option<&str>, server: &str) {
        let name = connector.unwrap_or(server);
        let said = format!("{}: {name}", self.own);
        self.network.state.lock().unwrap().working.insert(said);
    }
}

impl Network {
    /// Whether a server has said that a link works again.
    pub(crate) fn is_told(&self, what: &str) -> bool {
        self.state.lock().unwrap().working.contains(what)
    }

    /// All servers of a plan, started and heard of by each other.
    pub(crate) fn start(plan: &Plan) -> Self {
        let network = Self::default();
        for server in &plan.servers {
            network.start_server(plan, &server.name);
        }
        network
    }

    pub(crate) fn start_server(&self, plan: &Plan, name: &str) -> Gossip {
        let gossip = self.gossip(plan, name).unwrap();
        let mut state = self.state.lock().unwrap();
        state.gossips.insert(name.to_owned(), gossip.clone());
        gossip
    }

    pub(crate) fn gossip(
        &self,
        plan: &Plan,
        name: &str,
    ) -> Result<Gossip, bridgehead_gossip::NotAMember> {
        let settings = GossipSettings {
            server: name.into(),
            topology: Arc::new(Topology::build(plan).unwrap()),
            protocol: Arc::new(quick()),
        };
        let keys: Keys = (Arc::new(Key(secret(name))), roster(&[]));
        let carry = Arc::new(Ways {
            own: name.to_owned(),
            network: self.clone(),
        });
        Gossip::start(settings, keys, carry)
    }

    pub(crate) fn of(&self, name: &str) -> Gossip {
        self.state.lock().unwrap().gossips[name].clone()
    }

    pub(crate) fn all(&self) -> Vec<Gossip> {
        let state = self.state.lock().unwrap();
        state.gossips.values().cloned().collect()
    }

    /// Nothing passes from one server to another: at once, or only after a long time.
    pub(crate) fn cut(&self, one: &str, other: &str) {
        let mut state = self.state.lock().unwrap();
        state.cut.insert((one.to_owned(), other.to_owned()));
        state.cut.insert((other.to_owned(), one.to_owned()));
    }

    pub(crate) fn swallow(&self, from: &str, to: &str) {
        let mut state = self.state.lock().unwrap();
        state.holes.insert((from.to_owned(), to.to_owned()));
    }

    pub(crate) fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        state.cut.clear();
        state.holes.clear();
    }

    fn count_probe(&self, server: &str) {
        let mut state = self.state.lock().unwrap();
        *state.probed.entry(server.to_owned()).or_default() += 1;
    }

    pub(crate) fn probed(&self, server: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.probed.get(server).copied().unwrap_or(0)
    }

    /// What was carried from one server to another, whole messages.
    pub(crate) fn captured(&self, from: &str, to: &str) -> Vec<Vec<u8>> {
        let state = self.state.lock().unwrap();
        let all = state.captured.iter();
        let between = all.filter(|(sender, receiver, _)| sender == from && receiver == to);
        between
            .map(|(_, _, chunks)| {
                let octets = chunks.iter().flat_map(|chunk| chunk.octets.clone());
                octets.collect()
            })
            .collect()
    }
}

/// Waits until something is so, however long that takes on a slow machine.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "it didn't come about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn down(gossip: &Gossip) -> Vec<String> {
    let View { down, .. } = gossip.view();
    down.into_iter().map(String::from).collect()
}
