//! The node of this server with what belongs to it: what waits for each neighbour, what is being tried, what arrives in parts.
//!
//! Guards: everything is known by name outside of one call, as numbers change with the topology. After each call nothing is left in the
//! node: messages are in the neighbours' lines, the picture is told, reports are logged. It is given the time.

use crate::assembling::{Assembling, Refusal};
use crate::attempts::Attempts;
use crate::line::Line;
use crate::settings::{GossipSettings, Keys, LinkPicture};
use crate::view::Kind;
use bridgehead_linkstate::chunk::{Chunk, Place};
use bridgehead_linkstate::{
    Action, Fault, Identity, Node, NotAMember, Outcome, Settings, Signer, Target, Time, Topology,
    Verifier,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A link that is to be tried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Probe {
    pub(crate) is_connector: bool,
    pub(crate) name: Box<str>,
}

/// What the driver has to do.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Links to be tried, with the servers of whom one must answer.
    pub(crate) probes: Vec<(Probe, Vec<Box<str>>)>,
    /// Neighbours for whom something waits and nobody carries.
    pub(crate) lines: Vec<Box<str>>,
    /// When [`Core::tick`] is to be called at the latest.
    pub(crate) deadline: Option<Time>,
}

/// See the module.
pub(crate) struct Core {
    pub(crate) server: Box<str>,
    pub(crate) protocol: Arc<Settings>,
    signer: Arc<dyn Signer>,
    /// None: this server isn't in the topology, or is stopping.
    pub(crate) node: Option<Node>,
    pub(crate) lines: BTreeMap<Box<str>, Line>,
    carrying: BTreeSet<Box<str>>,
    probing: BTreeSet<Probe>,
    asked: Vec<Probe>,
    attempts: Attempts,
    assembling: Assembling,
    picture: watch::Sender<LinkPicture>,
}

impl Core {
    pub(crate) fn new(
        now: Time,
        settings: GossipSettings,
        (signer, verifier): Keys,
        identity: &Identity,
    ) -> Result<Self, NotAMember> {
        let topology = Arc::clone(&settings.topology);
        let protocol = Arc::clone(&settings.protocol);
        let keys = (Arc::clone(&signer), verifier);
        let node = Node::new(now, protocol, topology, identity, keys)?;
        let picture = LinkPicture {
            topology: settings.topology,
            links: Arc::clone(node.links()),
            version: 1,
        };
        let mut core = Self {
            server: settings.server,
            protocol: settings.protocol,
            signer,
            node: Some(node),
            lines: BTreeMap::new(),
            carrying: BTreeSet::new(),
            probing: BTreeSet::new(),
            asked: Vec::new(),
            attempts: Attempts::default(),
            assembling: Assembling::default(),
            picture: watch::Sender::new(picture),
        };
        core.settle_neighbours();
        Ok(core)
    }

    pub(crate) fn picture(&self) -> watch::Receiver<LinkPicture> {
        self.picture.subscribe()
    }

    pub(crate) fn version(&self) -> u64 {
        self.picture.borrow().version
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Time) {
        if let Some(node) = &mut self.node {
            node.tick(now);
        }
        self.drain();
    }

    /// What is to be done now; whoever asks does it.
    pub(crate) fn take_todo(&mut self) -> Todo {
        let mut todo = Todo {
            deadline: self.node.as_ref().map(Node::deadline),
            ..Todo::default()
        };
        for probe in std::mem::take(&mut self.asked) {
            let servers = self.servers_behind(&probe);
            if !servers.is_empty() && self.probing.insert(probe.clone()) {
                todo.probes.push((probe, servers));
            }
        }
        for (name, line) in &self.lines {
            if line.len() > 0 && self.carrying.insert(name.clone()) {
                todo.lines.push(name.clone());
            }
        }
        todo
    }

    /// The next message for a neighbour.
    pub(crate) fn next_message(&mut self, to: &str) -> Option<Vec<u8>> {
        self.lines.get_mut(to).and_then(Line::pop)
    }

    /// Nobody carries to a neighbour any more, for whatever reason.
    pub(crate) fn put_down(&mut self, to: &str) {
        self.carrying.remove(to);
    }

    /// How carrying a message went.
    pub(crate) fn note_carried(&mut self, to: &str, outcome: Result<(), String>) {
        if let Some(line) = self.lines.get_mut(to) {
            line.note(outcome);
        }
    }

