//! Asking DNS: mail exchangers and addresses, in bounded time and number.

use crate::exchangers::{ADDRESSES_MAX, Exchanger};
use crate::settings::ConnectorSettings;
use bridgehead_dns::{resolver, total};
use bridgehead_mail::{Domain, Failure, StatusCode};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::MX;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::time::timeout;

/// One resolver, with its cache, for each list of DNS servers.
#[derive(Default)]
pub(super) struct Resolvers {
    known: Mutex<HashMap<Vec<SocketAddr>, Arc<TokioResolver>>>,
}

/// What DNS says of a domain's mail exchangers.
pub(super) enum Exchangers {
    /// There are some.
    Found(Vec<Exchanger>),
    /// There are none, but the domain exists: it is its own exchanger (RFC 5321 §5.1).
    Implicit,
}

impl Resolvers {
    /// The settings changed: what was cached may not hold for them.
    pub(super) fn forget(&self) {
        self.known.lock().clear();
    }

    fn get(&self, connector: &ConnectorSettings) -> Result<Arc<TokioResolver>, Failure> {
        let mut known = self.known.lock();
        if let Some(resolver) = known.get(&connector.nameservers) {
            return Ok(Arc::clone(resolver));
        }
        let built = resolver(&connector.nameservers, connector.dns_timeout);
        let resolver = Arc::new(built.map_err(|error| unanswered(&error))?);
        known.insert(connector.nameservers.clone(), Arc::clone(&resolver));
        Ok(resolver)
    }

    /// The mail exchangers of a domain.
    pub(super) async fn exchangers(
        &self,
        domain: &Domain,
        connector: &ConnectorSettings,
    ) -> Result<Exchangers, Failure> {
        let resolver = self.get(connector)?;
        let asked = resolver.mx_lookup(absolute(domain));
        let answer = timeout(total(connector.dns_timeout), asked).await;
        match answer.map_err(|_| unanswered(&"DNS did not answer in time"))? {
            Ok(answer) => {
                let mut records = 0;
                let exchangers = answer.answers().iter().filter_map(|record| {
                    let RData::MX(mx) = &record.data else {
                        return None;
                    };
                    records += 1;
                    exchanger(mx)
                });
                let found = exchangers.collect();
                // A canonical name without mail exchangers is one that exists and has none.
                match records {
                    0 => Ok(Exchangers::Implicit),
                    _ => Ok(Exchangers::Found(found)),
                }
            }
            Err(error) if error.is_nx_domain() => Err(no_such_domain(domain)),
            Err(error) if error.is_no_records_found() => Ok(Exchangers::Implicit),
            Err(error) => Err(unanswered(&error)),
        }
    }

    /// The addresses of a host.
    pub(super) async fn addresses(
        &self,
        host: &Domain,
        connector: &ConnectorSettings,
    ) -> Result<Vec<IpAddr>, Failure> {
        if let Some(literal) = host.literal() {
            return Ok(vec![literal]);
        }
        let resolver = self.get(connector)?;
        let asked = resolver.lookup_ip(absolute(host));
        let answer = timeout(total(connector.dns_timeout), asked).await;
        match answer.map_err(|_| unanswered(&"DNS did not answer in time"))? {
            Ok(answer) => Ok(answer.iter().take(ADDRESSES_MAX).collect()),
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => {
                Err(no_address(host))
            }
            Err(error) => Err(unanswered(&error)),
        }
    }
}

/// With its dot, so that no search list is tried.
fn absolute(domain: &Domain) -> String {
    format!("{domain}.")
}

/// A mail exchanger, unless its name is no host name.
fn exchanger(mx: &MX) -> Option<Exchanger> {
    let host = match mx.exchange.is_root() {
        true => None,
        false => {
            let name = mx.exchange.to_ascii();
            let host = Domain::parse(name.trim_end_matches('.')).ok()?;
            // An address has no place in DNS.
            Some(host).filter(|host| host.literal().is_none())?.into()
        }
    };
    Some(Exchanger {
        preference: mx.preference,
        host,
    })
}

fn no_such_domain(domain: &Domain) -> Failure {
    let text = format!("The domain {domain} does not exist");
    Failure::new(StatusCode::permanent(1, 2), &text)
}

/// DNS knows for sure that there is none (RFC 5321 §5.1: an exchanger that can't be used is an error).
fn no_address(host: &Domain) -> Failure {
    let text = format!("The host {host} has no address");
    Failure::new(StatusCode::permanent(4, 4), &text)
}

fn unanswered(error: &impl std::fmt::Display) -> Failure {
    let text = "DNS could not be asked where the recipient's domain takes its mail";
    Failure::new(StatusCode::transient(4, 3), text).because(error)
}
