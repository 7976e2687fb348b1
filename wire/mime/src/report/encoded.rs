//! Text beyond ASCII in messages that are ASCII: encoded words in header fields (RFC 2047), quoted-printable in bodies
//! (RFC 2045 §6.7). A report that is ASCII reaches every server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Octets of text in one encoded word, so that with its frame it has no more than 75 (RFC 2047 §2).
const WORD_OCTETS_MAX: usize = 45;
/// RFC 2045 §6.7 (5).
const LINE_OCTETS_MAX: usize = 76;

/// The value of an unstructured header field; folded where it is long.
pub(super) fn header(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(WORD_OCTETS_MAX));
        words.push(format!("=?utf-8?B?{}?=", STANDARD.encode(word)));
        rest = after;
    }
    words.join("\r\n ")
}

/// Quoted-printable of whole lines.
pub(super) fn quoted_printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    for line in text.split_terminator("\r\n") {
        let mut column = 0;
        let last = line.len().saturating_sub(1);
        for (place, octet) in line.bytes().enumerate() {
            let blank_end = place == last && matches!(octet, b' ' | b'\t');
            let plain = matches!(octet, b' '..=b'~' | b'\t') && octet != b'=' && !blank_end;
            let width = if plain { 1 } else { 3 };
            if column + width > LINE_OCTETS_MAX - 1 {
                out.push_str("=\r\n");
                column = 0;
            }
            if plain {
                out.push(char::from(octet));
            } else {
                out.push_str(&format!("={octet:02X}"));
            }
            column += width;
        }
        out.push_str("\r\n");
    }
    out
}

/// A sentence in lines of bounded width, each after this indent.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 78;
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push_str("\r\n");
            column = 0;
        }
        match column {
            0 => {
                out.push_str(indent);
                column = indent.len();
            }
            _ => {
                out.push(' ');
                column += 1;
            }
        }
        out.push_str(word);
        column += width;
    }
    out.push_str("\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_whole() {
        assert_eq!(header("plain"), "plain");
        assert_eq!(header("é"), "=?utf-8?B?w6k=?=");
        let long = header(&"ä".repeat(100));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        let decoded = long.split("\r\n ").map(|word| {
            let inside = word.strip_prefix("=?utf-8?B?").unwrap();
            let octets = STANDARD.decode(inside.strip_suffix("?=").unwrap());
            String::from_utf8(octets.unwrap()).unwrap()
        });
        assert_eq!(decoded.collect::<String>(), "ä".repeat(100));
    }

    #[test]
    fn lines_are_short_and_say_the_same() {
        assert_eq!(quoted_printable("a=é \r\n.\r\n"), "a=3D=C3=A9=20\r\n.\r\n");
        let long = quoted_printable(&format!("{}\r\n", "ü x".repeat(100)));
        assert!(long.lines().all(|line| line.len() <= 76), "{long}");
        assert!(long.is_ascii());
        assert_eq!(quoted_printable(""), "");
    }

    #[test]
    fn sentences_are_wrapped_at_spaces() {
        let text = wrapped(&"word ".repeat(40), "    ");
        assert!(
            text.lines()
                .all(|line| line.len() <= 78 && line.starts_with("    "))
        );
        assert_eq!(wrapped(&"x".repeat(100), "  ").lines().count(), 1);
    }
}
