//! Transactions of the client against replies written by hand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use bridgehead_mail::{
    Address, Addressee, BodyKind, ByMode, DeliverBy, Destination, DsnText, Failure, Journey,
    Notify, Orcpt, Outcome, Ret, ReversePath, StatusCode,
};
use bridgehead_smtp::client::{EightBit, Extensions, Next, Order, Transaction};
use bridgehead_smtp::reply::{ReplyReader, ServerReply};

fn reply(line: &str) -> ServerReply {
    let octets = format!("{line}\r\n");
    let (_, reply) = ReplyReader::default().receive(octets.as_bytes()).unwrap();
    reply.unwrap()
}

fn to(text: &str) -> Addressee {
    Addressee {
        address: Address::parse(text).unwrap(),
        destination: Destination::Remote,
        notify: Notify::Unsaid,
        orcpt: None,
    }
}

fn order(addressees: &[Addressee]) -> Order<'_> {
    Order {
        reverse_path: &ReversePath::Null,
        addressees,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envid: None,
        level: 0,
        deliver_by: None,
        journey: None,
        size: 100,
        unfinished: false,
    }
}

fn pipelining() -> Extensions {
    Extensions {
        pipelining: true,
        ..Extensions::default()
    }
}

fn start(order: &Order<'_>, offered: &Extensions) -> (Transaction, Next) {
    Transaction::start(order, offered, EightBit::Send, "mx.example [192.0.2.1]:25")
}

fn sent(next: &Next) -> &str {
    match next {
        Next::Send(octets) | Next::Chunk(octets) => std::str::from_utf8(octets).unwrap(),
        other => panic!("nothing is sent: {other:?}"),
    }
}

/// One letter for each outcome.
fn kinds(next: &Next) -> String {
    let Next::Done(outcomes) = next else {
        panic!("not done: {next:?}");
    };
    let kind = |outcome: &Outcome| match outcome {
        Outcome::Relayed { .. } => 'R',
        Outcome::Failed(_) => 'F',
        Outcome::Deferred(_) => 'D',
        Outcome::Delivered { .. } => 'L',
    };
    outcomes.iter().map(kind).collect()
}

#[test]
fn with_pipelining_all_commands_go_in_one_write() {
    let three = [to("a@x.example"), to("b@x.example"), to("c@x.example")];
    let (mut transaction, first) = start(&order(&three), &pipelining());
    assert_eq!(
        sent(&first),
        "MAIL FROM:<>\r\nRCPT TO:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nRCPT TO:<c@x.example>\r\nDATA\r\n"
    );
    for line in ["250 ok", "250 ok", "550 5.1.1 no", "452 4.5.3 enough"] {
        assert_eq!(transaction.receive(&reply(line)), Next::Read);
    }
    assert_eq!(transaction.receive(&reply("354 go")), Next::Content);
    assert_eq!(
        kinds(&transaction.receive(&reply("250 2.0.0 taken"))),
        "RFD"
    );
    assert!(!transaction.needs_reset());
}

#[test]
fn without_pipelining_commands_go_one_by_one() {
    let one = [to("a@x.example")];
    let (mut transaction, first) = start(&order(&one), &Extensions::default());
    assert_eq!(sent(&first), "MAIL FROM:<>\r\n");
    assert_eq!(
        sent(&transaction.receive(&reply("250 ok"))),
        "RCPT TO:<a@x.example>\r\n"
    );
    assert_eq!(sent(&transaction.receive(&reply("250 ok"))), "DATA\r\n");
    assert_eq!(transaction.receive(&reply("354 go")), Next::Content);
    assert_eq!(kinds(&transaction.receive(&reply("451 later"))), "D");
}

