//! The read-only picture of delivery for management.

use bridgehead_mail::LinkName;

/// How many connections of a link are open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConnections {
    /// The link.
    pub link: LinkName,
    /// Connections.
    pub open: usize,
}
