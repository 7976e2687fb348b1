//! The table against an independent reading of its rules: the most specific space, then the lowest cost, then the name.

#![allow(clippy::unwrap_used, clippy::panic)]

use bridgehead_linkstate::Links;
use bridgehead_mail::{Address, Domain, NextHop, Timestamp};
use bridgehead_routing::settings::{AddressSpace, Connector, ConnectorHop, Pattern};
use bridgehead_routing::{Facts, Goal, Settings, Table};
use proptest::prelude::*;

const NAMES: [&str; 5] = [
    "example",
    "a.example",
    "b.a.example",
    "xa.example",
    "[192.0.2.1]",
];

fn domain() -> impl Strategy<Value = Domain> {
    prop::sample::select(&NAMES).prop_map(|name| Domain::parse(name).unwrap())
}

fn space() -> impl Strategy<Value = AddressSpace> {
    let pattern = prop_oneof![
        Just(Pattern::All),
        domain().prop_map(Pattern::Domain),
        domain().prop_map(Pattern::Below),
    ];
    (pattern, 1u32..4).prop_map(|(pattern, cost)| AddressSpace { pattern, cost })
}

fn connectors() -> impl Strategy<Value = Vec<Connector>> {
    let spaces = prop::collection::vec(space(), 0..4);
    prop::collection::vec(spaces, 0..6).prop_map(|all| {
        let named = ('a'..).zip(all);
        let connector = |(name, address_spaces): (char, _)| Connector {
            address_spaces,
            next_hop: ConnectorHop::Mx,
            ..Connector::named(&name.to_string())
        };
        named.map(connector).collect()
    })
}

/// How specific a match is; none if there is none.
fn specific(pattern: &Pattern, domain: &Domain) -> Option<usize> {
    match pattern {
        Pattern::All => Some(0),
        Pattern::Domain(own) => (own == domain).then_some(usize::MAX),
        Pattern::Below(parent) => {
            let below = domain.as_str().ends_with(&format!(".{parent}"));
            below.then(|| parent.as_str().split('.').count())
        }
    }
}

fn expected(connectors: &[Connector], domain: &Domain) -> Option<String> {
    let all = connectors.iter().flat_map(|connector| {
        let spaces = connector.address_spaces.iter();
        spaces.filter_map(|space| {
            let specific = specific(&space.pattern, domain)?;
            Some((
                usize::MAX - specific,
                space.cost,
                connector.name.to_string(),
            ))
        })
    });
    all.min().map(|(_, _, name)| name)
}

fn table(connectors: Vec<Connector>) -> Table {
    let settings = Settings {
        connectors,
        ..Settings::default()
    };
    Table::build(&settings, &Links::default())
}

fn chosen(connectors: Vec<Connector>, address: &Address) -> Option<String> {
    let facts = Facts::at(Timestamp::EPOCH);
    match table(connectors)
        .route(Goal::Address(address), &facts)
        .ok()?
    {
        NextHop::Mx { connector, domain } => {
            assert_eq!(&domain, address.domain());
            Some(connector.into())
        }
        other => panic!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn the_table_chooses_by_its_rules_whatever_the_order(connectors in connectors(), domain in domain()) {
        let address = Address::parse(&format!("x@{domain}")).unwrap();
        let expected = expected(&connectors, &domain);
        let reversed = connectors.iter().rev().cloned().collect();
        prop_assert_eq!(chosen(connectors, &address), expected.clone());
        prop_assert_eq!(chosen(reversed, &address), expected);
    }

    #[test]
    fn the_explanation_begins_with_the_choice(connectors in connectors(), domain in domain()) {
        let address = Address::parse(&format!("x@{domain}")).unwrap();
        let facts = Facts::at(Timestamp::EPOCH);
        let explained = table(connectors.clone()).explain(Goal::Address(&address), &facts);
        let first = explained.candidates.first().map(|one| one.connector.to_string());
        prop_assert_eq!(first, expected(&connectors, &domain));
    }
}