#[test]
fn a_refused_sender_refuses_all() {
    let two = [to("a@x.example"), to("b@x.example")];
    let (mut transaction, _) = start(&order(&two), &Extensions::default());
    assert_eq!(
        kinds(&transaction.receive(&reply("550 5.7.1 not you"))),
        "FF"
    );
    let (mut transaction, _) = start(&order(&two), &pipelining());
    for line in ["451 4.7.1 later", "503 x", "503 x"] {
        transaction.receive(&reply(line));
    }
    assert_eq!(kinds(&transaction.receive(&reply("503 x"))), "DD");
}

#[test]
fn nobody_accepted_but_354_sends_an_empty_message() {
    let one = [to("a@x.example")];
    let (mut transaction, _) = start(&order(&one), &pipelining());
    transaction.receive(&reply("250 ok"));
    assert_eq!(transaction.receive(&reply("550 no")), Next::Read);
    assert_eq!(sent(&transaction.receive(&reply("354 go"))), ".\r\n");
    assert_eq!(
        kinds(&transaction.receive(&reply("554 no valid recipients"))),
        "F"
    );
}

#[test]
fn all_refused_one_by_one_asks_for_a_reset() {
    let one = [to("a@x.example")];
    let (mut transaction, _) = start(&order(&one), &Extensions::default());
    transaction.receive(&reply("250 ok"));
    assert_eq!(kinds(&transaction.receive(&reply("550 no"))), "F");
    assert!(transaction.needs_reset());
}

#[test]
fn a_421_midway_defers_the_rest() {
    let two = [to("a@x.example"), to("b@x.example")];
    let (mut transaction, _) = start(&order(&two), &pipelining());
    transaction.receive(&reply("250 ok"));
    transaction.receive(&reply("550 5.1.1 no"));
    assert_eq!(
        kinds(&transaction.receive(&reply("421 4.3.2 closing"))),
        "FD"
    );
}

#[test]
fn a_broken_connection_defers_who_was_accepted() {
    let one = [to("a@x.example")];
    let (mut transaction, _) = start(&order(&one), &pipelining());
    transaction.receive(&reply("250 ok"));
    let failure = Failure::new(StatusCode::transient(4, 2), "gone");
    assert!(matches!(
        transaction.broken(&failure)[..],
        [Outcome::Deferred(_)]
    ));
}

#[test]
fn wishes_for_the_handling_are_passed_on_where_they_are_understood() {
    let one = [to("a@x.example")];
    let by = |mode| {
        Some(DeliverBy {
            seconds: 120,
            mode,
            trace: true,
        })
    };
    let wishful = |mode| Order {
        level: -3,
        deliver_by: by(mode),
        ..order(&one)
    };
    let offered = Extensions {
        mt_priority: true,
        deliver_by: true,
        ..pipelining()
    };
    let (_, first) = start(&wishful(ByMode::Return), &offered);
    let text = sent(&first);
    assert!(
        text.starts_with("MAIL FROM:<> MT-PRIORITY=-3 BY=120;RT\r\n"),
        "{text}"
    );
    let (_, first) = start(&wishful(ByMode::Notify), &pipelining());
    let text = sent(&first);
    assert!(text.starts_with("MAIL FROM:<>\r\n"), "{text}");
    // Who wants it back in time isn't given to somebody who doesn't look at the clock.
    let (_, first) = start(&wishful(ByMode::Return), &pipelining());
    let Next::Done(outcomes) = first else {
        panic!("{first:?}");
    };
    assert!(
        matches!(&outcomes[0], Outcome::Failed(failure) if failure.text.contains("DELIVERBY")),
        "{outcomes:?}"
    );
}

#[test]
fn a_journey_goes_to_servers_of_the_organisation_only() {
    let one = [to("a@x.example")];
    let journey = Journey {
        groups: vec!["new york".into()],
        servers: vec!["b1".into(), "b2".into()],
    };
    let travelled = |journey| Order {
        journey: Some(journey),
        ..order(&one)
    };
    let offered = Extensions {
        journey: true,
        ..pipelining()
    };
    let (_, first) = start(&travelled(&journey), &offered);
    let text = sent(&first);
    let expected = "MAIL FROM:<> X-JOURNEY=new+20york/b1,b2\r\n";
    assert!(text.starts_with(expected), "{text}");
    let (_, first) = start(&travelled(&journey), &pipelining());
    assert_eq!(kinds(&first), "D", "it may learn to");
    let endless = Journey {
        groups: vec!["a".into(); Journey::NAMES_MAX + 1],
        servers: Vec::new(),
    };
    let (_, first) = start(&travelled(&endless), &offered);
    assert_eq!(kinds(&first), "F");
}

