//! The real disk does what the traits promise.

use bridgehead_disk::{Disk, RealDisk};
use std::io::{ErrorKind, IoSlice};

#[allow(clippy::unwrap_used)]
fn folder(name: &str) -> std::path::PathBuf {
    let dir = std::env::temp_dir().join(format!("bridgehead-disk-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    RealDisk.create_dir(&dir).unwrap();
    dir
}

#[test]
fn pieces_are_written_one_after_the_other_and_read_back() {
    let dir = folder("pieces");
    let file = RealDisk.create(&dir.join("a")).unwrap();
    file.allocate(100).unwrap();
    let pieces = [
        IoSlice::new(b"abc"),
        IoSlice::new(b""),
        IoSlice::new(b"defg"),
    ];
    file.write_at(10, &pieces).unwrap();
    file.sync_data().unwrap();
    let mut buffer = [0; 9];
    assert_eq!(file.read_at(9, &mut buffer).unwrap(), 9);
    assert_eq!(&buffer, b"\0abcdefg\0");
    assert_eq!(file.length().unwrap(), 100);
    file.truncate(12).unwrap();
    assert_eq!(file.read_at(10, &mut buffer).unwrap(), 2);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_name_is_made_once_and_a_lock_is_held_by_one() {
    let dir = folder("names");
    RealDisk.create(&dir.join("a")).unwrap();
    let again = RealDisk.create(&dir.join("a")).map(|_| ()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists);
    let held = RealDisk.lock(&dir.join("lock")).unwrap();
    let second = RealDisk.lock(&dir.join("lock")).map(|_| ()).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::WouldBlock);
    drop(held);
    RealDisk.lock(&dir.join("lock")).map(|_| ()).unwrap();
    RealDisk.link(&dir.join("a"), &dir.join("b")).unwrap();
    let names: Vec<String> = RealDisk
        .list(&dir)
        .unwrap()
        .into_iter()
        .map(|e| e.name)
        .collect();
    assert_eq!(names, ["a", "b", "lock"]);
    std::fs::remove_dir_all(dir).unwrap();
}
