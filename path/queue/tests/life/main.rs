//! The life of a message in the queue, on a real disk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used)]

mod aborts;
mod groups;
mod waiting;

use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, Addressee, Content, Destination, Envelope, Failure, NextHop, Notify, Origin, Phase,
    Protocol, Recipient, ReversePath, StatusCode, Timestamp,
};
use bridgehead_queue::settings::Limits;
use bridgehead_queue::{
    Assignment, Closed, Committed, Decision, Effect, Order, Part, PartLease, Queue, Refused,
    Settings, Settlement, Work,
};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1000)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: ReversePath::Address(address("alice@example.test")),
        recipients: recipients
            .iter()
            .map(|to| Recipient::plain(address(to)))
            .collect(),
        body: bridgehead_mail::BodyKind::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        origin: Origin {
            virtual_server: "inbound".into(),
            client: Some("127.0.0.1".parse().unwrap()),
            helo: "client.example".into(),
            protocol: Protocol {
                extended: true,
                tls: false,
                authenticated: false,
                utf8: false,
            },
            tls: None,
            user: None,
        },
        accepted: at(0),
        journey: None,
    }
}

fn open(dir: &std::path::Path) -> Queue {
    let settings = Settings {
        limits: Limits {
            free_space_floor: 0,
            ..Limits::default()
        },
        segment_octets: 1024 * 1024,
        ..Settings::for_directory(dir.to_owned())
    };
    Queue::open_without_committer(settings, Arc::new(RealDisk), at(0))
        .unwrap()
        .0
}

fn accept(queue: &Queue, content: &[u8], recipients: &[&str]) -> Result<Committed, Refused> {
    let mut draft = queue.inlet().begin(at(0), None)?;
    for piece in content.chunks(10_000) {
        draft.write(piece)?;
    }
    let mut answer = draft.submit(envelope(recipients))?;
    queue.commit_now();
    answer.try_recv().expect("no answer after the commit")
}

fn to(text: &str) -> Addressee {
    Addressee {
        address: address(text),
        destination: Destination::Remote,
        notify: Notify::Unsaid,
        orcpt: None,
    }
}

fn mx(domain: &str) -> NextHop {
    NextHop::Mx {
        connector: "internet".into(),
        domain: domain.parse().unwrap(),
    }
}

fn assign(queue: &Queue, parts: Vec<Part>) {
    assign_until(queue, parts, 1000);
}

fn assign_until(queue: &Queue, parts: Vec<Part>, expires: u64) {
    let lease = queue.take().unwrap();
    let assignment = Assignment {
        parts,
        reports: Vec::new(),
        expires: at(expires),
        delay_notice: at(500),
    };
    queue.assign(lease, assignment, at(1)).unwrap();
}

fn part(domain: &str, recipients: &[&str]) -> Part {
    Part {
        hop: mx(domain),
        addressees: recipients.iter().map(|text| to(text)).collect(),
    }
}

fn next(queue: &Queue, now: Timestamp) -> Option<PartLease> {
    let ready = queue.ready_links(now);
    ready.iter().find_map(|link| queue.next(link.number, now))
}

fn read(content: &dyn Content) -> Vec<u8> {
    let mut octets = vec![0; usize::try_from(content.size()).unwrap()];
    assert_eq!(content.read_at(0, &mut octets).unwrap(), octets.len());
    octets
}

fn busy() -> Failure {
    Failure::new(StatusCode::transient(4, 1), "no answer")
}

#[test]
fn a_message_goes_all_the_way_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let large = vec![b'x'; 200_000];
    for content in [b"small".as_slice(), &large] {
        accept(&queue, content, &["bob@example.net"]).unwrap();
        assign(&queue, vec![part("example.net", &["bob@example.net"])]);
        let lease = next(&queue, at(2)).unwrap();
        assert_eq!(read(&*lease.content), content);
        assert_eq!(lease.addressees, [to("bob@example.net")]);
        assert_eq!(*lease.envelope, envelope(&["bob@example.net"]));
        queue
            .settle(lease, vec![Settlement::Done], Vec::new(), false)
            .unwrap();
        assert!(queue.is_empty());
        assert!(queue.commit_now());
    }
    queue.close();
    drop(queue);
    let left = std::fs::read_dir(dir.path()).unwrap();
    let contents = left.filter(|file| {
        let name = file.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".content")
    });
    assert_eq!(contents.count(), 0);
}

