//! Servers that behave as no server should. Whatever they do, nothing is taken as delivered that they didn't confirm after
//! they had all of it.
//!
//! Silence is in `time.rs`, odd replies are in `replies.rs`, interrupted content in `content.rs`, broken encryption in `tls.rs`.

use crate::room::{MODERN, Room, message, one, sent_to};
use bridgehead_delivery::Handover;
use bridgehead_delivery::NotConnected;
use bridgehead_mail::Outcome;
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const LOST: &str = "deferred 4.4.2";

fn large() -> Handover {
    let line = [&[b'x'; 62][..], b"\r\n"].concat();
    Handover {
        content: Arc::new(line.repeat(1024 * 1024)),
        ..one()
    }
}

/// What becomes of a large message.
async fn large_to(script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static) -> String {
    let room = Room::with(|connector| connector.command_timeout = Duration::from_secs(5));
    let peer = Peer::start(script).unwrap();
    room.to(&peer, &large()).await.remove(0)
}

/// Up to where the content is asked for.
fn before_content(talk: &mut Talk) -> io::Result<()> {
    for reply in ["250 ok", "250 ok", "354 go"] {
        talk.answer(reply)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_250_before_the_content_is_through_is_not_believed() {
    let unread = |talk: &mut Talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        // Without having read any of it.
        talk.say("250 2.0.0 kept")?;
        std::thread::sleep(Duration::from_secs(7));
        Ok(())
    };
    assert_eq!(large_to(unread).await, LOST);
    let half_read = |talk: &mut Talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.octets(100_000)?;
        talk.say("250 2.0.0 kept")?;
        talk.silence()
    };
    assert_eq!(large_to(half_read).await, LOST);
}

#[tokio::test]
async fn a_250_right_behind_the_354_is_not_believed_of_small_mail_either() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.answer("354 go\r\n250 2.0.0 kept")?;
        talk.silence()
    })
    .await;
    assert_eq!(said, LOST);
}

#[tokio::test]
async fn a_refusal_before_the_content_is_through_counts() {
    let refuses = |talk: &mut Talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.say("552 5.3.4 too large")?;
        talk.silence()
    };
    assert_eq!(large_to(refuses).await, "failed 5.3.4");
}

#[tokio::test]
async fn a_reset_in_the_middle_of_the_content_is_temporary() {
    let resets = |talk: &mut Talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.octets(1_000_000)?;
        talk.reset();
        Ok(())
    };
    assert_eq!(large_to(resets).await, LOST);
}

#[tokio::test]
async fn a_reset_instead_of_a_final_reply_is_temporary() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        talk.reset();
        Ok(())
    })
    .await;
    assert_eq!(said, LOST);
}

#[tokio::test]
async fn a_reset_after_the_confirmation_takes_nothing_back() {
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        before_content(talk)?;
        talk.content()?;
        talk.say("250 2.0.0 kept")?;
        // The client has read it when it says more.
        talk.hear()?;
        talk.reset();
        Ok(())
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
    assert!(carrier.was_stale());
}

#[tokio::test]
async fn fewer_replies_than_commands_are_waited_for() {
    let room = Room::with(|connector| connector.command_timeout = Duration::from_secs(1));
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        // MAIL, two RCPT and DATA come together; three get an answer.
        for reply in ["250 ok", "250 ok", "550 5.1.1 no"] {
            talk.answer(reply)?;
        }
        talk.silence()
    })
    .unwrap();
    let two = message(&["a@example.net", "b@example.net"]);
    assert_eq!(room.to(&peer, &two).await, [LOST, "failed 5.1.1"]);
}

#[tokio::test]
async fn more_replies_than_commands_are_believed_by_nobody() {
    let said = sent_to(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.answer("250 what?\r\n354 go\r\n250 kept")?;
        talk.silence()
    })
    .await;
    assert!(said.starts_with("deferred "), "{said}");
}

#[tokio::test]
async fn agreement_to_everything_and_then_a_reset_delivers_nothing() {
    // It says 250 even to DATA.
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        for _ in 0..3 {
            talk.answer("250 ok")?;
        }
        talk.reset();
        Ok(())
    })
    .unwrap();
    let said = Room::new().to(&peer, &one()).await.remove(0);
    assert!(said.starts_with("deferred "), "{said}");
    // It agrees before it was asked.
    let said = sent_to(|talk| {
        for _ in 0..10 {
            talk.say("250 ok")?;
        }
        talk.reset();
        Ok(())
    })
    .await;
    assert!(said.starts_with("deferred "), "{said}");
}

