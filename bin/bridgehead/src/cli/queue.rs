//! The commands about queued mail.

use super::Admin;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum Queue {
    /// What waits, grouped by link and final domain
    List {
        #[command(flatten)]
        to: Admin,
    },
    /// The messages for which conditions hold, as `from:*@example.org size>1MiB age>2h`
    Find {
        /// The conditions
        #[arg(value_name = "CONDITIONS")]
        predicate: String,
        /// Show so many at the most
        #[arg(long, default_value_t = 100)]
        limit: u64,
        #[command(flatten)]
        to: Admin,
    },
    /// One message that waits
    Show {
        /// Its id
        id: String,
        #[command(flatten)]
        to: Admin,
    },
    #[command(flatten)]
    Order(Order),
    /// Write messages as files, with their envelopes; they stay in the queue
    Export {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// The folder to write them into
        #[arg(long, default_value = ".")]
        into: PathBuf,
        #[command(flatten)]
        to: Admin,
    },
    /// Take files into the queue, as `queue export` writes them or with X-Sender and X-Receiver in their first lines
    Import {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        to: Admin,
    },
    /// Take over the queue of a server that is gone, each message exactly once; if that is interrupted, run it again
    Adopt {
        /// The folder of its queue, on this machine; no server may have it open
        folder: PathBuf,
        /// The folder is lost for good: let go what an interrupted adoption has copied of it
        #[arg(long)]
        lost: bool,
        #[command(flatten)]
        to: Admin,
    },
    /// Look at the spool of a stopped server: what is in it, and what is wrong
    Check {
        /// The folder of the queue
        #[arg(long, default_value = "data/queue")]
        spool: PathBuf,
        /// Keep what is readable and put the rest aside, as a start of the server does; nothing is deleted that anybody needs
        #[arg(long)]
        repair: bool,
    },
    /// Store mail again after storing failed and the disk was mended
    Resume {
        #[command(flatten)]
        to: Admin,
    },
}

/// What is to be done with messages.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Hold messages where they are
    Freeze(Which),
    /// Let frozen messages go on
    Thaw(Which),
    /// Try messages again now, on a path that is found anew
    Retry {
        /// Also where a schedule keeps their links closed: all mail of those goes, until the schedule opens them
        #[arg(long)]
        outside_schedule: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Find out again who the recipients are that are left
    Resubmit(Which),
    /// Remove messages; they can be had back until the undo window ends
    Delete {
        /// Tell their senders when the undo window ends
        #[arg(long)]
        report: bool,
        /// Remove them at once: nobody has them back
        #[arg(long)]
        now: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Take a deletion back
    Restore(Which),
    /// Send messages by another connector, whatever routing says
    Redirect {
        /// The connector
        #[arg(long, value_name = "CONNECTOR", required_unless_present = "back")]
        via: Option<String>,
        /// By what routing says again
        #[arg(long, conflicts_with = "via")]
        back: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Give messages another priority
    Priority {
        /// high, normal or low
        #[arg(long = "set", value_name = "PRIORITY")]
        priority: String,
        #[command(flatten)]
        which: Which,
    },
    /// Give messages up at another time
    Expire {
        /// How long from now, as 2h
        #[arg(long = "in", value_name = "DURATION", value_parser = duration)]
        after: u64,
        #[command(flatten)]
        which: Which,
    },
}

/// Which messages are meant.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Ids of messages
    #[arg(required_unless_present_any = ["predicate", "link", "all"], conflicts_with_all = ["predicate", "link", "all"])]
    pub(crate) ids: Vec<String>,
    /// Those for which conditions hold, as `from:*@example.org age>2h`
    #[arg(long = "where", value_name = "CONDITIONS", conflicts_with_all = ["link", "all"])]
    pub(crate) predicate: Option<String>,
    /// Those on this link
    #[arg(long, conflicts_with = "all")]
    pub(crate) link: Option<String>,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// With delete, redirect and expire: also messages that have recipients on other links, who aren't meant
    #[arg(long)]
    pub(crate) whole_messages: bool,
    /// Say which it would be, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) to: Admin,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Link {
    /// The links on which mail waits or that were used lately: connections, limits, what they wait for
    List {
        #[command(flatten)]
        to: Admin,
    },
    /// Which links between servers of the organisation work, who says so, and how neighbours answer
    State {
        #[command(flatten)]
        to: Admin,
    },
    /// One link, with its pace and the last answer that slowed it
    Show {
        /// Its name, as `link list` has it
        name: String,
        #[command(flatten)]
        to: Admin,
    },
    /// Ask another server now for the mail that waits there for this one, as the connector's `fetch` says
    Fetch {
        /// The connector
        connector: String,
        #[command(flatten)]
        to: Admin,
    },
    /// Hold a link: nothing is handed over on it, new mail waits there too
    Freeze {
        /// Its name, as `queue list` has it
        name: String,
        #[command(flatten)]
        to: Admin,
    },
    /// Let a frozen link go on
    Thaw {
        /// Its name
        name: String,
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Server {
    /// Hold all mail for other servers; what is for mailboxes here goes on
    Hold {
        #[command(flatten)]
        to: Admin,
    },
    /// Take no new mail, try now what waits, and say what still blocks
    Drain {
        /// Take new mail again
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        to: Admin,
    },
    /// Let mail for other servers go on
    Release {
        #[command(flatten)]
        to: Admin,
    },
}

/// Seconds of a duration as `90s`, `4h` or `1h30m`.
fn duration(text: &str) -> Result<u64, String> {
    let wait = bridgehead_mail::Wait::parse(text);
    let wait = wait.ok_or("a duration from one second up is expected, as 90s, 4h or 2d")?;
    Ok(wait.as_secs())
}
