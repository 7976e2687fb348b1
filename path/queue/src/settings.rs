//! What the operator may set of the queue. Plain and checked; the config room fills it.

use std::path::PathBuf;
use std::time::Duration;

/// What can be changed while the queue runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Below this much free space on the queue's disk, mail is refused with 452. Unit: octets. Default: 256 MiB.
    pub free_space_floor: u64,
    /// How long after acceptance a message is given up that never had a next hop. Default: two days.
    pub expire_after: Duration,
    /// With so many messages in the queue, new mail is refused; 0 for no bound. Default: 5 million.
    pub max_messages: u64,
    /// With so much resident memory, new mail is refused. Unit: octets. Default: no bound.
    pub max_memory: Option<u64>,
    /// How long a message that an operator deleted can be had back. Default: one hour.
    pub undo_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            free_space_floor: 256 * 1024 * 1024,
            expire_after: Duration::from_secs(48 * 3600),
            max_messages: 5_000_000,
            max_memory: None,
            undo_window: Duration::from_secs(3600),
        }
    }
}

/// All settings of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the spool: segments and large contents lie in it, nothing else.
    pub directory: PathBuf,
    /// Content up to this many octets lies inside the segment; larger content in a file of its own. Default:
    /// 64 KiB. Bound: 0 to 1 MiB.
    pub inline_octets_max: usize,
    /// How long a segment grows, in octets. Default: 64 MiB. Bound: 1 MiB to 1 GiB.
    pub segment_octets: u64,
    /// The limits to begin with.
    pub limits: Limits,
    /// How long a settlement may wait for a commit to ride along with. A crash in this time repeats a delivery, it
    /// never loses one. Default: 20 ms.
    pub ride_along: Duration,
    /// Messages whose envelopes stay in memory until they were tried once. Default: 2,000; worst case with
    /// envelopes of 100 recipients: 20 MB.
    pub hot_messages: usize,
    /// Segments that may exist before one in which little is alive is emptied. Default: 4. Bound: from 2 up.
    pub segments_before_compaction: usize,
}

impl Settings {
    /// The defaults for a spool in this folder.
    #[must_use]
    pub fn for_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            inline_octets_max: 64 * 1024,
            segment_octets: 64 * 1024 * 1024,
            limits: Limits::default(),
            ride_along: Duration::from_millis(20),
            hot_messages: 2_000,
            segments_before_compaction: 4,
        }
    }
}
