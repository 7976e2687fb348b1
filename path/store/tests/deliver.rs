//! Deliveries into the embedded store, on a real disk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_disk::RealDisk;
use bridgehead_mail::{Content, MessageId, Timestamp};
use bridgehead_store::{Delivery, Settings, Store, StoreError};
use std::path::Path;
use std::sync::Arc;

fn open(dir: &Path) -> Store {
    let settings = Settings {
        free_space_floor: 0,
        body_file_octets: 100_000,
        ..Settings::for_directory(dir.to_owned())
    };
    Store::open(settings, Arc::new(RealDisk)).unwrap()
}

fn delivery(number: u128, mailboxes: &[&str], content: &[u8]) -> Delivery {
    Delivery {
        id: MessageId::from_u128(number),
        mailboxes: mailboxes.iter().map(|name| Box::from(*name)).collect(),
        prefix: b"Return-Path: <>\r\n".to_vec(),
        content: Arc::new(content.to_vec()),
        at: Timestamp::from_millis(1),
    }
}

fn whole(store: &Store, mailbox: &str, uid: u64) -> Vec<u8> {
    let message = store.read(mailbox, uid).unwrap();
    let mut octets = vec![0; usize::try_from(message.content.size()).unwrap()];
    assert_eq!(
        message.content.read_at(0, &mut octets).unwrap(),
        octets.len()
    );
    [message.prefix, octets].concat()
}

#[tokio::test]
async fn what_was_delivered_is_there_after_a_restart_octet_for_octet() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = [0usize, 1, 60_000, 65_536, 65_537, 400_000]
        .iter()
        .map(|size| (0..*size).map(|at| (at % 251) as u8).collect())
        .collect();
    let store = open(dir.path());
    for (number, content) in (1..).zip(&contents) {
        let results = store
            .deliver(delivery(number, &["alice", "bob"], content))
            .await;
        assert_eq!(results, [Ok(()), Ok(())]);
    }
    store.close();
    drop(store);
    let store = open(dir.path());
    for (uid, content) in (1..).zip(&contents) {
        let wanted = [b"Return-Path: <>\r\n".as_slice(), content].concat();
        assert!(whole(&store, "alice", uid) == wanted, "message {uid}");
        assert!(whole(&store, "bob", uid) == wanted, "message {uid}");
    }
    assert_eq!(store.mailboxes().unwrap().len(), 2);
    store.close();
}

#[tokio::test]
async fn delivering_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let large = vec![b'x'; 100_000];
    for _ in 0..3 {
        for (number, content) in [(7, b"Subject: once\r\n\r\nx".as_slice()), (8, &large)] {
            let results = store.deliver(delivery(number, &["alice"], content)).await;
            assert_eq!(results, [Ok(())]);
        }
    }
    let messages = store.messages("alice").unwrap();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].subject, "once");
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_all_arrive() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let tasks: Vec<_> = (1..=200u128)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let content = format!("Subject: {number}\r\n\r\nbody");
                store
                    .deliver(delivery(number, &["alice"], content.as_bytes()))
                    .await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), [Ok(())]);
    }
    let messages = store.messages("alice").unwrap();
    let mut subjects: Vec<u32> = messages
        .iter()
        .map(|m| m.subject.parse().unwrap())
        .collect();
    subjects.sort_unstable();
    assert_eq!(subjects, (1..=200).collect::<Vec<u32>>());
    store.close();
}

#[tokio::test]
async fn names_never_become_paths_and_unknown_ones_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let odd = "../../etc/passwd\0é";
    assert_eq!(store.deliver(delivery(1, &[odd], b"x")).await, [Ok(())]);
    assert_eq!(store.messages(odd).unwrap().len(), 1);
    let unknown = store.read("nobody", 1).map(|_| ()).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "there is no message 1 in mailbox nobody"
    );
    store.close();
}

#[tokio::test]
async fn a_full_disk_is_temporary_trouble() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        free_space_floor: u64::MAX / 2,
        ..Settings::for_directory(dir.path().to_owned())
    };
    let store = Store::open(settings, Arc::new(RealDisk)).unwrap();
    let results = store.deliver(delivery(1, &["alice"], b"x")).await;
    assert!(matches!(results[0], Err(StoreError::Full { .. })));
    store.close();
}

/// 150 MB that are never in memory.
struct Endless;

impl Content for Endless {
    fn size(&self) -> u64 {
        150_000_000
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap();
        let count = left.min(buffer.len());
        buffer[..count].fill(b'z');
        assert!(count <= 1024 * 1024, "asked for {count} octets at once");
        Ok(count)
    }
}

#[tokio::test]
async fn a_large_body_streams() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut large = delivery(1, &["alice"], b"");
    large.content = Arc::new(Endless);
    assert_eq!(store.deliver(large).await, [Ok(())]);
    assert_eq!(store.read("alice", 1).unwrap().content.size(), 150_000_000);
    store.close();
}
