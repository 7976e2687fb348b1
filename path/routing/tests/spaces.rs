//! Address spaces of one server without routing groups.

#![allow(clippy::unwrap_used, clippy::panic)]

use bridgehead_linkstate::Links;
use bridgehead_mail::{Address, Domain, Failure, Host, NextHop, Timestamp};
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_routing::{Explanation, Facts, Goal, Settings, Table};

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn connector(name: &str, pattern: Pattern, cost: u32) -> Connector {
    let host = Host {
        name: domain("relay.example"),
        port: 25,
    };
    Connector {
        address_spaces: vec![AddressSpace { pattern, cost }],
        next_hop: match name {
            "internet" => ConnectorHop::Mx,
            _ => ConnectorHop::SmartHosts([host].into()),
        },
        apart: vec![Pattern::Below(domain("limited.example"))],
        ..Connector::named(name)
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
    built(connectors)
}

fn built(connectors: Vec<Connector>) -> Table {
    let settings = Settings {
        connectors,
        ..Settings::default()
    };
    Table::build(&settings, &Links::default())
}

fn routed(table: &Table, address: &str) -> Result<NextHop, Failure> {
    let address = Address::parse(address).unwrap();
    table.route(Goal::Address(&address), &Facts::at(Timestamp::EPOCH))
}

fn explained(address: &str) -> Explanation {
    let address = Address::parse(address).unwrap();
    table().explain(Goal::Address(&address), &Facts::at(Timestamp::EPOCH))
}

fn chosen(address: &str) -> String {
    match routed(&table(), address).unwrap() {
        NextHop::Mx { connector, .. } | NextHop::SmartHosts { connector, .. } => connector.into(),
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
        match table().by("below", &address, &Facts::at(Timestamp::EPOCH)) {
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
    let explained = explained("x@partner.example");
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
    let hop = table().by("a-partner", &address, &Facts::at(Timestamp::EPOCH));
    assert_eq!(
        hop.map(|hop| hop.link().to_string()),
        Some("a-partner/relay.example:25".to_owned())
    );
    let hop = table().by("internet", &address, &Facts::at(Timestamp::EPOCH));
    assert_eq!(
        hop.map(|hop| hop.link().to_string()),
        Some("internet/example.net".to_owned())
    );
    assert!(
        table()
            .by("nowhere", &address, &Facts::at(Timestamp::EPOCH))
            .is_none()
    );
    assert!(!table().knows("nowhere"));
}

#[test]
fn without_a_matching_space_the_failure_says_so() {
    let failure = routed(&built(Vec::new()), "x@example.net").unwrap_err();
    assert_eq!(
        failure.to_string(),
        "5.4.4 No connector of this organisation leads to example.net"
    );
}
