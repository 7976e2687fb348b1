//! `bridgehead member`: the servers of the organisation and their keys.

use super::Admin;
use clap::Subcommand;
use std::path::PathBuf;

/// The servers of the organisation, and the keys by which they know each other.
#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// This server's public key, as it stands in member-keys of its server object; made if there is none yet
    Key {
        /// The server's data directory
        #[arg(
            long,
            default_value = "bridgehead-data",
            value_name = "DIR",
            conflicts_with = "config"
        )]
        data: PathBuf,
        /// The server file, which names the data directory
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// The servers of the organisation: whether the directory has keys of them, and whether this server's key is among its own
    List {
        #[command(flatten)]
        to: Admin,
    },
}