    /// How a try went; none: it was broken off.
    pub(crate) fn note_probe(&mut self, now: Time, probe: &Probe, worked: Option<bool>) {
        self.probing.remove(probe);
        if let Some(worked) = worked {
            if worked && probe.is_connector {
                self.attempts.worked(&probe.name);
            }
            self.note(now, probe, worked);
        }
    }

    /// An attempt by delivery ended.
    pub(crate) fn note_use(
        &mut self,
        now: Time,
        connector: Option<&str>,
        server: &str,
        worked: bool,
    ) {
        let probe = Probe {
            is_connector: connector.is_some(),
            name: connector.unwrap_or(server).into(),
        };
        if let Some(connector) = connector {
            if worked {
                self.attempts.worked(connector);
            } else {
                let targets = self.servers_behind(&probe);
                let targets = targets.iter().map(|target| &**target);
                if !self.attempts.failed(connector, server, targets) {
                    return;
                }
            }
        }
        self.note(now, &probe, worked);
    }

    /// An attempt by delivery takes long.
    pub(crate) fn note_doubt(&mut self, now: Time, connector: Option<&str>, server: &str) {
        let probe = Probe {
            is_connector: connector.is_some(),
            name: connector.unwrap_or(server).into(),
        };
        if let Some(node) = &mut self.node
            && let Some(target) = target(node.topology(), &probe)
        {
            node.note_doubt(now, target);
        }
        self.drain();
    }

    fn note(&mut self, now: Time, probe: &Probe, worked: bool) {
        let outcome = match worked {
            true => Outcome::Works,
            false => Outcome::Fails,
        };
        if let Some(node) = &mut self.node
            && let Some(target) = target(node.topology(), probe)
        {
            node.note_link(now, target, outcome);
        }
        self.drain();
    }

    /// Mail waits for a connector.
    pub(crate) fn note_load(&mut self, now: Time, connector: &str, queued: u32, oldest: Duration) {
        if let Some(node) = &mut self.node
            && let Some(id) = node.topology().connector_of_name(connector)
        {
            node.note_load(now, Target::Connector(id), queued, oldest);
        }
        self.drain();
    }

    /// A chunk arrived.
    pub(crate) fn receive(
        &mut self,
        now: Time,
        (from, session): (&str, u64),
        (place, number): (&str, u32),
        octets: &[u8],
    ) -> Result<(), String> {
        let Some(node) = &mut self.node else {
            return Err("this server takes no part in link state".to_owned());
        };
        if !self.lines.contains_key(from) {
            let from = from.into();
            let stranger = Fault::Stranger { from };
            let why = stranger.to_string();
            node.note_fault(now, stranger);
            self.drain();
            return Err(why);
        }
        let Some(place) = Place::parse(place) else {
            return Err(
                "a chunk begins with one of the words ONLY, FIRST, NEXT and LAST".to_owned(),
            );
        };
        let chunk = Chunk {
            place,
            number,
            octets,
        };
        let result = match self.assembling.take(from, session, &chunk) {
            Ok(None) => Ok(()),
            Ok(Some(message)) => node
                .receive(now, from, &message)
                .map_err(|fault| fault.to_string()),
            Err(Refusal::Chunk(fault)) => {
                node.note_fault(now, Fault::chunk(from, fault));
                Err(fault.to_string())
            }
            Err(Refusal::NoRoom) => {
                Err("too many messages have begun and not ended; send it again later".to_owned())
            }
        };
        self.drain();
        result
    }

    /// A session of the listener has ended.
    pub(crate) fn ended(&mut self, session: u64) {
        self.assembling.ended(session);
    }

