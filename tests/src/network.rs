//! Hosts of their own on this machine: network namespaces joined by pairs of virtual cables.
//!
//! A site is a namespace with a bridge, to which its hosts are joined, and which passes on what goes to other sites over lines: one
//! pair of cables for each. What a line is told (down, deaf in one direction, losing packets) happens in the sites at its
//! ends. A slow line has a host of its own in its middle, to which the cables of both sites lead: it passes no packets on, so that
//! there is no way but the relay on it, which takes TCP connections and leads them on after the delay. Nothing of all this can reach
//! the machine's own network; everything is removed when it is dropped. Needs root.

pub use bridgehead_testkit::relay::End;

use bridgehead_testkit::relay::Relay;
use rustix::net::sockopt::ip_original_dst;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Sites, their hosts and the lines between them.
pub struct Network {
    /// Begins the names of all its namespaces.
    prefix: String,
    namespaces: Vec<String>,
    sites: Vec<Site>,
    lines: Vec<Line>,
}

struct Site {
    name: String,
    hosts: u8,
}

struct Line {
    /// Places of the sites at its ends.
    ends: [usize; 2],
    /// In its middle, if it is slow.
    relay: Option<Relay>,
}

/// Where the relay of a slow line listens, on a host where nobody else does.
const RELAY_PORT: u16 = 9;

/// What a line does with what goes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything gets through.
    Whole,
    /// The cable is out, at this end.
    Cut(End),
    /// What the site at this end sends doesn't get through; what it is sent does.
    DeafTo(End),
    /// So many packets of a hundred are lost, in both directions.
    Losing(u8),
    /// The relay of a slow line takes what the site at this end sends, and passes nothing of it on.
    Swallowing(End),
    /// The same for both.
    BlackHole,
}

/// Why there can be no network here; none if there can.
pub fn missing() -> Option<String> {
    if !crate::skip::is_root() {
        return Some("network namespaces need root".to_owned());
    }
    let tools = [("ip", "iproute2"), ("nft", "nftables")];
    for (tool, package) in tools {
        if Command::new(tool).arg("-V").output().is_err()
            && Command::new(tool).arg("-v").output().is_err()
        {
            return Some(format!(
                "{tool} isn't there: it is in the package {package}"
            ));
        }
    }
    let probe = format!("{}probe", prefix());
    let made = run(&["ip", "netns", "add", &probe]);
    let removed = run(&["ip", "netns", "delete", &probe]);
    made.and(removed)
        .err()
        .map(|why| format!("no network namespace can be made here: {why}"))
}

