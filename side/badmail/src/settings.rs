//! What the operator may set of badmail.

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Octets of messages and reasons. Default: 256 MiB.
    pub octets_max: u64,
    /// Messages. Default: 10,000.
    pub messages_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            octets_max: 256 * 1024 * 1024,
            messages_max: 10_000,
        }
    }
}
