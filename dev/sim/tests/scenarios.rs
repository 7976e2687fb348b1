//! A few of the scenarios that `cargo xtask simulate-routing` runs by the thousand, and a middle-sized organisation.

#![allow(clippy::unwrap_used, clippy::panic)]

use bridgehead_sim::plans::Size;
use bridgehead_sim::scale::Scale;
use bridgehead_sim::scenario;

#[test]
fn random_trouble_breaks_nothing() {
    let (mut mail, mut delayed) = (0, 0);
    for seed in 0..150 {
        match scenario::run(seed) {
            Ok(tally) => {
                mail += tally.mail;
                delayed += tally.delayed;
            }
            Err(breach) => panic!(
                "{breach}\nreplay with: cargo xtask simulate-routing --scenarios 1 --from {seed} --servers 0"
            ),
        }
    }
    // The trouble is real: some mail had to wait.
    assert!(mail > 3000 && delayed > 100, "{delayed} of {mail}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1000..1005 {
        assert_eq!(scenario::run(seed), scenario::run(seed));
    }
}

#[test]
fn targets_hold_in_a_middle_sized_organisation() {
    let size = Size {
        servers: 150,
        groups: 40,
        connectors: 160,
    };
    let mut scale = Scale::build(size, 7).unwrap();
    for _ in 0..3 {
        for outcome in scale.lose_a_line(0).unwrap() {
            assert_eq!(outcome.disagreeing, 0, "{outcome:?}");
            assert!(outcome.converged <= outcome.allowed, "{outcome:?}");
            // One record for each direction of the line.
            assert!(outcome.adjacency_most <= 2 * outcome.records, "{outcome:?}");
            assert!(outcome.records >= 1, "{outcome:?}");
        }
    }
    for outcome in scale.lose_a_server().unwrap() {
        assert_eq!(outcome.disagreeing, 0, "{outcome:?}");
    }
}
