//! Passwords: clear text comes in, argon2id hashes (RFC 9106) are kept.
//!
//! Guards: clear text is never shown, stored or compared; a user who doesn't exist costs as much time as a wrong
//! password; a hash with absurd costs is refused, so that a file can't stall every login.

use crate::Organisation;
use crate::value::{quote, string};
use crate::{Key, Value};
use argon2::Argon2;
use password_hash::phc::PasswordHash;
use password_hash::{PasswordHasher, PasswordVerifier};
use std::collections::HashMap;
use std::fmt;
use std::thread;
use toml::de::DeValue;

/// Octets of a password.
const PASSWORD_OCTETS_MAX: usize = 1_024;
/// KiB of memory that a hash may ask for.
const MEMORY_MAX: u32 = 256 * 1024;
/// Rounds, and lanes, that a hash may ask for.
const ROUNDS_MAX: u32 = 64;

/// The hash of nothing anybody knows, with the costs of a real one.
const DUMMY: &str = "$argon2id$v=19$m=19456,t=2,p=1$YnJpZGdlaGVhZC1ub2JvZHk$\
                     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password: as written in clear text, or as its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<str>);

/// The hash couldn't be made.
#[derive(Debug, thiserror::Error)]
#[error("the password can't be hashed: {0}")]
pub(crate) struct HashError(#[source] password_hash::Error);

impl Password {
    /// From clear text or an argon2 hash in PHC form.
    ///
    /// # Errors
    /// What is wrong with it, in words that don't show it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > PASSWORD_OCTETS_MAX {
            return Err(format!("must have 1 to {PASSWORD_OCTETS_MAX} octets"));
        }
        let kind = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        let kind = kind.map(|(kind, _)| kind);
        match kind {
            Some("argon2id" | "argon2i" | "argon2d") => check_hash(text)?,
            Some("1" | "2" | "2a" | "2b" | "2y" | "5" | "6" | "7" | "y" | "scrypt") => {
                return Err("looks like a hash, but not an argon2 one; \
                            clear text or an argon2 hash is expected"
                    .to_owned());
            }
            _ => {}
        }
        Ok(Self(text.into()))
    }

    /// From a text of [`Self::as_stored`].
    pub(crate) fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for this room's own records.
    pub(crate) fn as_stored(&self) -> &str {
        &self.0
    }

    /// The hash, if it is one.
    #[must_use]
    pub fn hash(&self) -> Option<&str> {
        self.0.starts_with("$argon2").then_some(&*self.0)
    }

    /// The same as a hash. `known` is kept if it is the hash of this clear text, so that applying a file twice
    /// changes nothing.
    pub(crate) fn hashed(&self, known: Option<&Self>) -> Result<Self, HashError> {
        if self.hash().is_some() {
            return Ok(self.clone());
        }
        let known = known.filter(|known| verify_password(known.hash(), self.0.as_bytes()));
        if let Some(known) = known {
            return Ok(known.clone());
        }
        let hash = Argon2::default().hash_password(self.0.as_bytes());
        let hash: PasswordHash = hash.map_err(HashError)?;
        Ok(Self(hash.to_string().into_boxed_str()))
    }
}

fn check_hash(text: &str) -> Result<(), String> {
    let hash = PasswordHash::new(text).map_err(|error| format!("not an argon2 hash: {error}"))?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err("not a whole argon2 hash: salt or hash is missing".to_owned());
    }
    let params = argon2::Params::try_from(&hash);
    let params = params.map_err(|error| format!("not an argon2 hash: {error}"))?;
    let costly = params.m_cost() > MEMORY_MAX
        || params.t_cost() > ROUNDS_MAX
        || params.p_cost() > ROUNDS_MAX;
    if costly {
        return Err(format!(
            "an argon2 hash with m up to {MEMORY_MAX} and t and p up to {ROUNDS_MAX} is expected"
        ));
    }
    Ok(())
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(password)")
    }
}

impl Value for Password {
    const SHAPE: &'static str = "a password";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        Self::parse(string(value, "a password")?)
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

/// Whether this is the password that was hashed. Slow on purpose (tens of milliseconds, 19 MiB): call it on a
/// blocking thread. Without a hash it takes the same time and says no, so that nobody learns who exists.
#[must_use]
pub fn verify_password(hash: Option<&str>, password: &[u8]) -> bool {
    let fits = PasswordHash::new(hash.unwrap_or(DUMMY))
        .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok());
    fits && hash.is_some()
}

