//! The routing table: from a goal and the facts of a message to the next hop. Pure: same table, same message, same answer.

use crate::choose::{Lead, NoWay};
use crate::facts::{Facts, Goal, Verdicts};
use crate::kinds::Kinds;
use crate::net::{Choice, Net};
use crate::paths::Paths;
use crate::settings::{Connector, ConnectorHop, Settings};
use bridgehead_linkstate::{ConnectorId, Links, ServerId};
use bridgehead_mail::{Address, Domain, Failure, NextHop};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// So many sets of paths for messages that are barred from some connectors are kept.
const SETS_MAX: usize = 64;
/// A server of the same group gets a message so often at most: then two servers contradict each other.
const VISITS_MAX: usize = 2;

type Set = (Vec<ConnectorId>, Arc<Paths>);

/// The routing table of one server.
#[derive(Debug)]
pub struct Table {
    net: Arc<Net>,
    links: Arc<Links>,
    /// The paths without restrictions; none without groups, or where this server is in none.
    plain: Option<Arc<Paths>>,
    /// The best of each list of choices by these.
    best: Vec<Vec<Choice>>,
    kinds: Kinds,
    sets: Mutex<VecDeque<Set>>,
}

impl Default for Table {
    fn default() -> Self {
        Self::build(&Settings::default(), &Links::default())
    }
}

impl Table {
    /// Builds the table, with the links in this state.
    #[must_use]
    pub fn build(settings: &Settings, links: &Links) -> Self {
        let net = Net::new(settings);
        let plain = net
            .topology()
            .zip(net.own_group)
            .map(|(topology, own)| Arc::new(Paths::compute(topology, links, own, &[])));
        Self::of(Arc::new(net), Arc::new(links.clone()), plain)
    }

    /// The same table with the links in another state. Cheap: what didn't change is kept.
    #[must_use]
    pub fn with_links(&self, links: Arc<Links>) -> Self {
        let plain = self.net.topology().zip(self.plain.as_ref());
        let plain =
            plain.map(|(topology, plain)| Arc::new(plain.updated(topology, &self.links, &links)));
        Self::of(Arc::clone(&self.net), links, plain)
    }

    fn of(net: Arc<Net>, links: Arc<Links>, plain: Option<Arc<Paths>>) -> Self {
        let mut table = Self {
            net,
            links,
            plain,
            best: Vec::new(),
            kinds: Kinds::default(),
            sets: Mutex::default(),
        };
        let lists = table.net.lists.iter();
        table.best = lists.map(|list| table.best(list, table.plain())).collect();
        table
    }

