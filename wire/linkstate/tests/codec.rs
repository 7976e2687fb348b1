//! Messages as octets: what is written is read again, and what others write never harms.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_linkstate::chunk::{self, Assembler};
use bridgehead_linkstate::codec::{Body, CodecFault, HEAD_OCTETS, MESSAGE_OCTETS_MAX, Message};
use bridgehead_linkstate::{Entry, Record, Signer, Statement, Subject, Version};
use proptest::prelude::*;
use std::collections::BTreeMap;

struct Zeros(usize);

impl Signer for Zeros {
    fn sign(&self, _: &[u8]) -> Vec<u8> {
        vec![0; self.0]
    }
}

fn name() -> impl Strategy<Value = Box<str>> {
    "[a-zé0-9.-]{1,20}".prop_map(Into::into)
}

fn version() -> impl Strategy<Value = Version> {
    (any::<u64>(), any::<u32>()).prop_map(|(epoch, sequence)| Version { epoch, sequence })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let state = (any::<bool>(), 0u8..=100, any::<u32>(), any::<u32>());
    prop::collection::btree_map((any::<bool>(), name()), state, 0..6).prop_map(|all| {
        let entry = |((peer, name), (down, surcharge, queued, delay))| Entry {
            subject: if peer {
                Subject::Peer
            } else {
                Subject::Connector
            },
            name,
            down,
            surcharge,
            queued,
            delay,
        };
        all.into_iter().map(entry).collect()
    })
}

fn records() -> impl Strategy<Value = Vec<(u32, Record)>> {
    let rest = (
        any::<u32>(),
        any::<u64>(),
        version(),
        entries(),
        0usize..=255,
    );
    prop::collection::btree_map(name(), rest, 0..5).prop_map(|all| {
        let record = |(origin, (age, instance, version, entries, seal))| {
            let statement = Statement {
                origin,
                instance,
                version,
                entries,
            };
            (age, Record::seal(statement, &Zeros(seal)).unwrap())
        };
        all.into_iter().map(record).collect()
    })
}

fn body() -> impl Strategy<Value = Body> {
    let versions = prop::collection::btree_map(name(), version(), 0..8);
    prop_oneof![
        (any::<u32>(), any::<[u64; 16]>())
            .prop_map(|(count, buckets)| Body::Digest { count, buckets }),
        (any::<u16>(), any::<bool>(), versions).prop_map(|(parts, partial, versions)| {
            let versions: BTreeMap<_, _> = versions;
            Body::Listing {
                parts,
                partial,
                versions: versions.into_iter().collect(),
            }
        }),
        prop::collection::btree_set(name(), 0..8)
            .prop_map(|names| Body::Want(names.into_iter().collect())),
        records().prop_map(Body::Update),
        Just(Body::Acknowledgement),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (any::<u64>(), any::<u64>(), any::<u32>(), body()).prop_map(
        |(instance, fingerprint, number, body)| Message {
            instance,
            fingerprint,
            number,
            body,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(message in message(), size in 1usize..300) {
        let octets = message.write();
        prop_assert_eq!(&Message::read(&octets), &Ok(message));
        let mut assembler = Assembler::default();
        let mut whole = None;
        for chunk in chunk::cut(&octets, size) {
            whole = assembler.take(&chunk).unwrap();
        }
        prop_assert_eq!(whole, Some(octets));
    }

    #[test]
    fn each_beginning_of_a_message_is_refused(message in message(), cut in any::<prop::sample::Index>()) {
        let octets = message.write();
        let cut = cut.index(octets.len());
        prop_assert_eq!(Message::read(&octets[..cut]), Err(CodecFault::Short));
        prop_assert_eq!(Message::read(&[&octets[..], &[0]].concat()), Err(CodecFault::Long));
    }

    #[test]
    fn there_is_one_way_to_write_a_message(message in message(), at in any::<prop::sample::Index>(), with in 1u8..) {
        let mut octets = message.write();
        let at = at.index(octets.len());
        octets[at] ^= with;
        if let Ok(read) = Message::read(&octets) {
            prop_assert_eq!(read.write(), octets);
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(octets in prop::collection::vec(any::<u8>(), 0..400), kind in 0u8..7) {
        let _ = Message::read(&octets);
        let mut framed = b"BHLS\x01".to_vec();
        framed.push(kind);
        framed.resize(28, 0);
        framed.extend_from_slice(&u32::try_from(octets.len()).unwrap().to_le_bytes());
        framed.extend_from_slice(&octets);
        let _ = Message::read(&framed);
    }
}

fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = b"BHLS\x01".to_vec();
    octets.push(kind);
    octets.resize(28, 0);
    octets.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    octets.extend_from_slice(body);
    octets
}

#[test]
fn each_fault_has_its_reason() {
    let empty = framed(5, b"");
    assert_eq!(empty.len(), HEAD_OCTETS);
    assert!(Message::read(&empty).is_ok());
    let changed = |at: usize, with: u8| {
        let mut octets = empty.clone();
        octets[at] = with;
        Message::read(&octets).unwrap_err()
    };
    assert_eq!(changed(0, b'X'), CodecFault::Magic);
    assert_eq!(changed(4, 2), CodecFault::Format(2));
    assert_eq!(changed(5, 9), CodecFault::Kind(9));
    assert_eq!(changed(6, 1), CodecFault::Value("reserved octets"));
    assert_eq!(changed(28, 1), CodecFault::Short);
    let fault = |kind, body: &[u8]| Message::read(&framed(kind, body)).unwrap_err();
    // A count of four thousand million, and nothing behind it.
    assert_eq!(fault(3, &[255; 4]), CodecFault::Short);
    assert_eq!(fault(4, &[255; 4]), CodecFault::Short);
    assert_eq!(fault(3, &[2, 0, 0, 0, 1, b'b', 1, b'a']), CodecFault::Order);
    assert_eq!(fault(3, &[2, 0, 0, 0, 1, b'a', 1, b'a']), CodecFault::Order);
    let name = |octets: &[u8]| fault(3, &[&[1, 0, 0, 0][..], octets].concat());
    assert_eq!(name(&[0]), CodecFault::Value("length of a name"));
    assert_eq!(name(&[129]), CodecFault::Value("length of a name"));
    assert_eq!(name(&[1, 0xff]), CodecFault::Value("a name isn't UTF-8"));
    assert_eq!(fault(2, &[0, 0, 2]), CodecFault::Value("neither 0 nor 1"));
    assert_eq!(
        Message::read(&framed(3, &vec![0; MESSAGE_OCTETS_MAX])),
        Err(CodecFault::Long)
    );
}

#[test]
fn a_record_that_is_too_large_is_not_made() {
    let entry = |number: usize| Entry {
        subject: Subject::Connector,
        name: format!("{number:0>120}").into(),
        down: true,
        surcharge: 0,
        queued: 0,
        delay: 0,
    };
    let statement = |entries: usize| Statement {
        origin: "a".into(),
        instance: 0,
        version: Version::default(),
        entries: (0..entries).map(entry).collect(),
    };
    assert!(Record::seal(statement(400), &Zeros(64)).is_some());
    assert!(Record::seal(statement(600), &Zeros(64)).is_none());
    assert!(Record::seal(statement(1), &Zeros(256)).is_none());
}
