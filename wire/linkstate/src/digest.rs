//! Digests: what a table comes to, in sixteen numbers. Equal tables have equal digests; where they differ tells which part.
//!
//! A digest guards against sending what is there already, not against anybody: what is taken is decided by versions and seals.

use crate::codec::BUCKETS;
use crate::record::Version;

/// The sums of the parts of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    count: u32,
    buckets: [u64; BUCKETS],
}

impl Digest {
    /// A record comes in.
    pub fn add(&mut self, origin: &str, version: Version) {
        self.count = self.count.wrapping_add(1);
        if let Some(bucket) = self.buckets.get_mut(part(origin)) {
            *bucket = bucket.wrapping_add(summand(origin, version));
        }
    }

    /// A record goes.
    pub fn remove(&mut self, origin: &str, version: Version) {
        self.count = self.count.wrapping_sub(1);
        if let Some(bucket) = self.buckets.get_mut(part(origin)) {
            *bucket = bucket.wrapping_sub(summand(origin, version));
        }
    }

    /// How many records there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The sums.
    #[must_use]
    pub const fn buckets(&self) -> &[u64; BUCKETS] {
        &self.buckets
    }

    /// The parts that differ, one bit each.
    #[must_use]
    pub fn differing(&self, others: &[u64; BUCKETS]) -> u16 {
        let pairs = self.buckets.iter().zip(others).enumerate();
        pairs
            .filter(|(_, (mine, theirs))| mine != theirs)
            .fold(0, |parts, (part, _)| parts | 1 << part)
    }
}

/// The part of the table that an origin belongs to.
#[must_use]
pub(crate) fn part(origin: &str) -> usize {
    (hash(origin.as_bytes()) % BUCKETS as u64) as usize
}

fn summand(origin: &str, version: Version) -> u64 {
    let version = mix(version.epoch ^ mix(u64::from(version.sequence)));
    mix(hash(origin.as_bytes()) ^ version)
}

/// FNV-1a, then mixed: the same on every machine.
pub(crate) fn hash(octets: &[u8]) -> u64 {
    let sum = octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, octet| {
            (sum ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        });
    mix(sum)
}

/// Spreads each bit over all of them (the finalizer of splitmix64).
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Version = Version {
        epoch: 7,
        sequence: 1,
    };
    const TWO: Version = Version {
        epoch: 7,
        sequence: 2,
    };

    #[test]
    fn order_and_history_dont_matter_and_versions_do() {
        let mut one = Digest::default();
        one.add("a", ONE);
        one.add("b", TWO);
        let mut other = Digest::default();
        other.add("b", ONE);
        other.add("a", ONE);
        assert_eq!(one.differing(other.buckets()), 1 << part("b"));
        other.remove("b", ONE);
        other.add("b", TWO);
        assert_eq!(one, other);
        assert_eq!(one.differing(other.buckets()), 0);
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        // FNV-1a of "a" is af63dc4c8601ec8c.
        assert_eq!(hash(b"a"), mix(0xaf63_dc4c_8601_ec8c));
        // The first value of splitmix64 with the seed 0.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    }
}
