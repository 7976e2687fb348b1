//! One server's link state: everything in this room tied together.
//!
//! It is given the time, messages of neighbours and outcomes of attempts, and says what to send, what to probe, that the state of the
//! links has changed, and what is wrong. Guards: nothing is taken from anybody but neighbours; a server originates the state of its own
//! links only, and only as long as it matters to anybody's choice of path. Nobody is a master.

mod originating;
mod receiving;
mod telling;

use crate::flood::Pace;
use crate::links::Links;
use crate::liveness::{Outcome, Watch};
use crate::record::{Entry, Version};
use crate::report::{Fault, Reports};
use crate::seal::{Signer, Verifier};
use crate::session::Session;
use crate::settings::Settings;
use crate::table::{Held, Judge, Table};
use crate::time::Time;
use crate::topology::{ServerId, Target, Topology};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Who this server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name in the topology.
    pub server: Box<str>,
    /// A number that this process drew at random.
    pub instance: u64,
    /// Grows with each start; the time of the start in milliseconds will do. If it didn't grow, the echo of an earlier start
    /// puts it right.
    pub epoch: u64,
}

/// This server isn't in the topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} isn't a server of this organisation's topology")]
pub struct NotAMember(pub Box<str>);

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Carry octets to a neighbour. Nothing needs to be said about how that ended.
    Send {
        /// The neighbour.
        to: ServerId,
        /// One message.
        octets: Vec<u8>,
    },
    /// Try a link and note the outcome.
    Probe(Target),
    /// The state of the organisation's links is another: [`Node::links`].
    Changed,
    /// Tell the operator; each is told once an hour at most.
    Report(Fault),
}

/// One server's link state.
pub struct Node {
    settings: Arc<Settings>,
    topology: Arc<Topology>,
    own: ServerId,
    instance: u64,
    started: Time,
    signer: Arc<dyn Signer>,
    verifier: Arc<dyn Verifier>,
    table: Table,
    links: Arc<Links>,
    sessions: BTreeMap<ServerId, Session>,
    watches: BTreeMap<Target, Watch>,
    /// Which of them anybody's path may depend on, as far as that was asked since the table changed.
    matters: BTreeMap<Target, bool>,
    pace: Pace,
    reports: Reports,
    actions: VecDeque<Action>,
    /// The version of the next record.
    next: Version,
    /// What the last record said, and when it was made.
    said: Vec<Entry>,
    said_at: Option<Time>,
    /// When the next record is to be made.
    due_at: Time,
    /// It is to be made even if it says the same: somebody has another record of this server.
    must_answer: bool,
    /// As long as a process of the same name is believed to be there.
    twin_until: Time,
}

impl fmt::Debug for Node {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Node")
            .field("own", &self.own)
            .field("table", &self.table)
            .field("watches", &self.watches)
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// A server that has just started: it knows nothing, believes the configured topology, and asks its neighbours.
    ///
    /// # Errors
    /// If it isn't in the topology.
    pub fn new(
        now: Time,
        settings: Arc<Settings>,
        topology: Arc<Topology>,
        identity: &Identity,
        (signer, verifier): (Arc<dyn Signer>, Arc<dyn Verifier>),
    ) -> Result<Self, NotAMember> {
        let own = topology.server_of_name(&identity.server);
        let own = own.ok_or_else(|| NotAMember(identity.server.clone()))?;
        let neighbours = topology.neighbours(own).into_iter();
        Ok(Self {
            settings,
            own,
            instance: identity.instance,
            started: now,
            signer,
            verifier,
            table: Table::default(),
            links: Arc::default(),
            sessions: neighbours.map(|id| (id, Session::new(now))).collect(),
            topology,
            watches: BTreeMap::new(),
            matters: BTreeMap::new(),
            pace: Pace::default(),
            reports: Reports::default(),
            actions: VecDeque::new(),
            next: Version::first_of(identity.epoch),
            said: Vec::new(),
            said_at: None,
            due_at: Time::NEVER,
            must_answer: false,
            twin_until: Time::START,
        })
    }