#[test]
fn wishes_for_reports_are_passed_on_as_xtext() {
    let mut one = [to("a@x.example")];
    one[0].notify = Notify::On {
        success: true,
        failure: true,
        delay: false,
    };
    one[0].orcpt = Some(Orcpt {
        kind: DsnText::new("rfc822").unwrap(),
        address: DsnText::new("a+b=c@x.example").unwrap(),
    });
    let envid = DsnText::new("id 1").unwrap();
    let order = Order {
        ret: Some(Ret::Headers),
        envid: Some(&envid),
        level: 0,
        deliver_by: None,
        body: BodyKind::EightBitMime,
        ..order(&one)
    };
    let offered = Extensions {
        dsn: true,
        size: Some(None),
        eight_bit_mime: true,
        ..pipelining()
    };
    let (_, first) = start(&order, &offered);
    let text = sent(&first);
    assert!(
        text.starts_with("MAIL FROM:<> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=id+201\r\n"),
        "{text}"
    );
    assert!(text.contains(
        "RCPT TO:<a@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;a+2Bb+3Dc@x.example\r\n"
    ));
}

#[test]
fn what_the_server_cannot_carry_is_not_sent() {
    let one = [to("a@x.example")];
    let international = [to("jörg@x.example")];
    let status =
        |order: &Order<'_>, offered: &Extensions, eight: EightBit| match Transaction::start(
            order, offered, eight, "mx",
        )
        .1
        {
            Next::Done(outcomes) => match &outcomes[0] {
                Outcome::Failed(failure) => failure.status.to_string(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
    let none = Extensions::default();
    assert_eq!(
        status(&order(&international), &none, EightBit::Send),
        "5.6.7"
    );
    let binary = Order {
        body: BodyKind::BinaryMime,
        ..order(&one)
    };
    assert_eq!(status(&binary, &none, EightBit::Send), "5.6.3");
    let eight = Order {
        body: BodyKind::EightBitMime,
        ..order(&one)
    };
    assert_eq!(status(&eight, &none, EightBit::Fail), "5.6.3");
    let small = Extensions {
        size: Some(Some(99)),
        ..none
    };
    assert_eq!(status(&order(&one), &small, EightBit::Send), "5.3.4");
}

#[test]
fn binary_content_goes_in_one_chunk_after_the_recipients() {
    let one = [to("a@x.example")];
    let binary = Order {
        body: BodyKind::BinaryMime,
        ..order(&one)
    };
    let offered = Extensions {
        chunking: true,
        binary_mime: true,
        ..pipelining()
    };
    let (mut transaction, first) = start(&binary, &offered);
    assert!(!sent(&first).contains("DATA"));
    transaction.receive(&reply("250 ok"));
    assert_eq!(
        sent(&transaction.receive(&reply("250 ok"))),
        "BDAT 100 LAST\r\n"
    );
    assert_eq!(kinds(&transaction.receive(&reply("250 ok"))), "R");
}

#[test]
fn an_address_that_needs_smtputf8_asks_for_it() {
    let one = [to("jörg@x.example")];
    let offered = Extensions {
        smtputf8: true,
        ..pipelining()
    };
    let (_, first) = start(&order(&one), &offered);
    assert!(sent(&first).starts_with("MAIL FROM:<> SMTPUTF8\r\n"));
}

/// The status of one recipient's refusal.
fn refused_with(line: &str) -> String {
    let one = [to("a@x.example")];
    let (mut transaction, _) = start(&order(&one), &Extensions::default());
    transaction.receive(&reply("250 ok"));
    match transaction.receive(&reply(line)) {
        Next::Done(outcomes) => match &outcomes[0] {
            Outcome::Failed(failure) | Outcome::Deferred(failure) => failure.status.to_string(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_many_recipients_is_temporary_however_it_is_said() {
    assert_eq!(refused_with("552 too many recipients"), "4.5.3");
    assert_eq!(refused_with("552 5.5.3 too many recipients"), "4.5.3");
    assert_eq!(refused_with("452 too many recipients"), "4.5.3");
    assert_eq!(refused_with("452 4.2.2 mailbox full"), "4.2.2");
    assert_eq!(refused_with("552 5.2.2 mailbox full"), "5.2.2");
}

#[test]
fn content_is_not_sent_to_a_server_that_refused_the_sender() {
    let one = [to("a@x.example")];
    let (mut transaction, _) = start(&order(&one), &pipelining());
    transaction.receive(&reply("550 no"));
    transaction.receive(&reply("250 ok"));
    assert_eq!(kinds(&transaction.receive(&reply("354 go"))), "F");
    assert!(transaction.must_close());
}

#[test]
fn a_temporary_refusal_of_the_sender_is_the_hosts_trouble() {
    let trouble = |line: &str| {
        let one = [to("a@x.example")];
        let (mut transaction, _) = start(&order(&one), &Extensions::default());
        transaction.receive(&reply(line));
        transaction.is_hosts_trouble()
    };
    assert!(trouble("451 4.3.0 no space"));
    assert!(trouble("421 4.3.2 going down"));
    assert!(!trouble("550 5.7.1 not you"));
}

#[test]
fn many_commands_leave_in_several_writes() {
    let many: Vec<_> = (0..1000).map(|n| to(&format!("{n}@x.example"))).collect();
    let (mut transaction, first) = start(&order(&many), &pipelining());
    let mut most = sent(&first).len();
    let mut lines = sent(&first).lines().count();
    let mut answered = 0;
    while answered < 1001 {
        match transaction.receive(&reply("250 ok")) {
            Next::Send(more) => {
                most = most.max(more.len());
                lines += more.iter().filter(|octet| **octet == b'\n').count();
            }
            Next::Read => {}
            other => panic!("{other:?}"),
        }
        answered += 1;
    }
    assert_eq!(lines, 1002);
    assert!(most < 20 * 1024);
    assert_eq!(transaction.receive(&reply("354 go")), Next::Content);
}

#[test]
fn content_without_a_last_line_end_goes_in_a_chunk_where_it_can() {
    let one = [to("a@x.example")];
    let unfinished = Order {
        unfinished: true,
        ..order(&one)
    };
    let (_, first) = start(&unfinished, &pipelining());
    assert!(sent(&first).ends_with("DATA\r\n"));
    let offered = Extensions {
        chunking: true,
        ..pipelining()
    };
    let (_, first) = start(&unfinished, &offered);
    assert!(!sent(&first).contains("BODY") && !sent(&first).contains("DATA"));
}

#[test]
fn an_original_recipient_beyond_ascii_has_its_own_form() {
    let said = |kind: &str, address: &str| {
        let mut one = [to("a@x.example")];
        one[0].orcpt = Some(Orcpt {
            kind: DsnText::new(kind).unwrap(),
            address: DsnText::new(address).unwrap(),
        });
        let offered = Extensions {
            dsn: true,
            ..pipelining()
        };
        let (_, first) = start(&order(&one), &offered);
        sent(&first).lines().nth(1).unwrap().to_owned()
    };
    assert!(said("utf-8", "jörg+x@x.example").ends_with(" ORCPT=utf-8;j\\x{F6}rg+2Bx@x.example"));
    assert!(said("rfc822", "jörg@x.example").ends_with("RCPT TO:<a@x.example>"));
}
