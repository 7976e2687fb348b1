//! Where a queued message is: every one is in exactly one phase, and the phase in which mail stops names the broken part.

use std::fmt;

/// A phase of a message, or of its recipients with one next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Accepted; waits for the categorizer.
    Submission,
    /// The categorizer finds out who its recipients are.
    Categorization,
    /// Its recipients are known; its next hops aren't, or are found anew.
    Routing,
    /// On a link to another server: waits for its turn, or is being handed over.
    Link,
    /// On its way into a mailbox of this server.
    LocalDelivery,
    /// Failed for now; waits for its next try.
    Retry,
    /// Nothing is wrong with it, but its link isn't to be tried yet.
    Deferred,
    /// An operator holds it, its link, or all mail that goes out.
    Frozen,
    /// No path leads to where it goes.
    Unreachable,
    /// Set aside, because its processing ended a worker.
    Poison,
    /// An operator deleted it; it can be had back until its undo window ends.
    Deleted,
}

/// Each with its word.
const WORDS: [(Phase, &str); 11] = [
    (Phase::Submission, "submission"),
    (Phase::Categorization, "categorization"),
    (Phase::Routing, "routing"),
    (Phase::Link, "link"),
    (Phase::LocalDelivery, "local-delivery"),
    (Phase::Retry, "retry"),
    (Phase::Deferred, "deferred"),
    (Phase::Frozen, "frozen"),
    (Phase::Unreachable, "unreachable"),
    (Phase::Poison, "poison"),
    (Phase::Deleted, "deleted"),
];

impl Phase {
    /// How many there are; as a number, each is below this.
    pub const COUNT: usize = WORDS.len();

    /// All of them, in the order of a message's way.
    pub fn all() -> impl Iterator<Item = Self> {
        WORDS.iter().map(|(phase, _)| *phase)
    }

    /// All words, in the order of a message's way.
    pub fn words() -> impl Iterator<Item = &'static str> {
        WORDS.iter().map(|(_, word)| *word)
    }

    /// The phase of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let found = WORDS.iter().find(|(_, known)| *known == word);
        found.map(|(phase, _)| *phase)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = WORDS.iter().find(|(phase, _)| *phase == self);
        found.map_or("", |(_, word)| word)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_has_a_word_of_its_own() {
        for (phase, word) in WORDS {
            assert_eq!(Phase::parse(word), Some(phase));
            assert_eq!(phase.as_str(), word);
        }
        // The words stand in the order of their numbers.
        assert!(
            Phase::all()
                .enumerate()
                .all(|(number, phase)| phase as usize == number)
        );
        assert_eq!(Phase::parse("Frozen"), None);
    }
}
