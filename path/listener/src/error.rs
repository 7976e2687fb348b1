//! What can go wrong when virtual servers are started, by whose fault it is.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why settings can't come into force. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// An address can't be listened on.
    #[error("virtual server {name} can't listen on {address}")]
    Listen {
        /// The virtual server.
        name: Box<str>,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A certificate or key can't be used.
    #[error("virtual server {name} has no usable certificate")]
    Certificate {
        /// The virtual server.
        name: Box<str>,
        /// Why.
        #[source]
        source: CertificateError,
    },
    /// Two virtual servers have the same name.
    #[error("two virtual servers are called {name}")]
    SameName {
        /// The name.
        name: Box<str>,
    },
    /// The listener was shut down.
    #[error("the listener was shut down")]
    ShutDown,
}

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file can't be read, made or understood.
    #[error("can't {doing} {}: {reason}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        reason: String,
    },
    /// Certificate and key don't fit together or aren't supported.
    #[error("certificate and key can't be used")]
    Rejected(#[from] rustls::Error),
    /// A self-signed certificate can't be made.
    #[error("a self-signed certificate can't be made")]
    Making(#[from] rcgen::Error),
}
