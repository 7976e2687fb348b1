//! What a gossip is started with, and the picture it gives.

use bridgehead_linkstate::{Links, Settings, Signer, Topology, Verifier};
use std::sync::Arc;

/// What a gossip is started with.
#[derive(Clone, Debug)]
pub struct GossipSettings {
    /// This server's name.
    pub server: Box<str>,
    /// The organisation as it is configured.
    pub topology: Arc<Topology>,
    /// Times and thresholds of the protocol.
    pub protocol: Arc<Settings>,
}

/// Who makes this server's seals, and who checks those of the others.
pub type Keys = (Arc<dyn Signer>, Arc<dyn Verifier>);

/// The state of the organisation's links, to choose paths by.
#[derive(Clone, Debug, Default)]
pub struct LinkPicture {
    /// The topology that the links' numbers belong to.
    pub topology: Arc<Topology>,
    /// What of it isn't as configured.
    pub links: Arc<Links>,
    /// Grows with each change.
    pub version: u64,
}
