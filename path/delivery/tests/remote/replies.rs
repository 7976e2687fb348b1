//! Replies that are long, odd, wrong, or never come.

use crate::room::{MODERN, Room, message, one, sent_to};
use bridgehead_mail::Outcome;
use bridgehead_testkit::script::{Peer, Talk};
use std::io;

/// Up to the content, whose final reply is these octets.
async fn final_reply(octets: &'static [u8]) -> String {
    sent_to(move |talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        talk.raw(octets)?;
        talk.silence()
    })
    .await
}

fn before_content(talk: &mut Talk) -> io::Result<()> {
    talk.answer("250 ok")?;
    talk.answer("250 ok")?;
    talk.answer("354 go")?;
    Ok(())
}

#[tokio::test]
async fn a_reply_of_many_lines_is_one_reply() {
    let said = final_reply(b"250-kept\r\n250-and\r\n250-kept\r\n250 well\r\n").await;
    assert_eq!(said, "relayed");
}

#[tokio::test]
async fn a_greeting_of_many_lines_is_one_greeting() {
    let said = sent_to(|talk| {
        talk.raw(b"220-we don't\r\n220-like spam\r\n")?;
        talk.hello(MODERN)?;
        talk.serve()
    })
    .await;
    assert_eq!(said, "relayed");
}

#[tokio::test]
async fn a_reply_without_text_is_a_reply() {
    assert_eq!(final_reply(b"250\r\n").await, "relayed");
}

#[tokio::test]
async fn a_reply_that_ends_with_a_bare_lf_is_a_reply() {
    assert_eq!(final_reply(b"250 ok\n").await, "relayed");
}

#[tokio::test]
async fn a_reply_in_single_octets_is_a_reply() {
    let said = sent_to(|talk| {
        for octet in b"220 hello\r\n" {
            talk.raw(&[*octet])?;
        }
        talk.ehlo(MODERN)?;
        talk.serve()
    })
    .await;
    assert_eq!(said, "relayed");
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let said = sent_to(|talk| {
        loop {
            talk.raw(b"220-and on\r\n")?;
        }
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn a_reply_line_without_end_is_cut_off() {
    let said = sent_to(|talk| {
        loop {
            talk.raw(&[b'2'; 4096])?;
        }
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn garbage_for_a_final_reply_is_temporary() {
    for garbage in [
        &b"\0\0\0\0\r\n"[..],
        b"\x80\x81\x82\xff\r\n",
        b"OK\r\n",
        b"250_ok\r\n",
        b"999 what\r\n",
        b"-250 ok\r\n",
        b"2\xb5\xb5 ok\r\n",
        b"250-a\r\n550 b\r\n",
    ] {
        assert_eq!(final_reply(garbage).await, "deferred 4.4.2");
    }
}

#[tokio::test]
async fn a_354_instead_of_a_final_reply_is_temporary() {
    assert_eq!(final_reply(b"354 more\r\n").await, "deferred 4.0.0");
}

#[tokio::test]
async fn words_that_are_not_ascii_are_kept_without_control_characters() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.raw(b"")?;
        talk.hear()?;
        talk.raw(b"550 5.1.1 d\xc3\xa9sol\xe9 \x1b[31m\x07\r\n")?;
        talk.silence()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    let Outcome::Failed(failure) = carrier.deliver(&one()).await.remove(0) else {
        panic!("not refused");
    };
    let text = failure.remote.unwrap().text;
    assert_eq!(&*text, "5.1.1 d\u{e9}sol\u{fffd}  [31m");
}

#[tokio::test]
async fn the_words_of_a_refusal_are_bounded() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.hear()?;
        for _ in 0..50 {
            talk.say(&format!("550-{}", "x".repeat(1000)))?;
        }
        talk.say("550 end")?;
        talk.silence()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    let Outcome::Failed(failure) = carrier.deliver(&one()).await.remove(0) else {
        panic!("not refused");
    };
    assert_eq!(failure.remote.unwrap().text.len(), 1000);
}

#[tokio::test]
async fn a_reply_too_many_is_not_taken_for_the_next_answer() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        before_content(talk)?;
        talk.content()?;
        // One for this message, and one that nobody asked for.
        talk.raw(b"250 kept\r\n250 kept\r\n")?;
        talk.serve()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    assert!(matches!(
        carrier.deliver(&one()).await[0],
        Outcome::Relayed { .. }
    ));
    let second = carrier.deliver(&one()).await;
    assert!(matches!(second[0], Outcome::Deferred(_)), "{second:?}");
    assert!(carrier.was_stale() && !carrier.is_usable());
    assert!(peer.taken().is_empty());
}

#[tokio::test]
async fn a_final_reply_before_the_content_is_not_believed() {
    let said = sent_to(|talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.hear()?;
        talk.raw(b"354 go\r\n250 kept\r\n")?;
        talk.silence()
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn a_refused_354_is_what_the_recipients_hear() {
    let refuse = |reply: &'static str| {
        sent_to(move |talk| {
            talk.hello(MODERN)?;
            talk.answer("250 ok")?;
            talk.answer("250 ok")?;
            talk.answer(reply)?;
            talk.silence()
        })
    };
    assert_eq!(refuse("554 5.6.0 no").await, "failed 5.6.0");
    assert_eq!(refuse("451 4.3.0 later").await, "deferred 4.3.0");
    assert_eq!(refuse("250 ok").await, "deferred 4.0.0");
}

#[tokio::test]
async fn the_final_reply_decides() {
    assert_eq!(final_reply(b"550 5.7.1 spam\r\n").await, "failed 5.7.1");
    assert_eq!(final_reply(b"552 too large\r\n").await, "failed 5.0.0");
    assert_eq!(final_reply(b"451 4.3.0 later\r\n").await, "deferred 4.3.0");
    assert_eq!(final_reply(b"421 4.3.2 down\r\n").await, "deferred 4.3.2");
}

#[tokio::test]
async fn an_enhanced_code_of_the_wrong_class_does_not_count() {
    assert_eq!(final_reply(b"550 2.0.0 hm\r\n").await, "failed 5.0.0");
    assert_eq!(final_reply(b"450 5.1.1 hm\r\n").await, "deferred 4.0.0");
}

#[tokio::test]
async fn the_connection_dropped_before_the_final_reply_is_temporary() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        Ok(())
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn half_a_final_reply_is_none() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        talk.raw(b"250 ke")?;
        Ok(())
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn half_of_a_final_reply_of_many_lines_is_none() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        talk.raw(b"250-kept\r\n")?;
        Ok(())
    })
    .await;
    assert_eq!(said, "deferred 4.4.2");
}

#[tokio::test]
async fn a_drop_among_pipelined_recipients_decides_only_for_those_who_were_answered() {
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("550 5.1.1 no")?;
        talk.answer("250 ok")?;
        talk.hear()?;
        Ok(())
    })
    .unwrap();
    let three = message(&["a@example.net", "b@example.net", "c@example.net"]);
    let said = Room::new().to(&peer, &three).await;
    assert_eq!(said, ["failed 5.1.1", "deferred 4.4.2", "deferred 4.4.2"]);
}