impl Network {
    /// A network without sites.
    pub fn new() -> Self {
        Self {
            prefix: prefix(),
            namespaces: Vec::new(),
            sites: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Adds a site with so many hosts; returns its place.
    pub fn site(&mut self, name: &str, hosts: u8) -> usize {
        let place = self.sites.len();
        let router = self.namespace(name);
        must(&["ip", "-n", &router, "link", "add", "lan", "type", "bridge"]);
        let address = format!("{}/24", ip(place, 254));
        must(&[
            "ip", "-n", &router, "address", "add", &address, "dev", "lan",
        ]);
        must(&["ip", "-n", &router, "link", "set", "lan", "up"]);
        must(&[
            "ip",
            "netns",
            "exec",
            &router,
            "sh",
            "-c",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
        ]);
        for host in 1..=hosts {
            self.host(&router, place, name, host);
        }
        self.sites.push(Site {
            name: name.to_owned(),
            hosts,
        });
        place
    }

    fn host(&mut self, router: &str, site: usize, name: &str, number: u8) {
        let host = self.namespace(&format!("{name}{number}"));
        let port = format!("host{number}");
        must(&[
            "ip", "-n", router, "link", "add", &port, "type", "veth", "peer", "name", "lan",
            "netns", &host,
        ]);
        must(&[
            "ip", "-n", router, "link", "set", &port, "master", "lan", "up",
        ]);
        let address = format!("{}/24", ip(site, number));
        must(&["ip", "-n", &host, "address", "add", &address, "dev", "lan"]);
        must(&["ip", "-n", &host, "link", "set", "lan", "up"]);
        let router = ip(site, 254).to_string();
        must(&["ip", "-n", &host, "route", "add", "default", "via", &router]);
    }

    /// Makes a namespace with its own loopback.
    fn namespace(&mut self, name: &str) -> String {
        let full = format!("{}{name}", self.prefix);
        must(&["ip", "netns", "add", &full]);
        self.namespaces.push(full.clone());
        must(&["ip", "-n", &full, "link", "set", "lo", "up"]);
        full
    }

    /// Joins two sites; returns the place of the line.
    pub fn line(&mut self, one: usize, other: usize) -> usize {
        let place = self.lines.len();
        let (near, far) = (self.router(one), self.router(other));
        let cable = cable(place);
        join(
            &near,
            (&cable, on_line(place, 1)),
            &far,
            (&cable, on_line(place, 2)),
        );
        let (ends, relay) = ([one, other], None);
        self.lines.push(Line { ends, relay });
        self.connect(place);
        place
    }

    /// Joins two sites by a line that takes so long in each direction.
    pub fn slow_line(&mut self, one: usize, other: usize, delay: Duration) -> usize {
        let place = self.lines.len();
        let cable = cable(place);
        let middle = self.namespace(&cable);
        for (number, site) in (0..).zip([one, other]) {
            let here = (cable.as_str(), on_line(place, number * 4 + 1));
            let end = (&*format!("end{number}"), on_line(place, number * 4 + 2));
            join(&self.router(site), here, &middle, end);
            must(&["ip", "-n", &middle, "link", "set", end.0, "up"]);
        }
        let rules = format!(
            "add table ip relay; \
             add chain ip relay taken {{ type nat hook prerouting priority dstnat; }}; \
             add rule ip relay taken meta l4proto tcp redirect to :{RELAY_PORT}"
        );
        must(&["ip", "netns", "exec", &middle, "nft", &rules]);
        let relay = thread::scope(|scope| {
            let starting = scope.spawn(|| {
                enter(&middle);
                let address = (Ipv4Addr::UNSPECIFIED, RELAY_PORT);
                let listener = TcpListener::bind(address).expect("the port of the relay");
                Relay::start(listener, delay, move |stream| {
                    let to = ip_original_dst(stream)?;
                    let is_there = to.ip().octets()[..3] == ip(other, 0).octets()[..3];
                    let from = if is_there { End::One } else { End::Other };
                    Ok((SocketAddr::V4(to), from))
                })
            });
            starting.join().expect("a relay").expect("a relay")
        });
        let (ends, relay) = ([one, other], Some(relay));
        self.lines.push(Line { ends, relay });
        self.connect(place);
        place
    }

    /// Takes a line up and leads what goes to the other site over it.
    fn connect(&self, place: usize) {
        let Line { ends, relay } = &self.lines[place];
        let [one, other] = *ends;
        let cable = cable(place);
        let gateways = if relay.is_some() { [2, 6] } else { [2, 1] };
        for ((near, far), gateway) in [(one, other), (other, one)].into_iter().zip(gateways) {
            let router = self.router(near);
            must(&["ip", "-n", &router, "link", "set", &cable, "up"]);
            let network = format!("{}/24", ip(far, 0));
            let gateway = on_line(place, gateway).to_string();
            must(&[
                "ip", "-n", &router, "route", "replace", &network, "via", &gateway,
            ]);
        }
        if relay.is_some() {
            let middle = format!("{}{cable}", self.prefix);
            for (site, gateway) in [(one, 1), (other, 5)] {
                let network = format!("{}/24", ip(site, 0));
                let gateway = on_line(place, gateway).to_string();
                must(&[
                    "ip", "-n", &middle, "route", "replace", &network, "via", &gateway,
                ]);
            }
        }
    }

    /// Puts a line into a state.
    pub fn set(&self, place: usize, state: State) {
        let Line { ends, relay } = &self.lines[place];
        let [one, other] = ends.map(|site| self.router(site));
        let cable = cable(place);
        for router in [&one, &other] {
            // Whatever was told before is over.
            let _ = run(&[
                "ip", "netns", "exec", router, "nft", "delete", "table", "inet", &cable,
            ]);
        }
        match state {
            State::Cut(end) => {
                let router = if end == End::One { &one } else { &other };
                must(&["ip", "-n", router, "link", "set", &cable, "down"]);
            }
            _ => self.connect(place),
        }
        let swallowed = match state {
            State::Swallowing(end) => [end == End::One, end == End::Other],
            State::BlackHole => [true, true],
            _ => [false, false],
        };
        match relay {
            Some(relay) => relay.swallow(swallowed[0], swallowed[1]),
            None => assert_eq!(swallowed, [false, false], "there is no relay on it"),
        }
        match state {
            State::DeafTo(End::One) => filter(&other, &cable, "drop"),
            State::DeafTo(End::Other) => filter(&one, &cable, "drop"),
            State::Losing(percent) => {
                let verdict = format!("numgen random mod 100 < {percent} drop");
                for router in [&one, &other] {
                    filter(router, &cable, &verdict);
                }
            }
            _ => {}
        }
    }

    fn router(&self, site: usize) -> String {
        format!("{}{}", self.prefix, self.sites[site].name)
    }

    /// The namespace of a host.
    pub fn namespace_of(&self, site: usize, host: u8) -> String {
        assert!(host <= self.sites[site].hosts, "there is no such host");
        format!("{}{}{host}", self.prefix, self.sites[site].name)
    }

    /// Moves the calling thread to a host: what it connects to from now on, it connects to from there.
    pub fn enter(&self, site: usize, host: u8) {
        enter(&self.namespace_of(site, host));
    }
}

/// Moves the calling thread, and those that it starts, to a host.
fn enter(namespace: &str) {
    let path = format!("/run/netns/{namespace}");
    let namespace = File::open(&path).expect("the namespace of a host");
    let kind = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(namespace.as_fd(), kind).expect("to enter a namespace");
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A relay stands in one of them.
        self.lines.clear();
        for namespace in &self.namespaces {
            if let Err(why) = run(&["ip", "netns", "delete", namespace]) {
                eprintln!("{namespace} is left: {why}");
            }
        }
    }
}

/// What names of namespaces begin with; no two networks share it.
fn prefix() -> String {
    format!("bh{:08x}-", rand::random::<u32>())
}

/// The address of a host of a site.
pub fn ip(site: usize, host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 91, u8::try_from(site).expect("few sites") + 1, host)
}

