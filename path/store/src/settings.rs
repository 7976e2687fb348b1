//! What the operator may set of the store. Plain and checked; the composition root fills it.

use std::path::PathBuf;

/// All settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The folder of the store: its index, and the bodies.
    pub directory: PathBuf,
    /// Bodies up to this many octets share files; larger ones have a file each. Default: 64 KiB.
    pub shared_octets_max: u64,
    /// How long a file of shared bodies grows. Default: 256 MiB.
    pub body_file_octets: u64,
    /// Memory for the index. Default: 32 MiB.
    pub index_cache_octets: usize,
    /// Below this much free space, nothing is delivered; the mail waits in the queue. Default: 128 MiB.
    pub free_space_floor: u64,
}

impl Settings {
    /// The defaults for a store in this folder.
    #[must_use]
    pub fn for_directory(directory: PathBuf) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            directory,
            shared_octets_max: 64 * 1024,
            body_file_octets: 256 * MIB,
            index_cache_octets: 32 * 1024 * 1024,
            free_space_floor: 128 * MIB,
        }
    }
}
