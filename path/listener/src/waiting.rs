//! Mail that waits until its next hop asks for it: by ETRN (RFC 1985) it is sent, by ATRN (RFC 2645) it goes over the connection on which
//! it was asked for.

use crate::drive::Line;
use bridgehead_mail::{Domain, Refusal};
use std::any::Any;
use std::net::IpAddr;

/// Who has mail that waits to be asked for. Called from sessions.
pub trait Waiting: Send + Sync {
    /// Sends what waits for a domain; returns how much that is. `user` has authenticated.
    ///
    /// # Errors
    /// [`Refusal::NotToBeAsked`] or [`Refusal::CannotStart`].
    fn start(&self, user: Option<&str>, domain: &Domain) -> Result<u64, Refusal>;

    /// What hands over what waits for these domains, or all that waits for the user who has authenticated. Until it is called nothing
    /// happens.
    ///
    /// # Errors
    /// [`Refusal::TurnRefused`] if the user may not have all of it, [`Refusal::NoMail`] or [`Refusal::CannotTurn`].
    fn turn(&self, user: &str, domains: &[Domain]) -> Result<Box<dyn Turn>, Refusal>;
}

/// Takes a connection over whose client has become the server.
pub trait Turn: Send {
    /// Takes it. Must not block.
    fn take(self: Box<Self>, turned: Turned);
}

/// A connection that was turned round (RFC 2645 §5.3): nothing of the client was read that came after its last command.
pub struct Turned {
    /// The connection, as it was: TLS goes on.
    pub line: Box<dyn Line>,
    /// The client's address.
    pub address: IpAddr,
    /// What the client called itself; nothing in it could break a line.
    pub hello: Box<str>,
    /// Version and cipher, if it is inside TLS.
    pub tls: Option<Box<str>>,
    /// The session's place among those of the virtual server: kept for as long as the connection lives.
    pub place: Box<dyn Any + Send + Sync>,
}
