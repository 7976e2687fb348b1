//! Passwords that were found right a moment ago, so that a burst of sessions doesn't pay for each check.
//!
//! Guards: no password is kept, only a digest under a key that exists in this process alone; a changed password is
//! checked anew at once, because the directory's hash is part of the digest; entries age and are bounded in number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// How many mailboxes are remembered; beyond that all are forgotten.
const ENTRIES_MAX: usize = 10_000;

/// The passwords found right.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    keys: [RandomState; 2],
    entries: HashMap<Box<str>, (u128, Instant)>,
}

impl Verified {
    /// Whether this very password of this mailbox was found right a moment ago.
    pub(crate) fn holds(
        &self,
        mailbox: &str,
        hash: &str,
        password: &[u8],
        now: Instant,
        holds: Duration,
    ) -> bool {
        let digest = self.digest(hash, password);
        let fresh = |at: Instant| now.saturating_duration_since(at) < holds;
        let entry = self.entries.get(mailbox);
        entry.is_some_and(|(known, at)| *known == digest && fresh(*at))
    }

    /// Remembers that it was found right.
    pub(crate) fn remember(&mut self, mailbox: &str, hash: &str, password: &[u8], now: Instant) {
        let digest = self.digest(hash, password);
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        self.entries.insert(mailbox.into(), (digest, now));
    }

    /// 128 bits from two independent keyed hashes.
    fn digest(&self, hash: &str, password: &[u8]) -> u128 {
        let [high, low] = &self.keys;
        let high = u128::from(high.hash_one((hash, password)));
        high << 64 | u128::from(low.hash_one((hash, password)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDS: Duration = Duration::from_secs(60);

    #[test]
    fn only_the_same_password_of_the_same_hash_holds_and_only_for_a_while() {
        let now = Instant::now();
        let mut verified = Verified::default();
        verified.remember("alice", "hash", b"right", now);
        assert!(verified.holds("alice", "hash", b"right", now, HOLDS));
        assert!(!verified.holds("alice", "hash", b"wrong", now, HOLDS));
        assert!(!verified.holds("alice", "changed", b"right", now, HOLDS));
        assert!(!verified.holds("bob", "hash", b"right", now, HOLDS));
        assert!(!verified.holds("alice", "hash", b"right", now + HOLDS, HOLDS));
    }

    #[test]
    fn memory_is_bounded() {
        let now = Instant::now();
        let mut verified = Verified::default();
        for number in 0..=ENTRIES_MAX {
            verified.remember(&number.to_string(), "hash", b"x", now);
        }
        assert!(verified.entries.len() <= ENTRIES_MAX);
    }
}
