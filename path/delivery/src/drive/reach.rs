//! From a next hop to an open connection: hosts in order, their addresses in order, until one can be used (RFC 5321 §5.1).
//!
//! Guards: the number of addresses and the time for all of them are bounded, and a silent host doesn't use up the time of
//! those after it. Nothing is permanent while one host may still take the mail.

use super::Shared;
use super::connection::Connection;
use super::dns::{Exchangers, Resolvers};
use super::doubt::Progress;
use super::members::Members;
use super::opening::{MemberTls, NotOpened, Opening};
use super::pace::{NotConnected, Pace, Place};
use super::tls::ClientTls;
use crate::exchangers::{ADDRESSES_TRIED_MAX, loops_back, order};
use crate::pace::Slowed;
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{
    Domain, Failure, Host, LinkName, NextHop, StatusClass, StatusCode, Timestamp,
};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// What is needed to reach a next hop.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    pub(super) settings: &'a Settings,
    pub(super) connector: &'a Arc<ConnectorSettings>,
    pub(super) resolvers: &'a Resolvers,
    pub(super) tls: &'a ClientTls,
    pub(super) pace: &'a Arc<Pace>,
    pub(super) link: &'a LinkName,
    pub(super) members: &'a Members,
}

impl<'a> Reach<'a> {
    /// What delivery has of its own, for a connection with these settings.
    pub(super) fn of(
        shared: &'a Shared,
        settings: &'a Settings,
        (connector, tls): (&'a Arc<ConnectorSettings>, &'a ClientTls),
        link: &'a LinkName,
    ) -> Self {
        Self {
            settings,
            connector,
            resolvers: &shared.resolvers,
            tls,
            pace: &shared.pace,
            link,
            members: &shared.members,
        }
    }
}

/// A host, and how good a choice it is: the lowest rank is the best.
pub(super) struct Ranked {
    rank: u16,
    host: Host,
    /// The server of the organisation that it must prove to be.
    member: Option<Arc<MemberTls>>,
}

impl Ranked {
    const fn new(rank: u16, host: Host) -> Self {
        let member = None;
        Self { rank, host, member }
    }
}

/// The hosts of a next hop that weren't tried yet.
pub(super) struct Route {
    hosts: VecDeque<Ranked>,
    /// Addresses of the host that is being tried.
    addresses: VecDeque<(Arc<Ranked>, SocketAddr)>,
    tried: Vec<SocketAddr>,
    /// By DNS: an address of this server among them is a loop, and a host without an address is the domain's fault.
    is_mx: bool,
    /// Where it leads, if to servers of the organisation.
    servers: Option<NextHop>,
    /// The server of the organisation that is to blame for a failure, as long as another of its addresses may be better.
    blamed: Option<Arc<MemberTls>>,
    /// The server to which the connection that was opened last leads.
    present: Option<Arc<MemberTls>>,
    /// Why those before couldn't be used: the last temporary reason counts, and only without one a permanent one.
    last: Option<Failure>,
    /// What was wrong with the first of those before, for the operator.
    before: Vec<String>,
}

/// Hosts that are told of one by one, and octets for each.
const BEFORE_MAX: usize = 5;
const BEFORE_OCTETS_MAX: usize = 300;

impl Route {
    /// The hosts of a next hop.
    pub(super) async fn find(hop: &NextHop, reach: Reach<'_>) -> Result<Self, Failure> {
        let mut last = None;
        let mut before = Vec::new();
        let hosts = match hop {
            // What is unreachable waits in the queue, and no courier is sent to it.
            NextHop::Local | NextHop::Unreachable { .. } => Vec::new(),
            NextHop::SmartHosts { hosts, .. } if hosts.is_empty() => {
                let text =
                    "Nobody is connected to here: the mail waits until its receiver asks for it";
                return Err(Failure::new(StatusCode::transient(4, 4), text));
            }
            NextHop::SmartHosts { hosts, .. } => {
                let ranked = (0u16..).zip(hosts.iter().cloned());
                ranked.map(|(rank, host)| Ranked::new(rank, host)).collect()
            }
            NextHop::Servers { servers, .. } => {
                let mut all = Vec::new();
                for (rank, server) in (0u16..).zip(servers) {
                    match reach.members.tls(reach.settings, server) {
                        Ok((member, tls)) => {
                            let hosts = member.hosts.iter().cloned();
                            all.extend(hosts.map(|host| Ranked {
                                rank,
                                host,
                                member: Some(Arc::clone(&tls)),
                            }));
                        }
                        Err(failure) => {
                            tracing::info!(%server, %failure, "a server can't be used");
                            if before.len() < BEFORE_MAX {
                                before.push(short(&failure));
                            }
                            last = Some(failure);
                        }
                    }
                }
                all
            }
            NextHop::Mx { domain, .. } => {
                let found = timeout(reach.connector.hosts_timeout, reach.exchangers(domain));
                found.await.map_err(|_| out_of_time())??
            }
        };
        Ok(Self {
            hosts: hosts.into(),
            addresses: VecDeque::new(),
            tried: Vec::new(),
            is_mx: matches!(hop, NextHop::Mx { .. }),
            servers: matches!(hop, NextHop::Servers { .. }).then(|| hop.clone()),
            blamed: None,
            present: None,
            last,
            before,
        })
    }

