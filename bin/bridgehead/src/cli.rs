//! The command line: verbs and nouns with verbs, `--json` everywhere.

pub(crate) mod bench;
pub(crate) mod lab;
mod member;
mod queue;
mod report;

pub(crate) use member::Member;
pub(crate) use queue::{Link, Order, Queue, Server, Which};
pub(crate) use report::{Badmail, Report};

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;

/// A mail-transport server for organisations with many sites.
#[derive(Debug, Parser)]
#[command(name = "bridgehead", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a small organisation, start the server on loopback, send one message and show its way
    Quickstart(Quickstart),
    /// Write a server file and an organisation file with comments, to begin with
    Init {
        /// The folder to write them into
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
    /// Check server and organisation files; each fault is named with file, line, key and reason
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Run the server
    Serve {
        /// The server file
        #[arg(long)]
        config: PathBuf,
    },
    /// Make the organisation what a file says; in force without a restart
    Apply(Apply),
    /// Show the organisation as a file
    Export {
        #[command(flatten)]
        to: Admin,
    },
    /// Show how a file differs from the organisation, and what applying it would mean for mail
    Diff {
        /// The organisation file
        #[arg(short, long)]
        file: PathBuf,
        #[command(flatten)]
        to: Admin,
    },
    /// What was changed in the organisation, and the way back
    #[command(subcommand)]
    Config(Config),
    /// Where recipients and configuration come from
    #[command(subcommand)]
    Directory(Directory),
    /// Show the server: listening addresses, sessions, what is in force
    Status {
        #[command(flatten)]
        to: Admin,
    },
    /// What waits, and what to do with it
    #[command(subcommand)]
    Queue(Queue),
    /// The links on which mail waits for its next hops
    #[command(subcommand)]
    Link(Link),
    /// This server as a whole
    #[command(subcommand)]
    Server(Server),
    /// What failed and has nobody who could be told
    #[command(subcommand)]
    Badmail(Badmail),
    /// Delivery reports
    #[command(subcommand)]
    Report(Report),
    /// One message
    #[command(subcommand)]
    Message(Message),
    /// Ways to addresses
    #[command(subcommand)]
    Route(Route),
    /// Who addresses are
    #[command(subcommand)]
    Recipient(Recipient),
    /// Mailboxes and what is in them
    #[command(subcommand)]
    Mailbox(Mailbox),
    /// The servers of the organisation, and the keys by which they know each other
    #[command(subcommand)]
    Member(Member),
    /// Load for SMTP servers, to measure them
    #[command(subcommand)]
    Bench(bench::Bench),
    /// An organisation of several servers on loopback, with mail between all sites and links that can be cut
    Lab(lab::Lab),
}

/// How to reach the running server.
#[derive(Clone, Debug, Args)]
pub(crate) struct Admin {
    /// The server's data directory; its admin socket is in it
    #[arg(long, default_value = "bridgehead-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// The admin socket, where it isn't in the data directory
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The organisation file
    #[arg(short, long)]
    pub(crate) file: PathBuf,
    /// Why; kept in the history
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) why: String,
    /// Only if the organisation is at this version still, as export showed it
    #[arg(long, value_name = "VERSION")]
    pub(crate) expect_version: Option<u64>,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Servers or routing groups that try it before the others, where the organisation is shared; `config promote` puts it
    /// in force on all, `config withdraw` on none
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) try_on: Vec<String>,
    #[command(flatten)]
    pub(crate) to: Admin,
}

#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// Where everything is kept; used again at the next start
    #[arg(long, default_value = "bridgehead-data", value_name = "DIR")]
    pub(crate) data: PathBuf,
    /// Where SMTP listens
    #[arg(long, default_value = "127.0.0.1:2525", value_name = "ADDR:PORT")]
    pub(crate) smtp: SocketAddr,
    /// Where submission listens
    #[arg(long, default_value = "127.0.0.1:2587", value_name = "ADDR:PORT")]
    pub(crate) submission: SocketAddr,
    /// Stop after the trace instead of staying up
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// The last changes: when, who, why, what
    History {
        /// How many
        #[arg(long, default_value_t = 20)]
        last: usize,
        #[command(flatten)]
        to: Admin,
    },
    /// What one change did, object by object
    Show {
        /// The version the change led to
        version: u64,
        #[command(flatten)]
        to: Admin,
    },
    /// Put the change that some servers try in force on all
    Promote {
        #[command(flatten)]
        to: Admin,
    },
    /// Take the change that some servers try back
    Withdraw {
        #[command(flatten)]
        to: Admin,
    },
    /// Make the organisation what it was at a version; a change like any other
    Rollback {
        /// The version
        version: u64,
        /// Why; kept in the history
        #[arg(long, default_value = "", value_name = "TEXT")]
        why: String,
        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Directory {
    /// Its source, how fresh the copy is, counts, the last error, what is rejected and what is doubtful
    Status {
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Message {
    /// Why a message is where it is: its phase, what keeps it there, every attempt, and what happens next
    Why {
        /// Its id
        id: String,
        #[command(flatten)]
        to: Admin,
    },
    /// What happened to a message, step by step
    Trace {
        /// Its id
        id: String,
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// Where mail for an address goes, and why
    Explain {
        /// The address
        address: String,
        /// Who sends; an address of a mailbox stands for its authenticated user
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// The sender hasn't authenticated
        #[arg(long, requires = "from")]
        stranger: bool,
        /// Octets of the message
        #[arg(long, value_name = "OCTETS")]
        size: Option<u64>,
        /// How urgent the message is
        #[arg(long, value_name = "PRIORITY", value_parser = ["low", "normal", "high"])]
        priority: Option<String>,
        #[command(flatten)]
        to: Admin,
    },
    /// How each routing group is reached from this server
    Table {
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Recipient {
    /// Whom an address resolves to, and by which objects; with a sender also what it may
    Explain {
        /// The address
        address: String,
        /// Who sends; an address of a mailbox stands for its authenticated user
        #[arg(long, value_name = "ADDRESS")]
        from: Option<String>,
        /// The sender hasn't authenticated
        #[arg(long, requires = "from")]
        stranger: bool,
        /// Octets of the message
        #[arg(long, value_name = "OCTETS")]
        size: Option<u64>,
        #[command(flatten)]
        to: Admin,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Mailbox {
    /// All mailboxes
    List {
        #[command(flatten)]
        to: Admin,
    },
    /// The messages of a mailbox
    Messages {
        /// The mailbox
        name: String,
        #[command(flatten)]
        to: Admin,
    },
    /// One message as it was delivered, octet for octet
    Cat {
        /// The mailbox
        name: String,
        /// The message's number in it
        uid: u64,
        #[command(flatten)]
        to: Admin,
    },
}
