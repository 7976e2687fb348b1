//! Replies of other servers: never a panic, the same replies however the octets are cut, no control character inside.

#![no_main]

use bridgehead_smtp::client::Extensions;
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
        let _ = reply.status();
        let _ = Extensions::parse(reply);
    }
});

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
