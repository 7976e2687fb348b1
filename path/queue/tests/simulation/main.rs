//! The queue against a disk that fails, tears and forgets: random steps from a seed, crashes at any call (also while the
//! crash before is being recovered from), and after each one a comparison with what the queue had promised.
//!
//! `SEEDS=5000` runs more of them, `FROM=` says where to begin, `SEED=17` runs one. A seed that fails says how to repeat it.
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
use world::{Counts, World};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 300;

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

#[test]
fn nothing_acknowledged_is_lost_and_nothing_finished_comes_back() {
    let (from, count) = match number("SEED") {
        Some(seed) => (seed, 1),
        None => (
            number("FROM").unwrap_or(0),
            number("SEEDS").unwrap_or(SEEDS),
        ),
    };
    let mut counts = Counts::default();
    let mut failed = Vec::new();
    for seed in (0..count).map(|number| from.wrapping_add(number)) {
        match catch_unwind(|| run(seed)) {
            Ok((these, _)) => counts.add(&these),
            Err(_) => {
                eprintln!(
                    "repeat it: SEED={seed} cargo test -p bridgehead-queue --test simulation"
                );
                failed.push(seed);
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {count} seeds failed: {failed:?}",
        failed.len()
    );
    println!("{count} seeds from {from}: {counts:?}");
    // That all of it happens is a part of the proof.
    if count >= SEEDS {
        counts.assert_that_all_happened();
    }
}

#[test]
fn a_seed_means_the_same_run_every_time() {
    for seed in 0..10 {
        assert_eq!(run(seed).1, run(seed).1, "seed {seed}");
    }
}
