//! The network between the servers: what passes, how long it takes, what is lost.

use crate::chance::Chance;
use bridgehead_linkstate::{ServerId, Topology};
use std::collections::HashSet;

/// Delays and speeds.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Inside a group, in milliseconds.
    pub inside: u64,
    /// The least between groups.
    pub between_least: u64,
    /// The most between groups.
    pub between_most: u64,
    /// Between groups, in bits a millisecond: 10,000 are 10 Mbit/s.
    pub bits: u64,
}

impl Default for Speed {
    fn default() -> Self {
        Self {
            inside: 1,
            between_least: 5,
            between_most: 50,
            bits: 10_000,
        }
    }
}

/// The state of the network.
#[derive(Clone, Debug)]
pub struct Network {
    speed: Speed,
    /// From whom to whom nothing passes.
    blocked: HashSet<(ServerId, ServerId)>,
    /// Messages lost of a thousand.
    pub lost_per_mille: u64,
    seed: u64,
}

impl Network {
    /// Everything passes.
    #[must_use]
    pub fn new(speed: Speed, seed: u64) -> Self {
        Self {
            speed,
            blocked: HashSet::new(),
            lost_per_mille: 0,
            seed,
        }
    }

    /// Whether something passes in this direction.
    #[must_use]
    pub fn passes(&self, from: ServerId, to: ServerId) -> bool {
        !self.blocked.contains(&(from, to))
    }

    /// Whether a connection can be made: that needs both directions.
    #[must_use]
    pub fn connects(&self, from: ServerId, to: ServerId) -> bool {
        self.passes(from, to) && self.passes(to, from)
    }

    /// Lets nothing, or everything, pass in one direction.
    pub fn set(&mut self, from: ServerId, to: ServerId, passes: bool) {
        if passes {
            self.blocked.remove(&(from, to));
        } else {
            self.blocked.insert((from, to));
        }
    }

    /// Everything passes again.
    pub fn heal(&mut self) {
        self.blocked.clear();
        self.lost_per_mille = 0;
    }

    /// How long octets take, in milliseconds.
    #[must_use]
    pub fn delay(&self, topology: &Topology, from: ServerId, to: ServerId, octets: usize) -> u64 {
        if topology.are_peers(from, to) {
            // A hundred times as fast.
            return self.speed.inside + self.transfer(octets) / 100;
        }
        let (low, high) = (from.min(to), from.max(to));
        let pair = (low.place() as u64) << 32 | high.place() as u64;
        let mut of_pair = Chance::new(self.seed ^ pair);
        let distance = of_pair.between(self.speed.between_least, self.speed.between_most);
        distance + self.transfer(octets)
    }

    fn transfer(&self, octets: usize) -> u64 {
        (octets as u64 * 8) / self.speed.bits.max(1)
    }

    /// The longest delay of a small message.
    #[must_use]
    pub const fn longest(&self) -> u64 {
        self.speed.between_most
    }
}
