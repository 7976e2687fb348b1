//! The commands that make load.

use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Send messages to servers as fast as they take them, and count the answers
    Smtp(Smtp),
    /// Take messages, count them and forget them
    Sink(Sink),
}

#[derive(Debug, Args)]
pub(crate) struct Smtp {
    /// Where to; sessions are spread over several evenly
    #[arg(required = true, value_name = "ADDR:PORT")]
    pub(crate) targets: Vec<SocketAddr>,
    /// Sessions at once
    #[arg(long, default_value_t = 50)]
    pub(crate) sessions: u32,
    /// Messages in all
    #[arg(long, default_value_t = 10_000)]
    pub(crate) messages: u64,
    /// Octets of each message
    #[arg(long, default_value_t = 1024, value_name = "OCTETS")]
    pub(crate) size: usize,
    /// Recipients of each message
    #[arg(long, default_value_t = 1)]
    pub(crate) recipients: u32,
    /// The sender
    #[arg(long, default_value = "a@example.org", value_name = "ADDRESS")]
    pub(crate) from: String,
    /// The first recipient; the others have a number before it
    #[arg(long, default_value = "b@example.net", value_name = "ADDRESS")]
    pub(crate) to: String,
    /// A connection for each message
    #[arg(long)]
    pub(crate) one_per_connection: bool,
    /// How much is sent before replies are waited for, where the server offers PIPELINING
    #[arg(long, value_enum, default_value_t = Pipelining::Off)]
    pub(crate) pipelining: Pipelining,
    /// The run ends after so many seconds at the latest
    #[arg(long, default_value_t = 300)]
    pub(crate) seconds: u64,
    /// Addresses beyond loopback are meant: their owners agree
    #[arg(long)]
    pub(crate) beyond_loopback: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Pipelining {
    /// Each command waits for its reply
    Off,
    /// MAIL, RCPT and DATA go out together
    Envelope,
    /// The same, and with the content the next message's envelope
    Through,
}

#[derive(Debug, Args)]
pub(crate) struct Sink {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// An address beyond loopback is meant
    #[arg(long)]
    pub(crate) beyond_loopback: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
