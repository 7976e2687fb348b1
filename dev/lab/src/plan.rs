//! Sites, their servers and the links between sites: as a file says, or one of the examples.
//!
//! Refuses what can't be, with all reasons.

use std::collections::BTreeSet;

/// A lab has at most this many servers.
pub const SERVERS_MAX: usize = 40;
/// A name has at most this many letters.
const NAME_MAX: usize = 24;
const COST: u32 = 10;
const CHORD_COST: u32 = 15;
const DEAR_COST: u32 = 25;

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Its name, which is its routing group's.
    pub name: String,
    /// Its servers.
    pub servers: Vec<String>,
}

/// A link between two sites, which is a connector each way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// One end.
    pub from: String,
    /// The other.
    pub to: String,
    /// What it costs, either way.
    pub cost: u32,
    /// The servers of the one end that use it.
    pub from_bridgeheads: Vec<String>,
    /// The servers of the other.
    pub to_bridgeheads: Vec<String>,
}

impl Link {
    /// Its name, which is also that of the connector in its direction.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}", self.from, self.to)
    }

    /// The name of the connector back.
    #[must_use]
    pub fn name_back(&self) -> String {
        format!("{}-{}", self.to, self.from)
    }
}

/// What the lab is to look like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The sites.
    pub sites: Vec<Site>,
    /// The links.
    pub links: Vec<Link>,
}

/// What is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlanFault(pub String);

const CITIES: [&str; 12] = [
    "ams", "nyc", "syd", "tok", "sao", "lon", "fra", "sin", "joh", "dub", "par", "osl",
];

impl Plan {
    /// The example with so many sites: a line, a triangle with a dear side, a square with a diagonal, or a ring with chords.
    ///
    /// # Errors
    /// If there would be no server, or too many.
    pub fn example(sites: usize, servers_per_site: usize) -> Result<Self, Vec<PlanFault>> {
        let count = sites.saturating_mul(servers_per_site);
        if !(1..=SERVERS_MAX).contains(&count) {
            return Err(vec![PlanFault(format!(
                "{sites} sites with {servers_per_site} servers each: a lab has 1 to {SERVERS_MAX} servers"
            ))]);
        }
        let name = |site: usize| match CITIES.get(site) {
            Some(city) => (*city).to_owned(),
            None => format!("x{}x", site + 1),
        };
        let mut plan = Self::default();
        for site in 0..sites {
            let name = name(site);
            let servers = (1..=servers_per_site).map(|number| format!("{name}{number}"));
            plan.sites.push(Site {
                servers: servers.collect(),
                name,
            });
        }
        for (from, to, cost) in example_links(sites) {
            let bridgeheads = |site: usize| {
                let servers = plan.sites.get(site).map(|site| site.servers.as_slice());
                servers
                    .unwrap_or_default()
                    .iter()
                    .take(2)
                    .cloned()
                    .collect()
            };
            plan.links.push(Link {
                from: name(from),
                to: name(to),
                cost,
                from_bridgeheads: bridgeheads(from),
                to_bridgeheads: bridgeheads(to),
            });
        }
        plan.check().map(|()| plan)
    }

    /// # Errors
    /// All that is wrong with it.
    pub fn check(&self) -> Result<(), Vec<PlanFault>> {
        let mut faults = self.site_faults();
        faults.extend(self.link_faults());
        match faults.is_empty() {
            true => Ok(()),
            false => Err(faults),
        }
    }