/// Clear text becomes hashes, several at once; a hash the directory already has for the same text is kept.
pub(crate) fn hash_passwords(new: &mut Organisation, old: &Organisation) -> Result<(), HashError> {
    let known: HashMap<Box<str>, &Password> = old
        .mailboxes
        .iter()
        .filter_map(|mailbox| Some((mailbox.name.folded(), mailbox.password.as_ref()?)))
        .collect();
    // Each by its place in the list: one that is moved is hashed anew.
    let known_apps: HashMap<Box<str>, Vec<&Password>> = old
        .mailboxes
        .iter()
        .map(|mailbox| {
            (
                mailbox.name.folded(),
                mailbox.app_passwords.iter().collect(),
            )
        })
        .collect();
    let administrators: HashMap<Box<str>, &Password> = old
        .administrators
        .iter()
        .filter_map(|somebody| Some((somebody.name.folded(), somebody.password.as_ref()?)))
        .collect();
    let mut work: Vec<(&mut Password, Option<&Password>)> = Vec::new();
    for mailbox in &mut new.mailboxes {
        let before = known.get(&mailbox.name.folded()).copied();
        work.extend(mailbox.password.as_mut().map(|password| (password, before)));
        let before = known_apps.get(&mailbox.name.folded());
        for (at, password) in mailbox.app_passwords.iter_mut().enumerate() {
            work.push((password, before.and_then(|before| before.get(at).copied())));
        }
    }
    for somebody in &mut new.administrators {
        let before = administrators.get(&somebody.name.folded()).copied();
        work.extend(
            somebody
                .password
                .as_mut()
                .map(|password| (password, before)),
        );
    }
    work.retain(|(password, _)| password.hash().is_none());
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(8);
    let share = work.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let running: Vec<_> = work
            .chunks_mut(share)
            .map(|share| scope.spawn(|| hash_share(share)))
            .collect();
        // A panic in a thread goes on here, as it would without threads.
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
}

fn hash_share(share: &mut [(&mut Password, Option<&Password>)]) -> Result<(), HashError> {
    for (password, known) in share {
        **password = password.hashed(*known)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_only_its_own_password() {
        let hashed = Password::parse("correct horse")
            .unwrap()
            .hashed(None)
            .unwrap();
        assert!(verify_password(hashed.hash(), b"correct horse"));
        assert!(!verify_password(hashed.hash(), b"correct hors"));
        assert!(!verify_password(None, b"correct horse"));
        assert!(!verify_password(Some("nonsense"), b"x"));
    }

    #[test]
    fn the_dummy_is_a_hash_that_is_really_computed() {
        assert_eq!(check_hash(DUMMY), Ok(()));
        let hash = PasswordHash::new(DUMMY).unwrap();
        let params = argon2::Params::try_from(&hash).unwrap();
        assert_eq!(params.m_cost(), argon2::Params::default().m_cost());
        assert_eq!(params.t_cost(), argon2::Params::default().t_cost());
        let verdict = Argon2::default().verify_password(b"x", &hash);
        assert_eq!(verdict, Err(password_hash::Error::PasswordInvalid));
    }

    #[test]
    fn a_known_hash_of_the_same_clear_text_is_kept() {
        let clear = Password::parse("secret").unwrap();
        let first = clear.hashed(None).unwrap();
        assert_eq!(clear.hashed(Some(&first)).unwrap(), first);
        assert_eq!(first.hashed(None).unwrap(), first);
    }

    #[test]
    fn foreign_broken_and_absurd_hashes_are_refused() {
        for text in [
            "",
            "$2b$10$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=19456",
            "$argon2id$v=19$m=4194304,t=2,p=1$YnJpZGdlaGVhZC1ub2JvZHk$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(Password::parse(text).is_err(), "{text}");
        }
        assert!(Password::parse("$money$").is_ok());
        assert_eq!(
            format!("{:?}", Password::parse("secret").unwrap()),
            "(password)"
        );
    }
}
