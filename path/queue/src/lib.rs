//! The durable queue: spool format, group commit, recovery, leases, phases, retry clock, controls.
//!
//! What it is: where every message rests between acceptance and the end of its life. What it guards: [`Committed`] is made only
//! after the sync that covers the message, and what was committed comes back after any crash until it is settled. What it
//! may refuse: new mail, while the disk is nearly full or storing has failed; never what it has already.
//!
//! The way through it: [`Inlet::begin`] → [`Draft::write`] → [`Draft::commit`] · [`Queue::take`] → [`Queue::assign`] ·
//! [`Queue::next`] → [`Queue::settle`]. The layout on the disk is in `docs/formats/spool.md`. Everything but
//! `drive.rs` is free of threads and clocks, so that a simulation can drive it step by step.

mod adopt;
mod asked;
mod check;
mod clock;
mod codec;
mod commit;
mod compact;
mod control;
mod control_codec;
mod controlling;
mod crashes;
mod drive;
mod entries;
mod entry;
mod envelope_codec;
mod error;
mod failures;
mod folders;
mod gather;
mod grouped;
mod in_hand;
mod inlet;
mod lease;
mod loaded;
mod log;
mod numbers;
mod operating;
mod pressure;
#[cfg(test)]
mod properties;
mod queue;
mod reading;
mod record;
mod recovery;
mod relocate;
mod scan;
mod schedule;
mod segment;
pub mod settings;
mod shared;
mod small_file;
mod state;
mod steering;
mod stream;
mod suspects;
mod tally;
mod times;
mod turns;
pub mod view;

pub use adopt::{AdoptError, Adopted};
pub use check::{Checked, check};
pub use codec::Malformed;
pub use control::{Adoption, Control, Decision, Deletion, Effect, Order, Steering};
pub use error::{OpenError, Refused};
pub use gather::Committed;
pub use inlet::{Draft, Inlet};
pub use lease::{Assignment, Lease, Part, PartLease, Report, Returned, Settlement, Work};
pub use pressure::{Level, Pressure};
pub use queue::{Queue, ReadyLink};
pub use record::{ContentRecord, FRAME_OCTETS_MAX, Frame, Record, parse as parse_frame};
pub use recovery::{Recovery, Unread};
pub use scan::{Gap, Kept, Scan, scan as scan_segment};
pub use schedule::Closed;
pub use settings::Settings;
pub use small_file::FolderFault;
