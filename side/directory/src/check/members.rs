//! Checks of how the servers of an organisation reach and recognise each other, and of where they stand.
//!
//! Guards: an address leads to one server only, and a routing group that somebody leads to has somebody in it.

use super::Check;
use crate::{Connector, Place, RoutingGroup, Server};
use std::collections::{HashMap, HashSet};

/// The port where servers are reached that name none.
const SMTP: u16 = 25;

/// Where a server is reached, and at which place of its `member-address` that stands; none if it isn't written.
type Reached = (String, u16, Option<usize>);

fn reached(server: &Server) -> Vec<Reached> {
    let written = server.member_address.iter().enumerate();
    let written = written.map(|(item, host)| {
        let port = host.port.unwrap_or(SMTP);
        (host.name.as_str().to_lowercase(), port, Some(item))
    });
    let mut all: Vec<Reached> = written.collect();
    if all.is_empty() {
        let named = server.hostname.as_ref().map(|host| host.as_str());
        let name = named.unwrap_or(server.name.as_str()).to_lowercase();
        all.push((name, SMTP, None));
    }
    all
}

impl Check<'_> {
    /// Two servers at one address: whoever means one reaches the other. Where an address follows from a host name it can be lived
    /// with, as that may be so on purpose where no mail goes between them.
    pub(super) fn members(&mut self) {
        let organisation = self.organisation;
        if organisation.servers.len() < 2 {
            return;
        }
        let mut taken: HashMap<(String, u16), (&str, bool)> = HashMap::new();
        let mut keys: HashMap<&[u8], &str> = HashMap::new();
        for (index, server) in organisation.servers.iter().enumerate() {
            let place = self.places.of::<Server>(index);
            let name = server.name.as_str();
            let mut own = HashSet::new();
            for (host, port, item) in reached(server) {
                if ["[0.0.0.0]", "[ipv6:::]"].contains(&host.as_str()) {
                    let reason = format!("{host} is no address that others could connect to");
                    self.at_address(place, item, true, &reason);
                }
                if !own.insert((host.clone(), port)) {
                    let reason = format!("{host}:{port} is there twice");
                    self.at_address(place, item, true, &reason);
                } else if let Some((other, written)) = taken.get(&(host.clone(), port)) {
                    let reason = format!(
                        "{host}:{port} is where {other} is reached: only one of them can be there"
                    );
                    let both = *written && item.is_some();
                    self.at_address(place, item, both, &reason);
                } else {
                    taken.insert((host, port), (name, item.is_some()));
                }
            }
            for key in &server.member_keys {
                let other = keys.insert(&key.0, name).filter(|other| *other != name);
                if let Some(other) = other {
                    let reason = format!("{other} has the same key, so it proves neither");
                    let line = place.key("member-keys");
                    self.report.warn(line, place.name("member-keys"), reason);
                }
            }
        }
    }

    fn at_address(&mut self, place: &Place, item: Option<usize>, is_fault: bool, reason: &str) {
        let line = item.map_or(place.line, |item| place.item("member-address", item));
        let key = place.name("member-address");
        match is_fault {
            true => self.report.fault(line, key, reason),
            false => self.report.warn(line, key, reason),
        }
    }

    /// Routing groups without servers: nobody could use a connector that begins or ends there.
    pub(super) fn empty_groups(&mut self) {
        let organisation = self.organisation;
        let only = self.only_group();
        let servers = organisation.servers.iter();
        let settled: HashSet<_> = servers
            .filter_map(|server| server.routing_group.as_ref().or(only))
            .map(crate::Name::folded)
            .collect();
        if settled.is_empty() {
            // No server is there yet.
            return;
        }
        let groups = organisation.routing_groups.iter();
        let empty: HashSet<_> = groups
            .map(|group| group.name.folded())
            .filter(|group| !settled.contains(group))
            .collect();
        for (index, group) in organisation.routing_groups.iter().enumerate() {
            if empty.contains(&group.name.folded()) {
                let place = self.places.of::<RoutingGroup>(index);
                let reason = format!("{} has no servers", group.name);
                self.report.warn(place.line, place.name("name"), reason);
            }
        }
        for (index, connector) in organisation.connectors.iter().enumerate() {
            let place = self.places.of::<Connector>(index);
            let Some(target) = &connector.target_group else {
                continue;
            };
            let from = connector.routing_group.as_ref().or(only);
            let ends = [
                ("routing-group", from, &connector.source_bridgeheads),
                ("target-group", Some(target), &connector.target_bridgeheads),
            ];
            for (key, group, named) in ends {
                let group = group.filter(|group| empty.contains(&group.folded()));
                // Bridgeheads that are named would have to be in it, which is told of them.
                if let Some(group) = group.filter(|_| named.is_empty()) {
                    let reason = format!("{group} has no servers, so there is no bridgehead");
                    self.report.fault(place.key(key), place.name(key), reason);
                }
            }
        }
    }
}
