//! Connections to each remote address: several domains of one mail exchanger share its bound, and wait for it in a row.
//!
//! Guards: whose connection ends lets the first of those in who wait; whoever waits asks again after a while by itself, so
//! that a place that is left to somebody who doesn't need it any more is lost for a moment only.

use super::Moment;
use super::window::Window;
use bridgehead_mail::LinkName;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// What an address said is known for so long.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);

/// One address.
#[derive(Debug)]
struct Address {
    window: Window,
    open: usize,
    waiting: VecDeque<LinkName>,
    /// When it last refused because there were too many.
    refused: Option<Moment>,
}

/// All addresses to which there are connections, and those that said "too many".
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    known: HashMap<SocketAddr, Address>,
    /// Those who wait and may come.
    called: Vec<LinkName>,
}

impl Addresses {
    /// A connection to an address, if there is room for it; else `link` waits in its row.
    pub(crate) fn enter(&mut self, address: SocketAddr, bound: usize, link: &LinkName) -> bool {
        let found = self.known.entry(address).or_insert_with(|| Address {
            // The links' own windows start small; this one is there for what they share.
            window: Window::new(bound, bound),
            open: 0,
            waiting: VecDeque::new(),
            refused: None,
        });
        found.window.bind(bound);
        let room = found.open < found.window.size();
        if room {
            found.open += 1;
            found.waiting.retain(|waiting| waiting != link);
        } else if !found.waiting.contains(link) {
            found.waiting.push_back(link.clone());
        }
        room
    }

    /// A connection to it ended. Returns whether somebody is called.
    pub(crate) fn leave(&mut self, address: SocketAddr) -> bool {
        let Some(found) = self.known.get_mut(&address) else {
            return false;
        };
        found.open = found.open.saturating_sub(1);
        self.called.extend(found.waiting.pop_front());
        if found.open == 0 && found.waiting.is_empty() && found.refused.is_none() {
            self.known.remove(&address);
        }
        !self.called.is_empty()
    }

    /// Whether others wait for a connection to it.
    pub(crate) fn is_wanted(&self, address: SocketAddr) -> bool {
        let found = self.known.get(&address);
        found.is_some_and(|found| !found.waiting.is_empty())
    }

    /// It took a message. Returns whether somebody is called.
    pub(crate) fn worked(&mut self, address: SocketAddr, now: Moment) -> bool {
        if let Some(found) = self.known.get_mut(&address)
            && found.window.worked(found.open, found.open, now)
        {
            self.called.extend(found.waiting.pop_front());
        }
        !self.called.is_empty()
    }

    /// It said that there are too many connections.
    pub(crate) fn slowed(&mut self, address: SocketAddr, began: Moment, now: Moment) {
        if let Some(found) = self.known.get_mut(&address) {
            found.refused = Some(now);
            let others = found.open > 1;
            found.window.failed(found.open, others, began, now);
        }
    }

    /// Those who waited and may come now.
    pub(crate) fn take_called(&mut self) -> Vec<LinkName> {
        std::mem::take(&mut self.called)
    }

    /// How many connections it has, and how many it takes at once.
    #[cfg(test)]
    fn state(&self, address: SocketAddr) -> Option<(usize, usize)> {
        let found = self.known.get(&address)?;
        Some((found.open, found.window.size()))
    }

    /// What an address said is forgotten after a while, when nothing leads there any more.
    pub(crate) fn forget_old(&mut self, now: Moment) {
        self.known.retain(|_, address| {
            let used = address.open > 0 || !address.waiting.is_empty();
            let said = address.refused;
            used || said.is_some_and(|at| now.saturating_sub(at) < REMEMBERED)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    const HOST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 25);
    const OTHER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 25);

    fn link(name: &str) -> LinkName {
        LinkName::new(name)
    }

    #[test]
    fn domains_of_one_host_share_its_bound_and_come_in_their_order() {
        let mut addresses = Addresses::default();
        assert!(addresses.enter(HOST, 2, &link("a")));
        assert!(addresses.enter(HOST, 2, &link("b")));
        assert!(!addresses.enter(HOST, 2, &link("c")));
        assert!(!addresses.enter(HOST, 2, &link("d")));
        assert!(!addresses.enter(HOST, 2, &link("c")), "it waits once");
        assert!(addresses.enter(OTHER, 2, &link("c")), "another host");
        assert!(addresses.is_wanted(HOST) && !addresses.is_wanted(OTHER));
        assert!(addresses.take_called().is_empty());
        assert!(addresses.leave(HOST));
        assert_eq!(addresses.take_called(), [link("c")]);
        assert!(addresses.enter(HOST, 2, &link("c")));
        assert_eq!(addresses.state(HOST), Some((2, 2)));
    }

    #[test]
    fn a_refused_connection_makes_room_for_fewer() {
        let mut addresses = Addresses::default();
        for name in ["a", "b", "c", "d"] {
            assert!(addresses.enter(HOST, 10, &link(name)));
        }
        addresses.slowed(HOST, Duration::ZERO, Duration::from_secs(1));
        addresses.leave(HOST);
        assert!(!addresses.enter(HOST, 10, &link("d")));
        assert_eq!(addresses.state(HOST), Some((3, 2)));
        addresses.leave(HOST);
        assert!(!addresses.enter(HOST, 10, &link("e")));
    }

    #[test]
    fn what_nobody_uses_is_forgotten() {
        let mut addresses = Addresses::default();
        assert!(addresses.enter(HOST, 1, &link("a")));
        addresses.leave(HOST);
        assert_eq!(addresses.state(HOST), None);
        assert!(addresses.enter(HOST, 1, &link("a")));
        addresses.slowed(HOST, Duration::ZERO, Duration::ZERO);
        addresses.leave(HOST);
        assert!(addresses.state(HOST).is_some());
        addresses.forget_old(Duration::from_secs(60));
        assert!(addresses.state(HOST).is_some());
        addresses.forget_old(REMEMBERED);
        assert_eq!(addresses.state(HOST), None);
    }
}
