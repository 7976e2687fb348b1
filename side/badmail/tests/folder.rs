//! The folder of badmail: what was kept is there, also after the power was lost at any moment, and it stays small.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_badmail::{Bad, Badmail, Settings};
use bridgehead_disk::{Disk, RealDisk};
use bridgehead_mail::{
    Address, BodyKind, Content, Envelope, Failure, Handling, MessageId, Origin, Recipient,
    RemoteReply, ReversePath, StatusCode, Timestamp,
};
use bridgehead_mime::read_carried;
use bridgehead_testkit::disk::{FaultDisk, Faults};
use std::io;
use std::path::Path;
use std::sync::Arc;

fn bad(number: u64, content: &[u8]) -> Bad {
    let at = Timestamp::from_millis(1_795_443_000_000 + number * 1000);
    let recipient = Recipient::plain(Address::parse("bob@example.net").unwrap());
    let said = RemoteReply {
        host: "mx.example.net [192.0.2.1]:25".into(),
        code: 550,
        text: "5.1.1 who?".into(),
    };
    let failure = Failure::new(StatusCode::permanent(1, 1), "refused").said(said);
    Bad {
        id: MessageId::new(at, 7),
        envelope: Arc::new(Envelope {
            reverse_path: ReversePath::Null,
            recipients: vec![recipient.clone()],
            body: BodyKind::EightBitMime,
            smtputf8: false,
            ret: None,
            envid: None,
            handling: Handling::default(),
            origin: Origin::of_room("(report)"),
            accepted: at,
            journey: None,
        }),
        content: Arc::new(content.to_vec()),
        failed: vec![(recipient, failure)],
        at,
    }
}

fn kept(badmail: &Badmail, bad: Bad) {
    for one in badmail.keep(&[bad]) {
        one.unwrap();
    }
}

#[test]
fn what_is_kept_can_be_read_and_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let badmail = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    kept(&badmail, bad(1, b"Subject: x\r\n\r\nbody\r\n"));
    let listed = badmail.list();
    assert_eq!(listed.len(), 1);
    let shown = badmail.show(&listed[0].name).unwrap().unwrap();
    for words in [
        "mx.example.net [192.0.2.1]:25 said: 550 5.1.1 who?",
        "2026-11-23T14:10:01Z",
        "<bob@example.net>",
        "queue import",
    ] {
        assert!(shown.reason.contains(words), "{words}: {}", shown.reason);
    }
    let file = std::fs::read(&shown.file).unwrap();
    let (envelope, content) = read_carried(&file, "import", Timestamp::EPOCH).unwrap();
    assert_eq!(envelope.reverse_path, ReversePath::Null);
    assert_eq!(
        envelope.recipients[0].address.to_string(),
        "bob@example.net"
    );
    assert_eq!(&*content, b"Subject: x\r\n\r\nbody\r\n");
    assert_eq!(badmail.show("../../etc/passwd").unwrap(), None);
    assert_eq!(badmail.delete(&[&*listed[0].name, "other"]).unwrap(), 1);
    assert!(badmail.list().is_empty());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_same_kept_twice_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let badmail = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    kept(&badmail, bad(1, b"a"));
    let octets = badmail.list()[0].octets;
    kept(&badmail, bad(1, b"a"));
    let again = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    for badmail in [badmail, again] {
        assert_eq!(badmail.list().len(), 1);
        assert_eq!(badmail.list()[0].octets, octets);
    }
}

#[test]
fn the_oldest_go_when_there_is_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let badmail = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    badmail.apply(Settings {
        octets_max: 1024 * 1024,
        messages_max: 3,
    });
    for number in [2, 1, 3, 4, 5] {
        kept(&badmail, bad(number, b"small"));
    }
    let first = bad(3, b"").id.to_string();
    assert_eq!(badmail.list().len(), 3);
    assert!(badmail.list()[0].name.starts_with(&first));
    for number in 6..9 {
        kept(&badmail, bad(number, &[b'x'; 400 * 1024]));
    }
    assert_eq!(badmail.list().len(), 2);
    // Files that aren't ours stay, and don't count.
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    badmail.apply(Settings {
        octets_max: 1024 * 1024,
        messages_max: 1,
    });
    assert_eq!(badmail.list().len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn of_what_is_too_large_the_header_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let badmail = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    badmail.apply(Settings {
        octets_max: 1024 * 1024,
        messages_max: 10,
    });
    let large = [b"Subject: large\r\n\r\n", &[b'x'; 2 * 1024 * 1024][..]].concat();
    kept(&badmail, bad(1, &large));
    let shown = badmail.show(&badmail.list()[0].name).unwrap().unwrap();
    assert!(shown.reason.contains("only its header was kept"));
    let file = std::fs::read(&shown.file).unwrap();
    assert!(file.ends_with(b"\r\nSubject: large\r\n\r\n"));
}

