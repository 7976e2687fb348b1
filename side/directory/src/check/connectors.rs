//! Checks of connectors: their ends are where they must be, they say what fits together, and every routing group can be reached.
//!
//! Guards: what passes here makes a topology that holds.

use super::Check;
use crate::{Connector, ConnectorTls, Name, Place, RoutingGroup, Server};
use std::collections::{HashMap, HashSet};

impl<'o> Check<'o> {
    pub(super) fn connectors(&mut self) {
        let organisation = self.organisation;
        for (index, connector) in organisation.connectors.iter().enumerate() {
            let place = self.places.of::<Connector>(index);
            self.reference::<RoutingGroup>(
                connector.routing_group.as_ref(),
                place,
                "routing-group",
            );
            self.reference::<RoutingGroup>(connector.target_group.as_ref(), place, "target-group");
            self.needs_group(connector.routing_group.as_ref(), place);
            let (from, to) = (
                connector.routing_group.as_ref(),
                connector.target_group.as_ref(),
            );
            let from = from.or(self.only_group());
            self.bridgeheads(
                &connector.source_bridgeheads,
                from,
                place,
                "source-bridgeheads",
            );
            if to.is_some() || connector.target_bridgeheads.is_empty() {
                self.bridgeheads(
                    &connector.target_bridgeheads,
                    to,
                    place,
                    "target-bridgeheads",
                );
            } else {
                let reason = "means nothing without target-group";
                let line = place.key("target-bridgeheads");
                self.report
                    .fault(line, place.name("target-bridgeheads"), reason);
            }
            self.sender_lists(&connector.accept_from, &connector.reject_from, place);
            self.way(connector, place);
            if connector.username.is_some() != connector.password.is_some() {
                let reason = "username and password go together";
                self.report
                    .fault(place.key("username"), place.name("username"), reason);
            }
            self.in_the_clear(connector, place);
            self.limits(connector, place);
            self.askers(connector, place);
            self.fetching(connector, place);
        }
    }

    fn limits(&mut self, connector: &Connector, place: &Place) {
        let mut seen = HashSet::new();
        for limit in &connector.limits {
            if !seen.insert(&limit.domain) {
                let reason = format!("there are two limits for {}", limit.domain);
                self.report
                    .fault(place.key("limits"), place.name("limits"), reason);
            }
        }
    }

    /// What is lost, or means nothing, without encryption.
    fn in_the_clear(&mut self, connector: &Connector, place: &Place) {
        if connector.tls != Some(ConnectorTls::Off) {
            return;
        }
        if connector.username.is_some() {
            let reason = "the password goes over the line in clear text";
            self.report
                .warn(place.key("tls"), place.name("tls"), reason);
        }
        if connector.trusted_certificates.is_some() {
            let key = "trusted-certificates";
            let reason = "means nothing with tls = \"off\"";
            self.report.warn(place.key(key), place.name(key), reason);
        }
    }

    fn way(&mut self, connector: &Connector, place: &Place) {
        let ways = usize::from(connector.next_hop.is_some())
            + usize::from(!connector.smart_hosts.is_empty())
            + usize::from(connector.target_group.is_some());
        // Who asks for its mail by ATRN gets it wherever it is, and need not be reached.
        let only_asked = ways == 0 && !connector.asked_by.is_empty();
        let only_asks =
            ways == 0 && connector.fetch.is_some() && connector.address_space.is_empty();
        if only_asks {
            return;
        }
        if ways != 1 && !only_asked {
            let reason = "exactly one of next-hop, smart-hosts and target-group is expected";
            self.report
                .fault(place.line, place.name("next-hop"), reason);
        } else if connector.target_group.is_some() {
            self.between_groups(connector, place);
        } else if connector.address_space.is_empty() {
            let reason = "is missing, so nothing ever goes this way";
            self.report
                .fault(place.line, place.name("address-space"), reason);
        }
        let mut seen = HashSet::new();
        for (item, space) in connector.address_space.iter().enumerate() {
            if !seen.insert(&space.pattern) {
                let reason = format!("\"{}\" is there twice", space.pattern);
                let line = place.item("address-space", item);
                self.report.fault(line, place.name("address-space"), reason);
            }
        }
    }

