//! Why the directory can't be opened.

use std::io;
use std::path::PathBuf;

/// The embedded directory can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder or file can't be made or opened.
    #[error("the directory's file {path} can't be opened")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its database can't be opened or read: damaged, of another version, or in use by another process.
    #[error("the directory's database {path} can't be read")]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: redb::Error,
    },
    /// What is in it doesn't make an organisation.
    #[error("the directory's database {path} holds what this version doesn't understand: {fault}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The first fault.
        fault: String,
    },
}

/// What was changed can't be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// It can't be read.
    #[error("the directory's history can't be read: {0}")]
    Database(#[from] redb::Error),
    /// Versions have gaps where a change was tried and withdrawn, and old ones are forgotten where servers share them.
    #[error("no change that led to version {0} is remembered")]
    Unknown(u64),
}
