//! The queue against a disk that fails, tears and forgets: random steps from a seed, crashes at any call (also while the
//! crash before is being recovered from), and after each one a comparison with what the queue had promised.
//!
//! `CRASH_POINTS=1000000` runs more of them, or `SEEDS=5000`; `FROM=` says where to begin, `SEED=17` runs one. A seed that fails says how to repeat it.
//! A seed means the same run on every machine: threads are played by the hook of the disk, time by a number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod act;
mod crash;
mod dead;
mod leases;
mod made;
mod model;
mod orders;
mod world;

use parking_lot::Mutex;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Counts, World};

/// Crash points of an ordinary test run.
const CRASH_POINTS: u64 = 10_000;
/// With so many seeds everything happens.
const SEEDS_ENOUGH: u64 = 300;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} isn't a number")),
    )
}

/// Runs a seed; gives back what happened, and a print of every step and its outcome.
fn run(seed: u64) -> (Counts, u64) {
    let world = Arc::new(Mutex::new(World::new(seed)));
    if world.lock().one_in(3) {
        world.lock().let_one_die();
    }
    world::open(&world);
    let steps = world.lock().pick(30..160);
    for _ in 0..steps {
        world::step(&world);
    }
    world::finish(&world);
    let world = world.lock();
    (world.counts.clone(), world.print())
}

/// What came of many seeds.
#[derive(Default)]
struct Runs {
    counts: Counts,
    seeds: u64,
    failed: Vec<u64>,
}

/// Runs seeds on all processors until there are so many seeds, or crash points.
fn run_all(from: u64, seeds: u64, crash_points: u64) -> Runs {
    let runs = Mutex::new(Runs::default());
    let next = AtomicU64::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds || runs.lock().counts.crash_points() >= crash_points {
                return;
            }
            let seed = from.wrapping_add(number);
            if std::env::var_os("TELL").is_some() {
                eprintln!("begun {seed}");
            }
            let outcome = catch_unwind(|| run(seed));
            if std::env::var_os("TELL").is_some() {
                eprintln!("ended {seed}");
            }
            let mut runs = runs.lock();
            runs.seeds += 1;
            match outcome {
                Ok((these, _)) => runs.counts.add(&these),
                Err(_) => {
                    eprintln!(
                        "repeat it: SEED={seed} cargo test -p bridgehead-queue --test simulation"
                    );
                    runs.failed.push(seed);
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(work);
        }
    });
    runs.into_inner()
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_finished_comes_back() {
    let (from, seeds) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (
            number("FROM").unwrap_or(0),
            number("SEEDS").unwrap_or(u64::MAX),
        ),
    };
    let wanted = match number("SEEDS") {
        Some(_) => u64::MAX,
        None => number("CRASH_POINTS").unwrap_or(CRASH_POINTS),
    };
    let runs = run_all(from, seeds, wanted);
    let (count, counts) = (runs.seeds, runs.counts);
    assert!(
        runs.failed.is_empty(),
        "{} of {count} seeds failed: {:?}",
        runs.failed.len(),
        runs.failed
    );
    let points = counts.crash_points();
    println!("{count} seeds from {from}, {points} crash points: {counts:?}");
    // That all of it happens is a part of the proof.
    if count >= SEEDS_ENOUGH {
        counts.assert_that_all_happened();
    }
}

#[test]
fn a_seed_means_the_same_run_every_time() {
    for seed in 0..10 {
        assert_eq!(run(seed).1, run(seed).1, "seed {seed}");
    }
}
