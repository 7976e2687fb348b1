//! The routing table: from a domain to the next hop. Pure: same table, same address, same answer.

use crate::settings::{AddressSpace, Connector, ConnectorHop, Pattern, Settings};
use bridgehead_mail::{Address, Domain, Failure, NextHop, StatusCode};
use std::collections::HashMap;

/// A connector that could serve a domain, and why it won or lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The connector.
    pub connector: Box<str>,
    /// The address space that matched.
    pub address_space: String,
    /// Its cost.
    pub cost: u32,
    /// Why it won or lost.
    pub verdict: String,
}

/// How a choice came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What was chosen from, the chosen one first.
    pub candidates: Vec<Candidate>,
    /// The next hop, or why there is none.
    pub result: Result<NextHop, Failure>,
}

/// The routing table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    connectors: Vec<Connector>,
    all: Vec<Choice>,
    exact: HashMap<Domain, Vec<Choice>>,
    below: HashMap<Domain, Vec<Choice>>,
}

/// A connector's place in the table, with the cost of one of its address spaces.
#[derive(Clone, Copy, Debug)]
struct Choice {
    connector: usize,
    cost: u32,
}

impl Table {
    /// Builds the table.
    #[must_use]
    pub fn build(settings: &Settings) -> Self {
        let mut table = Self {
            connectors: settings.connectors.clone(),
            ..Self::default()
        };
        for (connector, settings) in settings.connectors.iter().enumerate() {
            for AddressSpace { pattern, cost } in &settings.address_spaces {
                let choice = Choice {
                    connector,
                    cost: *cost,
                };
                let place = match pattern {
                    Pattern::All => &mut table.all,
                    Pattern::Domain(domain) => table.exact.entry(domain.clone()).or_default(),
                    Pattern::Below(domain) => table.below.entry(domain.clone()).or_default(),
                };
                place.push(choice);
            }
        }
        let connectors = &table.connectors;
        let lists = [&mut table.all]
            .into_iter()
            .chain(table.exact.values_mut())
            .chain(table.below.values_mut());
        for list in lists {
            // Lowest cost, then name order: the same on every server.
            list.sort_by_key(|choice| {
                let name = connectors
                    .get(choice.connector)
                    .map(|found| found.name.clone());
                (choice.cost, name)
            });
        }
        table
    }

    /// The next hop for an address that isn't in the store.
    ///
    /// # Errors
    /// If no connector's address space matches: 5.4.4, permanent, because the administrator decided it so.
    pub fn route(&self, address: &Address) -> Result<NextHop, Failure> {
        let domain = address.domain();
        let chosen = self.matching(domain).next();
        chosen
            .and_then(|(choice, _)| self.hop(choice, domain))
            .ok_or_else(|| no_route(domain))
    }

    /// The next hop for an address by a connector that an operator chose, whatever its address spaces; none if there is no such
    /// connector.
    #[must_use]
    pub fn by(&self, connector: &str, address: &Address) -> Option<NextHop> {
        let found = |known: &Connector| *known.name == *connector;
        let connector = self.connectors.iter().position(found)?;
        let choice = Choice { connector, cost: 0 };
        self.hop(choice, address.domain())
    }

    /// Whether there is a connector of this name.
    #[must_use]
    pub fn knows(&self, connector: &str) -> bool {
        let mut connectors = self.connectors.iter();
        connectors.any(|known| *known.name == *connector)
    }

    /// How the choice for an address comes about.
    #[must_use]
    pub fn explain(&self, address: &Address) -> Explanation {
        let domain = address.domain();
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut best: Option<(Choice, String)> = None;
        for (choice, space) in self.matching(domain) {
            let Some(connector) = self.connectors.get(choice.connector) else {
                continue;
            };
            let verdict = match &best {
                None => "chosen: the most specific address space, at the lowest cost".to_owned(),
                Some((winner, specific)) if *specific == space && winner.cost == choice.cost => {
                    "lost: same address space and cost, later in name order".to_owned()
                }
                Some((winner, specific)) if *specific == space => {
                    format!(
                        "lost: same address space, but cost {} is higher than {}",
                        choice.cost, winner.cost
                    )
                }
                Some((_, specific)) => format!("lost: {space} is less specific than {specific}"),
            };
            best.get_or_insert((choice, space.clone()));
            candidates.push(Candidate {
                connector: connector.name.clone(),
                address_space: space,
                cost: choice.cost,
                verdict,
            });
        }
        Explanation {
            candidates,
            result: self.route(address),
        }
    }

    /// All choices for a domain, best first: the domain itself, then its parents from the nearest up, then all.
    fn matching<'a>(&'a self, domain: &'a Domain) -> impl Iterator<Item = (Choice, String)> + 'a {
        let exact = self
            .exact
            .get(domain)
            .into_iter()
            .flatten()
            .map(move |choice| (*choice, domain.to_string()));
        let below = parents(domain).flat_map(move |parent| {
            let list = self
                .below
                .get(&parent)
                .map(Vec::as_slice)
                .unwrap_or_default();
            list.iter()
                .map(move |choice| (*choice, format!("*.{parent}")))
        });
        let all = self.all.iter().map(|choice| (*choice, "*".to_owned()));
        exact.chain(below).chain(all)
    }

    fn hop(&self, choice: Choice, domain: &Domain) -> Option<NextHop> {
        let connector = self.connectors.get(choice.connector)?;
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
        })
    }
}

/// The domains above a domain, from the nearest up.
fn parents(domain: &Domain) -> impl Iterator<Item = Domain> + '_ {
    let text = domain.as_str();
    let dots = text.match_indices('.');
    dots.filter_map(move |(at, _)| Domain::parse(text.get(at + 1..)?).ok())
}

fn no_route(domain: &Domain) -> Failure {
    let text = format!("No connector of this organisation leads to {domain}");
    Failure::new(StatusCode::permanent(4, 4), &text)
}
