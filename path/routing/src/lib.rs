//! Which next hop: address spaces and costs. Pure.
//!
//! What it is: a table built from the connectors, asked for each recipient that isn't in the store. What it guards: the same
//! table gives the same answer for the same address, and can say why. What it may refuse: a domain that no connector serves.
//! Deliberately absent: sockets, DNS, the clock. Sites and link state come here later.

pub mod settings;
mod table;

pub use settings::Settings;
pub use table::{Candidate, Explanation, Table};

#[cfg(test)]
mod tests {
    use crate::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
    use crate::{Settings, Table};
    use bridgehead_mail::{Address, Domain, Host, NextHop};

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn connector(name: &str, pattern: Pattern, cost: u32) -> Connector {
        let host = Host {
            name: domain("relay.example"),
            port: 25,
        };
        Connector {
            name: name.into(),
            address_spaces: vec![AddressSpace { pattern, cost }],
            next_hop: match name {
                "internet" => ConnectorHop::Mx,
                _ => ConnectorHop::SmartHosts([host].into()),
            },
            apart: vec![Pattern::Below(domain("limited.example"))],
        }
    }

    fn table() -> Table {
        let connectors = vec![
            connector("internet", Pattern::All, 1),
            connector("b-partner", Pattern::Domain(domain("partner.example")), 10),
            connector("a-partner", Pattern::Domain(domain("partner.example")), 10),
            connector("dear", Pattern::Domain(domain("partner.example")), 20),
            connector("below", Pattern::Below(domain("partner.example")), 1),
            connector("deeper", Pattern::Below(domain("deep.partner.example")), 99),
        ];
        Table::build(&Settings { connectors })
    }

    fn chosen(address: &str) -> String {
        let address = Address::parse(address).unwrap();
        match table().route(&address).unwrap() {
            NextHop::Mx { connector, .. } | NextHop::SmartHosts { connector, .. } => {
                connector.into()
            }
            other => other.link().to_string(),
        }
    }

    #[test]
    fn the_most_specific_space_wins_then_cost_then_name() {
        assert_eq!(chosen("x@partner.example"), "a-partner");
        assert_eq!(chosen("x@a.partner.example"), "below");
        assert_eq!(chosen("x@a.deep.partner.example"), "deeper");
        assert_eq!(chosen("x@deep.partner.example"), "below");
        assert_eq!(chosen("x@xpartner.example"), "internet");
        assert_eq!(chosen("x@[192.0.2.1]"), "internet");
    }

    #[test]
    fn a_domain_with_limits_of_its_own_waits_apart_at_a_smart_host() {
        let apart = |address: &str| {
            let address = Address::parse(address).unwrap();
            match table().by("below", &address) {
                Some(NextHop::SmartHosts { apart, .. }) => apart.map(|domain| domain.to_string()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(
            apart("x@a.limited.example"),
            Some("a.limited.example".to_owned())
        );
        assert_eq!(apart("x@limited.example"), None);
        assert_eq!(apart("x@unlimited.example"), None);
    }

    #[test]
    fn the_explanation_names_the_losers_and_why() {
        let explained = table().explain(&Address::parse("x@partner.example").unwrap());
        let verdicts: Vec<(&str, &str)> = explained
            .candidates
            .iter()
            .map(|candidate| (&*candidate.connector, candidate.verdict.as_str()))
            .collect();
        assert_eq!(
            verdicts,
            [
                (
                    "a-partner",
                    "chosen: the most specific address space, at the lowest cost"
                ),
                (
                    "b-partner",
                    "lost: same address space and cost, later in name order"
                ),
                (
                    "dear",
                    "lost: same address space, but cost 20 is higher than 10"
                ),
                ("internet", "lost: * is less specific than partner.example"),
            ]
        );
    }

    #[test]
    fn a_connector_can_be_chosen_whatever_its_address_spaces() {
        let address = Address::parse("x@example.net").unwrap();
        let hop = table().by("a-partner", &address);
        assert_eq!(
            hop.map(|hop| hop.link().to_string()),
            Some("a-partner/relay.example:25".to_owned())
        );
        let hop = table().by("internet", &address);
        assert_eq!(
            hop.map(|hop| hop.link().to_string()),
            Some("internet/example.net".to_owned())
        );
        assert!(table().by("nowhere", &address).is_none());
        assert!(!table().knows("nowhere"));
    }

    #[test]
    fn without_a_matching_space_the_failure_says_so() {
        let failure = Table::build(&Settings::default())
            .route(&Address::parse("x@example.net").unwrap())
            .unwrap_err();
        assert_eq!(
            failure.to_string(),
            "5.4.4 No connector of this organisation leads to example.net"
        );
    }
}