#[tokio::test]
async fn a_421_at_any_point_is_temporary() {
    // Greeting, EHLO, MAIL, RCPT, DATA, end of the content.
    for point in 0..6 {
        for extensions in [&[][..], MODERN] {
            let said = sent_to(move |talk| {
                let replies = ["220 hello", "250 HELP", "250 ok", "250 ok", "354 go"];
                for (number, reply) in replies.iter().enumerate() {
                    if number > 0 {
                        talk.hear()?;
                    }
                    if number == point {
                        talk.say("421 4.3.2 going down")?;
                        return talk.silence();
                    }
                    match number {
                        1 => {
                            let offered: Vec<String> = extensions
                                .iter()
                                .map(|one| format!("250-{one}\r\n"))
                                .collect();
                            talk.say(&format!("250-hi\r\n{}250 HELP", offered.concat()))?;
                        }
                        _ => talk.say(reply)?,
                    }
                }
                talk.content()?;
                talk.say("421 4.3.2 going down")?;
                talk.silence()
            })
            .await;
            assert_eq!(
                said, "deferred 4.3.2",
                "at point {point} with {extensions:?}"
            );
        }
    }
}

#[tokio::test]
async fn lines_without_end_are_cut_off_at_any_point() {
    for point in 0..3 {
        let said = sent_to(move |talk| {
            talk.hello(MODERN)?;
            for _ in 0..point {
                talk.answer("250 ok")?;
            }
            talk.hear()?;
            loop {
                talk.raw(b"250-and on and on\r\n")?;
            }
        })
        .await;
        assert_eq!(said, LOST, "at point {point}");
    }
}

#[tokio::test]
async fn an_outcome_says_how_the_connection_was_secured() {
    let encrypted = Peer::start(|talk| {
        talk.hello(&["STARTTLS"])?;
        talk.start_tls()?;
        talk.ehlo(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("450 4.2.0 later")?;
        talk.serve()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&encrypted).await;
    let Outcome::Deferred(failure) = carrier.deliver(&one()).await.remove(0) else {
        panic!("not deferred");
    };
    let said = failure.to_string();
    let host = format!(
        "[127.0.0.1]:{} said: 450 4.2.0 later",
        encrypted.address().port()
    );
    assert!(said.contains(&host), "{said}");
    assert!(said.contains("(TLS 1.3, TLS13_"), "{said}");
    assert!(said.contains("certificate not verified: "), "{said}");
    // None of it is for the sender.
    assert!(!failure.text.contains("TLS"), "{failure:?}");
    let Outcome::Relayed { over, .. } = carrier.deliver(&one()).await.remove(0) else {
        panic!("not relayed");
    };
    assert!(over.starts_with("TLS 1.3, TLS13_"), "{over}");
    let clear = room.good_peer(1);
    let mut carrier = room.connect(&clear).await;
    let Outcome::Relayed { over, .. } = carrier.deliver(&one()).await.remove(0) else {
        panic!("not relayed");
    };
    assert_eq!(&*over, "in the clear: the other server offers no TLS");
}

#[tokio::test]
async fn an_outcome_says_which_hosts_were_tried_before_and_that_tls_failed() {
    let room = Room::new();
    let broken = Peer::start(|talk| {
        talk.hello(&["STARTTLS"])?;
        if talk.number() == 1 {
            talk.answer("220 go")?;
            talk.raw(b"no handshake\r\n")?;
            return talk.silence();
        }
        talk.serve()
    })
    .unwrap();
    let busy = Peer::start(|talk| talk.say("421 4.3.2 busy")).unwrap();
    let hop = crate::room::smart(&[&busy, &broken]);
    let mut carrier = room.delivery.connect(&hop).await.unwrap();
    let Outcome::Relayed { over, .. } = carrier.deliver(&one()).await.remove(0) else {
        panic!("not relayed");
    };
    assert!(
        over.starts_with("in the clear, because TLS failed: "),
        "{over}"
    );
    let before = format!("[127.0.0.1]:{} said: 421 4.3.2 busy", busy.address().port());
    assert!(
        over.contains("; tried before: ") && over.contains(&before),
        "{over}"
    );
    // And where none could be used.
    let busy_too = Peer::start(|talk| talk.say("421 4.3.2 busy, too")).unwrap();
    let hop = crate::room::smart(&[&busy, &busy_too]);
    let Err(NotConnected::Failed(failure)) = room.delivery.connect(&hop).await else {
        panic!("not refused");
    };
    let said = failure.to_string();
    assert!(
        said.contains(&before) && said.contains("busy, too"),
        "{said}"
    );
}
