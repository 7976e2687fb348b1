//! What is downgraded and what is refused where the server lacks an extension.

use crate::room::{Room, message, one, to};
use bridgehead_delivery::Handover;
use bridgehead_delivery::settings::EightBit;
use bridgehead_mail::{BodyKind, DsnText, Notify, Orcpt, Ret};
use bridgehead_testkit::script::Peer;
use std::sync::Arc;

/// What came of the message, and what the server heard and took.
async fn offered(extensions: &'static [&'static str], handover: &Handover) -> (String, Peer) {
    offered_in(&Room::new(), extensions, handover).await
}

async fn offered_in(
    room: &Room,
    extensions: &'static [&'static str],
    handover: &Handover,
) -> (String, Peer) {
    let peer = Peer::start(move |talk| {
        talk.hello(extensions)?;
        talk.serve()
    })
    .unwrap();
    let said = room.to(&peer, handover).await.remove(0);
    (said, peer)
}

fn eight_bit() -> Handover {
    Handover {
        body: BodyKind::EightBitMime,
        content: Arc::new("Subject: x\r\n\r\nGrüße\r\n".as_bytes().to_vec()),
        ..one()
    }
}

#[tokio::test]
async fn a_server_without_anything_hears_plain_commands() {
    let (said, peer) = offered(&[], &one()).await;
    assert_eq!(said, "relayed");
    assert_eq!(
        peer.heard()[1..4],
        [
            "MAIL FROM:<a@example.test>",
            "RCPT TO:<b@example.net>",
            "DATA"
        ]
    );
}

#[tokio::test]
async fn size_is_said_where_it_is_offered() {
    let (_, peer) = offered(&["SIZE"], &one()).await;
    let size = one().size();
    assert_eq!(
        peer.taken()[0].mail,
        format!("MAIL FROM:<a@example.test> SIZE={size}")
    );
}

#[tokio::test]
async fn a_message_larger_than_the_server_takes_is_not_sent() {
    let (said, peer) = offered(&["SIZE 10"], &one()).await;
    assert_eq!(said, "failed 5.3.4");
    assert!(!peer.heard().iter().any(|line| line.starts_with("MAIL")));
}

#[tokio::test]
async fn a_size_of_zero_is_no_limit() {
    assert_eq!(offered(&["SIZE 0"], &one()).await.0, "relayed");
}

#[tokio::test]
async fn a_size_that_is_no_number_is_no_limit() {
    assert_eq!(offered(&["SIZE many"], &one()).await.0, "relayed");
    assert_eq!(
        offered(&["SIZE 99999999999999999999999"], &one()).await.0,
        "relayed"
    );
}

#[tokio::test]
async fn eight_bit_content_is_declared_where_it_may_be() {
    let (said, peer) = offered(&["8BITMIME"], &eight_bit()).await;
    assert_eq!(said, "relayed");
    assert!(peer.taken()[0].mail.ends_with(" BODY=8BITMIME"));
}

#[tokio::test]
async fn eight_bit_content_is_sent_undeclared_to_a_server_without_8bitmime() {
    let (said, peer) = offered(&[], &eight_bit()).await;
    assert_eq!(said, "relayed");
    let taken = peer.taken();
    assert!(!taken[0].mail.contains("BODY"));
    assert!(taken[0].content.ends_with("Grüße\r\n".as_bytes()));
}

#[tokio::test]
async fn eight_bit_content_fails_where_the_operator_wants_it() {
    let room = Room::with(|connector| connector.eight_bit = EightBit::Fail);
    let (said, _) = offered_in(&room, &[], &eight_bit()).await;
    assert_eq!(said, "failed 5.6.3");
}

#[tokio::test]
async fn an_international_address_needs_smtputf8() {
    let jorg = message(&["jörg@example.net"]);
    assert_eq!(offered(&["8BITMIME"], &jorg).await.0, "failed 5.6.7");
    let (said, peer) = offered(&["8BITMIME", "SMTPUTF8"], &jorg).await;
    assert_eq!(said, "relayed");
    let taken = peer.taken();
    assert!(taken[0].mail.ends_with(" SMTPUTF8"));
    assert_eq!(taken[0].rcpts, ["RCPT TO:<jörg@example.net>"]);
}

