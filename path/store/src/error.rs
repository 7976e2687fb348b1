//! What can go wrong. All of it is local trouble: the mail stays in the queue.

use std::path::PathBuf;

/// Why a delivery or a reading failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk says no.
    #[error("can't {doing} {}: {why}", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the disk says.
        why: String,
    },
    /// The index says no.
    #[error("the store's index: {0}")]
    Index(String),
    /// A sync failed: what was written since is unknown, so nothing is written until the store is opened again.
    #[error("the store stopped writing after a failed sync: {0}")]
    Stopped(String),
    /// Less free space than the floor.
    #[error("only {free} octets are free for the store")]
    Full {
        /// What is free.
        free: u64,
    },
    /// There is no such mailbox or message.
    #[error("there is no {0}")]
    Unknown(String),
    /// What was read isn't what was written.
    #[error("{0} is damaged: its checksum doesn't fit")]
    Damaged(String),
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    pub(crate) fn index(error: &impl std::fmt::Display) -> Self {
        Self::Index(error.to_string())
    }
}
