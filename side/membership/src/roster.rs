//! The keys of the other servers, as the directory names them.
//!
//! Guards: a key that two servers claim proves neither.

use std::collections::BTreeSet;
use std::collections::HashMap;

/// The other servers of the organisation, and the keys by which they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Whose a key is; none where two claim it.
    owners: HashMap<[u8; 32], Option<Box<str>>>,
    /// Servers without a key.
    keyless: BTreeSet<Box<str>>,
}

impl Roster {
    /// From the names of the servers and their keys; a server without keys is remembered as such.
    #[must_use]
    pub fn new<'a>(servers: impl IntoIterator<Item = (&'a str, &'a [[u8; 32]])>) -> Self {
        let mut roster = Self::default();
        for (name, keys) in servers {
            if keys.is_empty() {
                roster.keyless.insert(name.into());
            }
            for key in keys {
                let owner = roster.owners.entry(*key).or_insert(Some(name.into()));
                if owner.as_deref() != Some(name) {
                    *owner = None;
                }
            }
        }
        roster
    }

    /// Whose key it is.
    #[must_use]
    pub fn identify(&self, public: &[u8; 32]) -> Option<&str> {
        self.owners.get(public)?.as_deref()
    }

    /// Whether this is a key of that server.
    #[must_use]
    pub fn proves(&self, name: &str, public: &[u8; 32]) -> bool {
        self.identify(public) == Some(name)
    }

    /// Servers of which the directory has no key, in order.
    pub fn keyless(&self) -> impl Iterator<Item = &str> {
        self.keyless.iter().map(|name| &**name)
    }

    /// Whether no server can prove itself.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Whether more than one server claims the key.
    pub(crate) fn is_disputed(&self, public: &[u8; 32]) -> bool {
        matches!(self.owners.get(public), Some(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_each_of_its_keys() {
        let roster = Roster::new([
            ("a", &[[1; 32], [2; 32]][..]),
            ("b", &[[3; 32]]),
            ("c", &[]),
        ]);
        assert_eq!(roster.identify(&[1; 32]), Some("a"));
        assert_eq!(roster.identify(&[2; 32]), Some("a"));
        assert_eq!(roster.identify(&[4; 32]), None);
        assert!(roster.proves("b", &[3; 32]) && !roster.proves("a", &[3; 32]));
        assert_eq!(roster.keyless().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn a_key_that_two_servers_claim_proves_neither() {
        let keys = [[1; 32], [1; 32]];
        let roster = Roster::new([("a", &keys[..]), ("b", &keys[..1]), ("c", &keys[..1])]);
        assert_eq!(roster.identify(&[1; 32]), None);
        assert!(roster.is_disputed(&[1; 32]) && !roster.is_disputed(&[2; 32]));
    }
}
