//! Messages that were in hand when the process was aborted.

use super::{accept, at, busy, next, open, part};
use bridgehead_mail::Phase;
use bridgehead_queue::{Assignment, Decision, Effect, Order, Queue, Settlement};

/// What the process leaves when it is aborted: what was in hand, and a mark.
fn abort(queue: Queue, dir: &std::path::Path) {
    queue.commit_now();
    drop(queue);
    std::fs::write(dir.join("aborted"), "X").unwrap();
}

fn is_poison(queue: &Queue, id: bridgehead_mail::MessageId) -> bool {
    queue.summaries(&[id])[0].phase == Phase::Poison
}

#[test]
fn what_was_in_hand_at_two_aborts_is_set_aside_and_its_company_isnt() {
    let dir = tempfile::tempdir().unwrap();
    let queue = open(dir.path());
    for _ in 0..3 {
        accept(&queue, b"x", &["a@two.example"]).unwrap();
    }
    let hands = [queue.take().unwrap(), queue.take().unwrap()];
    let suspects = hands.each_ref().map(bridgehead_queue::Lease::id);
    let all = queue.ids();
    let idle = *all.iter().find(|id| !suspects.contains(id)).unwrap();
    abort(queue, dir.path());
    drop(hands);

    let queue = open(dir.path());
    let hands: Vec<_> = std::iter::from_fn(|| queue.take()).collect();
    // The other suspect waits for its turn; who is none doesn't.
    assert_eq!(hands.len(), 2);
    let mut one = hands.iter().map(bridgehead_queue::Lease::id);
    let bad = one.find(|id| suspects.contains(id)).unwrap();
    let good = *suspects.iter().find(|id| **id != bad).unwrap();
    abort(queue, dir.path());
    drop(hands);

    let queue = open(dir.path());
    assert!(is_poison(&queue, bad));
    assert!(!is_poison(&queue, good) && !is_poison(&queue, idle));
    // Worked on to an end, the others are no suspects any more, whatever comes.
    for _ in [good, idle] {
        let lease = queue.take().unwrap();
        let assignment = Assignment {
            parts: vec![part("two.example", &["b@two.example"])],
            reports: Vec::new(),
            expires: at(1000),
            delay_notice: at(500),
        };
        queue.assign(lease, assignment, at(1)).unwrap();
        let lease = next(&queue, at(1)).unwrap();
        let later = Settlement::Deferred {
            until: at(1),
            failure: busy(),
        };
        queue.settle(lease, vec![later], Vec::new(), false).unwrap();
        queue.commit_now();
    }
    let hand = next(&queue, at(2)).unwrap();
    abort(queue, dir.path());
    drop(hand);
    let queue = open(dir.path());
    assert!(!is_poison(&queue, good) && !is_poison(&queue, idle));
    // An operator lets it try again.
    let decision = Decision {
        by: "somebody".into(),
        at: at(3),
    };
    assert_eq!(
        queue.control(&[bad], &Order::Thaw, &decision),
        [Effect::Changed]
    );
    queue.commit_now();
    let found = std::iter::from_fn(|| queue.take()).find(|lease| lease.id() == bad);
    assert!(found.is_some());
}

#[test]
fn a_kill_makes_no_suspects() {
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let queue = open(dir.path());
        if ids.is_empty() {
            ids.push(accept(&queue, b"x", &["a@one.example"]).unwrap().id());
        }
        let lease = queue.take().unwrap();
        queue.commit_now();
        drop(queue);
        drop(lease);
    }
    assert!(!is_poison(&open(dir.path()), ids[0]));
}
