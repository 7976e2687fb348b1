//! What waits for a link to open: its hours, who asks for it, and a clock that is set back.

use super::*;

fn closed(until: u64, by_schedule: bool) -> Closed {
    Closed {
        until: at(until),
        why: "a reason".into(),
        by_schedule,
    }
}

#[test]
fn a_closed_link_opens_by_itself_and_only_an_operator_passes_over_its_schedule() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let id = accept(&queue, b"x", &["bob@example.net"]).unwrap().id();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    let link = mx("example.net").link();
    let number = queue.ready_links(at(2))[0].number;
    assert!(queue.close_link(number, closed(500, true), at(2)));
    assert!(next(&queue, at(3)).is_none());
    assert_eq!(queue.next_due(at(3)), Some(at(500)));
    let seen = &queue.summaries(&[id])[0];
    assert_eq!((seen.phase, seen.parts[0].attempts), (Phase::Deferred, 0));
    assert_eq!(seen.parts[0].next_try, Some(at(500)));
    assert_eq!(seen.parts[0].closed, Some(closed(500, true)));
    // Neither a retry nor the end of a hold opens it.
    queue.release_link(&link);
    assert!(next(&queue, at(499)).is_none());
    drop(next(&queue, at(500)).unwrap());

    assert!(queue.close_link(number, closed(900, true), at(501)));
    assert!(queue.let_through(&link));
    assert!(!queue.let_through(&link));
    assert!(!queue.close_link(number, closed(900, true), at(502)));
    drop(next(&queue, at(502)).unwrap());
    assert!(!queue.close_link(number, closed(900, true), at(899)));
    assert!(queue.close_link(number, closed(999, true), at(900)));
    // A limit isn't passed over.
    queue.open_links();
    assert!(queue.close_link(number, closed(960, false), at(901)));
    assert!(!queue.let_through(&link));
    assert!(next(&queue, at(902)).is_none());
    queue.open_link(&link);
    assert!(next(&queue, at(902)).is_some());
}

#[test]
fn who_asks_gets_what_neither_hours_nor_failures_let_go_but_nothing_that_an_operator_holds() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let link = mx("example.net").link();
    let meant = |name: &bridgehead_mail::LinkName| *name == link;
    for content in [b"x", b"y"] {
        accept(&queue, content, &["bob@example.net"]).unwrap();
        assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    }
    accept(&queue, b"z", &["carol@example.org"]).unwrap();
    assign(&queue, vec![part("example.org", &["carol@example.org"])]);
    let asked = |now| queue.asked_links(&meant, at(now));
    let number = asked(2)[0].number;
    assert_eq!((asked(2).len(), asked(2)[0].waiting), (1, 2));
    let later = Settlement::Deferred {
        until: at(900),
        failure: busy(),
    };
    // One was tried in vain, and the link is held and closed.
    let lease = queue.next_asked(number, at(2)).unwrap();
    let tried = lease.id();
    queue.settle(lease, vec![later], Vec::new(), false).unwrap();
    queue.hold_link(&link, at(800), &busy());
    assert!(queue.close_link(number, closed(700, true), at(3)));
    assert!(queue.next(number, at(4)).is_none());
    assert_eq!(queue.can_be_asked_for(&meant), 2);
    let other = queue.next_asked(number, at(4)).unwrap();
    assert_ne!(other.id(), tried);
    // What was not taken comes back; what waits for its next try comes only when it is asked for anew.
    drop(other);
    let other = queue.next_asked(number, at(5)).unwrap();
    assert!(queue.next_asked(number, at(5)).is_none());
    queue.end_waits_on(&meant);
    let lease = queue.next_asked(number, at(5)).unwrap();
    assert_eq!((lease.id(), lease.attempts), (tried, 1));
    queue
        .settle(lease, vec![Settlement::Done], Vec::new(), false)
        .unwrap();
    drop(other);
    let decision = Decision {
        by: "somebody".into(),
        at: at(6),
    };
    assert!(queue.freeze_link(&link, Some(decision.clone())).unwrap());
    assert_eq!((queue.can_be_asked_for(&meant), asked(6).len()), (0, 0));
    assert!(queue.next_asked(number, at(6)).is_none());
    assert!(queue.freeze_link(&link, None).unwrap());
    let left = asked(7)[0].number;
    let lease = queue.next_asked(left, at(7)).unwrap();
    let id = lease.id();
    drop(lease);
    queue.control(&[id], &Order::Freeze, &decision);
    assert_eq!(queue.can_be_asked_for(&meant), 0);
    assert!(queue.next_asked(left, at(8)).is_none());
    // Nobody has asked for the rest.
    assert!(next(&queue, at(9)).is_some());
}

#[test]
fn who_asks_gets_nothing_before_its_sender_wishes() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let mut wished = envelope(&["bob@example.net"]);
    wished.handling.hold = Some(bridgehead_mail::Hold::Until(at(50)));
    let mut draft = queue.inlet().begin(at(0), None).unwrap();
    draft.write(b"x").unwrap();
    let _answer = draft.submit(wished).unwrap();
    queue.commit_now();
    assign(&queue, vec![part("example.net", &["bob@example.net"])]);
    queue.end_waits_on(&|_| true);
    assert!(queue.asked_links(&|_| true, at(49)).is_empty());
    let links = queue.asked_links(&|_| true, at(50));
    assert!(queue.next_asked(links[0].number, at(50)).is_some());
}

#[test]
fn a_clock_that_is_set_back_makes_no_wait_longer() {
    const HOUR: u64 = 3600;
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    let tried = accept(&queue, b"x", &["bob@example.net"]).unwrap().id();
    assign_until(
        &queue,
        vec![part("example.net", &["bob@example.net"])],
        90_000,
    );
    let lease = next(&queue, at(2 * HOUR)).unwrap();
    let later = Settlement::Deferred {
        until: at(2 * HOUR + 60),
        failure: busy(),
    };
    queue.settle(lease, vec![later], Vec::new(), false).unwrap();
    accept(&queue, b"y", &["carol@example.org"]).unwrap();
    assign_until(
        &queue,
        vec![part("example.org", &["carol@example.org"])],
        90_000,
    );
    let other = mx("example.org").link();
    queue.hold_link(&other, at(2 * HOUR + 120), &busy());

    // An hour back: the minute is a minute, and the two are two.
    assert!(queue.ready_links(at(HOUR)).is_empty());
    let next_try = |id| queue.summaries(&[id])[0].parts[0].next_try;
    assert_eq!(next_try(tried), Some(at(HOUR + 60)));
    assert_eq!(queue.next_due(at(HOUR)), Some(at(HOUR + 60)));
    let ready = queue.ready_links(at(HOUR + 60));
    assert_eq!(ready.len(), 1);
    let lease = queue.next(ready[0].number, at(HOUR + 60)).unwrap();
    assert_eq!((lease.id(), lease.attempts), (tried, 1));
    assert!(queue.next(ready[0].number, at(HOUR + 61)).is_none());
    assert_eq!(queue.ready_links(at(HOUR + 119)).len(), 0);
    assert_eq!(queue.ready_links(at(HOUR + 120)).len(), 1);
    // What is given up is a time of day.
    assert!(queue.take_expired(at(89_999)).is_none());
    assert!(queue.take_expired(at(90_000)).is_some());
}
