//! The organisation file as it is applied at one server: the same everywhere but for where the others are reached.

use crate::plan::Plan;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

/// The domain of all mailboxes.
pub(crate) const DOMAIN: &str = "lab.test";
/// Where nobody listens, another place for each server.
fn nowhere(number: usize) -> String {
    format!("127.1.{}.{}:1", number / 200 % 200, number % 200 + 1)
}

/// The mailbox whose home is a server.
pub(crate) fn mailbox(server: &str) -> String {
    format!("box-{server}")
}

/// The text for `viewer`. `ways` are the relays of pairs of servers, `keys` the members' keys.
pub(crate) fn text(
    plan: &Plan,
    viewer: &str,
    ways: &BTreeMap<(String, String), SocketAddr>,
    keys: &BTreeMap<String, String>,
) -> String {
    let first = plan.servers().next().map(|(_, server)| server.as_str());
    let postmaster = mailbox(first.unwrap_or_default());
    let mut text = format!(
        "[organization]\nname = \"Lab\"\npostmaster = \"{postmaster}@{DOMAIN}\"\n\n\
         [[accepted-domain]]\nname = \"{DOMAIN}\"\nkind = \"authoritative\"\n"
    );
    for site in &plan.sites {
        push(
            &mut text,
            format_args!("\n[[routing-group]]\nname = \"{}\"\n", site.name),
        );
    }
    let retries = match plan.ordinary_retries {
        true => "",
        false => "retry-schedule = [\"1s\", \"2s\", \"5s\"]\n",
    };
    for (number, (site, server)) in plan.servers().enumerate() {
        let way = ways.get(&(viewer.to_owned(), server.clone()));
        let way = way.map_or_else(|| nowhere(number), ToString::to_string);
        push(
            &mut text,
            format_args!(
                "\n[[server]]\nname = \"{server}\"\nhostname = \"{server}.{DOMAIN}\"\nrouting-group = \"{}\"\n\
                 member-address = [\"{way}\"]\n{retries}",
                site.name
            ),
        );
        if let Some(key) = keys.get(server) {
            push(&mut text, format_args!("member-keys = [\"{key}\"]\n"));
        }
        push(
            &mut text,
            format_args!(
                "\n[[virtual-server]]\nname = \"in-{server}\"\nserver = \"{server}\"\nrole = \"mx\"\n\
                 listen = [\"127.0.0.1:0\"]\nrelay-from = [\"127.0.0.0/8\"]\n\
                 \n[[mailbox]]\nname = \"{0}\"\naddresses = [\"{0}@{DOMAIN}\"]\nserver = \"{server}\"\n",
                mailbox(server)
            ),
        );
    }
    for link in &plan.links {
        let there = (
            &link.from,
            &link.to,
            &link.from_bridgeheads,
            &link.to_bridgeheads,
        );
        let back = (
            &link.to,
            &link.from,
            &link.to_bridgeheads,
            &link.from_bridgeheads,
        );
        for (from, to, sources, targets) in [there, back] {
            push(
                &mut text,
                format_args!(
                    "\n[[connector]]\nname = \"{from}-{to}\"\nrouting-group = \"{from}\"\ntarget-group = \"{to}\"\n\
                     cost = {}\nsource-bridgeheads = {sources:?}\ntarget-bridgeheads = {targets:?}\n",
                    link.cost
                ),
            );
        }
    }
    text
}

/// Writing into a text can't fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_differ_in_addresses_only() {
        let plan = Plan::example(3, 2).unwrap();
        let pairs = plan.pairs().into_iter().zip(4000..);
        let ways: BTreeMap<_, _> = pairs
            .map(|(pair, port)| (pair, SocketAddr::from(([127, 0, 0, 1], port))))
            .collect();
        let keys = BTreeMap::from([("ams1".to_owned(), "ed25519:AAAA".to_owned())]);
        let view = |viewer: &str| {
            let text = text(&plan, viewer, &ways, &keys);
            let lines = text
                .lines()
                .filter(|line| !line.starts_with("member-address"));
            (lines.collect::<Vec<_>>().join("\n"), text)
        };
        let ((ams, ams_text), (nyc, nyc_text)) = (view("ams1"), view("nyc1"));
        assert_eq!(ams, nyc);
        assert_ne!(ams_text, nyc_text);
        assert!(ams.contains("source-bridgeheads = [\"ams1\", \"ams2\"]"));
        assert!(ams.contains("member-keys = [\"ed25519:AAAA\"]"));
    }
    #[test]
    fn each_server_has_an_address_of_its_own_also_where_no_way_leads_to_it() {
        for (sites, servers) in [(1, 2), (4, 1), (4, 2), (20, 2)] {
            let plan = Plan::example(sites, servers).unwrap();
            let text = text(&plan, "ams1", &BTreeMap::new(), &BTreeMap::new());
            let all = text
                .lines()
                .filter(|line| line.starts_with("member-address"));
            let all: Vec<_> = all.collect();
            let different: std::collections::BTreeSet<_> = all.iter().collect();
            assert_eq!((all.len(), different.len()), (sites * servers, all.len()));
        }
    }
}
