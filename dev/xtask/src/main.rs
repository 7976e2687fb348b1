//! Builds, tests and measures the project: `cargo xtask test` is all that a change must pass; the others are its parts,
//! and the long runs that don't fit into it.

mod long;
mod map;
mod packages;
mod spec;
mod step;
mod tally;
mod test;
mod tidy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Builds, tests and measures the project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything a change must pass: packages, format, tidy, map, clippy, all tests
    Test,
    /// Rules about files that the compiler doesn't know
    Tidy,
    /// Which crate may import which: map.toml against the manifests
    Map,
    /// Kill the server at random moments under load, and compare what it answered 250 with what arrived
    CrashTest(long::CrashTest),
    /// The whole process under load, next to Postfix if it is installed
    Bench(long::Bench),
    /// What the directory costs: memory, lookups, the first copy from a slapd, one LDAP search for each recipient beside it
    BenchDirectory,
    /// Fuzz one target, or one after the other
    Fuzz(long::Fuzz),
    /// The queue against a fault-injecting disk, with fresh seeds
    Simulate(long::Simulate),
    /// Link state and routing: random scenarios, and what failures cost in an organisation of ten thousand servers
    SimulateRouting(long::SimulateRouting),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Test => test::run(),
        Command::Tidy => tidy::run(),
        Command::Map => map::run(),
        Command::CrashTest(options) => long::crash_test(options),
        Command::Bench(options) => long::bench(options),
        Command::BenchDirectory => long::bench_directory(),
        Command::Fuzz(options) => long::fuzz(options),
        Command::Simulate(options) => long::simulate(options),
        Command::SimulateRouting(options) => long::simulate_routing(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            if !fault.is_empty() {
                eprintln!("xtask: {fault}");
            }
            ExitCode::FAILURE
        }
    }
}