/// An address on a line: two networks of four, of which one that isn't slow needs the first only.
fn on_line(place: usize, number: u8) -> Ipv4Addr {
    let place = u8::try_from(place).expect("few lines");
    Ipv4Addr::new(10, 91, 200, place * 8 + number)
}

/// What the cable of a line is called in both sites.
fn cable(place: usize) -> String {
    format!("line{place}")
}

/// Puts a cable between two namespaces, with the names and addresses of its ends there.
fn join(one: &str, at_one: (&str, Ipv4Addr), other: &str, at_other: (&str, Ipv4Addr)) {
    must(&[
        "ip", "-n", one, "link", "add", at_one.0, "type", "veth", "peer", "name", at_other.0,
        "netns", other,
    ]);
    for (namespace, (cable, address)) in [(one, at_one), (other, at_other)] {
        let address = format!("{address}/30");
        must(&[
            "ip", "-n", namespace, "address", "add", &address, "dev", cable,
        ]);
    }
}

/// What comes over a cable and is passed on meets a verdict first.
fn filter(router: &str, cable: &str, verdict: &str) {
    let rules = format!(
        "add table inet {cable}; \
         add chain inet {cable} passing {{ type filter hook forward priority 0; }}; \
         add rule inet {cable} passing iifname {cable} {verdict}"
    );
    must(&["ip", "netns", "exec", router, "nft", &rules]);
}

fn must(command: &[&str]) {
    if let Err(why) = run(command) {
        panic!("{}: {why}", command.join(" "));
    }
}

fn run(command: &[&str]) -> Result<(), String> {
    let (program, arguments) = command.split_first().expect("a command");
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or(said)
}
