//! The other servers of the organisation: where they are, and how they prove who they are.

use crate::room::SMTP;
use bridgehead_delivery::settings::Member;
use bridgehead_directory::{Server, Snapshot};
use bridgehead_mail::{Domain, Host};
use std::collections::HashMap;

/// The servers of an organisation but for one's own, by name. One whose name can't be a host name and that says no address isn't
/// reached.
pub(crate) fn members(snapshot: &Snapshot, own: &Server) -> HashMap<Box<str>, Member> {
    let servers = snapshot.configuration().servers.iter();
    let others = servers.filter(|server| server.name.folded() != own.name.folded());
    others
        .map(|server| (server.name.as_str().into(), member(server)))
        .collect()
}

/// The name of the routing group that a server is in: the one it says, or the only one; empty if it is in none.
pub(crate) fn own_group(snapshot: &Snapshot, server: &Server) -> Box<str> {
    let only = match snapshot.configuration().routing_groups.as_slice() {
        [only] => Some(&only.name),
        _ => None,
    };
    let group = server.routing_group.as_ref().or(only);
    group.map(|name| name.as_str().into()).unwrap_or_default()
}

fn member(server: &Server) -> Member {
    let written = server.member_address.iter().map(|host| Host {
        name: host.name.clone(),
        port: host.port.unwrap_or(SMTP),
    });
    let mut hosts: Vec<Host> = written.collect();
    if hosts.is_empty() {
        let named = server.hostname.clone();
        let name = named.or_else(|| Domain::parse(server.name.as_str()).ok());
        hosts.extend(name.map(|name| Host { name, port: SMTP }));
    }
    Member {
        hosts,
        keys: server.member_keys.iter().map(|key| key.0).collect(),
    }
}
