//! What the disk forgets, and what it doesn't.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::{FaultDisk, Faults};
use bridgehead_disk::{Disk, DiskFile};
use std::io::IoSlice;
use std::path::Path;

const SEEDS: u64 = 300;

fn dir() -> &'static Path {
    Path::new("/spool")
}

fn fresh(seed: u64) -> FaultDisk {
    let disk = FaultDisk::new(seed);
    disk.create_dir(dir()).unwrap();
    disk
}

fn write(file: &dyn DiskFile, at: u64, octets: &[u8]) {
    file.write_at(at, &[IoSlice::new(octets)]).unwrap();
}

fn content(disk: &FaultDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(&dir().join(name)).ok()?;
    let mut octets = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    file.read_at(0, &mut octets).unwrap();
    Some(octets)
}

/// How many of the seeds end with each outcome.
fn outcomes<T: PartialEq>(run: impl Fn(u64) -> T, wanted: &T) -> usize {
    (0..SEEDS).filter(|seed| run(*seed) == *wanted).count()
}

#[test]
fn what_was_synced_with_its_name_is_there_after_every_power_loss() {
    for seed in 0..SEEDS {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        write(&*file, 0, &[7; 3000]);
        file.sync_data().unwrap();
        disk.sync_dir(dir()).unwrap();
        write(&*file, 3000, &[8; 3000]);
        let found = content(&disk.power_loss(), "a").unwrap();
        assert_eq!(found[..3000], [7; 3000]);
    }
}

#[test]
fn what_was_not_synced_may_be_there_in_any_order() {
    let run = |seed| {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        disk.sync_dir(dir()).unwrap();
        write(&*file, 0, &[7; 1024]);
        let found = content(&disk.power_loss(), "a").unwrap();
        let has = |sector: usize| found.get(sector * 512) == Some(&7);
        (has(0), has(1))
    };
    for wanted in [(false, false), (true, false), (false, true), (true, true)] {
        assert!(outcomes(run, &wanted) > 0, "never {wanted:?}");
    }
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_with_all_its_content() {
    let run = |seed| {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        write(&*file, 0, b"x");
        file.sync_data().unwrap();
        content(&disk.power_loss(), "a")
    };
    assert!(outcomes(run, &None) > 0);
    assert!(outcomes(run, &Some(b"x".to_vec())) > 0);
}

#[test]
fn removals_that_were_not_synced_may_be_undone_in_any_order() {
    let run = |seed| {
        let disk = fresh(seed);
        for name in ["a", "b"] {
            disk.create(&dir().join(name)).unwrap();
        }
        disk.sync_dir(dir()).unwrap();
        for name in ["a", "b"] {
            disk.remove(&dir().join(name)).unwrap();
        }
        let found = disk.power_loss();
        ["a", "b"].map(|name| content(&found, name).is_some())
    };
    for wanted in [[false, false], [true, false], [false, true], [true, true]] {
        assert!(outcomes(run, &wanted) > 0, "never {wanted:?}");
    }
}

#[test]
fn after_a_failed_sync_a_second_one_saves_nothing_and_is_noted() {
    let run = |seed| {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        disk.sync_dir(dir()).unwrap();
        disk.set_faults(Faults {
            sync: 1000,
            ..Faults::default()
        });
        write(&*file, 0, b"x");
        file.sync_data().unwrap_err();
        assert!(disk.sins().is_empty());
        disk.set_faults(Faults::default());
        file.sync_data().unwrap();
        assert_eq!(disk.sins().len(), 1);
        content(&disk.power_loss(), "a").unwrap() == b"x"
    };
    assert!(outcomes(run, &false) > 0);
}

#[test]
fn a_killed_process_finds_everything_and_nothing_more_is_durable() {
    let run = |seed| {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        write(&*file, 0, b"x");
        let killed = disk.kill();
        assert_eq!(content(&killed, "a").unwrap(), b"x");
        content(&killed.power_loss(), "a")
    };
    assert!(outcomes(run, &None) > 0);
}

#[test]
fn when_the_power_is_gone_every_call_fails() {
    let disk = fresh(1);
    let file = disk.create(&dir().join("a")).unwrap();
    disk.cut_power_after(1);
    write(&*file, 0, b"x");
    assert!(!disk.is_off());
    file.sync_data().unwrap_err();
    assert!(disk.is_off());
    file.length().unwrap_err();
    disk.list(dir()).unwrap_err();
}

#[test]
fn the_same_seed_finds_the_same() {
    let run = |seed| {
        let disk = fresh(seed);
        let file = disk.create(&dir().join("a")).unwrap();
        disk.sync_dir(dir()).unwrap();
        write(&*file, 0, &[7; 20_000]);
        content(&disk.power_loss(), "a")
    };
    for seed in 0..20 {
        assert_eq!(run(seed), run(seed));
    }
}
