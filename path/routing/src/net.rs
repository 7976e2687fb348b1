//! What doesn't change with the links: the settings with everything found by number, and the index of address spaces.

use crate::restricted::Restricted;
use crate::settings::{AddressSpace, Connector, ConnectorHop, Pattern, Scope, Settings};
use bridgehead_linkstate::{ConnectorId, GroupId, ServerId, Topology};
use bridgehead_mail::Domain;
use std::collections::HashMap;

/// One address space of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The connector's place in the settings.
    pub(crate) connector: usize,
    pub(crate) cost: u32,
}

/// The settings, found by number.
#[derive(Debug, Default)]
pub(crate) struct Net {
    pub(crate) settings: Settings,
    pub(crate) own_server: Option<ServerId>,
    pub(crate) own_group: Option<GroupId>,
    servers: HashMap<String, ServerId>,
    groups: HashMap<String, GroupId>,
    names: HashMap<String, usize>,
    /// Of each connector of the settings: its number in the topology.
    links: Vec<Option<ConnectorId>>,
    /// Of each connector of the settings: its group.
    from: Vec<Option<GroupId>>,
    /// Of each connector of the topology: its place in the settings.
    places: Vec<Option<usize>>,
    /// Connectors between groups that don't take every message.
    pub(crate) choosy: Vec<(ConnectorId, usize)>,
    /// What all connectors restrict.
    pub(crate) restricted: Restricted,
    /// Choices of equal address spaces that this server may use, in name order.
    pub(crate) lists: Vec<Vec<Choice>>,
    all: Option<usize>,
    exact: HashMap<Box<str>, usize>,
    below: HashMap<Box<str>, usize>,
}

impl Net {
    pub(crate) fn new(settings: &Settings) -> Self {
        let mut net = Self {
            settings: settings.clone(),
            restricted: Restricted::new(&settings.connectors),
            ..Self::default()
        };
        if let Some(topology) = &settings.topology {
            let servers = topology.server_ids().zip(topology.servers());
            net.servers = servers
                .map(|(id, server)| (server.name.to_lowercase(), id))
                .collect();
            let groups = topology.group_ids().zip(topology.groups());
            net.groups = groups
                .map(|(id, group)| (group.name.to_lowercase(), id))
                .collect();
            net.own_server = net.server(&settings.server);
            let own = net.own_server.and_then(|own| topology.server(own));
            net.own_group = own.map(|own| own.group);
            net.places = vec![None; topology.connectors().len()];
        }
        for (place, connector) in settings.connectors.iter().enumerate() {
            net.add(place, connector);
        }
        let connectors = &net.settings.connectors;
        for list in &mut net.lists {
            list.sort_by_key(|choice| {
                let found = connectors.get(choice.connector);
                (found.map(|found| &found.name), choice.cost)
            });
        }
        net
    }

    fn add(&mut self, place: usize, connector: &Connector) {
        self.names.insert(connector.name.to_lowercase(), place);
        let from = self.groups.get(&connector.group.to_lowercase()).copied();
        self.from.push(from);
        let topology = self.settings.topology.as_deref();
        let link = topology.and_then(|topology| topology.connector_of_name(&connector.name));
        let link = link.filter(|_| connector.next_hop == ConnectorHop::Group);
        self.links.push(link);
        if let Some(link) = link {
            if let Some(found) = self.places.get_mut(link.place()) {
                *found = Some(place);
            }
            if connector.restrictions.any() {
                self.choosy.push((link, place));
            }
        }
        let is_for_others = connector.scope == Scope::Group && !self.is_here(place);
        if is_for_others || connector.next_hop == ConnectorHop::Group {
            return;
        }
        for AddressSpace { pattern, cost } in &connector.address_spaces {
            let fresh = self.lists.len();
            let list = match pattern {
                Pattern::All => *self.all.get_or_insert(fresh),
                Pattern::Domain(domain) => {
                    *self.exact.entry(domain.as_str().into()).or_insert(fresh)
                }
                Pattern::Below(domain) => {
                    *self.below.entry(domain.as_str().into()).or_insert(fresh)
                }
            };
            if list == fresh {
                self.lists.push(Vec::new());
            }
            if let Some(list) = self.lists.get_mut(list) {
                list.push(Choice {
                    connector: place,
                    cost: *cost,
                });
            }
        }
    }

    pub(crate) fn topology(&self) -> Option<&Topology> {
        self.settings.topology.as_deref()
    }

    /// The server of a name, whatever its case.
    pub(crate) fn server(&self, name: &str) -> Option<ServerId> {
        self.servers.get(&name.to_lowercase()).copied()
    }

    pub(crate) fn group(&self, name: &str) -> Option<GroupId> {
        self.groups.get(&name.to_lowercase()).copied()
    }

    pub(crate) fn place_of_name(&self, connector: &str) -> Option<usize> {
        self.names.get(&connector.to_lowercase()).copied()
    }

    pub(crate) fn connector(&self, place: usize) -> Option<&Connector> {
        self.settings.connectors.get(place)
    }

    /// The number in the topology of a connector between groups.
    pub(crate) fn link(&self, place: usize) -> Option<ConnectorId> {
        self.links.get(place).copied().flatten()
    }

    /// The place in the settings of a connector between groups.
    pub(crate) fn place(&self, link: ConnectorId) -> Option<usize> {
        self.places.get(link.place()).copied().flatten()
    }

    /// The group that a connector leads out of.
    pub(crate) fn from(&self, place: usize) -> Option<GroupId> {
        self.from.get(place).copied().flatten()
    }

    /// Whether a connector leads out of this server's group. Without groups all do.
    pub(crate) fn is_here(&self, place: usize) -> bool {
        match self.own_group {
            Some(own) => self.from(place) == Some(own),
            None => true,
        }
    }

    /// Whether this server may use a connector of its group itself.
    pub(crate) fn is_own(&self, connector: &Connector) -> bool {
        let own = self.settings.server.to_lowercase();
        let mut sources = connector.sources.iter();
        connector.sources.is_empty() || sources.any(|source| source.to_lowercase() == own)
    }

    /// The lists of choices for a domain, the most specific first: the domain itself, then its parents from the nearest up,
    /// then all. Each with its pattern.
    pub(crate) fn levels<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> impl Iterator<Item = (usize, Specific<'a>)> + 'a {
        let domain = domain.as_str();
        let exact = self.exact.get(domain);
        let exact = exact.map(|list| (*list, Specific::Domain(domain)));
        let below = parents(domain).filter_map(|parent| {
            let list = self.below.get(parent)?;
            Some((*list, Specific::Below(parent)))
        });
        let all = self.all.map(|list| (list, Specific::All));
        exact.into_iter().chain(below).chain(all)
    }
}

/// A pattern, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Specific<'a> {
    Domain(&'a str),
    Below(&'a str),
    All,
}

impl std::fmt::Display for Specific<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::All => f.write_str("*"),
        }
    }
}

/// The domains above a domain, from the nearest up.
fn parents(domain: &str) -> impl Iterator<Item = &str> {
    let dots = domain.match_indices('.');
    dots.filter_map(move |(at, _)| domain.get(at + 1..))
}
