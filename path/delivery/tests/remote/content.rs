//! Content on its way: dots, odd line ends, size, and servers that interrupt it.

use crate::room::{MODERN, Room, one, well_bred};
use bridgehead_delivery::Handover;
use bridgehead_mail::{BodyKind, Content};
use bridgehead_testkit::script::Peer;
use std::io;
use std::sync::Arc;

fn with(content: &[u8]) -> Handover {
    Handover {
        prefix: Vec::new(),
        content: Arc::new(content.to_vec()),
        ..one()
    }
}

/// What a server gets of it, with its dots still doubled.
async fn arrived(content: &[u8]) -> Vec<u8> {
    let peer = Peer::start(well_bred).unwrap();
    assert_eq!(Room::new().to(&peer, &with(content)).await, ["relayed"]);
    peer.taken().remove(0).content
}

#[tokio::test]
async fn dots_are_doubled_and_the_end_is_whole() {
    assert_eq!(
        arrived(b".\r\n..a\r\nb.\r\n").await,
        b"..\r\n...a\r\nb.\r\n"
    );
    assert_eq!(arrived(b"").await, b"");
}

#[tokio::test]
async fn content_without_a_last_line_end_stays_so_where_it_can_go_in_a_chunk() {
    assert_eq!(arrived(b".no end").await, b".no end");
    assert_eq!(arrived(b"x").await, b"x");
}

#[tokio::test]
async fn content_without_a_last_line_end_gets_one_where_it_must() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.serve()
    })
    .unwrap();
    assert_eq!(Room::new().to(&peer, &with(b"no end")).await, ["relayed"]);
    assert_eq!(peer.taken()[0].content, b"no end\r\n");
}

#[tokio::test]
async fn a_lone_lf_or_cr_cannot_end_the_message() {
    assert_eq!(
        arrived(b"a\n.\nb\r.\rMAIL FROM:<>\r\n").await,
        b"a\r\n..\r\nb\r\n..\r\nMAIL FROM:<>\r\n"
    );
}

#[tokio::test]
async fn a_line_start_at_the_edge_of_a_window_is_one() {
    let mut content = vec![b'x'; 64 * 1024 - 2];
    content.extend_from_slice(b"\r\n.dot\r\n");
    assert!(arrived(&content).await.ends_with(b"x\r\n..dot\r\n"));
}

/// Octets that are made as they are read: a message of any size without memory for it.
struct Made(u64);

impl Content for Made {
    fn size(&self) -> u64 {
        self.0
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.0 - offset).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        for (octet, at) in buffer[..count].iter_mut().zip(offset..) {
            *octet = match at % 64 {
                62 => b'\r',
                63 => b'\n',
                _ => b'.',
            };
        }
        Ok(count)
    }
}

#[tokio::test]
async fn a_large_message_streams_through() {
    const OCTETS: usize = 16 * 1024 * 1024;
    let peer = Peer::start(well_bred).unwrap();
    let large = Handover {
        content: Arc::new(Made(OCTETS as u64)),
        ..with(b"")
    };
    assert_eq!(Room::new().to(&peer, &large).await, ["relayed"]);
    assert_eq!(peer.taken()[0].content.len(), OCTETS + OCTETS / 64);
}

#[tokio::test]
async fn a_large_binary_message_goes_in_one_chunk() {
    const OCTETS: usize = 4 * 1024 * 1024;
    let peer = Peer::start(well_bred).unwrap();
    let large = Handover {
        body: BodyKind::BinaryMime,
        content: Arc::new(Made(OCTETS as u64)),
        ..with(b"")
    };
    assert_eq!(Room::new().to(&peer, &large).await, ["relayed"]);
    assert_eq!(peer.taken()[0].content.len(), OCTETS);
    let chunks: Vec<String> = peer
        .heard()
        .into_iter()
        .filter(|line| line.starts_with("BDAT"))
        .collect();
    assert_eq!(chunks, [format!("BDAT {OCTETS} LAST")]);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_the_content_counts() {
    let peer = Peer::start(|talk| {
        talk.hello(MODERN)?;
        talk.answer("250 ok")?;
        talk.answer("250 ok")?;
        talk.answer("354 go")?;
        talk.octets(100_000)?;
        talk.say("552 5.3.4 that's too much")?;
        talk.close();
        Ok(())
    })
    .unwrap();
    let large = Handover {
        content: Arc::new(Made(64 * 1024 * 1024)),
        ..with(b"")
    };
    assert_eq!(Room::new().to(&peer, &large).await, ["failed 5.3.4"]);
}

/// Content that a failing disk holds.
struct Broken;

impl Content for Broken {
    fn size(&self) -> u64 {
        200_000
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        match offset {
            0 => {
                buffer.fill(b'x');
                Ok(buffer.len())
            }
            _ => Err(io::Error::other("bad sector")),
        }
    }
}

#[tokio::test]
async fn content_that_cannot_be_read_is_local_trouble_and_never_ends_well() {
    for body in [BodyKind::SevenBit, BodyKind::BinaryMime] {
        let peer = Peer::start(well_bred).unwrap();
        let broken = Handover {
            body,
            content: Arc::new(Broken),
            ..with(b"")
        };
        let room = Room::new();
        let mut carrier = room.connect(&peer).await;
        let said = crate::room::said(&carrier.deliver(&broken).await);
        assert_eq!(said, ["deferred 4.3.0"]);
        assert!(!carrier.is_usable());
        assert!(peer.taken().is_empty());
    }
}
