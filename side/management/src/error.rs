//! What can go wrong when the interface starts.

use std::path::PathBuf;

/// Why the management interface can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another server answers at this socket.
    #[error("another server is running: it answers at {}", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket can't be made.
    #[error("can't make the admin socket {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