    /// A message arrived from a member that the carrier has authenticated.
    ///
    /// # Errors
    /// If it, or any record in it, is refused; the reason may be said to the sender. It is reported, too; nothing else
    /// has to be done about it.
    pub fn receive(&mut self, now: Time, from: &str, octets: &[u8]) -> Result<(), Fault> {
        let result = self.take_message(now, from, octets);
        if let Err(fault) = &result {
            self.report(now, fault.clone());
        }
        result
    }

    /// An attempt to use one of this server's own links ended. What isn't a link of its own is ignored.
    pub fn note_link(&mut self, now: Time, target: Target, outcome: Outcome) {
        if !self.is_own(target) {
            return;
        }
        if outcome == Outcome::Works && !self.watches.contains_key(&target) {
            return;
        }
        let watch = self.watches.entry(target).or_default();
        let was_lost = watch.is_lost();
        watch.note(now, outcome, &self.settings);
        if was_lost && !watch.is_lost() {
            self.compare_across(now, target);
        }
        self.reconsider(now);
    }

    /// An attempt to use one of this server's own links takes long: it is tried at once, and how that ends counts.
    pub fn note_doubt(&mut self, now: Time, target: Target) {
        if self.is_own(target) {
            self.suspect(now, target);
        }
    }

    /// Mail waits for one of this server's connectors.
    pub fn note_load(&mut self, now: Time, target: Target, queued: u32, delay: Duration) {
        let is_known = self.watches.contains_key(&target);
        if !self.is_own(target) || (queued == 0 && !is_known) {
            return;
        }
        let watch = self.watches.entry(target).or_default();
        watch.note_load(now, queued, delay, &self.settings);
        self.reconsider(now);
    }

    /// Time has passed: to be called at [`Self::deadline`], or whenever.
    pub fn tick(&mut self, now: Time) {
        if self.table.expire(now) {
            self.derive_links(now);
        }
        self.tick_watches(now);
        self.tick_record(now);
        self.tick_sessions(now);
    }

    /// What is to be done, one after the other.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Self::tick`] is to be called at the latest.
    #[must_use]
    pub fn deadline(&self) -> Time {
        let watches = self.watches.values();
        let watches = watches.map(|watch| watch.deadline(&self.settings));
        let sessions = self.sessions.values().map(Session::deadline);
        let all = watches.chain(sessions).min().unwrap_or(Time::NEVER);
        all.min(self.table.deadline())
            .min(self.pace.deadline(&self.settings))
            .min(self.record_deadline())
    }

    /// Another topology is in force. What is said of objects that aren't in it is forgotten, and so is what was said with keys that
    /// have changed.
    ///
    /// # Errors
    /// If this server isn't in it: then this node has no more to say, and is to be dropped.
    pub fn replace_topology(
        &mut self,
        now: Time,
        topology: Arc<Topology>,
    ) -> Result<(), NotAMember> {
        let before = std::mem::replace(&mut self.topology, topology);
        let name = before.server(self.own).map(|server| server.name.clone());
        let name = name.unwrap_or_default();
        let own = self.topology.server_of_name(&name);
        self.own = own.ok_or(NotAMember(name))?;
        let new_server = |id: ServerId| {
            let server = before.server(id)?;
            self.topology.server_of_name(&server.name)
        };
        let mut sessions = BTreeMap::new();
        for (id, mut session) in std::mem::take(&mut self.sessions) {
            session.renumber(now);
            sessions.extend(new_server(id).map(|id| (id, session)));
        }
        let watches = std::mem::take(&mut self.watches);
        let watches = watches.into_iter().filter_map(|(target, watch)| {
            let target = match target {
                Target::Peer(id) => Target::Peer(new_server(id)?),
                Target::Connector(id) => {
                    let name = &before.connector(id)?.name;
                    Target::Connector(self.topology.connector_of_name(name)?)
                }
            };
            Some((target, watch))
        });
        let watches: BTreeMap<Target, Watch> = watches.collect();
        self.watches = watches;
        let topology = Arc::clone(&self.topology);
        self.watches
            .retain(|target, _| own_link(&topology, self.own, *target));
        self.sessions = topology
            .neighbours(self.own)
            .into_iter()
            .map(|id| (id, sessions.remove(&id).unwrap_or(Session::new(now))))
            .collect();
        self.pace.clear();
        for fault in self.table.resettle(&before, &topology) {
            self.report(now, fault);
        }
        // Even if the same places are out: they may have other names now.
        self.links = Arc::default();
        self.actions.push_back(Action::Changed);
        self.derive_links(now);
        self.reconsider(now);
        Ok(())
    }

