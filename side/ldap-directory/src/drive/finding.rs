//! Which servers there are, by what DNS says (RFC 2782), and their addresses.

use crate::{LdapError, LdapSettings, ServerUrl};
use bridgehead_dns::{resolver, total};
use bridgehead_mail::Domain;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use std::io;
use std::net::SocketAddr;
use tokio::time::timeout;

/// Servers that are tried; DNS may name more.
const SERVERS_MAX: usize = 32;

/// The servers of a domain.
pub(super) async fn servers(
    domain: &Domain,
    settings: &LdapSettings,
) -> Result<Vec<ServerUrl>, LdapError> {
    let name = format!("_ldap._tcp.{domain}.");
    let no_server = |reason: String| LdapError::NoServer {
        reason: format!("{name}: {reason}"),
    };
    let looked_up = resolver_of(settings).map_err(|error| no_server(error.to_string()))?;
    let looked_up = looked_up.srv_lookup(name.as_str());
    let found = timeout(total(settings.timeout), looked_up)
        .await
        .map_err(|_| no_server("DNS doesn't answer in time".to_owned()))?
        .map_err(|error| no_server(error.to_string()))?;
    let records = found.answers().iter();
    let mut records: Vec<_> = records
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => {
                let target = srv.target.to_ascii();
                let weight = u16::MAX - srv.weight;
                Some((srv.priority, weight, target, srv.port))
            }
            _ => None,
        })
        // RFC 2782: "." means that the service isn't there.
        .filter(|(_, _, target, _)| target != ".")
        .collect();
    if records.is_empty() {
        return Err(no_server("no server is named there".to_owned()));
    }
    // The lowest priority first; among equals the heaviest, not by chance: so that all servers write to the same.
    records.sort();
    let servers = records.into_iter().take(SERVERS_MAX);
    let servers = servers.map(|(_, _, target, port)| ServerUrl {
        tls: false,
        host: target.trim_end_matches('.').to_owned(),
        port,
    });
    Ok(servers.collect())
}

/// The addresses of a server.
pub(super) async fn addresses(
    server: &ServerUrl,
    settings: &LdapSettings,
) -> io::Result<Vec<SocketAddr>> {
    if settings.nameservers.is_empty() {
        // As the machine does it, with its file of hosts.
        let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await?;
        return Ok(found.collect());
    }
    let looked_up = resolver_of(settings).map_err(io::Error::other)?;
    let found = looked_up.lookup_ip(server.host.as_str()).await;
    let found = found.map_err(io::Error::other)?;
    Ok(found.iter().map(|ip| (ip, server.port).into()).collect())
}

fn resolver_of(settings: &LdapSettings) -> Result<TokioResolver, hickory_resolver::net::NetError> {
    resolver(&settings.nameservers, settings.timeout)
}
