//! What holds for every record and every octet: what is written is read back, and reading never panics, whatever is there.

use crate::codec::Writer;
use crate::control::{Adoption, Control, Decision, Deletion, Steering};
use crate::envelope_codec::write_envelope;
use crate::record::{ContentRecord, FRAME_HEAD, Record, append, parse, stamp};
use crate::scan::{Scan, scan};
use bridgehead_mail::{
    Address, Addressee, BodyKind, ByMode, DeliverBy, Destination, DsnText, Envelope, Failure,
    Handling, Hold, Journey, LinkName, MessageId, Notify, Orcpt, Origin, Priority, Protocol,
    Recipient, RemoteReply, Ret, ReversePath, StatusClass, StatusCode, Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::IpAddr;

fn text() -> impl Strategy<Value = Box<str>> {
    ".{0,40}".prop_map(String::into_boxed_str)
}

fn time() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn address() -> impl Strategy<Value = Address> {
    let local = prop_oneof!["[a-z0-9!#+=_-]{1,30}", "[a-zäöüß]{1,20}"];
    let domain = "[a-z]{1,12}(\\.[a-z0-9]{1,12}){0,3}";
    (local, domain).prop_filter_map("not an address", |(local, domain)| {
        Address::from_parts(&local, &domain).ok()
    })
}

fn dsn_text() -> impl Strategy<Value = DsnText> {
    "[!-*,-<>-~]{1,40}".prop_filter_map("not a text for reports", |text| DsnText::new(&text).ok())
}

fn notify() -> impl Strategy<Value = Notify> {
    prop_oneof![
        Just(Notify::Unsaid),
        Just(Notify::Never),
        any::<(bool, bool, bool)>().prop_map(|(success, failure, delay)| Notify::On {
            success,
            failure,
            delay
        }),
    ]
}

fn orcpt() -> impl Strategy<Value = Option<Orcpt>> {
    option::of((dsn_text(), dsn_text()).prop_map(|(kind, address)| Orcpt { kind, address }))
}

fn recipient() -> impl Strategy<Value = Recipient> {
    (address(), notify(), orcpt()).prop_map(|(address, notify, orcpt)| Recipient {
        address,
        notify,
        orcpt,
    })
}

fn addressee() -> impl Strategy<Value = Addressee> {
    let destination = prop_oneof![
        Just(Destination::Remote),
        text().prop_map(Destination::Mailbox)
    ];
    (address(), destination, notify(), orcpt()).prop_map(|(address, destination, notify, orcpt)| {
        Addressee {
            address,
            destination,
            notify,
            orcpt,
        }
    })
}

fn origin() -> impl Strategy<Value = Origin> {
    let protocol =
        any::<(bool, bool, bool, bool)>().prop_map(|(extended, tls, authenticated, utf8)| {
            Protocol {
                extended,
                tls,
                authenticated,
                utf8,
            }
        });
    let client = option::of(any::<IpAddr>());
    (
        text(),
        client,
        text(),
        protocol,
        option::of(text()),
        option::of(text()),
    )
        .prop_map(
            |(virtual_server, client, helo, protocol, tls, user)| Origin {
                virtual_server,
                client,
                helo,
                protocol,
                tls,
                user,
            },
        )
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let reverse_path = option::of(address()).prop_map(|address| match address {
        None => ReversePath::Null,
        Some(address) => ReversePath::Address(address),
    });
    let body = prop_oneof![
        Just(BodyKind::SevenBit),
        Just(BodyKind::EightBitMime),
        Just(BodyKind::BinaryMime)
    ];
    let ret = prop_oneof![Just(None), Just(Some(Ret::Full)), Just(Some(Ret::Headers))];
    let recipients = vec(recipient(), 0..8);
    let wishes = (
        any::<bool>(),
        ret,
        option::of(dsn_text()),
        handling(),
        option::of(journey()),
    );
    (reverse_path, recipients, body, wishes, origin(), time()).prop_map(
        |(
            reverse_path,
            recipients,
            body,
            (smtputf8, ret, envid, handling, journey),
            origin,
            accepted,
        )| {
            Envelope {
                handling,
                reverse_path,
                recipients,
                body,
                smtputf8,
                ret,
                envid,
                origin,
                accepted,
                journey: journey.map(Box::new),
            }
        },
    )
}

fn journey() -> impl Strategy<Value = Journey> {
    let names = || vec(text(), 0..4);
    (names(), names()).prop_map(|(groups, servers)| Journey { groups, servers })
}

fn handling() -> impl Strategy<Value = Handling> {
    let by = (any::<i32>(), any::<bool>(), any::<bool>());
    let by = by.prop_map(|(seconds, returns, trace)| DeliverBy {
        seconds,
        mode: if returns {
            ByMode::Return
        } else {
            ByMode::Notify
        },
        trace,
    });
    let hold = prop_oneof![
        any::<u32>().prop_map(Hold::For),
        time().prop_map(Hold::Until)
    ];
    (any::<i8>(), option::of(hold), option::of(by)).prop_map(|(level, hold, deliver_by)| Handling {
        level,
        hold,
        deliver_by,
    })
}

fn decision() -> impl Strategy<Value = Decision> {
    (text(), time()).prop_map(|(by, at)| Decision { by, at })
}

fn adoption() -> impl Strategy<Value = Adoption> {
    (any::<u128>(), text()).prop_map(|(number, home)| Adoption { number, home })
}

fn control() -> impl Strategy<Value = Control> {
    let deletion = (decision(), time(), any::<bool>());
    let deletion = deletion.prop_map(|(decision, until, report)| Deletion {
        decision,
        until,
        report,
    });
    let priority = option::of(prop::sample::select(Priority::ALL.to_vec()));
    let others = (
        option::of(time()),
        option::of(text()),
        any::<bool>(),
        option::of(text()),
        option::of(adoption()),
    );
    (
        option::of(decision()),
        option::of(deletion),
        priority,
        others,
    )
        .prop_map(
            |(frozen, deleted, priority, (expires, redirect, resubmit, poison, adopting))| {
                Control {
                    frozen,
                    deleted,
                    priority,
                    expires,
                    redirect,
                    resubmit,
                    poison,
                    adopting,
                }
            },
        )
}

fn steering() -> impl Strategy<Value = Steering> {
    let link = text().prop_map(|name| LinkName::new(&name));
    let links = prop::collection::btree_map(link, decision(), 0..4);
    (option::of(decision()), option::of(decision()), links).prop_map(
        |(outbound, draining, links)| Steering {
            outbound,
            draining,
            links,
        },
    )
}

fn failure() -> impl Strategy<Value = Failure> {
    let class = prop_oneof![
        Just(StatusClass::Success),
        Just(StatusClass::Transient),
        Just(StatusClass::Permanent)
    ];
    let status = (class, 0..1000_u16, 0..1000_u16)
        .prop_map(|(class, subject, detail)| StatusCode::new(class, subject, detail));
    let remote = option::of((text(), any::<u16>(), text()))
        .prop_map(|remote| remote.map(|(host, code, text)| RemoteReply { host, code, text }));
    (status, text(), remote, option::of(text())).prop_map(|(status, text, remote, cause)| Failure {
        status,
        text,
        remote,
        cause,
    })
}

/// A record that owns its content.
fn record() -> impl Strategy<Value = (Record<'static>, Vec<u8>)> {
    let numbers = || vec(any::<u32>(), 0..20);
    let inline = (envelope(), vec(any::<u8>(), 0..300), option::of(adoption()));
    let inline = inline.prop_map(|(envelope, octets, adoption)| {
        let content = ContentRecord::Inline(&[]);
        let envelope = Box::new(envelope);
        (
            Record::Accepted {
                envelope,
                content,
                adoption: adoption.map(Box::new),
            },
            octets,
        )
    });
    let in_file = (envelope(), any::<u64>()).prop_map(|(envelope, size)| {
        let content = ContentRecord::File { size };
        let envelope = Box::new(envelope);
        (
            Record::Accepted {
                envelope,
                content,
                adoption: None,
            },
            Vec::new(),
        )
    });
    let resolved = (time(), time(), vec(addressee(), 0..8), numbers()).prop_map(
        |(expires, delay_notice, addressees, settled)| {
            let record = Record::Resolved {
                expires,
                delay_notice,
                addressees,
                settled,
            };
            (record, Vec::new())
        },
    );
    let deferred = (numbers(), time(), any::<u32>(), any::<bool>(), failure()).prop_map(
        |(numbers, until, attempts, delay_reported, failure)| {
            let record = Record::Deferred {
                numbers,
                until,
                attempts,
                delay_reported,
                failure: Box::new(failure),
            };
            (record, Vec::new())
        },
    );
    prop_oneof![
        inline,
        in_file,
        resolved,
        deferred,
        numbers().prop_map(|numbers| (Record::Settled { numbers }, Vec::new())),
        Just((Record::Done, Vec::new())),
        any::<u64>().prop_map(|segment| (Record::Ended { segment }, Vec::new())),
        control().prop_map(|control| (Record::Controlled(Box::new(control)), Vec::new())),
        steering().prop_map(|steering| (Record::Steering(Box::new(steering)), Vec::new())),
    ]
}

/// The record with its content in place.
fn with_content<'a>(record: &Record<'a>, octets: &'a [u8]) -> Record<'a> {
    match record {
        Record::Accepted {
            envelope,
            content: ContentRecord::Inline(_),
            adoption,
        } => Record::Accepted {
            adoption: adoption.clone(),
            envelope: envelope.clone(),
            content: ContentRecord::Inline(octets),
        },
        other => other.clone(),
    }
}

/// Frames, one after the other, all of one batch each.
fn log(records: &[(Record<'static>, Vec<u8>)]) -> (Vec<u8>, Vec<usize>) {
    let mut octets = Vec::new();
    let mut ends = Vec::new();
    for (number, (record, content)) in records.iter().enumerate() {
        let start = octets.len();
        let id = MessageId::from_u128(number as u128);
        append(&mut octets, id, &with_content(record, content));
        stamp(&mut octets[start..], number as u64 + 1);
        ends.push(octets.len());
    }
    (octets, ends)
}

/// What is said about any octets must be true of them.
fn check(scan: &Scan<'_>, octets: &[u8]) {
    let mut end = 0;
    for kept in &scan.kept {
        assert!(kept.offset >= end, "frames overlap");
        end = kept.offset + kept.frame.length;
        assert!(end <= octets.len());
        assert_eq!(parse(&octets[kept.offset..]).as_ref(), Ok(&kept.frame));
    }
    for gap in scan.damage.iter().chain(&scan.torn) {
        assert!(gap.offset + gap.octets <= octets.len());
    }
}

proptest! {
    #[test]
    fn a_record_is_read_back_as_it_was_written(
        (record, content) in record(),
        batch: u64,
        id: u128,
        behind in vec(any::<u8>(), 0..40),
    ) {
        let record = with_content(&record, &content);
        let id = MessageId::from_u128(id);
        let mut octets = Vec::new();
        let length = append(&mut octets, id, &record);
        prop_assert_eq!(length, octets.len());
        stamp(&mut octets, batch);
        // What follows a frame changes nothing about it.
        octets.extend_from_slice(&behind);
        let frame = parse(&octets).unwrap();
        prop_assert_eq!((frame.batch, frame.message, frame.length), (batch, id, length));
        prop_assert_eq!(frame.record, record);
    }

    /// A spool that version 1 of the format has written is taken over.
    #[test]
    fn what_version_1_accepted_is_read(envelope in envelope(), content in vec(any::<u8>(), 0..100)) {
        let mut octets = vec![0; FRAME_HEAD + 8];
        octets[..4].copy_from_slice(b"BHR1");
        octets.push(1);
        octets.extend_from_slice(&[0; 16]);
        write_envelope(&mut Writer(&mut octets), &envelope);
        octets.push(0);
        octets.extend_from_slice(&content);
        stamp(&mut octets, 1);
        let expected = Record::Accepted {
            envelope: Box::new(Envelope { handling: Handling::default(), journey: None, ..envelope }),
            content: ContentRecord::Inline(&content),
            adoption: None,
        };
        prop_assert_eq!(parse(&octets).unwrap().record, expected);
    }

    #[test]
    fn a_frame_with_any_octet_changed_is_no_frame((record, content) in record(), at: prop::sample::Index, by in 1..=255_u8) {
        let (mut octets, _) = log(&[(record, content)]);
        let at = at.index(octets.len());
        octets[at] ^= by;
        prop_assert!(parse(&octets).is_err());
    }

    #[test]
    fn a_frame_that_ends_early_is_no_frame((record, content) in record(), at: prop::sample::Index) {
        let (octets, _) = log(&[(record, content)]);
        prop_assert!(parse(&octets[..at.index(octets.len())]).is_err());
    }

    /// The checksum fits, and the inside is anything.
    #[test]
    fn a_body_of_any_octets_never_panics(kind in 0..13_u8, body in vec(any::<u8>(), 0..200)) {
        let mut octets = vec![0; FRAME_HEAD + 8];
        octets[..4].copy_from_slice(b"BHR1");
        octets.push(kind);
        octets.extend_from_slice(&[0; 16]);
        octets.extend_from_slice(&body);
        stamp(&mut octets, 1);
        let _ = parse(&octets);
    }

    /// The checksum fits, and the inside was a record before one octet was changed.
    #[test]
    fn a_body_that_was_changed_never_panics((record, content) in record(), at: prop::sample::Index, by in 1..=255_u8) {
        let (mut octets, _) = log(&[(record, content)]);
        let at = FRAME_HEAD + at.index(octets.len() - FRAME_HEAD);
        octets[at] ^= by;
        stamp(&mut octets, 1);
        let _ = parse(&octets);
    }

    #[test]
    fn a_segment_of_any_octets_never_panics(octets in vec(any::<u8>(), 0..600)) {
        check(&scan(&octets, 0, 0), &octets);
    }

    #[test]
    fn a_whole_segment_is_found_whole(records in vec(record(), 0..6), zeros in 0..100_usize) {
        let (mut octets, ends) = log(&records);
        octets.resize(octets.len() + zeros, 0);
        let found = scan(&octets, 0, 0);
        check(&found, &octets);
        prop_assert_eq!(found.kept.len(), ends.len());
        prop_assert_eq!((found.torn, found.damage, found.last_batch), (None, vec![], ends.len() as u64));
    }

    /// Cut anywhere, every frame before the cut is there, and the rest is a torn tail.
    #[test]
    fn a_segment_that_was_cut_keeps_what_stands_before(records in vec(record(), 1..6), at: prop::sample::Index) {
        let (octets, ends) = log(&records);
        let cut = at.index(octets.len());
        let found = scan(&octets[..cut], 0, 0);
        check(&found, &octets[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(found.kept.len(), whole);
        prop_assert_eq!(found.damage, vec![]);
        let last = ends[..whole].last().copied().unwrap_or(0);
        prop_assert_eq!(found.torn.map(|gap| gap.offset), (cut > last).then_some(last));
    }

    /// Changed anywhere, every frame that wasn't touched is there; it passes as torn only if it was in the last batch.
    #[test]
    fn damage_touches_only_its_own_frame(records in vec(record(), 1..6), at: prop::sample::Index, by in 1..=255_u8) {
        let (mut octets, ends) = log(&records);
        let at = at.index(octets.len());
        octets[at] ^= by;
        let found = scan(&octets, 0, 0);
        check(&found, &octets);
        let hit = ends.iter().filter(|end| **end <= at).count();
        let kept: Vec<u64> = found.kept.iter().map(|kept| kept.frame.batch - 1).collect();
        let untouched: Vec<u64> = (0..ends.len() as u64).filter(|number| *number != hit as u64).collect();
        if hit + 1 == ends.len() {
            prop_assert!(found.torn.is_some() && found.damage.is_empty());
        } else {
            prop_assert_eq!(found.damage.len(), 1);
            prop_assert_eq!(kept, untouched);
        }
    }
}
