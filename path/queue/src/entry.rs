//! What is known of a queued message in memory: where it lies, and how far it is. Envelope and content stay on
//! the disk.

use crate::segment::Segment;
use bridgehead_mail::{Addressee, Envelope, Failure, Timestamp};
use std::sync::Arc;

/// Where a frame lies.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) length: u32,
}

/// Kept in memory until the first attempt is over.
pub(crate) struct Hot {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) addressees: Option<Arc<[Addressee]>>,
}

/// State that outlives a restart or a new routing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) attempts: u32,
    pub(crate) until: Timestamp,
    pub(crate) delay_reported: bool,
    pub(crate) failure: Option<Arc<Failure>>,
}

/// How far a message is.
pub(crate) enum Stage {
    /// Waits to be categorized, or to be routed again.
    Submission,
    /// A lease on it is out.
    Taken,
    /// On links.
    Parts(Vec<Part>),
}

/// The addressees of a message that share a next hop.
pub(crate) struct Part {
    pub(crate) link: u32,
    /// The final domain, for the picture of the queue.
    pub(crate) domain: Arc<str>,
    /// Numbers of the addressees not settled yet.
    pub(crate) numbers: Vec<u32>,
    pub(crate) state: PartState,
    pub(crate) carried: Carried,
}

/// What a part waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartState {
    /// For its turn on the link.
    Ready,
    /// For the hand-over under way.
    Active,
    /// For its next try.
    Retry(Timestamp),
    /// For nothing.
    Done,
}

/// A queued message.
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) size: u64,
    pub(crate) inline: bool,
    pub(crate) accepted: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) delay_notice: Timestamp,
    /// The record of its addressees, once that was written.
    pub(crate) resolved: Option<Place>,
    /// How often it was assigned: a record of an earlier assignment that becomes durable later doesn't count.
    pub(crate) assignments: u32,
    /// Numbers settled for good, while others aren't.
    pub(crate) settled: Vec<u32>,
    /// State from before a restart.
    pub(crate) carried: Option<Box<Carried>>,
    pub(crate) hot: Option<Box<Hot>>,
    pub(crate) stage: Stage,
}

impl Entry {
    /// Where inline content starts: it is the end of its frame.
    pub(crate) fn content_offset(&self) -> u64 {
        let end = self.place.offset + u64::from(self.place.length);
        end.saturating_sub(self.size)
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        match &self.stage {
            Stage::Parts(parts) => parts.iter().all(|part| part.state == PartState::Done),
            Stage::Submission | Stage::Taken => false,
        }
    }
}
