//! A message that was in hand when the server was aborted twice is set aside, and everything else goes on.

use crate::{id_in, message, send};
use bridgehead_testkit::script::{Peer, Talk};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};
use std::os::unix::process::ExitStatusExt;

const SIGABRT: i32 = 6;

/// Takes everything but what is for `stuck`: about that it says nothing more.
fn script(talk: &mut Talk) -> std::io::Result<()> {
    talk.hello(&[])?;
    loop {
        let line = talk.hear()?;
        if line.starts_with("RCPT") && line.contains("stuck") {
            return talk.silence();
        }
        match line.get(..4) {
            Some("DATA") => {
                talk.say("354 go")?;
                talk.content()?;
                talk.say("250 taken")?;
            }
            Some("QUIT") => return talk.say("221 bye"),
            _ => talk.say("250 ok")?,
        }
    }
}

fn heard(peer: &Peer, what: &str) -> usize {
    peer.heard()
        .iter()
        .filter(|line| line.contains(what))
        .count()
}

#[test]
fn what_two_aborts_have_in_common_is_set_aside() {
    let peer = Peer::start(script).unwrap();
    let organization = Organization::new().smart_host("out", "*", peer.address());
    let mut server = Server::start(&organization);
    let to_stuck = send(
        server.inbound(),
        "bob@example.test",
        &["stuck@example.net"],
        &message("the one"),
    );
    let id = id_in(&to_stuck);
    for round in 1..=2 {
        wait::until("it is in hand", || {
            (heard(&peer, "stuck") == round).then_some(())
        });
        let status = server.abort();
        assert_eq!(status.signal(), Some(SIGABRT), "{status:?}");
        server.run(&[]);
    }
    let why = server.ask(&["message", "why", &id]).to_string();
    assert!(
        why.contains("poison") && why.contains("aborted, 2 times"),
        "{why}"
    );
    let trace = server.ask(&["message", "trace", &id]).to_string();
    assert!(trace.contains("set aside"), "{trace}");
    assert!(server.log().contains("a message is set aside"));
    // The postmaster hears of it.
    let notice = server.mailbox("alice", 1).remove(0);
    let notice = String::from_utf8_lossy(&notice).into_owned();
    assert!(
        notice.contains(&id) && notice.contains("set aside"),
        "{notice}"
    );
    // The server goes on, and so does other mail.
    send(
        server.inbound(),
        "bob@example.test",
        &["free@example.net"],
        &message("another"),
    );
    wait::until("another is through", || {
        (server.queued() == 1 && heard(&peer, "free") == 1).then_some(())
    });
    assert_eq!(heard(&peer, "stuck"), 2);
    // An operator lets it try again.
    server.ask(&["queue", "thaw", &id]);
    wait::until("it is tried again", || {
        (heard(&peer, "stuck") == 3).then_some(())
    });
}
