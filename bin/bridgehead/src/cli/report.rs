//! The commands about reports, and about what failed where nobody could be told.

use super::Admin;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Report {
    /// Show what a report says to people, with examples in it
    Preview {
        /// failure, delay, delivered, relayed or expanded; with --source also words
        #[arg(long, default_value = "failure")]
        kind: String,
        /// The language
        #[arg(long, default_value = "en", value_name = "TAG")]
        language: String,
        /// A folder with texts of your own, as `report-templates` names it; their faults are told
        #[arg(long, value_name = "DIR")]
        templates: Option<PathBuf>,
        /// Print the built-in text as it is written, to begin a text of your own with
        #[arg(long, conflicts_with = "templates")]
        source: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Badmail {
    /// What is there, the oldest messages first
    List {
        #[command(flatten)]
        to: Admin,
    },
    /// Why a message is there, and where its file is; `queue import` takes it back
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        to: Admin,
    },
    /// Remove messages
    Delete {
        /// Their names
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        names: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        to: Admin,
    },
}
