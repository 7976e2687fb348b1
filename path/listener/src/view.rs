//! What management may see of the listener: plain copies, taken at one moment.

use std::net::SocketAddr;

/// One virtual server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VirtualServerView {
    /// Its name.
    pub name: Box<str>,
    /// Where it listens, with the real port.
    pub addresses: Vec<SocketAddr>,
    /// Sessions open now.
    pub sessions: usize,
    /// Sessions since the virtual server started.
    pub sessions_total: u64,
    /// Sessions turned away by a limit.
    pub turned_away: u64,
    /// Messages accepted.
    pub messages: u64,
    /// Octets of content accepted.
    pub octets: u64,
    /// Messages and recipients refused.
    pub refused: u64,
}
