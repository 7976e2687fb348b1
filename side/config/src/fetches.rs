//! Which mail one server asks for elsewhere.
//!
//! Guards: only servers that may use a connector ask by it, and by ATRN only where a virtual server takes what comes.

use crate::room::SMTP;
use bridgehead_delivery::settings as delivery;
use bridgehead_directory::{Connector, FetchBy, Server};
use bridgehead_listener::settings::{Role, VirtualServer};
use bridgehead_mail::Host;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How often another server is asked where nothing is said.
const EVERY: Duration = Duration::from_secs(15 * 60);

/// What this server asks for by these connectors, and for whom: the virtual servers are its own.
pub(crate) fn fetches(
    server: &Server,
    connectors: &[&Connector],
    virtual_servers: &[VirtualServer],
) -> HashMap<Box<str>, Arc<delivery::FetchSettings>> {
    let own = server.name.folded();
    let may_use = |connector: &&&Connector| {
        let mut sources = connector.source_bridgeheads.iter();
        connector.source_bridgeheads.is_empty() || sources.any(|source| source.folded() == own)
    };
    let made = connectors.iter().filter(may_use).filter_map(|connector| {
        let fetch = fetch(connector, virtual_servers)?;
        Some((connector.name.as_str().into(), Arc::new(fetch)))
    });
    made.collect()
}

fn fetch(
    connector: &Connector,
    virtual_servers: &[VirtualServer],
) -> Option<delivery::FetchSettings> {
    let written = connector.fetch.as_ref()?;
    let mut known = virtual_servers.iter();
    let virtual_server = match &written.virtual_server {
        Some(name) => known.find(|server| server.name.to_lowercase() == *name.folded()),
        None => known.find(|server| server.role == Role::Mx && !server.require_auth),
    };
    let by = match written.by {
        FetchBy::Etrn => delivery::FetchBy::Etrn,
        FetchBy::Atrn => delivery::FetchBy::Atrn,
    };
    let virtual_server = match (by, virtual_server) {
        (_, Some(server)) => server.name.clone(),
        (delivery::FetchBy::Etrn, None) => Box::default(),
        // Another server of the group has it.
        (delivery::FetchBy::Atrn, None) => return None,
    };
    Some(delivery::FetchSettings {
        host: Host {
            name: written.host.name.clone(),
            port: written.host.port.or(connector.port).unwrap_or(SMTP),
        },
        by,
        domains: written.domains.clone(),
        every: written.every.map_or(EVERY, |every| every.duration()),
        virtual_server,
    })
}
