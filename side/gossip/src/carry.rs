//! The seam to whoever has connections to other servers.

use bridgehead_linkstate::chunk::{self, CHUNK_OCTETS_MAX};
use std::future::Future;
use std::pin::Pin;

/// A future that owns all it needs, or borrows it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A part of a message, on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedChunk {
    /// Where it stands: `ONLY`, `FIRST`, `NEXT` or `LAST`.
    pub place: &'static str,
    /// Its number in the message, from 0.
    pub number: u32,
    /// Its octets.
    pub octets: Vec<u8>,
}

/// Carries messages to other servers of the organisation and tries whether they answer. Whoever implements it authenticates them.
pub trait Carry: Send + Sync {
    /// Carries the chunks of one message to a server, in their order. An error is a sentence; the message is lost then.
    fn send<'a>(
        &'a self,
        to: &'a str,
        chunks: Vec<OwnedChunk>,
    ) -> BoxFuture<'a, Result<(), String>>;

    /// Tries whether a server answers and is who it should be.
    fn probe<'a>(&'a self, server: &'a str) -> BoxFuture<'a, Result<(), String>>;

    /// A link that was in doubt was tried and works: a connector, or the way to a server of the own group. What waits for it needn't
    /// wait any longer.
    fn works(&self, connector: Option<&str>, server: &str);
}

/// A message as it is carried.
pub(crate) fn cut(message: &[u8]) -> Vec<OwnedChunk> {
    let chunks = chunk::cut(message, CHUNK_OCTETS_MAX);
    let owned = chunks.map(|chunk| OwnedChunk {
        place: chunk.place.as_str(),
        number: chunk.number,
        octets: chunk.octets.to_vec(),
    });
    owned.collect()
}
