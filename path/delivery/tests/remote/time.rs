//! Servers that are silent or slow: every phase has its time, and so have all of them together.

use crate::room::{MODERN, Room, loopback, message, one};
use bridgehead_testkit::script::{Peer, Talk};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// What becomes of a message whose server has this script, with a second for each reply.
async fn with_a_second(
    script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
) -> String {
    let room = Room::with(|connector| {
        connector.command_timeout = SECOND;
        connector.data_timeout = SECOND;
    });
    let peer = Peer::start(script).unwrap();
    room.to(&peer, &one()).await.remove(0)
}

fn lost() -> String {
    "deferred 4.4.2".to_owned()
}

#[tokio::test]
async fn silence_after_the_connection() {
    assert_eq!(with_a_second(Talk::silence).await, lost());
}

#[tokio::test]
async fn silence_after_ehlo() {
    let silent = |talk: &mut Talk| {
        talk.say("220 hello")?;
        talk.silence()
    };
    assert_eq!(with_a_second(silent).await, lost());
}

#[tokio::test]
async fn silence_after_mail() {
    let silent = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.silence()
    };
    assert_eq!(with_a_second(silent).await, lost());
}

#[tokio::test]
async fn silence_after_rcpt() {
    let silent = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.silence()
    };
    assert_eq!(with_a_second(silent).await, lost());
}

#[tokio::test]
async fn silence_after_data() {
    let silent = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.silence()
    };
    assert_eq!(with_a_second(silent).await, lost());
}

#[tokio::test]
async fn silence_after_the_content() {
    let silent = |talk: &mut Talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.answer("354 go")?;
        talk.silence()
    };
    assert_eq!(with_a_second(silent).await, lost());
}

#[tokio::test]
async fn a_reply_that_drips_must_be_whole_in_time() {
    let drips = |talk: &mut Talk| talk.drip(b"220-slow\r\n", Duration::from_millis(50));
    assert_eq!(with_a_second(drips).await, lost());
}

#[tokio::test]
async fn a_server_that_stops_to_read_is_given_up() {
    let room = Room::with(|connector| connector.command_timeout = SECOND);
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        talk.raw(b"250 ok\r\n250 ok\r\n")?;
        for _ in 0..3 {
            talk.hear()?;
        }
        talk.say("354 go")?;
        std::thread::sleep(Duration::from_secs(3));
        Ok(())
    })
    .unwrap();
    let mut large = one();
    large.content = Arc::new(vec![b'x'; 32 * 1024 * 1024]);
    assert_eq!(room.to(&peer, &large).await, ["deferred 4.4.2"]);
}

#[tokio::test]
async fn a_message_has_a_time_for_all_its_recipients() {
    let room = Room::with(|connector| connector.message_timeout = SECOND);
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        loop {
            talk.answer("250 ok")?;
            std::thread::sleep(Duration::from_millis(200));
        }
    })
    .unwrap();
    let addresses: Vec<String> = (0..50).map(|n| format!("r{n}@example.net")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let said = room.to(&peer, &message(&addresses)).await;
    assert!(said.iter().all(|one| one == "deferred 4.4.2"), "{said:?}");
    assert!(peer.heard().len() < 40);
}

#[tokio::test]
async fn all_hosts_together_have_a_time_and_the_last_one_gets_its_share() {
    let room = Room::with(|connector| connector.hosts_timeout = 4 * SECOND);
    let silent = room.peer(1, Talk::silence);
    let good = room.good_peer(2);
    room.dns.mx(
        "example.net",
        &[(1, "one.example.net"), (2, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["relayed"]);
    assert_eq!(silent.connections(), 1);
    assert_eq!(good.taken().len(), 1);
}

#[tokio::test]
async fn silent_hosts_do_not_take_longer_than_all_may() {
    let room = Room::with(|connector| connector.hosts_timeout = SECOND);
    let _silent = [room.peer(1, Talk::silence), room.peer(2, Talk::silence)];
    room.dns.mx(
        "example.net",
        &[(1, "one.example.net"), (2, "two.example.net")],
    );
    room.dns.a("one.example.net", loopback(1));
    room.dns.a("two.example.net", loopback(2));
    assert_eq!(room.mx(&one()).await, ["deferred 4.4.1"]);
}