#[test]
fn a_restart_brings_back_what_is_not_settled_and_only_that() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let three = ["a@one.example", "b@one.example", "c@two.example"];
    let id = accept(&queue, b"hello", &three).unwrap().id();
    assign(
        &queue,
        vec![
            part("one.example", &three[..2]),
            part("two.example", &three[2..]),
        ],
    );
    let lease = next(&queue, at(2)).unwrap();
    let later = Settlement::Deferred {
        until: at(60),
        failure: busy(),
    };
    queue
        .settle(lease, vec![Settlement::Done, later], Vec::new(), true)
        .unwrap();
    assert!(queue.commit_now());
    drop(queue);

    let queue = open(dir.path());
    let lease = queue.take().unwrap();
    assert_eq!(lease.id(), id);
    let left = vec![to("b@one.example"), to("c@two.example")];
    assert_eq!(lease.work, Work::Route(left));
    assert_eq!(read(&*lease.content), b"hello");
    let assignment = Assignment {
        parts: vec![part("one.example", &three[1..2])],
        reports: Vec::new(),
        expires: at(1000),
        delay_notice: at(500),
    };
    queue.assign(lease, assignment, at(3)).unwrap();
    assert!(
        next(&queue, at(59)).is_none(),
        "its retry time was forgotten"
    );
    let lease = next(&queue, at(60)).unwrap();
    assert_eq!(lease.attempts, 1);
    assert!(lease.delay_reported);
    assert_eq!(lease.last_failure.as_deref(), Some(&busy()));
}

#[test]
fn a_dropped_lease_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    accept(&queue, b"x", &["bob@example.net"]).unwrap();
    drop(queue.take().unwrap());
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    drop(next(&queue, at(2)).unwrap());
    assert!(next(&queue, at(2)).is_some());
}

#[test]
fn a_held_link_waits_and_expiry_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    accept(&queue, b"x", &["bob@example.net"]).unwrap();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let link = mx("example.net").link();
    queue.hold_link(&link, at(5000), &busy());
    assert!(next(&queue, at(10)).is_none());
    assert!(queue.take_expired(at(999)).is_none());
    let lease = queue.take_expired(at(1000)).unwrap();
    assert_eq!(lease.addressees, [to("bob@example.net")]);
    drop(lease);
    queue.release_link(&link);
    assert!(next(&queue, at(1001)).is_some());
}

#[test]
fn controls_say_what_they_touched() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let id = accept(&queue, b"x", &["bob@example.net"]).unwrap().id();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let lease = next(&queue, at(2)).unwrap();
    let later = Settlement::Deferred {
        until: at(600),
        failure: busy(),
    };
    queue.settle(lease, vec![later], Vec::new(), false).unwrap();
    queue.commit_now();
    let picture = queue.picture();
    assert_eq!((picture.messages, picture.groups.len()), (1, 1));
    assert_eq!(picture.groups[0].phases[&Phase::Retry], 1);
    assert_eq!(picture.groups[0].domain, "example.net");
    let shown = queue.show(id).unwrap().unwrap();
    assert_eq!(shown.summary.parts[0].addressees, [to("bob@example.net")]);
    assert_eq!(shown.summary.parts[0].next_try, Some(at(600)));
    assert!(next(&queue, at(3)).is_none());
    assert_eq!(queue.retry_all(), 1);
    // By a way that is found anew.
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    drop(next(&queue, at(3)).unwrap());
    assert!(queue.delete(id));
    assert!(!queue.delete(id));
    assert!(queue.is_empty());
}

#[test]
fn who_waits_for_the_disk_is_told_once_all_before_is_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let id = accept(&queue, b"x", &["bob@example.net"]).unwrap().id();
    assert!(queue.delete(id));
    let mut context = Context::from_waker(Waker::noop());
    let mut synced = pin!(queue.synced());
    assert!(synced.as_mut().poll(&mut context).is_pending());
    queue.commit_now();
    assert_eq!(synced.poll(&mut context), Poll::Ready(Ok(())));
    // With nothing left to write it is told all the same.
    let mut again = pin!(queue.synced());
    assert!(again.as_mut().poll(&mut context).is_pending());
    queue.commit_now();
    assert_eq!(again.poll(&mut context), Poll::Ready(Ok(())));
}

#[test]
fn a_new_routing_keeps_attempts() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    accept(&queue, b"x", &["bob@example.net"]).unwrap();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let lease = next(&queue, at(2)).unwrap();
    let later = Settlement::Deferred {
        until: at(20),
        failure: busy(),
    };
    queue.settle(lease, vec![later], Vec::new(), false).unwrap();
    queue.commit_now();
    assert_eq!(queue.reroute(), 1);
    assign(&queue, vec![part("other.example", &["bob@example.net"])]);
    let lease = next(&queue, at(20)).unwrap();
    assert_eq!(
        (lease.attempts, lease.hop.clone()),
        (1, mx("other.example"))
    );
}

