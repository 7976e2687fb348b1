//! Messages on their way into the queue.

use crate::room::{Room, plain};
use bridgehead_listener::VirtualServer;
use bridgehead_mail::EventKind;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_message_is_in_the_queue_when_it_was_answered_250() {
    let room = Room::new(vec![plain("mx")]);
    let mut client = room.client("mx");
    let content = b"Subject: x\r\n\r\n.hello\r\n";
    let reply = client
        .send(
            "a@client.test",
            &["alice@example.test", "x@relayed.test"],
            content,
        )
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    let messages = room.messages();
    let (envelope, stored) = &messages[0];
    assert_eq!(stored, content);
    assert_eq!(envelope.reverse_path.to_string(), "<a@client.test>");
    assert_eq!(envelope.recipients.len(), 2);
    assert_eq!(&*envelope.origin.virtual_server, "mx");
    assert_eq!(envelope.origin.client, Some([127, 0, 0, 1].into()));
    assert_eq!(&*envelope.origin.helo, "client.test");
    assert!(envelope.accepted.as_millis() > 1_600_000_000_000);
    let events = room.events.0.lock().unwrap();
    let EventKind::Accepted { size, .. } = &events[0].kind else {
        panic!("{events:?}");
    };
    assert_eq!(*size, content.len() as u64);
    assert!(reply.text().contains(&events[0].message.to_string()));
}

#[test]
fn the_directory_decides_who_is_served() {
    let room = Room::new(vec![plain("mx")]);
    let mut client = room.client("mx");
    client.command("MAIL FROM:<a@client.test>").unwrap();
    let mut code = |recipient: &str| {
        let reply = client.command(&format!("RCPT TO:<{recipient}>")).unwrap();
        format!("{} {}", reply.code, reply.text().split(' ').next().unwrap())
    };
    assert_eq!(code("A.Smith@Example.TEST"), "250 2.1.5");
    assert_eq!(code("bob+tag@example.test"), "250 2.1.5");
    assert_eq!(code("Postmaster"), "250 2.1.5");
    assert_eq!(code("abuse@example.test"), "250 2.1.5");
    assert_eq!(code("anyone@relayed.test"), "250 2.1.5");
    assert_eq!(code("carol@example.test"), "550 5.1.1");
    assert_eq!(code("x@elsewhere.test"), "550 5.7.1");
}

#[test]
fn a_network_that_may_relay_relays() {
    let trusting = VirtualServer {
        relay_from: vec!["127.0.0.0/8".parse().unwrap()],
        ..plain("mx")
    };
    let room = Room::new(vec![trusting]);
    let mut client = room.client("mx");
    let reply = client
        .send("a@client.test", &["x@elsewhere.test"], b"x\r\n")
        .unwrap();
    assert_eq!(reply.code, 250);
}

#[test]
fn pipelined_messages_arrive_in_order_and_whole() {
    let room = Room::new(vec![plain("mx")]);
    let mut stream = TcpStream::connect(room.address("mx")).unwrap();
    let mut one_by_one = String::from("EHLO client.test\r\n");
    read_until(&mut stream, "Bridgehead\r\n");
    stream.write_all(one_by_one.as_bytes()).unwrap();
    read_until(&mut stream, "250 HELP\r\n");
    one_by_one.clear();
    for number in 0..20 {
        let body = format!("Subject: {number}\r\n\r\n{number}\r\n");
        one_by_one += &format!(
            "MAIL FROM:<a@client.test>\r\nRCPT TO:<bob@example.test>\r\nBDAT {} LAST\r\n{body}",
            body.len()
        );
    }
    one_by_one += "QUIT\r\n";
    stream.write_all(one_by_one.as_bytes()).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert_eq!(
        replies.matches("250 2.0.0 Accepted as").count(),
        20,
        "{replies}"
    );
    let contents: Vec<_> = room
        .messages()
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    assert_eq!(contents.len(), 20);
    for number in 0..20 {
        let expected = format!("Subject: {number}\r\n\r\n{number}\r\n").into_bytes();
        assert!(contents.contains(&expected), "{number} is missing");
    }
}

#[test]
fn large_content_comes_through_data_and_bdat_octet_by_octet_the_same() {
    let room = Room::new(vec![plain("mx")]);
    let mut client = room.client("mx");
    let line =
        b"..dots at the start, and a long line that goes on for a while to fill the buffers\r\n";
    let content = line.repeat(60_000);
    let reply = client
        .send("a@client.test", &["bob@example.test"], &content)
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    client.command("MAIL FROM:<a@client.test>").unwrap();
    client.command("RCPT TO:<bob@example.test>").unwrap();
    for chunk in content.chunks(1_000_003) {
        assert_eq!(client.bdat(chunk, false).unwrap().code, 250);
    }
    assert_eq!(client.bdat(b"", true).unwrap().code, 250);
    let messages = room.messages();
    assert_eq!(messages.len(), 2);
    assert!(messages.iter().all(|(_, stored)| *stored == content));
}

#[test]
fn a_message_that_is_refused_or_broken_off_leaves_nothing_behind() {
    let small = VirtualServer {
        max_message_size: 200_000,
        ..plain("mx")
    };
    let room = Room::new(vec![small]);
    let mut client = room.client("mx");
    let large = b"0123456789\r\n".repeat(20_000);
    let reply = client
        .send("a@client.test", &["bob@example.test"], &large)
        .unwrap();
    assert_eq!((reply.code, reply.text().contains("5.3.4")), (552, true));
    client.command("MAIL FROM:<a@client.test>").unwrap();
    client.command("RCPT TO:<bob@example.test>").unwrap();
    client.command("DATA").unwrap();
    client.write(&large[..150_000]).unwrap();
    drop(client);
    room.runtime
        .block_on(room.listener.shutdown(std::time::Duration::from_secs(10)));
    assert!(room.messages().is_empty());
    let spool = std::fs::read_dir(room.folder.path().join("queue")).unwrap();
    let contents = spool
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.len() == 26 || name.ends_with(".content"));
    assert_eq!(contents.count(), 0);
}

#[test]
fn early_talk_is_refused_where_it_is_listened_for() {
    let patient = VirtualServer {
        greeting_delay: std::time::Duration::from_secs(60),
        ..plain("mx")
    };
    let room = Room::new(vec![patient]);
    let mut stream = TcpStream::connect(room.address("mx")).unwrap();
    stream.write_all(b"EHLO client.test\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert_eq!(reply, "554 5.5.1 Spoke before its turn, closing\r\n");
}

pub(crate) fn read_until(stream: &mut impl Read, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut octet = [0];
        assert_eq!(
            stream.read(&mut octet).unwrap(),
            1,
            "{}",
            String::from_utf8_lossy(&text)
        );
        text.push(octet[0]);
    }
    String::from_utf8(text).unwrap()
}
