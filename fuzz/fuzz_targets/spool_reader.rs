//! Segments of the spool: raw octets, and frames whose checksum fits but whose inside is anything. Never a panic, and
//! nothing that is kept lies outside or overlaps.

#![no_main]

use bridgehead_queue::{FRAME_OCTETS_MAX, parse_frame, scan_segment};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    check(input);
    let framed = frames(input);
    check(&framed);
    // A tail that was being written when the power went.
    check(&framed[..framed.len() / 2]);
});

fn check(octets: &[u8]) {
    let _ = parse_frame(octets);
    let scan = scan_segment(octets, 0, 0);
    let mut end = 0;
    for kept in &scan.kept {
        assert!(kept.offset >= end, "frames overlap");
        end = kept.offset + kept.frame.length;
        assert!(end <= octets.len() && kept.frame.length <= FRAME_OCTETS_MAX + 12);
    }
    for gap in scan.damage.iter().chain(&scan.torn) {
        assert!(gap.offset + gap.octets <= octets.len());
    }
}

/// Cuts the input into bodies and puts the right head before each: a length octet, then the body. A length of 255 puts
/// the body there as it is.
fn frames(mut input: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    while let Some((length, rest)) = input.split_first() {
        let (body, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        input = rest;
        if *length < 255 {
            octets.extend_from_slice(b"BHR1");
            octets.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
            octets.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
        }
        octets.extend_from_slice(body);
    }
    octets
}
