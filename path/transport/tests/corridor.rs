//! Messages through the whole corridor: real queue, real store, a directory, and next hops that play their parts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod room;
mod trap;

use bridgehead_mail::{EventKind, Failure, LinkName, NextHop, Notify, Phase, StatusCode};
use bridgehead_testkit::script::{Peer, Talk};
use room::{at_home_on_mail2, corridor, now, standing, standing_before, standing_on};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use trap::TrapDisk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_reaches_each_mailbox_with_its_trace_fields() {
    let corridor = corridor(Duration::from_secs(60));
    corridor.submit("staff@example.test", Notify::Unsaid).await;
    for mailbox in ["alice", "bob"] {
        let text = corridor.newest(mailbox, 1).await;
        assert!(
            text.starts_with(
                "Return-Path: <alice@example.test>\r\nReceived: by mail1.example.test"
            ),
            "{text}"
        );
        assert!(text.ends_with("Subject: hello\r\n\r\nbody\r\n"));
    }
    corridor.end().await;
}

#[tokio::test]
async fn nothing_is_decided_before_the_world_is_known() {
    let (corridor, world) = standing(Duration::from_secs(60));
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let lease = corridor.queue.take();
    assert!(lease.is_some(), "it was taken before");
    drop(lease);
    corridor.transport.apply(world);
    corridor.newest("bob", 1).await;
    assert!(corridor.store.messages("alice").unwrap().is_empty());
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_follows_a_mailbox_that_moves_while_it_waits() {
    let (corridor, mut world) = standing(Duration::from_secs(60));
    world.snapshot = at_home_on_mail2("bob");
    corridor.transport.apply(world);
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    // Nobody knows where that server is.
    let deferred = |kind: &EventKind| matches!(kind, EventKind::Deferred { .. });
    corridor.until(deferred).await;
    assert!(corridor.store.messages("bob").unwrap().is_empty());
    corridor.transport.learn(&at_home_on_mail2("alice"));
    corridor.newest("bob", 1).await;
    corridor.end().await;
}

/// Bob's mail waits for this server's store, as the store takes nothing.
async fn waiting_for_the_store() -> (room::Corridor, LinkName) {
    let (corridor, mut world) = standing(Duration::from_secs(60));
    world.snapshot = at_home_on_mail2("alice");
    let store = NextHop::Local.link();
    let full = Failure::new(StatusCode::transient(3, 1), "full");
    corridor.transport.apply(world);
    // A link is known once there is mail for it.
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    corridor.newest("bob", 1).await;
    corridor
        .queue
        .hold_link(&store, now().after(Duration::from_secs(600)), &full);
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    let routed = |event: &&bridgehead_mail::Event| matches!(event.kind, EventKind::Routed { .. });
    corridor
        .eventually(|corridor| corridor.tracked().iter().filter(routed).count() == 2)
        .await;
    (corridor, store)
}

/// Waits until an attempt was made to bring something to the other server, where nobody is.
async fn until_tried_elsewhere(corridor: &room::Corridor) {
    let tried = |kind: &EventKind| matches!(kind, EventKind::Deferred { .. });
    corridor.until(tried).await;
    let elsewhere = |event: &bridgehead_mail::Event| match &event.kind {
        EventKind::Routed { link, .. } => link.as_str() == "server/mail2",
        _ => false,
    };
    assert!(
        corridor.tracked().iter().any(elsewhere),
        "{:?}",
        corridor.tracked()
    );
    assert_eq!(corridor.store.messages("bob").unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_that_waits_for_the_store_follows_its_mailbox_to_another_server() {
    let (corridor, _) = waiting_for_the_store().await;
    corridor.transport.learn(&at_home_on_mail2("bob"));
    until_tried_elsewhere(&corridor).await;
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_gets_no_mail_for_a_mailbox_that_has_just_left() {
    let (corridor, store) = waiting_for_the_store().await;
    // It was just looked which mailboxes have moved: the next look is some seconds away.
    corridor.transport.learn(&at_home_on_mail2("alice"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    corridor.transport.learn(&at_home_on_mail2("bob"));
    corridor.queue.release_link(&store);
    until_tried_elsewhere(&corridor).await;
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipient_without_a_way_is_reported_to_the_sender() {
    let corridor = corridor(Duration::from_secs(60));
    corridor.submit("x@nowhere.example", Notify::Unsaid).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.starts_with("Return-Path: <>\r\n"), "{report}");
    assert!(report.contains("Status: 5.4.4\r\n"), "{report}");
    assert!(report.contains("Final-Recipient: rfc822; x@nowhere.example\r\n"));
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_is_reported_with_the_last_failure() {
    let corridor = corridor(Duration::from_millis(300));
    corridor.submit("x@dead.example", Notify::Unsaid).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.contains("Status: 5.4.7\r\n"), "{report}");
    assert!(report.contains("could be made"), "{report}");
    assert!(corridor.queue.picture().groups.len() <= 1);
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wanted_success_is_reported_and_never_stops_failure_reports() {
    let corridor = corridor(Duration::from_secs(60));
    let success = Notify::On {
        success: true,
        failure: false,
        delay: false,
    };
    corridor.submit("x@nowhere.example", success).await;
    corridor.submit("bob@example.test", success).await;
    corridor.newest("bob", 1).await;
    let report = corridor.newest("alice", 1).await;
    assert!(report.contains("Action: delivered\r\n"), "{report}");
    assert_eq!(
        corridor.store.messages("alice").unwrap().len(),
        1,
        "a failure nobody asked for was reported"
    );
    corridor.end().await;
}

/// Takes one message on its first connection, and then does this; later connections are served well.
fn peer(after_first: fn(&mut Talk) -> io::Result<()>) -> Peer {
    Peer::start(move |talk| {
        talk.hello(&["PIPELINING"])?;
        if talk.number() > 1 {
            return talk.serve();
        }
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        talk.say("250 kept")?;
        after_first(talk)
    })
    .unwrap()
}

/// Sends two messages, one after the other; gives how many deferrals there were.
async fn two_messages(peer: &Peer) -> usize {
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(60));
    corridor.transport.apply(world);
    corridor.submit("x@dead.example", Notify::Unsaid).await;
    assert_eq!(corridor.deferred_until_relayed(1).await, 0);
    corridor.submit("y@dead.example", Notify::Unsaid).await;
    let deferred = corridor.deferred_until_relayed(2).await;
    corridor.end().await;
    deferred
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_went_stale_is_no_attempt() {
    let peer = peer(|talk| {
        talk.answer("421 4.4.2 idle for too long")?;
        Ok(())
    });
    assert_eq!(two_messages(&peer).await, 0);
    assert_eq!((peer.connections(), peer.taken().len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_lost_after_the_content_is_an_attempt() {
    let peer = peer(|talk| {
        for reply in ["250 ok", "250 ok", "354 go"] {
            talk.answer(reply)?;
        }
        talk.content()?;
        Ok(())
    });
    assert_eq!(two_messages(&peer).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_takes_no_more_connections_than_the_connector_allows() {
    const MESSAGES: usize = 80;
    let most = bridgehead_delivery::settings::ConnectorSettings::default().connections_max;
    let peer = Peer::start(|talk| {
        talk.hello(&["PIPELINING"])?;
        talk.serve()
    })
    .unwrap();
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(60));
    for _ in 0..MESSAGES {
        corridor.submit("x@dead.example", Notify::Unsaid).await;
    }
    corridor.transport.apply(world);
    assert_eq!(corridor.deferred_until_relayed(MESSAGES).await, 0);
    assert_eq!(peer.taken().len(), MESSAGES);
    assert!(peer.connections() <= most as u64);
    corridor.end().await;
}

/// What a message does to the code that works on it isn't done to the other messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_ends_workers_is_set_aside_and_the_others_go_on() {
    let (corridor, world) = standing_on(Arc::new(TrapDisk), 1, Duration::from_secs(60));
    corridor.transport.apply(world);
    // Nobody leads there, so its sender is told, with its headers: they are behind the trap.
    let large = [b"Subject: trap\r\n\r\n".to_vec(), vec![b'x'; 200_000]].concat();
    corridor
        .submit_content("x@nowhere.example", Notify::Unsaid, &large)
        .await;
    let queue = corridor.queue.clone();
    let poisoned = || {
        let found = queue.summaries(&queue.ids());
        found.into_iter().find(|one| one.phase == Phase::Poison)
    };
    for _ in 0..500 {
        if poisoned().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let poison = poisoned().expect("it is set aside");
    let how = poison.control.poison.unwrap();
    assert!(how.contains("a trap in the content"), "{how}");
    corridor.submit("bob@example.test", Notify::Unsaid).await;
    for _ in 0..500 {
        if queue.len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(queue.len(), 1, "the other one is delivered");
    let decision = bridgehead_queue::Decision {
        by: "somebody".into(),
        at: now(),
    };
    let thawed = queue.control(&[poison.id], &bridgehead_queue::Order::Thaw, &decision);
    assert_eq!(thawed, [bridgehead_queue::Effect::Changed]);
}