    /// Another configuration is in force. `identity` is for the case that this server takes part anew.
    pub(crate) fn replace(
        &mut self,
        now: Time,
        topology: Arc<Topology>,
        verifier: Arc<dyn Verifier>,
        identity: &Identity,
    ) {
        match self.node.take() {
            Some(mut node) => {
                let is_same = **node.topology() == *topology;
                let replaced = match is_same {
                    true => Ok(()),
                    false => node.replace_topology(now, Arc::clone(&topology)),
                };
                match replaced {
                    Ok(()) => {
                        node.replace_verifier(now, verifier);
                        self.node = Some(node);
                    }
                    Err(why) => {
                        tracing::info!("link state rests: {why}");
                        self.show(topology);
                    }
                }
            }
            None => {
                let keys = (Arc::clone(&self.signer), verifier);
                let protocol = Arc::clone(&self.protocol);
                match Node::new(now, protocol, Arc::clone(&topology), identity, keys) {
                    Ok(node) => {
                        tracing::info!("{} takes part in link state again", self.server);
                        self.node = Some(node);
                    }
                    Err(_) => tracing::debug!("link state rests still"),
                }
                self.show(topology);
            }
        }
        self.drain();
        self.settle_neighbours();
    }

    /// This server takes no part any more.
    pub(crate) fn stop(&mut self) {
        self.node = None;
        self.settle_neighbours();
    }

    /// Lines for the neighbours of now, and nothing kept of others.
    fn settle_neighbours(&mut self) {
        let node = self.node.as_ref();
        let names = node.map(|node| {
            let ids = node.sessions();
            let servers = ids.filter_map(|(id, _)| node.topology().server(id));
            servers.map(|server| server.name.clone()).collect()
        });
        let names: BTreeSet<Box<str>> = names.unwrap_or_default();
        self.lines.retain(|name, _| names.contains(name));
        self.assembling.retain(|name| names.contains(name));
        let topology = node.map(|node| Arc::clone(node.topology()));
        self.attempts.retain(|connector, server| {
            let topology = topology.as_deref();
            let target = topology.and_then(|topology| {
                let id = topology.connector_of_name(connector)?;
                let server = topology.server_of_name(server)?;
                Some(topology.connector(id)?.targets.contains(&server))
            });
            target.unwrap_or(false)
        });
        for name in names {
            self.lines.entry(name).or_default();
        }
    }

    /// Does what the node asks for.
    fn drain(&mut self) {
        let Some(node) = &mut self.node else {
            return;
        };
        let mut changed = false;
        while let Some(action) = node.poll() {
            match action {
                Action::Send { to, octets } => {
                    if let Some(server) = node.topology().server(to) {
                        self.lines
                            .entry(server.name.clone())
                            .or_default()
                            .push(octets);
                    }
                }
                Action::Probe(target) => self.asked.extend(probe(node.topology(), target)),
                Action::Changed => changed = true,
                Action::Report(fault) => tracing::warn!("link state: {fault}"),
            }
        }
        if changed {
            let topology = Arc::clone(node.topology());
            self.show(topology);
        }
    }

    /// The picture as it is now.
    fn show(&self, topology: Arc<Topology>) {
        let links = self.node.as_ref().map(|node| Arc::clone(node.links()));
        self.picture.send_modify(|picture| {
            picture.topology = topology;
            picture.links = links.unwrap_or_default();
            picture.version += 1;
        });
    }

    fn servers_behind(&self, probe: &Probe) -> Vec<Box<str>> {
        let Some(topology) = self.node.as_ref().map(Node::topology) else {
            return Vec::new();
        };
        let ids = match target(topology, probe) {
            None => return Vec::new(),
            Some(Target::Peer(id)) => vec![id],
            Some(Target::Connector(id)) => {
                let connector = topology.connector(id);
                connector.map_or_else(Vec::new, |connector| connector.targets.clone())
            }
        };
        let servers = ids.into_iter().filter_map(|id| topology.server(id));
        servers.map(|server| server.name.clone()).collect()
    }
}

fn target(topology: &Topology, probe: &Probe) -> Option<Target> {
    match probe.is_connector {
        true => topology
            .connector_of_name(&probe.name)
            .map(Target::Connector),
        false => topology.server_of_name(&probe.name).map(Target::Peer),
    }
}

/// A link by its name.
fn probe(topology: &Topology, target: Target) -> Option<Probe> {
    let (kind, name) = name_of(topology, target)?;
    Some(Probe {
        is_connector: kind == Kind::Connector,
        name,
    })
}

/// The kind and name of a link.
pub(crate) fn name_of(topology: &Topology, target: Target) -> Option<(Kind, Box<str>)> {
    Some(match target {
        Target::Connector(id) => (Kind::Connector, topology.connector(id)?.name.clone()),
        Target::Peer(id) => (Kind::Server, topology.server(id)?.name.clone()),
    })
}
