//! What can go wrong with a directory, in words that name the server.

use bridgehead_ldap::BerError;
use std::io;
use std::path::PathBuf;

/// Why a directory can't be used now.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// The file of trusted certificates can't be used.
    #[error("the CA file {path}: {reason}", path = path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No server is known.
    #[error("no server of the directory is known: {reason}")]
    NoServer {
        /// Why.
        reason: String,
    },
    /// A password would go over the network in clear text.
    #[error("{server}: without TLS no password is sent; use ldaps:// or StartTLS")]
    ClearText {
        /// The server.
        server: String,
    },
    /// No connection, or it broke.
    #[error("{server}: {source}")]
    Io {
        /// The server.
        server: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer in time.
    #[error("{server}: no answer to {what} in time")]
    Slow {
        /// The server.
        server: String,
        /// What was asked.
        what: &'static str,
    },
    /// The server sent something that isn't LDAP.
    #[error("{server}: {source}")]
    Malformed {
        /// The server.
        server: String,
        /// What.
        #[source]
        source: BerError,
    },
    /// The server sent an answer that doesn't belong here.
    #[error("{server}: unexpected answer to {what}")]
    Unexpected {
        /// The server.
        server: String,
        /// What was asked.
        what: &'static str,
    },
    /// The server said no.
    #[error("{server}: {what} was refused with code {code}: {text}")]
    Refused {
        /// The server.
        server: String,
        /// What was asked.
        what: &'static str,
        /// RFC 4511 appendix A.
        code: u32,
        /// The server's words.
        text: String,
    },
    /// Kerberos didn't let us in.
    #[error("{server}: Kerberos: {reason}")]
    Kerberos {
        /// The server.
        server: String,
        /// Why.
        reason: String,
    },
    /// Nobody listens to the news any more.
    #[error("nobody follows any more")]
    Over,
}

impl LdapError {
    /// The code of a refusal.
    pub(crate) const fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }
}