#[test]
fn what_is_unreachable_waits_with_its_reason_until_it_is_routed_again() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    accept(&queue, b"x", &["bob@example.net"]).unwrap();
    accept(&queue, b"y", &["carol@example.org"]).unwrap();
    let hop = NextHop::Unreachable {
        goal: "b1".into(),
        why: "no connector leads there".into(),
    };
    let lost = Part {
        hop: hop.clone(),
        ..part("example.net", &["bob@example.net"])
    };
    assign(&queue, vec![lost]);
    assign(&queue, vec![part("example.org", &["carol@example.org"])]);
    queue.commit_now();
    let ready = queue.ready_links(at(2));
    assert_eq!(ready.len(), 1);
    assert_eq!(ready[0].hop, mx("example.org"));
    let group = |queue: &Queue| {
        let groups = queue.picture().groups;
        let lost = groups.into_iter().find(|group| {
            let link = group.link.as_ref().map(ToString::to_string);
            link.as_deref() == Some("unreachable/b1")
        });
        lost.unwrap()
    };
    let lost = group(&queue);
    assert_eq!(lost.phases.get(&Phase::Unreachable), Some(&1));
    assert_eq!(&*lost.closed.unwrap().why, "no connector leads there");
    assert_eq!(lost.next_try, None);
    // No operator opens it, and time doesn't either.
    queue.open_links();
    queue.retry_all();
    assert!(queue.next(ready[0].number, at(3)).is_some());
    assert!(
        queue
            .ready_links(at(900))
            .iter()
            .all(|link| link.hop != hop)
    );
    assert_eq!(queue.reroute_links(&|other| *other == hop), 1);
    assert_eq!(queue.reroute_links(&|other| *other == hop), 0);
    assign(&queue, vec![part("other.example", &["bob@example.net"])]);
    let ready = queue.ready_links(at(4));
    assert!(ready.iter().any(|link| link.hop == mx("other.example")));
}

#[test]
fn what_is_unreachable_is_given_up_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    accept(&queue, b"x", &["bob@example.net"]).unwrap();
    let lost = Part {
        hop: NextHop::Unreachable {
            goal: "b1".into(),
            why: "no connector leads there".into(),
        },
        ..part("example.net", &["bob@example.net"])
    };
    assign(&queue, vec![lost]);
    assert!(queue.take_expired(at(999)).is_none());
    assert_eq!(queue.take_expired(at(1000)).unwrap().addressees.len(), 1);
}

#[test]
fn old_segments_go_although_one_old_message_stays() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            free_space_floor: 0,
            ..Limits::default()
        },
        segment_octets: 64 * 1024,
        segments_before_compaction: 2,
        ride_along: Duration::ZERO,
        ..Settings::for_directory(dir.path().to_owned())
    };
    let (queue, _) = Queue::open(settings.clone(), Arc::new(RealDisk), at(0)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let commit = |content: &[u8]| {
        let mut draft = queue.inlet().begin(at(0), None).unwrap();
        draft.write(content).unwrap();
        let commit = draft.commit(envelope(&["bob@example.net"]));
        runtime.block_on(commit).unwrap()
    };
    let old = commit(b"the old one").id();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let held = next(&queue, at(2)).unwrap();
    for _ in 0..100 {
        commit(&[b'y'; 10_000]);
        assign(&queue, vec![]);
    }
    let segments = || {
        let files = std::fs::read_dir(dir.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name());
        names
            .filter(|name| name.to_string_lossy().starts_with("segment-"))
            .count()
    };
    // They are emptied beside the way, one after the other.
    for _ in 0..600 {
        if segments() <= 5 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(held);
    queue.close();
    drop(queue);
    assert!(segments() <= 5, "old segments are kept for one old message");
    let (queue, recovery) = Queue::open(settings, Arc::new(RealDisk), at(0)).unwrap();
    assert_eq!((recovery.messages, recovery.damage), (1, vec![]));
    let lease = queue.take().unwrap();
    assert_eq!(
        (lease.id(), read(&*lease.content)),
        (old, b"the old one".to_vec())
    );
    drop(lease);
    queue.close();
}

#[test]
fn two_servers_cannot_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let _held = open(dir.path());
    let settings = Settings::for_directory(dir.path().to_owned());
    let second = Queue::open(settings, Arc::new(RealDisk), at(0));
    assert!(second.is_err_and(|error| error.to_string().contains("in use")));
}

#[test]
fn too_little_space_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        limits: Limits {
            free_space_floor: u64::MAX / 2,
            ..Limits::default()
        },
        ..Settings::for_directory(dir.path().to_owned())
    };
    let (queue, _) = Queue::open_without_committer(settings, Arc::new(RealDisk), at(0)).unwrap();
    let refused = queue.inlet().begin(at(0), None).map(|_| ());
    assert!(matches!(refused, Err(Refused::DiskFull { .. })));
    queue.apply(Limits {
        free_space_floor: 0,
        ..Limits::default()
    });
    assert!(queue.inlet().begin(at(0), None).is_ok());
}

#[test]
fn what_was_frozen_while_it_was_handed_over_is_given_up_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let id = accept(&queue, b"x", &["bob@example.net"]).unwrap().id();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let lease = next(&queue, at(2)).unwrap();
    let expires = lease.expires;
    let decision = Decision {
        by: "somebody".into(),
        at: at(3),
    };
    assert_eq!(
        queue.control(&[id], &Order::Freeze, &decision),
        [Effect::Changed]
    );
    assert!(
        queue.take_expired(expires).is_none(),
        "it is being handed over"
    );
    drop(lease);
    assert!(next(&queue, expires).is_none(), "it is frozen");
    let later = expires.after(Duration::from_secs(2));
    assert_eq!(queue.take_expired(later).unwrap().id(), id);
}
