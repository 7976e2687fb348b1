//! Octets of any kind, cut anywhere: never a panic, never another answer, never memory that grows.

use crate::driver::{Kept, Play, World};
use bridgehead_smtp::server::Session;
use proptest::prelude::*;

/// With tight limits, how much came before a limit was noticed depends on the cuts: within a piece, which of two
/// faults comes first.
fn world(tight: bool) -> World {
    let mut world = World::default();
    // What waits behind a command is the one thing that cutting may change.
    world.policy.refuse_early_talk = false;
    world.policy.auth = true;
    world.policy.max_command_size = 80;
    if tight {
        world.policy.max_message_size = 60;
        world.policy.max_discarded = 200;
    }
    world
}

fn outcome(octets: &[u8], size: usize, tight: bool) -> (Vec<u8>, bool, Vec<Vec<u8>>) {
    let mut play = Play::new(world(tight));
    play.pump();
    for piece in octets.chunks(size) {
        play.send(piece);
    }
    let contents = play
        .stored
        .into_iter()
        .map(|(_, content)| content)
        .collect();
    (play.output, play.closed, contents)
}

/// Pieces of conversations, so that random input gets far.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        1 => Just(b"EHLO a\r\n".to_vec()),
        3 => Just(b"MAIL FROM:<a@client.test>\r\n".to_vec()),
        3 => Just(b"RCPT TO:<alice@example.test>\r\n".to_vec()),
        2 => Just(b"DATA\r\n".to_vec()),
        2 => Just(b"\r\n.\r\n".to_vec()),
        1 => Just(b"BDAT 7\r\n".to_vec()),
        1 => Just(b"BDAT 9 LAST\r\n".to_vec()),
        1 => Just(b"BDAT 0 LAST\r\n".to_vec()),
        1 => Just(b"BDAT 77\r\n".to_vec()),
        1 => Just(b"Received: x\r\n".to_vec()),
        1 => Just(b"RSET\r\n".to_vec()),
        1 => Just(b"STARTTLS\r\n".to_vec()),
        1 => Just(b"AUTH PLAIN\r\n".to_vec()),
        1 => Just(b"VRFY x\n".to_vec()),
        1 => Just(vec![b'x'; 100]),
        2 => proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(0), any::<u8>()], 0..20),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_input_changes_nothing(octets in conversation(), size in 1_usize..40) {
        let whole = outcome(&octets, octets.len().max(1), false);
        prop_assert_eq!(&whole, &outcome(&octets, size, false));
        prop_assert_eq!(&whole, &outcome(&octets, 1, false));
    }

    #[test]
    fn every_reply_is_a_line_with_a_code(octets in conversation()) {
        let (output, ..) = outcome(&octets, 7, true);
        let text = String::from_utf8(output).unwrap();
        prop_assert!(text.is_empty() || text.ends_with("\r\n"));
        for line in text.split_terminator("\r\n") {
            prop_assert!(line.is_char_boundary(3) && line[..3].parse::<u16>().is_ok(), "{}", line);
            prop_assert!(!line.contains(['\r', '\n']) && line.len() <= 510);
        }
    }

    #[test]
    fn nothing_stored_has_a_lone_line_end_or_is_too_large(octets in conversation()) {
        for content in outcome(&octets, 1_000, true).2 {
            prop_assert!(content.len() <= 60);
            for (at, octet) in content.iter().enumerate() {
                match octet {
                    b'\r' => prop_assert_eq!(content.get(at + 1), Some(&b'\n')),
                    b'\n' => prop_assert!(at > 0 && content[at - 1] == b'\r'),
                    0 => prop_assert!(false, "NUL"),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_million_chunks_of_one_octet_take_no_memory_in_the_session() {
    let mut play = Play::new(World::default());
    play.pump();
    play.send(b"EHLO a\r\n");
    play.send(b"MAIL FROM:<a@client.test>\r\nRCPT TO:<alice@example.test>\r\n");
    let thousand = b"BDAT 1\r\nx".repeat(1_000);
    for _ in 0..1_000 {
        play.send(&thousand);
        play.output.clear();
    }
    play.send(b"BDAT 0 LAST\r\n");
    assert_eq!(play.stored[0].1.len(), 1_000_000);
    assert!(
        play.largest_write < 20 * 1024,
        "replies go out as they grow"
    );
}

#[test]
fn a_session_that_waits_is_small() {
    assert!(size_of::<Session<Kept>>() <= 1_024);
}
