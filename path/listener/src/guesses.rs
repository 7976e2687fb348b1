//! How often somebody may guess passwords: counted for each client network, never for an account alone, so that nobody
//! can lock out somebody else.
//!
//! Guards: who has logged in from a network before has a count of its own there, which a neighbour's guesses don't touch;
//! memory is bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Wrong passwords at once before the next must wait.
const WRONG_MAX: u32 = 10;
/// After this time one more wrong password is forgiven.
const FORGIVEN_AFTER: Duration = Duration::from_secs(60);
/// Networks and accounts that are remembered; beyond that those that are forgiven, then all.
const ENTRIES_MAX: usize = 50_000;

/// Where a client is: its address, or its /64 in IPv6, which is one household.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl Network {
    pub(crate) const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self(address),
            IpAddr::V6(six) => {
                let [a, b, c, d, ..] = six.segments();
                Self(IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0)))
            }
        }
    }
}

/// Wrong passwords not yet forgiven.
#[derive(Clone, Copy, Debug)]
struct Count {
    wrong: u32,
    since: Instant,
}

impl Count {
    const fn new(now: Instant) -> Self {
        Self {
            wrong: 0,
            since: now,
        }
    }

    fn forgive(&mut self, now: Instant) {
        while self.wrong > 0 && now.saturating_duration_since(self.since) >= FORGIVEN_AFTER {
            self.wrong -= 1;
            self.since += FORGIVEN_AFTER;
        }
    }

    fn add(&mut self, now: Instant) {
        self.forgive(now);
        if self.wrong == 0 {
            self.since = now;
        }
        self.wrong = self.wrong.saturating_add(1);
    }
}

/// What is remembered of guesses.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    /// Of each network.
    strangers: HashMap<Network, Count>,
    /// Of each account that has logged in from a network.
    known: HashMap<(Network, Box<str>), Count>,
}

impl Guesses {
    /// Whether a password of this user may be tried from there now.
    pub(crate) fn may_try(&mut self, network: Network, user: &str, now: Instant) -> bool {
        let known = self.known.get_mut(&(network, folded(user)));
        let Some(count) = known.or_else(|| self.strangers.get_mut(&network)) else {
            return true;
        };
        count.forgive(now);
        count.wrong < WRONG_MAX
    }

    /// A password was wrong.
    pub(crate) fn wrong(&mut self, network: Network, user: &str, now: Instant) {
        if let Some(count) = self.known.get_mut(&(network, folded(user))) {
            return count.add(now);
        }
        if self.strangers.len() >= ENTRIES_MAX {
            self.strangers.retain(|_, count| {
                count.forgive(now);
                count.wrong > 0
            });
            if self.strangers.len() >= ENTRIES_MAX {
                self.strangers.clear();
            }
        }
        let count = self.strangers.entry(network);
        count.or_insert_with(|| Count::new(now)).add(now);
    }

    /// A password was right.
    pub(crate) fn right(&mut self, network: Network, user: &str, now: Instant) {
        if self.known.len() >= ENTRIES_MAX {
            self.known.clear();
        }
        let count = self.known.entry((network, folded(user)));
        *count.or_insert_with(|| Count::new(now)) = Count::new(now);
    }
}

fn folded(user: &str) -> Box<str> {
    user.to_lowercase().into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        Network::of(text.parse().unwrap())
    }

    #[test]
    fn a_network_that_guesses_must_wait_and_nobody_else() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let (bad, good) = (network("192.0.2.1"), network("192.0.2.2"));
        for _ in 0..WRONG_MAX {
            assert!(guesses.may_try(bad, "alice", now));
            guesses.wrong(bad, "alice", now);
        }
        assert!(!guesses.may_try(bad, "alice", now));
        assert!(!guesses.may_try(bad, "bob", now), "nor anybody else's");
        assert!(
            guesses.may_try(good, "alice", now),
            "alice isn't locked out"
        );
        assert!(guesses.may_try(bad, "alice", now + FORGIVEN_AFTER));
        guesses.wrong(bad, "alice", now + FORGIVEN_AFTER);
        assert!(!guesses.may_try(bad, "alice", now + FORGIVEN_AFTER));
    }

    #[test]
    fn who_logged_in_there_before_isnt_locked_out_by_a_neighbour() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        let office = network("192.0.2.1");
        guesses.right(office, "Alice", now);
        for _ in 0..WRONG_MAX {
            guesses.wrong(office, "bob", now);
        }
        assert!(!guesses.may_try(office, "bob", now));
        assert!(guesses.may_try(office, "alice", now));
        for _ in 0..WRONG_MAX {
            guesses.wrong(office, "alice", now);
        }
        assert!(
            !guesses.may_try(office, "alice", now),
            "her own count holds"
        );
    }

    #[test]
    fn a_household_of_ipv6_is_one_network() {
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    }

    #[test]
    fn memory_is_bounded() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..=u32::try_from(ENTRIES_MAX).unwrap() {
            guesses.wrong(Network::of(IpAddr::V4(number.into())), "x", now);
            guesses.right(Network::of(IpAddr::V4(number.into())), "x", now);
        }
        assert!(guesses.strangers.len() <= ENTRIES_MAX && guesses.known.len() <= ENTRIES_MAX);
    }
}
