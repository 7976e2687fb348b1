//! The command that runs a lab.

use bridgehead_lab::parse_span;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

fn span(text: &str) -> Result<Duration, String> {
    parse_span(text).map_err(|fault| fault.to_string())
}

#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// How many sites the example has: 2 are a line, 3 a triangle, 4 a square with a diagonal, more a ring with chords
    #[arg(long, default_value_t = 3, conflicts_with = "topology")]
    pub(crate) sites: usize,
    /// How many servers each of its sites has
    #[arg(
        long,
        default_value_t = 1,
        value_name = "SERVERS",
        conflicts_with = "topology"
    )]
    pub(crate) servers_per_site: usize,
    /// A file with the sites and links, instead of the example
    #[arg(long, value_name = "FILE")]
    pub(crate) topology: Option<PathBuf>,
    /// Messages a second, of all sites together
    #[arg(long, default_value_t = 10.0)]
    pub(crate) rate: f64,
    /// How long mail is sent
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = span)]
    pub(crate) duration: Duration,
    /// How long it is waited after that for mail to arrive
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = span)]
    pub(crate) patience: Duration,
    /// Let failed mail wait as long as on any server, a minute and more, instead of 1, 2 and 5 seconds
    #[arg(long)]
    pub(crate) ordinary_retries: bool,
    /// Commands for certain times, a line each, as `after 10s cut ams-nyc`
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// How often the map is shown
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = span)]
    pub(crate) once_a: Duration,
    /// Where everything is kept; a temporary folder otherwise, which goes at the end
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}