    /// The settings that it was built from.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.net.settings
    }

    /// The state of the links that it was built with.
    #[must_use]
    pub const fn links_in_force(&self) -> &Arc<Links> {
        &self.links
    }

    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    pub(crate) fn links(&self) -> &Links {
        &self.links
    }

    pub(crate) fn plain(&self) -> Option<&Paths> {
        self.plain.as_deref()
    }

    pub(crate) fn best_of(&self, list: usize) -> Option<&[Choice]> {
        self.best.get(list).map(Vec::as_slice)
    }

    /// The paths without some connectors; kept for the next message of the kind.
    pub(crate) fn paths_without(&self, mut barred: Vec<ConnectorId>) -> Option<Arc<Paths>> {
        let (topology, plain) = self.net.topology().zip(self.plain.as_ref())?;
        barred.sort_unstable();
        barred.dedup();
        if barred.is_empty() {
            return Some(Arc::clone(plain));
        }
        let known = {
            let sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            let mut known = sets.iter().filter(|(of, _)| *of == barred);
            known.next().map(|(_, paths)| Arc::clone(paths))
        };
        if known.is_some() {
            return known;
        }
        let own = plain.table.own();
        let paths = Arc::new(Paths::compute(topology, &self.links, own, &barred));
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= SETS_MAX {
            sets.pop_front();
        }
        sets.push_back((barred, Arc::clone(&paths)));
        Some(paths)
    }

    /// The next hop of a message.
    ///
    /// # Errors
    /// If no connector's address space matches (5.4.4), or restrictions leave no way (5.3.4 for size, 5.7.1 for the sender and
    /// priority): permanent, because the administrator decided it so. Where only the state of links, or a way that was gone already,
    /// leaves none, the next hop is [`NextHop::Unreachable`].
    pub fn route(&self, goal: Goal<'_>, facts: &Facts<'_>) -> Result<NextHop, Failure> {
        let verdicts = Verdicts::new(&self.net, facts);
        match goal {
            Goal::Server(name) => self.to_server(name, &verdicts),
            Goal::Address(address) => {
                let domain = address.domain();
                let chosen = self.choose(domain, &verdicts);
                let hop = chosen.map(|chosen| {
                    let place = chosen.choice.connector;
                    self.step(&chosen.lead, domain.as_str(), facts)
                        .or_else(|| self.exit(place, domain, facts))
                });
                match hop {
                    Ok(hop) => hop.ok_or_else(|| Self::no_space(domain)),
                    Err(NoWay::NoSpace) => Err(Self::no_space(domain)),
                    Err(no_way) => self.none(no_way, domain.as_str()),
                }
            }
        }
    }

    /// The next hop for an address by a connector that an operator chose, whatever its address spaces and restrictions; none if
    /// there is no such connector.
    #[must_use]
    pub fn by(&self, connector: &str, address: &Address, facts: &Facts<'_>) -> Option<NextHop> {
        let place = self.net.place_of_name(connector)?;
        let domain = address.domain();
        if self.net.is_here(place) {
            return self.exit(place, domain, facts);
        }
        let verdicts = Verdicts::new(&self.net, facts);
        match self.lead(self.net.from(place)?, &verdicts) {
            Ok(lead) => self.step(&lead, connector, facts),
            Err(no_way) => Some(unreachable(connector, &self.words(no_way))),
        }
    }

    /// Whether there is a connector of this name.
    #[must_use]
    pub fn knows(&self, connector: &str) -> bool {
        self.net.place_of_name(connector).is_some()
    }

    /// Whether connectors of other routing groups serve an address space of this one too, so that the state of links has a say in
    /// which of them is taken.
    #[must_use]
    pub fn has_rivals(&self, connector: &str) -> bool {
        let Some(place) = self.net.place_of_name(connector) else {
            return true;
        };
        let is_elsewhere = |choice: &Choice| !self.net.is_here(choice.connector);
        self.net.lists.iter().any(|list| {
            let mut choices = list.iter();
            choices.any(|choice| choice.connector == place) && list.iter().any(is_elsewhere)
        })
    }

    fn to_server(&self, name: &str, verdicts: &Verdicts<'_>) -> Result<NextHop, Failure> {
        let net = &self.net;
        if name.to_lowercase() == net.settings.server.to_lowercase() {
            return Ok(NextHop::Local);
        }
        let Some(topology) = net.topology() else {
            return Ok(self.inside(&[name.into()], name, verdicts.facts));
        };
        let Some(server) = net.server(name).and_then(|id| topology.server(id)) else {
            let why = format!("the organisation has no server {name}");
            return Ok(unreachable(name, &why));
        };
        if Some(server.group) == net.own_group {
            return Ok(self.inside(std::slice::from_ref(&server.name), name, verdicts.facts));
        }
        match self.lead(server.group, verdicts) {
            Ok(lead) => {
                let step = self.step(&lead, name, verdicts.facts);
                Ok(step.unwrap_or_else(|| {
                    unreachable(name, "no connector leads to its routing group")
                }))
            }
            Err(no_way) => self.none(no_way, name),
        }
    }

    fn none(&self, no_way: NoWay, goal: &str) -> Result<NextHop, Failure> {
        if let NoWay::Barred(place, bar) = no_way
            && let Some(connector) = self.net.connector(place)
        {
            return Err(bar.failure(connector));
        }
        Ok(unreachable(goal, &self.words(no_way)))
    }

    /// Why there is no way, in words.
    pub(crate) fn words(&self, no_way: NoWay) -> String {
        match no_way {
            NoWay::Barred(place, bar) => {
                let connector = self.net.connector(place);
                let name = connector.map_or("", |connector| &connector.name);
                format!("connector {name} {bar}")
            }
            NoWay::Visited => {
                "every way leads back into a routing group that the message has left".to_owned()
            }
            NoWay::NoConnector if self.net.own_group.is_none() && self.net.topology().is_some() => {
                "this server is in no routing group of the organisation".to_owned()
            }
            NoWay::NoConnector => "no connector leads to its routing group from here".to_owned(),
            NoWay::NoSpace => "no connector has an address space for it".to_owned(),
        }
    }

    /// The hop to the first connector of a way; none in the own group.
    fn step(&self, lead: &Lead, goal: &str, facts: &Facts<'_>) -> Option<NextHop> {
        let first = *lead.path.first()?;
        Some(self.over(first, goal, facts))
    }

    /// The hop over a connector to another group, or to the servers that may use it.
    fn over(&self, id: ConnectorId, goal: &str, facts: &Facts<'_>) -> NextHop {
        let topology = self.net.topology();
        let Some((topology, connector)) =
            topology.and_then(|topology| Some((topology, topology.connector(id)?)))
        else {
            return unreachable(goal, "its connector isn't there any more");
        };
        let written = self
            .net
            .place(id)
            .and_then(|place| self.net.connector(place));
        let in_order = |all: &[ServerId], first: &[Box<str>]| -> Vec<Box<str>> {
            let first = first.iter().filter_map(|name| self.net.server(name));
            let mut ids: Vec<ServerId> = first.filter(|id| all.contains(id)).collect();
            ids.extend(
                all.iter()
                    .filter(|id| !ids.contains(id))
                    .copied()
                    .collect::<Vec<_>>(),
            );
            let servers = ids.into_iter().filter_map(|id| topology.server(id));
            servers.map(|server| server.name.clone()).collect()
        };
        let sources = written.map(|connector| connector.sources.as_slice());
        let mut sources = in_order(&connector.sources, sources.unwrap_or_default());
        let is_down_at = |name: &str| {
            let source = self.net.server(name);
            source.is_some_and(|source| self.links.is_down_at(id, source))
        };
        let is_source = self
            .net
            .own_server
            .is_some_and(|own| topology.is_source(own, id));
        if is_source {
            // Where only this server's line is cut another takes it on, unless that has had it: two who contradict each other
            // keep it, and try.
            if is_down_at(&self.net.settings.server) {
                let others = sources.iter();
                let others = others.filter(|name| !is_down_at(name) && visits(name, facts) == 0);
                let others: Vec<Box<str>> = others.cloned().collect();
                if !others.is_empty() {
                    return self.inside(&others, goal, facts);
                }
            }
            let targets = written.map(|connector| connector.targets.as_slice());
            let servers = in_order(&connector.targets, targets.unwrap_or_default());
            return NextHop::Servers {
                connector: Some(connector.name.clone()),
                servers: servers.into(),
            };
        }
        // The sort is stable.
        sources.sort_by_key(|name| is_down_at(name));
        self.inside(&sources, goal, facts)
    }

    /// The hop to servers of the own group: not to those that have had the message, unless nobody else is left.
    fn inside(&self, servers: &[Box<str>], goal: &str, facts: &Facts<'_>) -> NextHop {
        let is_out = |name: &str| {
            let id = self.net.server(name);
            id.is_some_and(|id| self.links.out().any(|out| out == id))
        };
        let mut able: Vec<(usize, bool, &Box<str>)> = servers
            .iter()
            .map(|name| (visits(name, facts), is_out(name), name))
            .filter(|(visits, ..)| *visits < VISITS_MAX)
            .collect();
        let fewest = able.iter().map(|(visits, ..)| *visits).min().unwrap_or(0);
        able.retain(|(visits, ..)| *visits == fewest);
        // Those that work first, else in the order as given: the sort is stable.
        able.sort_by_key(|(_, is_out, _)| *is_out);
        if able.is_empty() {
            let why = "every server of this routing group that could take it on has had it and gave it back: they don't agree on the way";
            return unreachable(goal, why);
        }
        NextHop::Servers {
            connector: None,
            servers: able.into_iter().map(|(.., name)| name.clone()).collect(),
        }
    }

    /// The hop over a connector of this server's group.
    fn exit(&self, place: usize, domain: &Domain, facts: &Facts<'_>) -> Option<NextHop> {
        let connector = self.net.connector(place)?;
        if let Some(id) = self.net.link(place) {
            return Some(self.over(id, domain.as_str(), facts));
        }
        if !self.net.is_own(connector) {
            return Some(self.inside(&connector.sources, domain.as_str(), facts));
        }
        hop(connector, domain)
    }
}

/// How often a server of the own group has had a message.
fn visits(server: &str, facts: &Facts<'_>) -> usize {
    let servers = facts.journey.map(|journey| journey.servers.iter());
    let name = server.to_lowercase();
    let same = servers
        .into_iter()
        .flatten()
        .filter(|had| had.to_lowercase() == name);
    same.count()
}

fn hop(connector: &Connector, domain: &Domain) -> Option<NextHop> {
    Some(match &connector.next_hop {
        ConnectorHop::Mx => NextHop::Mx {
            connector: connector.name.clone(),
            domain: domain.clone(),
        },
        ConnectorHop::SmartHosts(hosts) => {
            let mut apart = connector.apart.iter();
            NextHop::SmartHosts {
                connector: connector.name.clone(),
                hosts: hosts.clone(),
                apart: apart
                    .any(|pattern| pattern.covers(domain))
                    .then(|| domain.clone()),
            }
        }
        // One between groups that the topology doesn't have: its plan was refused.
        ConnectorHop::Group => return None,
    })
}

fn unreachable(goal: &str, why: &str) -> NextHop {
    NextHop::Unreachable {
        goal: goal.into(),
        why: why.into(),
    }
}
