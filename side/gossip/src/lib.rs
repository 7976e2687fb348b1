//! Link state in operation: the protocol of `linkstate` with a clock, and its messages under way.
//!
//! What it is: [`Gossip`] owns the node of this server. It hears from delivery how attempts ended and from the listener what other
//! servers say, has messages carried and links tried by whoever implements [`Carry`], and shows routing the picture as it is now.
//! What it guards: a server that doesn't answer delays nobody, everything that waits is bounded, and nothing here is worth keeping:
//! what is dropped is repaired by comparing digests. What it may refuse: chunks out of turn, of strangers, or too many at once.
//! Without it mail takes the configured path.

mod assembling;
mod attempts;
mod carry;
mod core;
mod drive;
mod line;
mod settings;
pub mod view;

pub use bridgehead_linkstate::NotAMember;
pub use carry::{BoxFuture, Carry, OwnedChunk};
pub use drive::Gossip;
pub use settings::{GossipSettings, Keys, LinkPicture};
