//! Who said it: the seam to the members' keys.
//!
//! Guards: records are passed on by others than their origin, so each carries its origin's seal, and no member can speak for
//! another. What a seal is (a signature by the key that the directory publishes) is decided outside.

/// What is sealed begins with these octets, so that the seal of a record is the seal of nothing else.
pub(crate) const PREFIX: &[u8] = b"bridgehead link state record 1\0";

/// Makes this server's seals.
pub trait Signer: Send + Sync {
    /// The seal of a message, at most [`SEAL_OCTETS_MAX`](crate::codec::SEAL_OCTETS_MAX) octets; a longer one is never sent.
    fn sign(&self, message: &[u8]) -> Vec<u8>;
}

/// Checks the seals of members.
pub trait Verifier: Send + Sync {
    /// Whether the seal of this message was made by the member's present key.
    ///
    /// # Errors
    /// If it wasn't.
    fn verify(&self, origin: &str, message: &[u8], seal: &[u8]) -> Result<(), KeyFault>;
}

/// Why a seal isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The directory names no key of this member.
    #[error("the directory has no key of it")]
    Missing,
    /// The key was revoked.
    #[error("its key was revoked")]
    Revoked,
    /// The seal was made by another key, or of something else.
    #[error("the seal is not of its key")]
    Mismatch,
}

/// What is sealed of a record.
pub(crate) fn message(body: &[u8]) -> Vec<u8> {
    [PREFIX, body].concat()
}
