//! Forged, replayed, cut off, too large, out of turn: refused with a sentence, and nothing else happens.

use crate::network::{Key, Network, down, secret, triangle, until};
use bridgehead_gossip::Gossip;
use bridgehead_linkstate::chunk::CHUNK_OCTETS_MAX;
use bridgehead_linkstate::codec::{Body, Message};
use bridgehead_linkstate::{Entry, Record, Statement, Subject, Topology, Version};

/// What `sealer` says in the name of `origin`: that b-c is down.
fn words(origin: &str, sealer: &str, sequence: u32) -> Vec<u8> {
    let entry = Entry {
        subject: Subject::Connector,
        name: "b-c".into(),
        down: true,
        surcharge: 0,
        queued: 0,
        delay: 0,
    };
    let statement = Statement {
        origin: origin.into(),
        instance: 5,
        version: Version { epoch: 1, sequence },
        entries: vec![entry],
    };
    let record = Record::seal(statement, &Key(secret(sealer))).unwrap();
    let message = Message {
        instance: 5,
        fingerprint: Topology::build(&triangle()).unwrap().fingerprint(),
        number: 1,
        body: Body::Update(vec![(0, record)]),
    };
    message.write()
}

/// One server of the triangle; the others aren't there.
fn alone() -> Gossip {
    Network::default().start_server(&triangle(), "a1")
}

#[tokio::test]
async fn nobody_speaks_for_another_and_only_neighbours_are_heard() {
    let a1 = alone();
    let forged = a1.receive("c1", 1, "ONLY", 0, &words("b1", "c1", 1));
    assert!(forged.unwrap_err().contains("the seal is not of its key"));
    for stranger in ["x9", "a1", ""] {
        let refused = a1.receive(stranger, 1, "FIRST", 0, &words("b1", "b1", 1));
        assert!(refused.unwrap_err().contains("isn't a neighbour"));
    }
    assert!(a1.view().records.is_empty());
    // Both bridgeheads of b say so, each for itself; anybody may pass it on.
    a1.receive("c1", 1, "ONLY", 0, &words("b1", "b1", 1))
        .unwrap();
    a1.receive("c1", 1, "only", 0, &words("b2", "b2", 1))
        .unwrap();
    assert_eq!(down(&a1), ["b-c"]);
}

#[tokio::test]
async fn a_replay_changes_nothing() {
    let network = Network::start(&triangle());
    let (a1, b1) = (network.of("a1"), network.of("b1"));
    network.cut("b1", "c1");
    b1.note_use(Some("b-c"), "c1", false);
    let says = |gossip: &Gossip, down: bool| {
        let view = gossip.view();
        let mut records = view.records.iter();
        let said = records.find(|said| &*said.origin == "b1");
        said.is_some_and(|said| said.entries.iter().any(|entry| &*entry.name == "b-c") == down)
    };
    until("a1 knows", || says(&a1, true)).await;
    let old = network.captured("b1", "a1");
    network.heal();
    until("b1 has taken it back", || says(&a1, false)).await;
    for message in old {
        if message.len() <= CHUNK_OCTETS_MAX {
            // Taken for what it is: old news.
            a1.receive("b1", 9, "ONLY", 0, &message).unwrap();
        }
        assert!(says(&a1, false));
    }
}

#[tokio::test]
async fn chunks_that_cant_be_are_refused_and_the_next_message_is_taken() {
    let a1 = alone();
    let whole = words("b1", "b1", 1);
    let (head, tail) = whole.split_at(20);
    let large = vec![0; CHUNK_OCTETS_MAX + 1];
    let cases: [(&str, u32, &[u8], &str); 6] = [
        ("NEXT", 0, head, "before any FIRST"),
        ("LAST", 1, tail, "before any FIRST"),
        ("MIDDLE", 0, head, "words ONLY, FIRST, NEXT and LAST"),
        ("ONLY", 1, &whole, "chunk 1 where 0 must come"),
        ("ONLY", 0, b"", "empty"),
        ("FIRST", 0, &large, "at most 16384 are taken"),
    ];
    for (place, number, octets, why) in cases {
        let refused = a1.receive("b1", 1, place, number, octets).unwrap_err();
        assert!(refused.contains(why), "{place} {number}: {refused}");
    }
    // Cut off, and something behind it.
    for octets in [head, &[&whole[..], b"x"].concat()] {
        assert!(a1.receive("b1", 1, "ONLY", 0, octets).is_err());
    }
    a1.receive("b1", 1, "FIRST", 0, head).unwrap();
    let refused = a1.receive("b1", 1, "NEXT", 2, tail).unwrap_err();
    assert!(refused.contains("chunk 2 where 1 must come"));
    // It ended with its session.
    a1.receive("b1", 2, "FIRST", 0, head).unwrap();
    a1.ended(2);
    assert!(a1.receive("b1", 2, "LAST", 1, tail).is_err());
    // Sessions don't mix, and neither do servers.
    a1.receive("b1", 3, "FIRST", 0, head).unwrap();
    assert!(a1.receive("b1", 4, "LAST", 1, tail).is_err());
    assert!(a1.receive("b2", 3, "LAST", 1, tail).is_err());
    assert!(a1.view().records.is_empty());
    a1.receive("b1", 3, "LAST", 1, tail).unwrap();
    assert_eq!(a1.view().records.len(), 1);
    // More than a message may have.
    let most = vec![0; CHUNK_OCTETS_MAX];
    a1.receive("b1", 5, "FIRST", 0, &most).unwrap();
    let mut numbers = 1..100;
    let refused = numbers.find_map(|number| a1.receive("b1", 5, "NEXT", number, &most).err());
    assert!(refused.unwrap().contains("more than 131072 octets"));
    assert_eq!(numbers.next(), Some(9));
}
