//! The long runs: crash test, benchmarks of the whole process, fuzzing, simulation.
//!
//! They build what they need with the `bench` profile (as fast as a release, quick to link) and hand over to the
//! programs in `tests/` and `fuzz/`.

use crate::step::{self, Result, cargo};
use crate::test::target_dir;
use clap::Args;
use std::fs;
use std::path::PathBuf;

/// `cargo xtask crash-test`.
#[derive(Debug, Args)]
pub(crate) struct CrashTest {
    /// How often the server is killed
    #[arg(long, default_value_t = 200)]
    rounds: u32,
    /// Where the randomness starts; a failing run prints its own
    #[arg(long)]
    seed: Option<u64>,
}

/// `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Messages in one measurement at 1 KiB; a tenth of it at 100 KiB
    #[arg(long, default_value_t = 20_000)]
    messages: u32,
    /// Rounds; the medians are printed
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Measure Bridgehead only
    #[arg(long)]
    alone: bool,
    /// Skip what takes long: 10 sessions, 100 KiB, and idle sessions
    #[arg(long)]
    quick: bool,
    /// Measure only these: accept, relay, syncs, virtual-servers, slow-disk, idle
    #[arg(long, value_name = "PARTS")]
    only: Option<String>,
}

/// `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct Fuzz {
    /// The target; all of them if none is named
    target: Option<String>,
    /// How long each runs, in seconds
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// `cargo xtask simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// How many crashes
    #[arg(long, default_value_t = 1_000_000)]
    crash_points: u64,
    /// How many seeds, whatever the number of crashes
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them; a random one if none is given
    #[arg(long)]
    from: Option<u64>,
}

/// `cargo xtask simulate-routing`.
#[derive(Debug, Args)]
pub(crate) struct SimulateRouting {
    /// The seed of the large organisation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The seed of the first random scenario; a random one if none is given
    #[arg(long)]
    from: Option<u64>,
    /// How many random scenarios
    #[arg(long, default_value_t = 10_000)]
    scenarios: u64,
    /// Servers of the large organisation; 0: only the random scenarios
    #[arg(long, default_value_t = 10_000)]
    servers: u64,
    /// Its routing groups
    #[arg(long, default_value_t = 2000)]
    groups: u64,
    /// Its connectors, each direction counted
    #[arg(long, default_value_t = 10_000)]
    connectors: u64,
}

/// Kills the server again and again.
pub(crate) fn crash_test(options: &CrashTest) -> Result<()> {
    let binary = build_binary()?;
    let mut command = harness("crash-test");
    command
        .arg("--binary")
        .arg(binary)
        .args(["--rounds", &options.rounds.to_string()]);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    step::run(&mut command)
}

/// Measures the whole process.
pub(crate) fn bench(options: &Bench) -> Result<()> {
    let binary = build_binary()?;
    let mut command = harness("whole-process");
    command
        .arg("--binary")
        .arg(binary)
        .args(["--messages", &options.messages.to_string()])
        .args(["--rounds", &options.rounds.to_string()]);
    if options.alone {
        command.arg("--alone");
    }
    if options.quick {
        command.arg("--quick");
    }
    if let Some(only) = &options.only {
        command.args(["--only", only]);
    }
    step::run(&mut command)
}

/// Measures the directory.
pub(crate) fn bench_directory() -> Result<()> {
    step::run(&mut harness("directory-figures"))
}

fn build_binary() -> Result<PathBuf> {
    step::run(&mut cargo(&[
        "build",
        "--profile",
        "bench",
        "--package",
        "bridgehead",
    ]))?;
    // The bench profile shares its folder with the release profile.
    Ok(target_dir().join("release/bridgehead"))
}

/// A program of the end-to-end tests, with its own arguments to follow.
fn harness(name: &str) -> std::process::Command {
    cargo(&[
        "run",
        "--quiet",
        "--profile",
        "bench",
        "--package",
        "bridgehead-tests",
        "--bin",
        name,
        "--",
    ])
}

/// Runs the queue's simulation with many seeds.
pub(crate) fn simulate(options: &Simulate) -> Result<()> {
    let from = options.from.unwrap_or_else(fresh_seed);
    let mut command = cargo(&[
        "test",
        "--profile",
        "bench",
        "--package",
        "bridgehead-queue",
        "--test",
        "simulation",
        "--",
        "--nocapture",
    ]);
    command
        .env("FROM", from.to_string())
        .env("CRASH_POINTS", options.crash_points.to_string());
    if let Some(seeds) = options.seeds {
        command.env("SEEDS", seeds.to_string());
    }
    step::run(&mut command)
}

/// Simulates link state and routing.
pub(crate) fn simulate_routing(options: &SimulateRouting) -> Result<()> {
    let from = options.from.unwrap_or_else(|| fresh_seed() >> 16);
    let mut command = cargo(&[
        "run",
        "--quiet",
        "--profile",
        "bench",
        "--package",
        "bridgehead-sim",
        "--",
    ]);
    for (name, value) in [
        ("--seed", options.seed),
        ("--from", from),
        ("--scenarios", options.scenarios),
        ("--servers", options.servers),
        ("--groups", options.groups),
        ("--connectors", options.connectors),
    ] {
        command.args([name, &value.to_string()]);
    }
    step::run(&mut command)
}

fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    // Each state of the standard library's hasher is random.
    RandomState::new().hash_one(0_u8)
}

/// Fuzzes.
pub(crate) fn fuzz(options: &Fuzz) -> Result<()> {
    let targets = match &options.target {
        Some(target) => vec![target.clone()],
        None => fuzz_targets()?,
    };
    for target in targets {
        let corpus = step::root().join("fuzz/corpus").join(&target);
        fs::create_dir_all(&corpus)
            .map_err(|error| format!("can't make {}: {error}", corpus.display()))?;
        let seconds = format!("-max_total_time={}", options.seconds);
        let mut command = step::program(
            "cargo",
            &[
                "+nightly",
                "fuzz",
                "run",
                &target,
                &format!("fuzz/corpus/{target}"),
                &format!("fuzz/seeds/{target}"),
                "--",
                &seconds,
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-print_final_stats=1",
            ],
        );
        // Chosen by the run of this program; the other compiler finds its own.
        command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
        step::run(&mut command)?;
    }
    Ok(())
}

fn fuzz_targets() -> Result<Vec<String>> {
    let dir = step::root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&dir).map_err(|error| format!("can't read {}: {error}", dir.display()))?;
    let mut targets: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let is_source = path.extension().is_some_and(|ending| ending == "rs");
            is_source.then(|| {
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
            })?
        })
        .collect();
    targets.sort();
    Ok(targets)
}
