//! From a next hop to an open connection: hosts in order, their addresses in order, until one can be used.

use super::connection::{Connection, Opening};
use super::dns::{Exchangers, Resolvers};
use super::tls::ClientTls;
use crate::exchangers::{loops_back, order};
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Domain, Failure, Host, NextHop, StatusCode};
use std::net::{IpAddr, SocketAddr};

/// What is needed to reach a next hop.
pub(super) struct Reach<'a> {
    pub(super) settings: &'a Settings,
    pub(super) connector: &'a ConnectorSettings,
    pub(super) resolvers: &'a Resolvers,
    pub(super) tls: &'a ClientTls,
}

impl Reach<'_> {
    pub(super) async fn connect(&self, hop: &NextHop) -> Result<Connection, Failure> {
        let hosts = match hop {
            NextHop::Local => Vec::new(),
            NextHop::SmartHosts { hosts, .. } => hosts.to_vec(),
            NextHop::Mx { domain, .. } => self.exchangers(domain).await?,
        };
        let is_mx = matches!(hop, NextHop::Mx { .. });
        let mut last = None;
        for host in hosts {
            match self.host(&host, is_mx).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => {
                    tracing::info!(%host, %failure, "a host can't be used");
                    last = Some(failure);
                }
            }
        }
        let nowhere = || {
            Failure::new(
                StatusCode::transient(4, 4),
                "There is no host to connect to",
            )
        };
        Err(last.unwrap_or_else(nowhere))
    }

    async fn exchangers(&self, domain: &Domain) -> Result<Vec<Host>, Failure> {
        let port = self.connector.mx_port;
        let host = |name: Domain| Host { name, port };
        if domain.literal().is_some() {
            return Ok(vec![host(domain.clone())]);
        }
        match self.resolvers.exchangers(domain, self.connector).await? {
            Exchangers::Implicit => Ok(vec![host(domain.clone())]),
            Exchangers::Found(found) => {
                let is_self = |name: &Domain| *name == self.settings.hostname;
                let hosts = order(found, rand::random, is_self)?;
                Ok(hosts.into_iter().map(|(_, name)| host(name)).collect())
            }
        }
    }

    /// The first address of a host that can be used.
    async fn host(&self, host: &Host, is_mx: bool) -> Result<Connection, Failure> {
        let addresses = self.resolvers.addresses(&host.name, self.connector).await?;
        let mut last = None;
        for address in addresses {
            let address = SocketAddr::new(address, host.port);
            if is_mx && self.is_own(address) {
                return Err(loops_back());
            }
            match self.address(host, address).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => last = Some(failure),
            }
        }
        let none = || Failure::new(StatusCode::transient(4, 4), "The host has no address");
        Err(last.unwrap_or_else(none))
    }

    async fn address(&self, host: &Host, address: SocketAddr) -> Result<Connection, Failure> {
        let opening = Opening {
            hostname: &self.settings.hostname,
            connector: self.connector,
            tls: self.tls,
            host: &host.name,
            address,
        };
        opening.open().await
    }

    /// Whether an address is one where this server listens.
    fn is_own(&self, address: SocketAddr) -> bool {
        let own = self.settings.own_addresses.iter();
        let same = |own: &SocketAddr| {
            let all = match own.ip() {
                IpAddr::V4(four) => four.is_unspecified(),
                IpAddr::V6(six) => six.is_unspecified(),
            };
            own.port() == address.port()
                && (own.ip() == address.ip() || (all && address.ip().is_loopback()))
        };
        own.into_iter().any(same)
    }
}
