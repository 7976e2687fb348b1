//! The topology file: TOML with sites and links.
//!
//! Guards: an unknown key is an error with its line. Refuses files of more than a megabyte.

use crate::plan::{Link, Plan, PlanFault, Site};
use serde::Deserialize;

const OCTETS_MAX: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    site: Vec<SiteTable>,
    #[serde(default)]
    link: Vec<LinkTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteTable {
    name: String,
    servers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkTable {
    from: String,
    to: String,
    #[serde(default = "ten")]
    cost: u32,
    /// Of both ends; none of an end: all of its servers.
    #[serde(default)]
    bridgeheads: Vec<String>,
}

const fn ten() -> u32 {
    10
}

impl Plan {
    /// From the text of a topology file.
    ///
    /// # Errors
    /// If it isn't one, with the line; or all that is wrong with what it says.
    pub fn parse(text: &str) -> Result<Self, Vec<PlanFault>> {
        if text.len() > OCTETS_MAX {
            let why = format!("a topology file has at most {OCTETS_MAX} octets");
            return Err(vec![PlanFault(why)]);
        }
        let file: File =
            toml::from_str(text).map_err(|error| vec![PlanFault(error.to_string())])?;
        let sites = file.site.into_iter().map(|site| Site {
            name: site.name,
            servers: site.servers,
        });
        let sites: Vec<Site> = sites.collect();
        let mut faults = Vec::new();
        let mut links = Vec::new();
        for link in file.link {
            let servers = |name: &String| {
                let site = sites.iter().find(|site| site.name == *name);
                site.map(|site| site.servers.clone()).unwrap_or_default()
            };
            let (from, to) = (servers(&link.from), servers(&link.to));
            for name in &link.bridgeheads {
                if !from.contains(name) && !to.contains(name) {
                    faults.push(PlanFault(format!(
                        "link {}-{}: '{}' is a server of neither end",
                        link.from,
                        link.to,
                        name.escape_debug()
                    )));
                }
            }
            let named = |all: Vec<String>| {
                let mut named = all.clone();
                named.retain(|server| link.bridgeheads.contains(server));
                if named.is_empty() { all } else { named }
            };
            links.push(Link {
                from_bridgeheads: named(from),
                to_bridgeheads: named(to),
                from: link.from.clone(),
                to: link.to.clone(),
                cost: link.cost,
            });
        }
        let plan = Self {
            sites,
            links,
            ordinary_retries: false,
        };
        if let Err(more) = plan.check() {
            faults.extend(more);
        }
        match faults.is_empty() {
            true => Ok(plan),
            false => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[[site]]
name = "ams"
servers = ["ams1", "ams2"]

[[site]]
name = "nyc"
servers = ["nyc1"]

[[link]]
from = "ams"
to = "nyc"
cost = 7
bridgeheads = ["ams2"]
"#;

    #[test]
    fn a_file_is_a_plan() {
        let plan = Plan::parse(TEXT).unwrap();
        let link = &plan.links[0];
        assert_eq!((link.cost, link.name()), (7, "ams-nyc".to_owned()));
        assert_eq!(link.from_bridgeheads, ["ams2"]);
        assert_eq!(link.to_bridgeheads, ["nyc1"]);
    }

    #[test]
    fn what_isnt_known_is_an_error_with_its_line() {
        let why = Plan::parse(&TEXT.replace("cost =", "costs =")).unwrap_err();
        let why = why[0].to_string();
        assert!(why.contains("line 13") && why.contains("costs"), "{why}");
        let why = Plan::parse(&TEXT.replace("[\"ams2\"]", "[\"syd1\"]")).unwrap_err();
        assert!(
            why[0]
                .to_string()
                .contains("'syd1' is a server of neither end")
        );
        let why = Plan::parse(&TEXT.replace("to = \"nyc\"", "to = \"syd\"")).unwrap_err();
        assert!(why[0].to_string().contains("no site 'syd'"));
        assert!(Plan::parse(&"#".repeat(OCTETS_MAX + 1)).is_err());
        assert!(Plan::parse("").is_err());
    }
}