    fn site_faults(&self) -> Vec<PlanFault> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(PlanFault(text));
        let mut sites = BTreeSet::new();
        let mut servers = BTreeSet::new();
        let fits = |kind: &str, name: &str| match is_name(name) {
            true => None,
            false => Some(format!(
                "{kind} '{}': a name has 1 to {NAME_MAX} small letters and digits",
                shown(name)
            )),
        };
        for site in &self.sites {
            fits("site", &site.name).map(&mut fault);
            if site.servers.is_empty() {
                fault(format!("site '{}' has no servers", shown(&site.name)));
            }
            if !sites.insert(&site.name) {
                fault(format!("two sites are named '{}'", shown(&site.name)));
            }
            for server in &site.servers {
                fits("server", server).map(&mut fault);
                if !servers.insert(server) {
                    fault(format!("two servers are named '{}'", shown(server)));
                }
            }
        }
        if !(1..=SERVERS_MAX).contains(&servers.len()) {
            let count = servers.len();
            fault(format!("{count} servers: a lab has 1 to {SERVERS_MAX}"));
        }
        faults
    }

    fn link_faults(&self) -> Vec<PlanFault> {
        let mut faults = Vec::new();
        let mut fault = |text: String| faults.push(PlanFault(text));
        let mut pairs = BTreeSet::new();
        for link in &self.links {
            let name = shown(&link.name());
            if link.from == link.to {
                fault(format!("link {name} leads from a site to itself"));
            }
            if !(1..=100).contains(&link.cost) {
                let cost = link.cost;
                fault(format!("link {name} costs {cost}: 1 to 100 is expected"));
            }
            let (low, high) = ((&link.from).min(&link.to), (&link.from).max(&link.to));
            if !pairs.insert((low, high)) {
                let (low, high) = (shown(low), shown(high));
                fault(format!("two links join {low} and {high}"));
            }
            for (end, bridgeheads) in [
                (&link.from, &link.from_bridgeheads),
                (&link.to, &link.to_bridgeheads),
            ] {
                let Some(site) = self.sites.iter().find(|site| site.name == *end) else {
                    fault(format!("link {name}: there is no site '{}'", shown(end)));
                    continue;
                };
                if bridgeheads.is_empty() {
                    fault(format!("link {name} has no bridgehead in {}", site.name));
                }
                for server in bridgeheads {
                    if !site.servers.contains(server) {
                        let server = shown(server);
                        fault(format!(
                            "link {name}: '{server}' is no server of {}",
                            site.name
                        ));
                    }
                }
            }
        }
        faults
    }

    /// All servers, with their sites.
    pub fn servers(&self) -> impl Iterator<Item = (&Site, &String)> {
        let sites = self.sites.iter();
        sites.flat_map(|site| site.servers.iter().map(move |server| (site, server)))
    }

    /// The name in the other direction of a link that is named in one.
    #[must_use]
    pub fn link_back(&self, name: &str) -> Option<String> {
        self.links.iter().find_map(|link| {
            let (there, back) = (link.name(), link.name_back());
            match name {
                _ if name == there => Some(back),
                _ if name == back => Some(there),
                _ => None,
            }
        })
    }

    /// The pairs of servers of which the first may connect to the second: those of a site, and those at the ends of a link.
    #[must_use]
    pub fn pairs(&self) -> BTreeSet<(String, String)> {
        let mut pairs = BTreeSet::new();
        for site in &self.sites {
            pairs.extend(all_pairs(&site.servers, &site.servers));
        }
        for link in &self.links {
            pairs.extend(all_pairs(&link.from_bridgeheads, &link.to_bridgeheads));
            pairs.extend(all_pairs(&link.to_bridgeheads, &link.from_bridgeheads));
        }
        pairs.retain(|(from, to)| from != to);
        pairs
    }

    /// The pairs of servers in the direction in which a link is named, by the name of the link or of its way back.
    #[must_use]
    pub fn pairs_of(&self, name: &str) -> Option<Vec<(String, String)>> {
        self.links.iter().find_map(|link| {
            let (from, to) = (&link.from_bridgeheads, &link.to_bridgeheads);
            if name == link.name() {
                return Some(all_pairs(from, to).collect());
            }
            (name == link.name_back()).then(|| all_pairs(to, from).collect())
        })
    }
}

fn all_pairs<'a>(
    from: &'a [String],
    to: &'a [String],
) -> impl Iterator<Item = (String, String)> + 'a {
    from.iter()
        .flat_map(move |from| to.iter().map(move |to| (from.clone(), to.clone())))
}

fn is_name(name: &str) -> bool {
    let plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(plain)
}

/// A name that may be anything, cut to what can be shown.
fn shown(name: &str) -> String {
    let letters = name.chars().take(40);
    letters.flat_map(char::escape_debug).collect()
}

fn example_links(sites: usize) -> Vec<(usize, usize, u32)> {
    match sites {
        0 | 1 => Vec::new(),
        2 => vec![(0, 1, COST)],
        3 => vec![(0, 1, COST), (1, 2, COST), (0, 2, DEAR_COST)],
        _ => {
            let ring = (0..sites).map(|site| (site, (site + 1) % sites, COST));
            let mut links: Vec<_> = ring.collect();
            // From every third site to the one across, each once.
            let across = (0..sites / 2).step_by(3);
            links.extend(across.map(|site| (site, site + sites / 2, CHORD_COST)));
            links
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_examples_add_up() {
        for sites in 1..=SERVERS_MAX {
            let plan = Plan::example(sites, 1).unwrap();
            assert_eq!(plan.sites.len(), sites);
        }
        assert_eq!(Plan::example(2, 1).unwrap().links.len(), 1);
        assert_eq!(Plan::example(3, 1).unwrap().links.len(), 3);
        assert_eq!(Plan::example(4, 2).unwrap().links.len(), 5);
        assert!(Plan::example(0, 1).is_err());
        assert!(Plan::example(3, 14).is_err());
        assert!(Plan::example(usize::MAX, 2).is_err());
    }

    #[test]
    fn a_link_is_all_pairs_of_its_bridgeheads() {
        let plan = Plan::example(2, 3).unwrap();
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let there = plan.pairs_of("ams-nyc").unwrap();
        assert_eq!(there.len(), 4);
        assert!(there.contains(&pair("ams2", "nyc1")));
        assert!(
            plan.pairs_of("nyc-ams")
                .unwrap()
                .contains(&pair("nyc1", "ams2"))
        );
        assert_eq!(plan.pairs_of("ams-syd"), None);
        for (name, back) in [
            ("ams-nyc", Some("nyc-ams")),
            ("nyc-ams", Some("ams-nyc")),
            ("ams-syd", None),
        ] {
            assert_eq!(plan.link_back(name).as_deref(), back);
        }
        let pairs = plan.pairs();
        assert!(pairs.contains(&pair("ams1", "ams3")) && !pairs.contains(&pair("ams3", "nyc1")));
        assert_eq!(pairs.len(), 6 + 6 + 8);
    }

    #[test]
    fn what_cant_be_is_said() {
        let mut plan = Plan::example(2, 1).unwrap();
        plan.links[0].to_bridgeheads = vec!["ams1".to_owned()];
        plan.links[0].cost = 0;
        plan.sites[1].name = "New York".to_owned();
        let faults = plan.check().unwrap_err();
        let text: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 3, "{text:?}");
        assert!(text[0].contains("'New York'") && text[1].contains("costs 0"));
    }
}
