//! What is tracked is found again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_mail::{
    Address, Event, EventKind, MessageId, ReversePath, SessionId, Timestamp, Track,
};
use bridgehead_tracking::{Settings, Tracker};

fn event(id: MessageId, at: u64, kind: EventKind) -> Event {
    Event {
        at: Timestamp::from_millis(at),
        message: id,
        session: Some(SessionId(3)),
        kind,
    }
}

fn delivered(mailbox: &str) -> EventKind {
    EventKind::Delivered {
        recipient: Address::parse("\"odd \\\" one\"@example.test").unwrap(),
        mailbox: mailbox.into(),
    }
}

#[test]
fn the_steps_of_one_message_come_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let tracker = Tracker::open(dir.path(), Settings::default()).unwrap();
    let one = MessageId::new(Timestamp::from_millis(1_000), 1);
    let two = MessageId::new(Timestamp::from_millis(1_000), 2);
    let accepted = EventKind::Accepted {
        from: ReversePath::Null,
        recipients: vec![Address::parse("bob@example.test").unwrap()],
        size: 5,
        virtual_server: "inbound".into(),
        client: Some("127.0.0.1".into()),
    };
    tracker.track(event(one, 1_000, accepted));
    tracker.track(event(two, 1_001, EventKind::Done));
    tracker.track(event(one, 1_002, delivered("bob")));
    let steps = tracker.trace(one).unwrap();
    let shown: Vec<(u64, &str)> = steps.iter().map(|s| (s.at, s.step.as_str())).collect();
    assert_eq!(shown, [(1_000, "accepted"), (1_002, "delivered")]);
    assert_eq!(
        steps[0].text,
        "from <> to <bob@example.test>, 5 octets, by inbound from 127.0.0.1"
    );
    assert_eq!(steps[0].session.as_deref(), Some("s3"));
    assert_eq!(tracker.dropped(), 0);
}

#[test]
fn files_are_ended_and_the_oldest_removed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        file_octets_max: 2_000,
        total_octets_max: 10_000,
    };
    let tracker = Tracker::open(dir.path(), settings).unwrap();
    let now = u64::try_from(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis(),
    )
    .unwrap();
    for number in 0..400u64 {
        let id = MessageId::new(Timestamp::from_millis(now + number), u128::from(number));
        tracker.track(event(id, now + number, delivered("bob")));
        tracker.flush();
    }
    let sizes: u64 = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|f| f.unwrap().metadata().unwrap().len())
        .sum();
    assert!(sizes <= 14_000, "{sizes} octets are kept");
    let last = MessageId::new(Timestamp::from_millis(now + 399), 399);
    assert_eq!(tracker.trace(last).unwrap().len(), 1);
    let first = MessageId::new(Timestamp::from_millis(now), 0);
    assert_eq!(tracker.trace(first).unwrap().len(), 0);
}
