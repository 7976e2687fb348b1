//! Next hops that misbehave, seen from the queue: the message stays, what is tracked names it and the peer, and when the
//! peer has come to its senses it is delivered once.
//!
//! What becomes of each single attempt is in the tests of delivery.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod room;

use bridgehead_mail::{EventKind, Notify, StatusClass};
use bridgehead_testkit::script::{Peer, Talk};
use room::standing_before;
use std::io;
use std::time::Duration;

type Script = fn(&mut Talk) -> io::Result<()>;

fn before_content(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    for reply in ["250 ok", "250 ok", "354 go"] {
        talk.answer(reply)?;
    }
    Ok(())
}

fn garbage(talk: &mut Talk) -> io::Result<()> {
    talk.raw(b"\x00\xff\x1b]0;SSH-2.0 <html>\r\n\r\n")?;
    talk.silence()
}

fn garbage_in_the_middle(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    talk.answer("250 ok")?;
    talk.raw(b"\x80\x81\r\n")?;
    talk.silence()
}

fn endless_lines(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    loop {
        talk.raw(b"250-more\r\n")?;
    }
}

fn reset_in_the_content(talk: &mut Talk) -> io::Result<()> {
    before_content(talk)?;
    talk.octets(10)?;
    talk.reset();
    Ok(())
}

fn closes_after_the_content(talk: &mut Talk) -> io::Result<()> {
    before_content(talk)?;
    talk.content()?;
    Ok(())
}

fn kept_before_it_was_read(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    talk.answer("250 ok")?;
    talk.answer("250 ok")?;
    talk.answer("354 go\r\n250 kept")?;
    talk.silence()
}

fn too_few_replies(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    talk.answer("250 ok")?;
    talk.hear()?;
    talk.close();
    Ok(())
}

fn too_many_replies(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    talk.answer("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok")?;
    talk.silence()
}

fn agrees_and_resets(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["PIPELINING"])?;
    for _ in 0..3 {
        talk.answer("250 ok")?;
    }
    talk.reset();
    Ok(())
}

fn half_a_final_reply(talk: &mut Talk) -> io::Result<()> {
    before_content(talk)?;
    talk.content()?;
    talk.raw(b"250-kept\r\n250 ke")?;
    talk.reset();
    Ok(())
}

fn goes_down_after_the_content(talk: &mut Talk) -> io::Result<()> {
    before_content(talk)?;
    talk.content()?;
    talk.say("421 4.3.2 going down")?;
    talk.silence()
}

fn silent(talk: &mut Talk) -> io::Result<()> {
    talk.silence()
}

fn silent_after_the_content(talk: &mut Talk) -> io::Result<()> {
    before_content(talk)?;
    talk.content()?;
    talk.silence()
}

fn broken_handshake(talk: &mut Talk) -> io::Result<()> {
    talk.hello(&["STARTTLS"])?;
    talk.answer("220 go")?;
    talk.raw(b"\x15\x03\x03\x00\x02\x02\x28")?;
    talk.close();
    Ok(())
}

/// A peer that is like this for its first connections, and well-bred from then on.
fn peer(first: u64, script: Script) -> Peer {
    Peer::start(move |talk| {
        if talk.number() <= first {
            return script(talk);
        }
        talk.hello(&["PIPELINING"])?;
        talk.serve()
    })
    .unwrap()
}

/// One message. It is deferred for a reason of the peer, then delivered once.
async fn survives(what: &str, first: u64, patience: Duration, script: Script) {
    let peer = peer(first, script);
    let (corridor, world) = standing_before(peer.address().port(), Duration::from_secs(600));
    corridor.wait_for_replies(patience);
    corridor.transport.apply(world);
    corridor.submit("x@dead.example", Notify::Unsaid).await;
    let queued = corridor.queue.ids();
    let deferred = |kind: &EventKind| matches!(kind, EventKind::Deferred { .. });
    let event = corridor.until(deferred).await;
    assert_eq!(queued, [event.message], "{what}: the log names the message");
    let EventKind::Deferred { failure, .. } = &event.kind else {
        unreachable!();
    };
    assert_eq!(failure.status.class(), StatusClass::Transient, "{what}");
    let host = format!("[127.0.0.1]:{}", peer.address().port());
    let said = failure.to_string();
    assert!(
        said.contains(&host),
        "{what}: the log names the peer: {said}"
    );
    corridor.until(|kind| matches!(kind, EventKind::Done)).await;
    let tracked = corridor.tracked();
    let relayed = tracked.iter().filter_map(|event| match &event.kind {
        EventKind::Relayed { reply, .. } => Some(reply.to_string()),
        EventKind::Failed { .. } => Some("failed".to_owned()),
        _ => None,
    });
    assert_eq!(relayed.collect::<Vec<_>>(), ["250 ok"], "{what}");
    assert_eq!(peer.taken().len(), 1, "{what}");
    assert!(corridor.queue.is_empty(), "{what}");
    corridor.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_peer_does_wrong_costs_an_attempt_and_nothing_else() {
    let patience = Duration::from_secs(20);
    let scripts: [(&str, Script); 11] = [
        ("garbage", garbage),
        ("garbage in the middle", garbage_in_the_middle),
        ("endless lines", endless_lines),
        ("a reset in the content", reset_in_the_content),
        ("a close after the content", closes_after_the_content),
        ("kept before it was read", kept_before_it_was_read),
        ("too few replies", too_few_replies),
        ("too many replies", too_many_replies),
        ("agreement, then a reset", agrees_and_resets),
        ("half a final reply", half_a_final_reply),
        ("421 after the content", goes_down_after_the_content),
    ];
    for (what, script) in scripts {
        survives(what, 1, patience, script).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stalls_costs_an_attempt_and_nothing_else() {
    let patience = Duration::from_secs(2);
    survives("silence", 1, patience, silent).await;
    let what = "silence after the content";
    survives(what, 1, patience, silent_after_the_content).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_that_breaks_and_a_clear_connection_that_fails_too_are_one_attempt() {
    // The second connection is the one in the clear; it offers TLS again, and then hears MAIL instead.
    let script: Script = |talk| match talk.number() {
        1 => broken_handshake(talk),
        _ => garbage(talk),
    };
    survives("a broken handshake", 2, Duration::from_secs(20), script).await;
}
