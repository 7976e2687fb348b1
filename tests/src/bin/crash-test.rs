//! `cargo xtask crash-test`: the crash test for as many rounds as one likes.

use bridgehead_tests::crash::{self, Plan};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;

/// Kills the server again and again, and compares what it answered 250 with what arrived.
#[derive(Debug, Parser)]
struct Options {
    /// The binary under test
    #[arg(long)]
    binary: PathBuf,
    /// How often it is killed
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Where the randomness starts
    #[arg(long)]
    seed: Option<u64>,
    /// Clients that send at once
    #[arg(long, default_value_t = 6)]
    clients: u32,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let plan = Plan {
        binary: options.binary,
        rounds: options.rounds,
        seed: options.seed.unwrap_or_else(rand::random),
        clients: options.clients,
    };
    println!("seed {}", plan.seed);
    let outcome = crash::run(&plan);
    println!("{outcome}");
    if outcome.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