    /// A connection to the next address that can be used, with its place there. Where all places at a host are taken, only those
    /// that are as good are tried: a bound of ours is no reason to go to a host of last resort.
    pub(super) async fn next(
        &mut self,
        reach: Reach<'_>,
    ) -> Result<(Connection, Place), NotConnected> {
        let deadline = Instant::now() + reach.connector.hosts_timeout;
        let mut full: Option<Arc<Ranked>> = None;
        loop {
            let worst = full.as_ref().map_or(u16::MAX, |full| full.rank);
            let Some((ranked, address)) = self.next_address(reach, worst, deadline).await else {
                break;
            };
            self.tell_of_blame(Some(&ranked), reach);
            let bound = reach.connector.connections_per_address;
            let Some(place) = reach.pace.enter(address, bound, reach.link) else {
                full = Some(ranked);
                continue;
            };
            let host = &ranked.host;
            let progress = Progress::begin();
            let opening = Opening {
                hostname: &reach.settings.hostname,
                connector: reach.connector,
                tls: reach.tls,
                host: &host.name,
                address,
                own_addresses: &reach.settings.own_addresses,
                is_mx: self.is_mx,
                member: ranked.member.as_deref(),
                progress: &progress,
            };
            let open = timeout(self.share(deadline), opening.open());
            let member = ranked.member.as_deref();
            let opened = self.doubting(member, &progress, reach.members, open);
            match opened.await {
                Ok(Ok(mut connection)) => {
                    self.worked(&ranked, reach);
                    if let Some(others) = self.others(None) {
                        connection.came_after(&others);
                    }
                    return Ok((connection, place));
                }
                Ok(Err(NotOpened::ThisServer)) => self.looped(),
                Ok(Err(NotOpened::Failure(failure))) => {
                    if Slowed::of_connection(&failure, Timestamp::EPOCH).is_some() {
                        place.slowed();
                    } else {
                        self.blamed.clone_from(&ranked.member);
                    }
                    self.failed(&host.name, failure);
                }
                Err(_) => {
                    self.blamed.clone_from(&ranked.member);
                    self.failed(&host.name, out_of_time());
                }
            }
            self.tell_of_blame(None, reach);
        }
        self.tell_of_blame(None, reach);
        if let Some(full) = full {
            return Err(NotConnected::no_place(&full.host.name));
        }
        let last = self.last.clone().unwrap_or_else(|| {
            let text = "There is no host to connect to";
            Failure::new(StatusCode::transient(4, 4), text)
        });
        // What it says itself isn't said twice.
        let last = match self.others(Some(&last)) {
            Some(others) => last.noting(&others),
            None => last,
        };
        Err(last.into())
    }

    /// Waits for what a server does; if it does nothing for a while, the link to it is in doubt.
    async fn doubting<T>(
        &self,
        member: Option<&MemberTls>,
        progress: &Progress,
        members: &Members,
        waited_for: impl Future<Output = T>,
    ) -> T {
        let (Some(hop), Some(member)) = (&self.servers, member) else {
            return waited_for.await;
        };
        let doubted = || members.doubted(hop, &member.server);
        progress.watch(waited_for, doubted).await
    }

    /// The same for what the server does to which the connection leads.
    pub(super) async fn doubting_present<T>(
        &self,
        progress: &Progress,
        members: &Members,
        waited_for: impl Future<Output = T>,
    ) -> T {
        progress.made();
        let member = self.present.as_deref();
        self.doubting(member, progress, members, waited_for).await
    }

    /// A server was reached and has proved itself.
    fn worked(&mut self, ranked: &Ranked, reach: Reach<'_>) {
        self.blamed = None;
        self.present.clone_from(&ranked.member);
        if let (Some(hop), Some(member)) = (&self.servers, &ranked.member) {
            reach.members.used(hop, &member.server, true);
        }
    }

