//! Local delivery: the store is the next hop.

#![allow(clippy::unwrap_used, clippy::panic)]

use bridgehead_delivery::{Delivery, Handover, Settings};
use bridgehead_disk::RealDisk;
use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, Domain, MessageId, NextHop, Notify, Outcome,
    ReversePath, Timestamp,
};
use bridgehead_store::Store;
use std::sync::Arc;

fn addressee(destination: Destination) -> Addressee {
    Addressee {
        address: Address::parse("x@example.test").unwrap(),
        destination,
        notify: Notify::Unsaid,
        orcpt: None,
    }
}

fn mailbox(name: &str) -> Addressee {
    addressee(Destination::Mailbox(name.into()))
}

fn handover(addressees: Vec<Addressee>) -> Handover {
    Handover {
        id: MessageId::from_u128(7),
        reverse_path: ReversePath::Null,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        level: 0,
        deliver_by: None,
        journey: None,
        addressees,
        prefix: b"Return-Path: <>\r\n".to_vec(),
        content: Arc::new(b"Subject: x\r\n\r\nbody".to_vec()),
        at: Timestamp::from_millis(1),
    }
}

/// What became of it, with the store it went into, whose floor of free space is this.
async fn delivered(floor: u64, handover: &Handover) -> (Vec<Outcome>, Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = bridgehead_store::Settings::for_directory(folder.path().join("store"));
    settings.free_space_floor = floor;
    let store = Store::open(settings, Arc::new(RealDisk)).unwrap();
    let hostname = Domain::parse("mail.example.test").unwrap();
    let delivery = Delivery::new(Settings::for_host(hostname), store.clone());
    let mut carrier = delivery.connect(&NextHop::Local).await.unwrap();
    let outcomes = carrier.deliver(handover).await;
    assert!(carrier.is_usable() && !carrier.was_stale());
    (outcomes, store, folder)
}

#[tokio::test]
async fn each_mailbox_gets_the_message_as_it_is() {
    let two = handover(vec![mailbox("alice"), mailbox("bob")]);
    let (outcomes, store, _folder) = delivered(0, &two).await;
    assert!(matches!(
        outcomes[..],
        [Outcome::Delivered { .. }, Outcome::Delivered { .. }]
    ));
    for name in ["alice", "bob"] {
        let message = store.read(name, 1).unwrap();
        assert_eq!(message.prefix, two.prefix);
        assert_eq!(message.content.size(), two.content.size());
    }
}

#[tokio::test]
async fn a_full_store_is_temporary() {
    let (outcomes, ..) = delivered(u64::MAX, &handover(vec![mailbox("alice")])).await;
    let [Outcome::Deferred(failure)] = &outcomes[..] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(failure.status.to_string(), "4.3.1");
}

#[tokio::test]
async fn a_remote_recipient_among_local_ones_waits_and_shifts_nobody() {
    let mixed = handover(vec![
        mailbox("alice"),
        addressee(Destination::Remote),
        mailbox("bob"),
    ]);
    let (outcomes, ..) = delivered(0, &mixed).await;
    let [
        Outcome::Delivered { mailbox: first },
        Outcome::Deferred(_),
        Outcome::Delivered { mailbox: last },
    ] = &outcomes[..]
    else {
        panic!("{outcomes:?}");
    };
    assert_eq!((&**first, &**last), ("alice", "bob"));
}
