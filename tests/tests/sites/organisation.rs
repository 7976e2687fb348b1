//! Three sites with two servers each, all joined with all by connectors, each server on a host of its own.

use bridgehead_tests::network::{Network, ip};
use bridgehead_tests::traffic::{Arrived, Ledger, arrived};
use bridgehead_tests::{Server, binary};
use parking_lot::Mutex;
use serde_json::Value;
use std::fmt::Write;
use std::net::SocketAddr;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

/// The sites; a line joins each two of them.
pub(crate) const SITES: [&str; 3] = ["a", "b", "c"];
/// Servers of each.
pub(crate) const EACH: u8 = 2;
/// The lines, by the sites that they join.
pub(crate) const LINES: [[usize; 2]; 3] = [[0, 1], [1, 2], [0, 2]];
/// How long octets are under way on a slow line.
const DELAY: Duration = Duration::from_millis(150);
const PORT: u16 = 25;

pub(crate) struct Organisation {
    pub(crate) network: Network,
    /// As in [`LINES`].
    pub(crate) lines: Vec<usize>,
    pub(crate) servers: Vec<Host>,
}

/// A server and its host.
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) site: usize,
    pub(crate) number: u8,
    pub(crate) server: Mutex<Server>,
}

impl Host {
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((ip(self.site, self.number), PORT))
    }

    fn mailbox(&self) -> String {
        format!("box-{}", self.name)
    }
}

impl Organisation {
    /// With these of the lines slow.
    pub(crate) fn start(slow: &[usize]) -> Self {
        let mut network = Network::new();
        let places = SITES.map(|name| network.site(name, EACH));
        let mut lines = Vec::new();
        for (line, [one, other]) in LINES.into_iter().enumerate() {
            let (one, other) = (places[one], places[other]);
            lines.push(match slow.contains(&line) {
                true => network.slow_line(one, other, DELAY),
                false => network.line(one, other),
            });
        }
        let mut servers = Vec::new();
        for (site, name) in SITES.iter().enumerate() {
            for number in 1..=EACH {
                let name = format!("{name}{number}");
                let server = Server::prepare_named(&name, binary::bridgehead(), "");
                let server = Mutex::new(server);
                servers.push(Host {
                    name,
                    site,
                    number,
                    server,
                });
            }
        }
        let organisation = Self {
            network,
            lines,
            servers,
        };
        for place in 0..organisation.servers.len() {
            organisation.run(place);
        }
        // Each has made its key at its start.
        let text = text(&organisation.servers);
        for host in &organisation.servers {
            host.server.lock().apply_text(&text);
        }
        organisation
    }

    /// Starts a server on its host.
    pub(crate) fn run(&self, place: usize) {
        let host = &self.servers[place];
        let namespace = self.network.namespace_of(host.site, host.number);
        host.server.lock().run(&["ip", "netns", "exec", &namespace]);
    }

    /// Everybody sends to everybody.
    pub(crate) fn traffic<'scope, 'env>(
        &'env self,
        scope: &'scope thread::Scope<'scope, 'env>,
        ledger: &'env Ledger,
        each_second: u32,
    ) -> Vec<ScopedJoinHandle<'scope, ()>> {
        let all: Vec<String> = self.servers.iter().map(Host::mailbox).collect();
        let senders = self.servers.iter().map(|host| {
            let (network, from, server) = (&self.network, host.mailbox(), host.address());
            let (site, number) = (host.site, host.number);
            let to: Vec<String> = all.iter().filter(|one| **one != from).cloned().collect();
            scope.spawn(move || {
                network.enter(site, number);
                ledger.send(&from, server, &to, each_second);
            })
        });
        senders.collect()
    }

    /// What lies in the mailboxes of a site.
    pub(crate) fn arrived_at(&self, site: usize) -> Vec<Arrived> {
        let its = self.servers.iter().filter(|host| host.site == site);
        its.flat_map(|host| arrived(&host.server.lock(), &[&host.mailbox()]))
            .collect()
    }

    /// What the first server of a site knows of links.
    pub(crate) fn link_state(&self, site: usize) -> Value {
        let its = self.servers.iter().find(|host| host.site == site).unwrap();
        its.server.lock().ask(&["link", "state"])
    }

    /// All that lies in the mailboxes.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        let each = self.servers.iter();
        each.flat_map(|host| arrived(&host.server.lock(), &[&host.mailbox()]))
            .collect()
    }

    /// What waits in all queues.
    pub(crate) fn queued(&self) -> u64 {
        self.servers
            .iter()
            .map(|host| host.server.lock().queued())
            .sum()
    }
}

/// The organisation as a file.
fn text(servers: &[Host]) -> String {
    let mut text = String::from(
        "[organization]\nname = \"Sites\"\npostmaster = \"box-a1@sites.test\"\n\n\
         [[accepted-domain]]\nname = \"sites.test\"\nkind = \"authoritative\"\n",
    );
    for site in SITES {
        write!(text, "\n[[routing-group]]\nname = \"{site}\"\n").unwrap();
    }
    for host in servers {
        let (name, site, address) = (&host.name, SITES[host.site], host.address());
        let key = host.server.lock().command(&["member", "key"]);
        assert!(key.status.success(), "{key:?}");
        let key = String::from_utf8(key.stdout).unwrap();
        let (key, mailbox) = (key.trim(), host.mailbox());
        write!(
            text,
            "\n[[server]]\nname = \"{name}\"\nrouting-group = \"{site}\"\nhostname = \"{name}.sites.test\"\n\
             member-address = [\"{address}\"]\nmember-keys = [\"{key}\"]\nretry-schedule = [\"5s\"]\n\
             \n[[virtual-server]]\nname = \"inbound-{name}\"\nserver = \"{name}\"\nlisten = [\"{address}\"]\n\
             \n[[mailbox]]\nname = \"{mailbox}\"\naddresses = [\"{mailbox}@sites.test\"]\nserver = \"{name}\"\n"
        )
        .unwrap();
    }
    for from in SITES {
        for to in SITES.iter().filter(|to| **to != from) {
            write!(
                text,
                "\n[[connector]]\nname = \"{from}-{to}\"\nrouting-group = \"{from}\"\ntarget-group = \"{to}\"\n\
                 cost = 10\nconnect-timeout = \"3s\"\n"
            )
            .unwrap();
        }
    }
    text
}
