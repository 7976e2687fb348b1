//! Content: the end of DATA is where a simple reference finds it, whatever is in front of it and however it is cut; what
//! was decoded and encoded again decodes to the same.

#![no_main]

use bridgehead_smtp::client::Encoder;
use bridgehead_smtp::data::{Decoder, Rules};
use libfuzzer_sys::fuzz_target;

/// What a decoder made of its input.
#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    text: Vec<u8>,
    /// Octets eaten, if the end was reached.
    end: Option<usize>,
    refused: bool,
}

fuzz_target!(|input: &[u8]| {
    let Some((first, input)) = input.split_first() else {
        return;
    };
    let rules = Rules {
        dots: first & 1 == 0,
        normalise: first & 2 == 0,
        line_max: (first & 4 != 0).then_some(u64::from(first >> 3) + 2),
    };
    let whole = decode(rules, input, input.len().max(1));
    for size in [1, 2, 3, 5] {
        assert_eq!(whole, decode(rules, input, size), "in pieces of {size}");
    }
    if rules.dots {
        assert_eq!(whole.end, end_by_reference(input));
    }
    if !whole.refused {
        assert!(!has_bare_line_ends(&whole.text));
        assert!(!whole.text.contains(&0));
        if whole.end.is_some() {
            round_trip(&whole.text);
        }
    }
});

fn decode(rules: Rules, input: &[u8], piece: usize) -> Decoded {
    let mut decoder = Decoder::new(rules);
    let mut text = Vec::new();
    let mut eaten = 0;
    let mut given = 0;
    loop {
        let step = decoder.step(&input[eaten..given]);
        text.extend_from_slice(step.text);
        eaten += step.eaten;
        if step.end {
            let refused = decoder.fault().is_some();
            return finished(text, Some(eaten), refused);
        }
        if step.eaten == 0 && step.text.is_empty() {
            if given == input.len() {
                break;
            }
            given = (given + piece).min(input.len());
        }
    }
    if !rules.dots {
        let owed = decoder.finish();
        text.extend_from_slice(owed);
    }
    let refused = decoder.fault().is_some();
    finished(text, None, refused)
}

/// How much text comes before a fault is found depends on the cuts; it is thrown away anyway.
fn finished(mut text: Vec<u8>, end: Option<usize>, refused: bool) -> Decoded {
    if refused {
        text.clear();
    }
    Decoded { text, end, refused }
}

/// RFC 5321 §4.1.1.4: CRLF.CRLF, where the first CRLF may be that of the command.
fn end_by_reference(input: &[u8]) -> Option<usize> {
    let with_command = [b"\r\n", input].concat();
    let at = with_command
        .windows(5)
        .position(|window| window == b"\r\n.\r\n")?;
    Some(at + 5 - 2)
}

fn has_bare_line_ends(text: &[u8]) -> bool {
    // A CR or LF at the cut end of input that never ended is not judged yet.
    let pairs = text.windows(2);
    let mut bare = text.first() == Some(&b'\n');
    for pair in pairs {
        bare |= (pair[0] == b'\r') != (pair[1] == b'\n');
    }
    bare
}

fn round_trip(text: &[u8]) {
    let mut encoded = Vec::new();
    let mut encoder = Encoder::default();
    for piece in text.chunks(3) {
        encoder.encode(piece, &mut encoded);
    }
    encoder.finish(&mut encoded);
    let rules = Rules {
        dots: true,
        normalise: false,
        line_max: None,
    };
    let again = decode(rules, &encoded, encoded.len());
    assert_eq!(again.end, Some(encoded.len()));
    assert!(!again.refused);
    assert_eq!(again.text, text);
}