/// Content that a failing disk holds.
struct Broken;

impl Content for Broken {
    fn size(&self) -> u64 {
        200_000
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match offset {
            0 => Ok(buffer.len()),
            _ => Err(io::Error::other("bad sector")),
        }
    }
}

#[test]
fn what_cannot_be_read_is_not_kept_and_the_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let badmail = Badmail::open(folder.path(), Arc::new(RealDisk)).unwrap();
    let broken = Bad {
        content: Arc::new(Broken),
        ..bad(1, b"")
    };
    let kept = badmail.keep(&[broken, bad(2, b"well")]);
    assert!(kept[0].is_err() && kept[1].is_ok());
    assert_eq!(badmail.list().len(), 1);
    let names = std::fs::read_dir(folder.path()).unwrap();
    let unfinished = names.filter(|name| {
        let name = name.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".new")
    });
    assert_eq!(unfinished.count(), 0);
}

fn is_whole(disk: &FaultDisk, badmail: &Badmail, name: &str, sure: bool) {
    let shown = badmail.show(name).unwrap().unwrap();
    // Of what wasn't answered for, the reason may be missing, but not half of it.
    let has_reason = shown.reason.contains("queue import");
    assert!(
        has_reason || (!sure && shown.reason.is_empty()),
        "{}",
        shown.reason
    );
    let file = disk.open(&shown.file).unwrap();
    let mut octets = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
    file.read_at(0, &mut octets).unwrap();
    let (_, content) = read_carried(&octets, "import", Timestamp::EPOCH).unwrap();
    assert_eq!(&*content, b"Subject: x\r\n\r\nbody\r\n");
}

#[test]
fn the_power_may_go_at_any_call() {
    let folder = Path::new("/badmail");
    for seed in 0..30 {
        for calls in 0..24 {
            let disk = FaultDisk::new(seed);
            let badmail = Badmail::open(folder, Arc::new(disk.clone())).unwrap();
            disk.cut_power_after(calls);
            let mut sure = Vec::new();
            for number in 0..2 {
                let one = bad(number, b"Subject: x\r\n\r\nbody\r\n");
                let id = one.id.to_string();
                if badmail.keep(&[one])[0].is_ok() {
                    sure.push(id);
                }
            }
            let disk = disk.power_loss();
            let badmail = Badmail::open(folder, Arc::new(disk.clone())).unwrap();
            let listed = badmail.list();
            for one in &listed {
                let is_sure = sure.iter().any(|id| one.name.starts_with(id));
                is_whole(&disk, &badmail, &one.name, is_sure);
            }
            for id in sure {
                let there = listed.iter().any(|one| one.name.starts_with(&id));
                assert!(
                    there,
                    "seed {seed}, power cut at call {calls}: {id} is lost"
                );
            }
        }
    }
}

#[test]
fn a_disk_that_fails_now_and_then_keeps_what_it_said_it_kept() {
    let folder = Path::new("/badmail");
    for seed in 0..200 {
        let disk = FaultDisk::new(seed);
        let badmail = Badmail::open(folder, Arc::new(disk.clone())).unwrap();
        disk.set_faults(Faults {
            write: 100,
            sync: 100,
            sync_dir: 100,
            name: 50,
            read: 0,
        });
        let mut sure = Vec::new();
        for number in 0..10 {
            let one = bad(number, b"Subject: x\r\n\r\nbody\r\n");
            let id = one.id.to_string();
            if badmail.keep(&[one])[0].is_ok() {
                sure.push(id);
            }
        }
        assert!(disk.sins().is_empty(), "seed {seed}: {:?}", disk.sins());
        let disk = disk.power_loss();
        let badmail = Badmail::open(folder, Arc::new(disk.clone())).unwrap();
        let listed = badmail.list();
        for id in sure {
            let found = listed.iter().find(|one| one.name.starts_with(&id));
            is_whole(&disk, &badmail, &found.unwrap().name, true);
        }
    }
}
