//! From one host to the next: which trouble leads there, and which doesn't.

use crate::room::{MODERN, Room, loopback, one, sent_to, smart, well_bred};
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::time::Duration;

/// What becomes of a message whose first host has this script and whose second is well-bred; and whether the second got it.
async fn first(
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
) -> (String, usize) {
    first_in(Room::new(), script).await
}

async fn first_in(
    room: Room,
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
) -> (String, usize) {
    let _first = room.peer(1, script);
    let second = room.good_peer(2);
    room.dns.mx(
        "example.net",
        &[(10, "one.example.net"), (20, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    let said = room.mx(&one()).await.remove(0);
    (said, second.taken().len())
}

fn over() -> (String, usize) {
    ("relayed".to_owned(), 1)
}

#[tokio::test]
async fn a_refused_connection_leads_to_the_next_host() {
    let room = Room::new();
    let second = room.good_peer(2);
    room.dns.mx(
        "example.net",
        &[(10, "one.example.net"), (20, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
    assert_eq!(second.taken().len(), 1);
}

#[tokio::test]
async fn a_temporary_greeting_leads_to_the_next_host() {
    assert_eq!(first(|talk| talk.say("450 not now")).await, over());
}

#[tokio::test]
async fn a_421_greeting_leads_to_the_next_host() {
    assert_eq!(first(|talk| talk.say("421 busy")).await, over());
}

#[tokio::test]
async fn a_permanent_greeting_leads_to_the_next_host() {
    assert_eq!(first(|talk| talk.say("554 no service")).await, over());
}

#[tokio::test]
async fn silence_instead_of_a_greeting_leads_to_the_next_host() {
    let room = Room::with(|connector| connector.command_timeout = Duration::from_secs(2));
    assert_eq!(first_in(room, Talk::silence).await, over());
}

#[tokio::test]
async fn a_host_that_hangs_up_at_once_leads_to_the_next() {
    assert_eq!(first(|_| Ok(())).await, over());
}

#[tokio::test]
async fn a_host_that_speaks_no_smtp_leads_to_the_next() {
    assert_eq!(first(|talk| talk.say("SSH-2.0-OpenSSH_9.9")).await, over());
}

#[tokio::test]
async fn a_refused_ehlo_and_helo_lead_to_the_next_host() {
    let refuses = |talk: &mut Talk| {
        talk.say("220 hello")?;
        talk.answer("550 no")?;
        talk.answer("550 no")?;
        talk.silence()
    };
    assert_eq!(first(refuses).await, over());
}

#[tokio::test]
async fn a_421_to_mail_leads_to_the_next_host() {
    let busy = |talk: &mut Talk| {
        talk.hello(MODERN)?;
        talk.answer("421 going down")?;
        Ok(())
    };
    assert_eq!(first(busy).await, over());
}

#[tokio::test]
async fn a_temporary_refusal_of_mail_leads_to_the_next_host() {
    let full = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("452 4.3.1 disk full")?;
        talk.silence()
    };
    assert_eq!(first(full).await, over());
}

#[tokio::test]
async fn a_connection_dropped_before_the_content_leads_to_the_next_host() {
    let drops = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.hear()?;
        Ok(())
    };
    assert_eq!(first(drops).await, over());
}

#[tokio::test]
async fn a_permanent_refusal_of_mail_is_the_last_word() {
    let refuses = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("550 5.7.1 not you")?;
        talk.silence()
    };
    assert_eq!(first(refuses).await, ("failed 5.7.1".to_owned(), 0));
}

#[tokio::test]
async fn a_temporary_refusal_of_a_recipient_waits_for_the_next_attempt() {
    let grey = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("450 4.2.0 later")?;
        talk.silence()
    };
    assert_eq!(first(grey).await, ("deferred 4.2.0".to_owned(), 0));
}

#[tokio::test]
async fn a_connection_lost_after_the_content_leads_nowhere_else() {
    let drops = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.answer("354 go")?;
        talk.content()?;
        Ok(())
    };
    // It may have taken the message: another host would deliver it twice.
    assert_eq!(first(drops).await, ("deferred 4.4.2".to_owned(), 0));
}

#[tokio::test]
async fn a_greeting_with_554_alone_is_temporary() {
    let said = sent_to(|talk| talk.say("554 no service for you")).await;
    assert_eq!(said, "deferred 4.4.0");
}

#[tokio::test]
async fn the_enhanced_code_of_a_refused_connection_is_kept_as_temporary() {
    let said = sent_to(|talk| talk.say("554 5.7.1 blocked")).await;
    assert_eq!(said, "deferred 4.7.1");
}

#[tokio::test]
async fn a_host_that_never_takes_mail_is_permanent_if_there_is_no_other() {
    let room = Room::new();
    let _peer = room.peer(1, |talk| talk.say("521 never"));
    room.dns.mx("example.net", &[(10, "mx.example.net")]);
    room.dns.a("mx.example.net", loopback(1));
    assert_eq!(room.mx(&one()).await, ["failed 5.3.2"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_smart_host_is_never_permanent() {
    assert_eq!(
        sent_to(|talk| talk.say("521 never")).await,
        "deferred 4.3.2"
    );
}

#[tokio::test]
async fn smart_hosts_are_tried_in_their_order() {
    let room = Room::new();
    let busy = Peer::start(|talk| talk.say("421 busy")).unwrap();
    let (second, third) = (
        Peer::start(well_bred).unwrap(),
        Peer::start(well_bred).unwrap(),
    );
    let said = room.send(&smart(&[&busy, &second, &third]), &one()).await;
    assert_eq!(said, ["relayed"]);
    assert_eq!(
        (
            busy.connections(),
            second.taken().len(),
            third.connections()
        ),
        (1, 1, 0)
    );
}

#[tokio::test]
async fn ehlo_that_is_not_known_becomes_helo() {
    let peer = Peer::start(|talk| {
        talk.say("220 hello")?;
        talk.answer("502 what?")?;
        talk.answer("250 hello")?;
        talk.serve()
    })
    .unwrap();
    assert_eq!(Room::new().to(&peer, &one()).await, ["relayed"]);
    let heard = peer.heard();
    assert_eq!(
        heard[..2],
        ["EHLO mail.example.test", "HELO mail.example.test"]
    );
    assert_eq!(heard[2], "MAIL FROM:<a@example.test>");
}

#[tokio::test]
async fn ehlo_that_is_refused_for_now_does_not_become_helo() {
    let peer = Peer::start(|talk| {
        talk.say("220 hello")?;
        talk.answer("451 later")?;
        talk.serve()
    })
    .unwrap();
    assert_eq!(Room::new().to(&peer, &one()).await, ["deferred 4.4.0"]);
    assert!(!peer.heard().iter().any(|line| line.starts_with("HELO")));
}

#[tokio::test]
async fn a_host_that_turned_us_away_hears_quit() {
    let peer = Peer::start(|talk| {
        talk.say("554 no")?;
        talk.answer("221 bye")?;
        Ok(())
    })
    .unwrap();
    let room = Room::new();
    room.refusal(&peer).await;
    while peer.heard().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.heard(), ["QUIT"]);
}
