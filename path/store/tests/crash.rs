//! Bodies on a disk that fails and forgets. The index lies on a real one: it has a crash safety of its own.

#![allow(clippy::unwrap_used)]

use bridgehead_disk::Disk;
use bridgehead_mail::{MessageId, Timestamp};
use bridgehead_store::{Delivery, Settings, Store};
use bridgehead_testkit::disk::{FaultDisk, Faults};
use std::path::Path;
use std::sync::Arc;

const SEEDS: u64 = 20;

fn open(dir: &Path, disk: &FaultDisk) -> Store {
    let settings = Settings {
        free_space_floor: 0,
        ..Settings::for_directory(dir.to_owned())
    };
    Store::open(settings, Arc::new(disk.clone())).unwrap()
}

fn delivery(content: &[u8]) -> Delivery {
    Delivery {
        id: MessageId::from_u128(7),
        mailboxes: vec!["alice".into()],
        prefix: Vec::new(),
        content: Arc::new(content.to_vec()),
        at: Timestamp::from_millis(1),
    }
}

fn faults(write: u32, sync: u32) -> Faults {
    Faults {
        write,
        sync,
        ..Faults::default()
    }
}

/// The content is there after the power was lost, with its name.
fn assert_durable(store: Store, dir: &Path, disk: &FaultDisk, content: &[u8]) {
    store.close();
    drop(store);
    let store = open(dir, &disk.power_loss());
    let message = store.read("alice", 1).unwrap();
    let mut octets = vec![0; content.len()];
    message.content.read_at(0, &mut octets).unwrap();
    assert!(octets == content);
    store.close();
}

#[tokio::test]
async fn a_file_whose_first_write_failed_has_a_durable_name_all_the_same() {
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(seed);
        let store = open(dir.path(), &disk);
        // The power is out of the way of the names that opening made.
        store.deliver(delivery(b"")).await.remove(0).unwrap();
        disk.set_faults(faults(1000, 0));
        let second = Delivery {
            id: MessageId::from_u128(8),
            mailboxes: vec!["bob".into()],
            ..delivery(b"small")
        };
        store.deliver(second.clone()).await.remove(0).unwrap_err();
        disk.set_faults(Faults::default());
        let third = Delivery {
            mailboxes: vec!["alice-too".into()],
            ..second
        };
        store.deliver(third).await.remove(0).unwrap();
        store.close();
        let found = disk.power_loss();
        let files = found.list(dir.path()).unwrap();
        assert!(
            files.iter().any(|file| file.name.starts_with("bodies-")),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn a_large_body_whose_sync_failed_is_never_believed() {
    let content = vec![b'x'; 200_000];
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(seed);
        let store = open(dir.path(), &disk);
        disk.set_faults(faults(0, 1000));
        store
            .deliver(delivery(&content))
            .await
            .remove(0)
            .unwrap_err();
        disk.set_faults(Faults::default());
        // Stopped until it is opened again.
        store
            .deliver(delivery(&content))
            .await
            .remove(0)
            .unwrap_err();
        store.close();
        drop(store);
        let disk = disk.kill();
        let store = open(dir.path(), &disk);
        store.deliver(delivery(&content)).await.remove(0).unwrap();
        assert_durable(store, dir.path(), &disk, &content);
    }
}

#[tokio::test]
async fn a_large_body_that_a_killed_process_left_is_made_durable() {
    let content = vec![b'x'; 200_000];
    for seed in 0..SEEDS {
        let dir = tempfile::tempdir().unwrap();
        let disk = FaultDisk::new(seed);
        let store = open(dir.path(), &disk);
        // Written whole, and then the power button of the process.
        disk.cut_power_after(4);
        store
            .deliver(delivery(&content))
            .await
            .remove(0)
            .unwrap_err();
        store.close();
        drop(store);
        let disk = disk.kill();
        let store = open(dir.path(), &disk);
        store.deliver(delivery(&content)).await.remove(0).unwrap();
        assert_durable(store, dir.path(), &disk, &content);
    }
}