    /// Keys were added, revoked or replaced: records whose seal isn't their origin's any more are forgotten, and what this server
    /// says is sealed anew if its own key is another.
    pub fn replace_verifier(&mut self, now: Time, verifier: Arc<dyn Verifier>) {
        self.verifier = verifier;
        let (own, unsealed) = (self.own, self.table.drop_unsealed(&*self.verifier));
        if unsealed.contains(&own) {
            self.must_answer = true;
            self.originate_soon(now);
        }
        if !unsealed.is_empty() {
            self.derive_links(now);
        }
    }

    /// What a carrier refused before it was a message; told like everything else that is wrong.
    pub fn note_fault(&mut self, now: Time, fault: Fault) {
        self.report(now, fault);
    }

    /// The state of the organisation's links, as this server knows it.
    #[must_use]
    pub const fn links(&self) -> &Arc<Links> {
        &self.links
    }

    /// The topology in force.
    #[must_use]
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// This server.
    #[must_use]
    pub const fn own(&self) -> ServerId {
        self.own
    }

    /// The records that are known, by origin.
    pub fn records(&self) -> impl Iterator<Item = (ServerId, &Held)> {
        self.table.iter()
    }

    /// What is known of one server.
    #[must_use]
    pub fn record(&self, origin: ServerId) -> Option<&Held> {
        self.table.get(origin)
    }

    /// The neighbours, and how the conversation with each is going.
    pub fn sessions(&self) -> impl Iterator<Item = (ServerId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// This server's own links that aren't entirely well.
    pub fn watches(&self) -> impl Iterator<Item = (Target, &Watch)> {
        self.watches.iter().map(|(target, watch)| (*target, watch))
    }

    /// How many reports weren't told because there were too many.
    #[must_use]
    pub const fn untold(&self) -> u64 {
        self.reports.untold()
    }

    fn is_own(&self, target: Target) -> bool {
        own_link(&self.topology, self.own, target)
    }

    fn report(&mut self, now: Time, fault: Fault) {
        if self.reports.is_new(now, &fault) {
            self.actions.push_back(Action::Report(fault));
        }
    }

    fn derive_links(&mut self, now: Time) {
        self.matters.clear();
        let claims = self.table.iter().map(|(id, held)| (id, &*held.claims));
        let links = Links::derive(&self.topology, claims);
        if links != *self.links {
            self.links = Arc::new(links);
            if self.actions.back() != Some(&Action::Changed) {
                self.actions.push_back(Action::Changed);
            }
            // What wasn't worth saying may be now.
            self.reconsider(now);
        }
    }

    fn name_of(&self, id: ServerId) -> Box<str> {
        let server = self.topology.server(id);
        server.map(|server| server.name.clone()).unwrap_or_default()
    }
}

/// Whether a server may say something about a link.
fn own_link(topology: &Topology, own: ServerId, target: Target) -> bool {
    match target {
        Target::Connector(id) => topology.is_source(own, id),
        Target::Peer(id) => topology.are_peers(own, id),
    }
}

impl Node {
    fn judge<'a>(&self, topology: &'a Topology, verifier: &'a dyn Verifier) -> Judge<'a> {
        Judge {
            topology,
            verifier,
            own: self.own,
            instance: self.instance,
            max_age: self.settings.max_age,
        }
    }
}
