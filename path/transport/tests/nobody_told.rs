//! Mail that fails and has nobody who could be told: it is badmail, on disk before it is settled, and causes no report.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod room;

use bridgehead_badmail::Badmail;
use bridgehead_disk::RealDisk;
use bridgehead_mail::{Address, EventKind, Notify, ReversePath, Timestamp};
use bridgehead_mime::read_carried;
use bridgehead_testkit::script::{Peer, Talk};
use room::{Corridor, corridor, standing_before};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const BOUNCE: &[u8] = b"Subject: a report\r\nAuto-Submitted: auto-replied\r\n\r\nbody\r\n";

/// Refuses every recipient.
fn refusing(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    loop {
        let reply = match talk.hear()?.get(..4) {
            Some("RCPT") => "550 5.1.1 nobody here",
            Some("DATA") => "554 5.5.1 for nobody?",
            _ => "250 ok",
        };
        talk.say(reply)?;
    }
}

fn done(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Done)
}

/// The only badmail there is: its reason, and its content.
fn only(corridor: &Corridor) -> (String, Vec<u8>) {
    let listed = corridor.badmail.list();
    assert_eq!(listed.len(), 1);
    let kept = corridor.badmail.show(&listed[0].name).unwrap().unwrap();
    let file = std::fs::read(&kept.file).unwrap();
    let (envelope, content) = read_carried(&file, "import", Timestamp::EPOCH).unwrap();
    assert_eq!(envelope.reverse_path, ReversePath::Null);
    (kept.reason, content.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_that_is_refused_is_badmail() {
    let peer = Peer::start(refusing).unwrap();
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(60));
    corridor.transport.apply(world);
    corridor
        .submit_from(ReversePath::Null, "x@dead.example", Notify::Never, BOUNCE)
        .await;
    corridor.until(done).await;
    let (reason, content) = only(&corridor);
    assert!(reason.contains("550 5.1.1 nobody here"), "{reason}");
    assert_eq!(content, BOUNCE);
    let kinds = corridor.tracked();
    assert!(
        kinds
            .iter()
            .any(|event| matches!(event.kind, EventKind::Badmail { .. }))
    );
    assert!(
        !kinds
            .iter()
            .any(|event| matches!(event.kind, EventKind::Reported { .. }))
    );
    assert!(corridor.queue.is_empty());
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bounce_without_a_way_or_without_time_is_badmail() {
    for (to, expire) in [("x@nowhere.example", 60_000), ("x@dead.example", 100)] {
        let corridor = corridor(Duration::from_millis(expire));
        corridor
            .submit_from(ReversePath::Null, to, Notify::Unsaid, BOUNCE)
            .await;
        corridor.until(done).await;
        let (reason, content) = only(&corridor);
        assert!(reason.contains(&format!("<{to}>")), "{reason}");
        assert_eq!(content, BOUNCE);
        assert!(corridor.queue.is_empty());
        corridor.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_cannot_be_delivered_is_badmail_and_its_cause_is_not() {
    let corridor = corridor(Duration::from_millis(200));
    let far = Address::parse("sender@nowhere.example").unwrap();
    corridor
        .submit_from(
            ReversePath::Address(far),
            "x@dead.example",
            Notify::Unsaid,
            b"Subject: mine\r\n\r\n",
        )
        .await;
    corridor
        .until(|kind| matches!(kind, EventKind::Badmail { .. }))
        .await;
    let (reason, content) = only(&corridor);
    assert!(reason.contains("<sender@nowhere.example>"), "{reason}");
    let report = String::from_utf8(content).unwrap();
    assert!(report.contains("multipart/report") && report.contains("Subject: mine"));
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_stays_in_the_queue() {
    let peer = Peer::start(refusing).unwrap();
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(600));
    // No file can be made where the folder was.
    let folder = corridor.badmail_folder();
    std::fs::remove_dir(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    corridor.transport.apply(world);
    corridor
        .submit_from(ReversePath::Null, "x@dead.example", Notify::Unsaid, BOUNCE)
        .await;
    // It was tried, and waits for another try.
    let waits = |corridor: &Corridor| {
        let found = corridor.queue.summaries(&corridor.queue.ids());
        found[0].parts.iter().any(|part| part.next_try.is_some())
    };
    corridor.eventually(waits).await;
    let tracked = corridor.tracked();
    let settled = |kind: &EventKind| matches!(kind, EventKind::Failed { .. } | EventKind::Done);
    assert!(!tracked.iter().any(|event| settled(&event.kind)));
    assert_eq!(corridor.queue.len(), 1);
    std::fs::remove_file(&folder).unwrap();
    Badmail::open(&folder, Arc::new(RealDisk)).unwrap();
    for id in corridor.queue.ids() {
        let decision = bridgehead_queue::Decision {
            by: "somebody".into(),
            at: room::now(),
        };
        corridor
            .queue
            .control(&[id], &bridgehead_queue::Order::Retry, &decision);
    }
    corridor.until(done).await;
    assert_eq!(only(&corridor).1, BOUNCE);
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_message_of_a_program_is_not_told_of_unless_it_asked() {
    let (corridor, mut world) = standing_before(1, Duration::from_secs(600));
    let mut settings = bridgehead_transport::Settings::clone(&world.settings);
    settings.retry.patience.normal.delay_notice_after = Duration::from_millis(1);
    world.settings = Arc::new(settings);
    corridor.transport.apply(world);
    let asked = Notify::On {
        success: false,
        failure: true,
        delay: true,
    };
    for (header, notify) in [
        ("Precedence: bulk", Notify::Unsaid),
        ("Auto-Submitted: auto-generated", Notify::Unsaid),
        ("List-Id: <l.example.test>", Notify::Unsaid),
        ("Precedence: list", asked),
        ("Auto-Submitted: no", Notify::Unsaid),
    ] {
        let content = format!("Subject: s\r\n{header}\r\n\r\n");
        corridor
            .submit_content("x@dead.example", notify, content.as_bytes())
            .await;
    }
    let mut told = [
        corridor.newest("alice", 1).await,
        corridor.newest("alice", 2).await,
    ];
    told.sort();
    // All were tried by now at least once more; no other report has come.
    let tried_often = |corridor: &Corridor| {
        let tracked = corridor.tracked().into_iter();
        let deferred = tracked.filter(|event| matches!(event.kind, EventKind::Deferred { .. }));
        deferred.count() >= 15
    };
    corridor.eventually(tried_often).await;
    assert_eq!(corridor.store.messages("alice").unwrap().len(), 2);
    let has = |words: &str| told.iter().filter(|report| report.contains(words)).count();
    assert_eq!((has("Precedence: list"), has("Auto-Submitted: no")), (1, 1));
    corridor.end().await;
}