    /// A server that failed at all of its addresses is told of, once. `at` is about to be tried.
    fn tell_of_blame(&mut self, at: Option<&Ranked>, reach: Reach<'_>) {
        let Some(blamed) = &self.blamed else {
            return;
        };
        let of_it = |ranked: &Ranked| {
            let member = ranked.member.as_ref();
            member.is_some_and(|member| member.server == blamed.server)
        };
        let more = self.addresses.iter().any(|(ranked, _)| of_it(ranked));
        if more || at.is_some_and(of_it) || self.hosts.iter().any(of_it) {
            return;
        }
        if let Some(hop) = &self.servers {
            reach.members.used(hop, &blamed.server, false);
        }
        self.blamed = None;
    }

    /// A host was given up after it had taken the connection.
    pub(super) fn note(&mut self, failure: &Failure) {
        if self.before.len() < BEFORE_MAX {
            self.before.push(short(failure));
        }
    }

    /// What was wrong with the first hosts that were tried, but for this.
    fn others(&self, said: Option<&Failure>) -> Option<String> {
        let said = said.map(short);
        let others = self
            .before
            .iter()
            .filter(|other| Some(*other) != said.as_ref());
        let others: Vec<&str> = others.map(String::as_str).collect();
        (!others.is_empty()).then(|| format!("tried before: {}", others.join("; ")))
    }

    /// The next address that wasn't tried, of a host of no worse rank, as long as there is time.
    async fn next_address(
        &mut self,
        reach: Reach<'_>,
        worst: u16,
        deadline: Instant,
    ) -> Option<(Arc<Ranked>, SocketAddr)> {
        loop {
            if self.tried.len() >= ADDRESSES_TRIED_MAX {
                return None;
            }
            if let Some((host, address)) = self.addresses.pop_front() {
                if !self.tried.contains(&address) {
                    self.tried.push(address);
                    return Some((host, address));
                }
                continue;
            }
            if self.hosts.front()?.rank > worst {
                return None;
            }
            let ranked = Arc::new(self.hosts.pop_front()?);
            let Host { name, port } = &ranked.host;
            let asked = reach.resolvers.addresses(name, reach.connector);
            match timeout_at(deadline, asked).await {
                Ok(Ok(found)) => {
                    let all = found.into_iter().map(|ip| SocketAddr::new(ip, *port));
                    self.addresses = all.map(|address| (Arc::clone(&ranked), address)).collect();
                }
                Ok(Err(failure)) => self.failed(name, failure),
                Err(_) => self.failed(name, out_of_time()),
            }
        }
    }

    /// An even part of what is left of the time for each that may still be tried.
    fn share(&self, deadline: Instant) -> Duration {
        let others = self.hosts.len().saturating_add(self.addresses.len());
        let left = deadline.saturating_duration_since(Instant::now());
        left / u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1)
    }

    fn failed(&mut self, host: &Domain, mut failure: Failure) {
        tracing::info!(%host, %failure, "a host can't be used");
        // A smart host is this organisation's own choice: trouble with it is never the sender's fault.
        if !self.is_mx {
            failure.status = failure.status.with_class(StatusClass::Transient);
        }
        self.note(&failure);
        let temporary = self.last.as_ref().is_some_and(|last| !last.is_permanent());
        if !(temporary && failure.is_permanent()) {
            self.last = Some(failure);
        }
    }

    /// RFC 5321 §5.1: this server was found among the hosts, so none after it is tried.
    fn looped(&mut self) {
        self.hosts.clear();
        self.addresses.clear();
        if self.last.as_ref().is_none_or(Failure::is_permanent) {
            self.last = Some(loops_back());
        }
    }
}

impl Reach<'_> {
    async fn exchangers(&self, domain: &Domain) -> Result<Vec<Ranked>, Failure> {
        let port = self.connector.mx_port;
        let host = |(rank, name)| Ranked::new(rank, Host { name, port });
        if domain.literal().is_some() {
            return Ok(vec![host((0, domain.clone()))]);
        }
        match self.resolvers.exchangers(domain, self.connector).await? {
            Exchangers::Implicit if *domain == self.settings.hostname => Err(loops_back()),
            Exchangers::Implicit => Ok(vec![host((0, domain.clone()))]),
            Exchangers::Found(found) => {
                let is_self = |name: &Domain| *name == self.settings.hostname;
                let hosts = order(found, rand::random, is_self)?;
                Ok(hosts.into_iter().map(host).collect())
            }
        }
    }
}

/// A failure for the operator, cut where it gets long.
fn short(failure: &Failure) -> String {
    let mut text = failure.to_string();
    text.truncate(text.floor_char_boundary(BEFORE_OCTETS_MAX));
    text
}

pub(super) fn out_of_time() -> Failure {
    let text = "No host of the next hop could be used in time";
    Failure::new(StatusCode::transient(4, 1), text)
}
