//! Replies of other servers: never a panic, the same replies however the octets are cut, no control character inside. And
//! what a transaction makes of them: one outcome for each recipient, relayed only by a final 2xx, whatever was said before.

#![no_main]

use bridgehead_mail::{
    Address, Addressee, BodyKind, Destination, Notify, Outcome, ReversePath, StatusClass,
};
use bridgehead_smtp::client::{EightBit, Extensions, Next, Order, Transaction};
use bridgehead_smtp::reply::{ReplyReader, ServerReply};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    let whole = read(octets, octets.len().max(1));
    for size in [1, 7] {
        assert_eq!(whole, read(octets, size));
    }
    for reply in &whole.0 {
        let text = reply.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(reply.text().len() <= 1000);
        let _ = reply.status();
        let _ = Extensions::parse(reply);
    }
    transact(&whole.0);
});

/// The first reply is the one to EHLO, the others answer a transaction.
fn transact(replies: &[ServerReply]) {
    const RECIPIENTS: usize = 3;
    let Some((hello, rest)) = replies.split_first() else {
        return;
    };
    let offered = Extensions::parse(hello);
    let addressee = Addressee {
        address: Address::parse("b@example.net").expect("it is one"),
        destination: Destination::Remote,
        notify: Notify::Never,
        orcpt: None,
    };
    let order = Order {
        reverse_path: &ReversePath::Null,
        addressees: &vec![addressee; RECIPIENTS],
        body: BodyKind::EightBitMime,
        smtputf8: false,
        ret: None,
        envid: None,
        level: 0,
        deliver_by: None,
        journey: None,
        size: 1000,
        unfinished: rest.len() % 2 == 1,
    };
    let (mut transaction, mut next) = Transaction::start(&order, &offered, EightBit::Send, "peer");
    let mut content_sent = false;
    let mut last = 0;
    for reply in rest {
        match &next {
            Next::Done(_) => break,
            Next::Content | Next::Chunk(_) => content_sent = true,
            Next::Send(octets) => assert!(octets.ends_with(b"\r\n")),
            Next::Read => {}
        }
        last = reply.code;
        next = transaction.receive(reply);
    }
    let outcomes = match next {
        Next::Done(outcomes) => outcomes,
        _ => return,
    };
    assert_eq!(outcomes.len(), RECIPIENTS);
    for outcome in outcomes {
        match outcome {
            Outcome::Relayed { .. } => assert!(content_sent && last / 100 == 2),
            Outcome::Failed(failure) => assert_eq!(failure.status.class(), StatusClass::Permanent),
            Outcome::Deferred(failure) => {
                assert_eq!(failure.status.class(), StatusClass::Transient)
            }
            Outcome::Delivered { .. } => panic!("delivered into a mailbox"),
        }
    }
}

/// The replies up to the first fault, and whether there was one.
fn read(octets: &[u8], piece: usize) -> (Vec<ServerReply>, bool) {
    let mut reader = ReplyReader::default();
    let mut replies = Vec::new();
    for mut piece in octets.chunks(piece) {
        while !piece.is_empty() {
            match reader.receive(piece) {
                Ok((eaten, reply)) => {
                    assert!(eaten > 0 && eaten <= piece.len());
                    replies.extend(reply);
                    piece = &piece[eaten..];
                }
                Err(_) => return (replies, true),
            }
        }
    }
    (replies, false)
}
