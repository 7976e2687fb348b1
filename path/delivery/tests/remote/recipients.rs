//! Many recipients in one transaction, in several, and with mixed answers.

use crate::room::{MODERN, Room, message};
use bridgehead_testkit::script::{Peer, Talk};
use std::io;

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("r{n}@example.net")).collect()
}

fn refs(addresses: &[String]) -> Vec<&str> {
    addresses.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn each_recipient_has_its_own_answer() {
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        for reply in [
            "250 ok",
            "450 4.2.1 busy",
            "550 5.1.1 no",
            "251 will forward",
        ] {
            talk.answer(reply)?;
        }
        talk.answer("354 go")?;
        talk.content()?;
        talk.say("250 kept")?;
        talk.silence()
    })
    .unwrap();
    let four = message(&["a@x.example", "b@x.example", "c@x.example", "d@x.example"]);
    let said = Room::new().to(&peer, &four).await;
    assert_eq!(
        said,
        ["relayed", "deferred 4.2.1", "failed 5.1.1", "relayed"]
    );
}

#[tokio::test]
async fn all_share_one_transaction() {
    let room = Room::new();
    let peer = room.good_peer(1);
    let hundred = many(100);
    let said = room.to(&peer, &message(&refs(&hundred))).await;
    assert!(said.iter().all(|one| one == "relayed"));
    let taken = peer.taken();
    assert_eq!((taken.len(), taken[0].rcpts.len()), (1, 100));
}

#[tokio::test]
async fn more_than_the_most_are_split() {
    let room = Room::with(|connector| connector.recipients_per_transaction = 4);
    let peer = room.good_peer(1);
    let ten = many(10);
    let said = room.to(&peer, &message(&refs(&ten))).await;
    assert_eq!(said, ["relayed"; 10]);
    let sizes: Vec<usize> = peer.taken().iter().map(|one| one.rcpts.len()).collect();
    assert_eq!(sizes, [4, 4, 2]);
    assert_eq!(peer.connections(), 1);
}

/// Takes so many recipients in each transaction and refuses the others with this reply.
fn takes_at_most(most: usize, refusal: &'static str) -> impl Fn(&mut Talk) -> io::Result<()> {
    move |talk| {
        talk.hello(MODERN)?;
        let mut taken = 0;
        loop {
            let line = talk.hear()?;
            match line.get(..4).unwrap_or_default() {
                "MAIL" => taken = 0,
                "RCPT" if taken == most => {
                    talk.say(refusal)?;
                    continue;
                }
                "RCPT" => taken += 1,
                "DATA" => {
                    talk.say("354 go")?;
                    talk.content()?;
                }
                "QUIT" => return talk.say("221 bye"),
                _ => {}
            }
            talk.say("250 ok")?;
        }
    }
}

#[tokio::test]
async fn those_who_were_too_many_get_a_transaction_of_their_own() {
    for refusal in ["452 4.5.3 too many", "452 too many", "552 too many"] {
        let peer = Peer::start(takes_at_most(2, refusal)).unwrap();
        let five = many(5);
        let said = Room::new().to(&peer, &message(&refs(&five))).await;
        assert_eq!(said, ["relayed"; 5]);
        let mails = peer
            .heard()
            .iter()
            .filter(|line| line.starts_with("MAIL"))
            .count();
        assert_eq!(mails, 3);
    }
}

#[tokio::test]
async fn a_server_that_takes_none_is_not_asked_without_end() {
    let peer = Peer::start(takes_at_most(0, "452 too many")).unwrap();
    let said = Room::new().to(&peer, &message(&["b@example.net"])).await;
    assert_eq!(said, ["deferred 4.5.3"]);
    let mails = peer
        .heard()
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .count();
    assert_eq!(mails, 1);
}

#[tokio::test]
async fn a_full_mailbox_said_with_552_is_permanent() {
    let peer = Peer::start(takes_at_most(0, "552 5.2.2 mailbox full")).unwrap();
    let said = Room::new().to(&peer, &message(&["b@example.net"])).await;
    assert_eq!(said, ["failed 5.2.2"]);
}

#[tokio::test]
async fn after_a_transaction_without_content_the_next_begins_with_rset() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.answer("250 ok")?;
        talk.answer("550 5.1.1 no")?;
        talk.serve()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    carrier.deliver(&message(&["no@example.net"])).await;
    // What can't be carried is not even begun; the open transaction must not be forgotten over it.
    carrier.deliver(&message(&["jörg@example.net"])).await;
    carrier.deliver(&message(&["yes@example.net"])).await;
    let verbs: Vec<String> = peer
        .heard()
        .iter()
        .map(|line| line[..4].to_owned())
        .collect();
    assert_eq!(
        verbs,
        ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]
    );
    assert_eq!(peer.taken().len(), 1);
}

#[tokio::test]
async fn nobody_accepted_and_354_all_the_same_gets_an_empty_message() {
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("550 5.1.1 no")?;
        talk.answer("354 go")?;
        assert_eq!(talk.content()?, b"");
        talk.say("554 no valid recipients")?;
        talk.serve()
    })
    .unwrap();
    let room = Room::new();
    let mut carrier = room.connect(&peer).await;
    carrier.deliver(&message(&["no@example.net"])).await;
    assert!(carrier.is_usable());
}
