//! Mail that waits until its next hop asks for it (RFC 1985).

use bridgehead_mail::{Domain, Refusal};

/// Who has mail that waits to be asked for. Called from sessions.
pub trait Waiting: Send + Sync {
    /// Sends what waits for a domain; returns how much that is.
    ///
    /// # Errors
    /// [`Refusal::NotToBeAsked`] or [`Refusal::CannotStart`].
    fn start(&self, domain: &Domain) -> Result<u64, Refusal>;
}
