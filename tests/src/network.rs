//! Hosts of their own on this machine: network namespaces joined by pairs of virtual cables.
//!
//! A site is a namespace with a bridge, to which its hosts are joined, and which passes on what goes to other sites over lines: one
//! pair of cables for each. What a line is told (down, deaf in one direction, losing packets) happens in the sites at its
//! ends. Nothing of it can reach the machine's own network; everything is removed when it is dropped. Needs root.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::process::Command;

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
}

/// What a line does with what goes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything gets through.
    Whole,
    /// The cable is out.
    Cut,
    /// What the first site sends doesn't get through; what it is sent does.
    DeafOneWay,
    /// So many packets of a hundred are lost, in both directions.
    Losing(u8),
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
        let cable = format!("line{place}");
        must(&[
            "ip", "-n", &near, "link", "add", &cable, "type", "veth", "peer", "name", &cable,
            "netns", &far,
        ]);
        for (router, end) in [(&near, 1), (&far, 2)] {
            let address = format!("{}/30", end_of_line(place, end));
            must(&[
                "ip", "-n", router, "address", "add", &address, "dev", &cable,
            ]);
        }
        self.lines.push(Line { ends: [one, other] });
        self.connect(place);
        place
    }

    /// Takes a line up and leads what goes to the other site over it.
    fn connect(&self, place: usize) {
        let [one, other] = self.lines[place].ends;
        let cable = format!("line{place}");
        for (near, far, gateway) in [(one, other, 2), (other, one, 1)] {
            let router = self.router(near);
            must(&["ip", "-n", &router, "link", "set", &cable, "up"]);
            let network = format!("{}/24", ip(far, 0));
            let gateway = end_of_line(place, gateway).to_string();
            must(&[
                "ip", "-n", &router, "route", "replace", &network, "via", &gateway,
            ]);
        }
    }

    /// Puts a line into a state.
    pub fn set(&self, place: usize, state: State) {
        let [one, other] = self.lines[place].ends.map(|site| self.router(site));
        let cable = format!("line{place}");
        for router in [&one, &other] {
            // Whatever was told before is over.
            let _ = run(&[
                "ip", "netns", "exec", router, "nft", "delete", "table", "inet", &cable,
            ]);
        }
        match state {
            State::Whole => self.connect(place),
            State::Cut => must(&["ip", "-n", &one, "link", "set", &cable, "down"]),
            State::DeafOneWay => {
                self.connect(place);
                filter(&other, &cable, "drop");
            }
            State::Losing(percent) => {
                self.connect(place);
                for router in [&one, &other] {
                    filter(
                        router,
                        &cable,
                        &format!("numgen random mod 100 < {percent} drop"),
                    );
                }
            }
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
        let path = format!("/run/netns/{}", self.namespace_of(site, host));
        let namespace = File::open(&path).expect("the namespace of a host");
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).expect("to enter a namespace");
    }
}

impl Default for Network {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
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

fn end_of_line(place: usize, end: u8) -> Ipv4Addr {
    let place = u8::try_from(place).expect("few lines");
    Ipv4Addr::new(10, 91, 200, place * 4 + end)
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
