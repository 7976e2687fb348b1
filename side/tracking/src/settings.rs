//! What the operator may set of tracking.

/// All settings of tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A file is ended at this many octets, or with the day. Default: 64 MiB.
    pub file_octets_max: u64,
    /// The oldest files go when all together have more octets. Default: 2 GiB.
    pub total_octets_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            file_octets_max: 64 * MIB,
            total_octets_max: 2048 * MIB,
        }
    }
}