    /// The routing group that is meant where none is named.
    pub(super) fn only_group(&self) -> Option<&'o Name> {
        match self.organisation.routing_groups.as_slice() {
            [only] => Some(&only.name),
            _ => None,
        }
    }

    /// Bridgeheads must be servers of the group at their end.
    fn bridgeheads(&mut self, named: &[Name], group: Option<&Name>, place: &Place, key: &str) {
        let organisation = self.organisation;
        let only = self.only_group();
        let mut seen = HashSet::new();
        for (item, bridgehead) in named.iter().enumerate() {
            if !seen.insert(bridgehead.folded()) {
                let reason = format!("{bridgehead} is there twice");
                let line = place.item(key, item);
                self.report.warn(line, place.name(key), reason);
            }
            self.reference::<Server>(Some(bridgehead), place, key);
            let mut servers = organisation.servers.iter();
            let server = servers.find(|server| server.name.folded() == bridgehead.folded());
            let its = server.and_then(|server| server.routing_group.as_ref().or(only));
            let (Some(group), Some(its)) = (group, its) else {
                continue;
            };
            if its.folded() != group.folded() {
                let reason = format!("{bridgehead} is in routing group {its}, not in {group}");
                let line = place.item(key, item);
                self.report.fault(line, place.name(key), reason);
            }
        }
    }

    /// A connector to another group has no keys of the other kinds of ways.
    fn between_groups(&mut self, connector: &Connector, place: &Place) {
        let target = connector.target_group.as_ref();
        let own = connector.routing_group.as_ref().or(self.only_group());
        let is_own = target
            .zip(own)
            .is_some_and(|(one, other)| one.folded() == other.folded());
        if is_own {
            let reason = "is the connector's own routing group";
            let line = place.key("target-group");
            self.report.fault(line, place.name("target-group"), reason);
        }
        let others = [
            ("address-space", !connector.address_space.is_empty()),
            ("scope", connector.scope.is_some()),
            ("tls", connector.tls.is_some()),
            (
                "trusted-certificates",
                connector.trusted_certificates.is_some(),
            ),
            ("port", connector.port.is_some()),
            ("username", connector.username.is_some()),
            ("limits", !connector.limits.is_empty()),
            ("asked-by", !connector.asked_by.is_empty()),
            ("fetch", connector.fetch.is_some()),
            ("nameservers", !connector.nameservers.is_empty()),
        ];
        for (key, _) in others.iter().filter(|(_, is_there)| *is_there) {
            let reason = "isn't for connectors with target-group: the servers of the organisation reach each other by their member-address and their keys";
            self.report.fault(place.key(key), place.name(key), reason);
        }
    }

    /// Routing groups that can't be reached from others are told, with the groups from which they can't.
    pub(super) fn reach(&mut self) {
        let organisation = self.organisation;
        let groups = &organisation.routing_groups;
        let numbers = groups.iter().zip(0_usize..);
        let numbers: HashMap<Box<str>, usize> = numbers
            .map(|(group, number)| (group.name.folded(), number))
            .collect();
        let number = |name: Option<&Name>| numbers.get(&name?.folded()).copied();
        let mut ways_in: Vec<Vec<usize>> = vec![Vec::new(); groups.len()];
        for connector in &organisation.connectors {
            let from = connector.routing_group.as_ref().or(self.only_group());
            let ends = number(from).zip(number(connector.target_group.as_ref()));
            if let Some((from, to)) = ends
                && let Some(ways) = ways_in.get_mut(to)
            {
                ways.push(from);
            }
        }
        for (index, group) in groups.iter().enumerate() {
            let reaching = reaching(&ways_in, index);
            let without = groups
                .iter()
                .zip(&reaching)
                .filter(|(_, reaches)| !**reaches);
            let without: Vec<&str> = without.map(|(group, _)| group.name.as_str()).collect();
            if without.is_empty() {
                continue;
            }
            let place = self.places.of::<RoutingGroup>(index);
            let reason = format!(
                "{} can't be reached from {}: no connectors lead there",
                group.name,
                some(&without)
            );
            self.report.warn(place.line, place.name("name"), reason);
        }
    }
}

/// Which groups reach one, by the groups that have a way into each.
fn reaching(ways_in: &[Vec<usize>], to: usize) -> Vec<bool> {
    let mut reaching = vec![false; ways_in.len()];
    let mut border = vec![to];
    while let Some(next) = border.pop() {
        match reaching.get_mut(next) {
            Some(known) if !*known => *known = true,
            _ => continue,
        }
        border.extend(ways_in.get(next).into_iter().flatten());
    }
    reaching
}

/// Names in a list that is short enough to be read.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names
        .get(..SHOWN.min(names.len()))
        .unwrap_or_default()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
