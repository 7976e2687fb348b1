//! What can go wrong, by whose fault it is.

use bridgehead_mail::Refusal;
use std::io;
use std::path::PathBuf;

/// Why a message can't be taken now. Always local trouble, so always temporary for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Less free space than the floor.
    #[error("{free} octets are free in {}, and {floor} must stay free", directory.display())]
    DiskFull {
        /// The spool.
        directory: PathBuf,
        /// What is free.
        free: u64,
        /// What must stay free.
        floor: u64,
    },
    /// The server is being emptied.
    #[error("the server is being drained")]
    Draining,
    /// Too much is waiting, or too much memory is used.
    #[error("too much for now: {0}")]
    Overloaded(String),
    /// Storing failed; after a failed sync it stays so until the operator acts.
    #[error("mail can't be stored: {0}")]
    Storage(String),
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
    /// The envelope has no recipient or doesn't fit into a record.
    #[error("the envelope can't be stored: {0}")]
    Envelope(&'static str),
}

impl Refused {
    /// The row of the reply table for it.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::DiskFull { .. } => Refusal::DiskFull,
            Self::Draining => Refusal::Draining,
            Self::Overloaded(_) => Refusal::Overloaded,
            Self::Storage(_) | Self::Envelope(_) => Refusal::StorageFailed,
            Self::Closed => Refusal::ShuttingDown,
        }
    }
}

/// Why the spool can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another server has it open.
    #[error("the spool {} is in use by another server", directory.display())]
    InUse {
        /// The spool.
        directory: PathBuf,
    },
    /// The disk says no.
    #[error("can't {doing} {}", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
    },
    /// One of its folders can't be used.
    #[error("{}: {why}", path.display())]
    Folder {
        /// The folder, or the list of them.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The queue was closed before all of the spool was read.
    #[error("the queue was closed before all of its spool was read")]
    Closed,
    /// A later version of the server wrote it.
    #[error("{} has format {found}, this server knows up to {known}", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
}