#[tokio::test]
async fn a_message_that_is_declared_as_more_than_it_is_needs_no_extension() {
    let room = Room::with(|connector| connector.eight_bit = EightBit::Fail);
    let declared = Handover {
        body: BodyKind::EightBitMime,
        smtputf8: true,
        ..one()
    };
    let (said, peer) = offered_in(&room, &[], &declared).await;
    assert_eq!(said, "relayed");
    assert_eq!(peer.taken()[0].mail, "MAIL FROM:<a@example.test>");
}

#[tokio::test]
async fn an_international_header_needs_smtputf8() {
    let header = Handover {
        smtputf8: true,
        ..eight_bit()
    };
    assert_eq!(offered(&["8BITMIME"], &header).await.0, "failed 5.6.7");
}

#[tokio::test]
async fn an_international_domain_is_said_in_its_ascii_form() {
    let (said, peer) = offered(&[], &message(&["b@bücher.example"])).await;
    assert_eq!(said, "relayed");
    assert_eq!(peer.taken()[0].rcpts, ["RCPT TO:<b@xn--bcher-kva.example>"]);
}

#[tokio::test]
async fn binary_content_needs_binarymime_and_chunking() {
    let binary = Handover {
        body: BodyKind::BinaryMime,
        content: Arc::new(b"Subject: x\r\n\r\n\0\n.\r\n\r".to_vec()),
        ..one()
    };
    assert_eq!(offered(&["CHUNKING"], &binary).await.0, "failed 5.6.3");
    assert_eq!(offered(&["BINARYMIME"], &binary).await.0, "failed 5.6.3");
    let (said, peer) = offered(&["BINARYMIME", "CHUNKING"], &binary).await;
    assert_eq!(said, "relayed");
    let taken = peer.taken();
    assert!(taken[0].mail.ends_with(" BODY=BINARYMIME"));
    assert_eq!(
        taken[0].content,
        b"Received: by this test\r\nSubject: x\r\n\r\n\0\n.\r\n\r"
    );
}

fn with_wishes() -> Handover {
    let mut recipient = to("b@example.net");
    recipient.notify = Notify::Never;
    recipient.orcpt = Some(Orcpt {
        kind: DsnText::new("rfc822").unwrap(),
        address: DsnText::new("b+x@example.net").unwrap(),
    });
    Handover {
        ret: Some(Ret::Full),
        envid: Some(DsnText::new("id=1").unwrap()),
        level: 0,
        deliver_by: None,
        addressees: vec![recipient],
        ..one()
    }
}

#[tokio::test]
async fn wishes_for_reports_are_passed_on() {
    let (_, peer) = offered(&["DSN"], &with_wishes()).await;
    let taken = peer.taken();
    assert!(taken[0].mail.ends_with(" RET=FULL ENVID=id+3D1"));
    assert!(taken[0].rcpts[0].ends_with(" NOTIFY=NEVER ORCPT=rfc822;b+2Bx@example.net"));
}

#[tokio::test]
async fn wishes_for_reports_are_kept_from_a_server_without_dsn() {
    let (said, peer) = offered(&[], &with_wishes()).await;
    assert_eq!(said, "relayed");
    assert_eq!(peer.taken()[0].rcpts, ["RCPT TO:<b@example.net>"]);
    assert_eq!(peer.taken()[0].mail, "MAIL FROM:<a@example.test>");
}

#[tokio::test]
async fn with_pipelining_all_commands_come_before_the_first_answer() {
    let peer = Peer::start(|talk| {
        talk.hello(&["PIPELINING"])?;
        for _ in 0..3 {
            talk.hear()?;
        }
        talk.raw(b"250 ok\r\n250 ok\r\n354 go\r\n")?;
        talk.content()?;
        talk.say("250 kept")?;
        talk.silence()
    })
    .unwrap();
    assert_eq!(Room::new().to(&peer, &one()).await, ["relayed"]);
}

#[tokio::test]
async fn what_was_offered_before_helo_is_forgotten() {
    let peer = Peer::start(|talk| {
        talk.say("220 hello")?;
        talk.hear()?;
        talk.raw(b"550-hello\r\n550-PIPELINING\r\n550 SIZE 1\r\n")?;
        talk.answer("250 hello")?;
        talk.serve()
    })
    .unwrap();
    assert_eq!(Room::new().to(&peer, &one()).await, ["relayed"]);
}
