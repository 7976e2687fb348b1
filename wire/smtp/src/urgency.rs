//! A watch over the header for how urgent its sender says it is: Priority and Importance (RFC 2156), X-Priority and
//! X-MSMail-Priority, which mail programs write.
//!
//! Guards: it holds the beginning of one line at the most. Refuses nothing: a value that isn't understood says nothing.

/// Lines that matter are shorter.
const LINE_OCTETS_MAX: usize = 100;
/// RFC 6710: the levels of the three priorities of MIXER.
const URGENT: i8 = 4;
const NOT_URGENT: i8 = -4;

/// The fields, the one that counts most first.
const FIELDS: [&str; 4] = ["priority", "importance", "x-priority", "x-msmail-priority"];

/// The watch. Its memory doesn't grow.
#[derive(Clone, Debug, Default)]
pub struct UrgencyWatch {
    line: Vec<u8>,
    too_long: bool,
    in_body: bool,
    /// What each field said, the first of its kind.
    said: [Option<i8>; FIELDS.len()],
}

impl UrgencyWatch {
    /// Goes on through content. After the header this costs nothing.
    pub fn watch(&mut self, mut text: &[u8]) {
        while !self.in_body && !text.is_empty() {
            let end = memchr::memchr(b'\n', text);
            let (piece, rest) = text.split_at(end.map_or(text.len(), |end| end + 1));
            text = rest;
            self.too_long |= self.line.len() + piece.len() > LINE_OCTETS_MAX;
            if !self.too_long {
                self.line.extend_from_slice(piece);
            }
            if end.is_some() {
                self.line();
            }
        }
    }

    /// A whole line, or that it was too long to matter.
    fn line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            return;
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            self.in_body = true;
            return;
        }
        let Some((name, value)) = line.split_once(':') else {
            return;
        };
        let name = name.trim_end();
        let place = FIELDS.iter().zip(&mut self.said);
        for (_, said) in place.filter(|(field, _)| name.eq_ignore_ascii_case(field)) {
            *said = said.or_else(|| level(value.trim()));
        }
    }

    /// The level that the header asks for, as MT-PRIORITY would; none where it doesn't say.
    #[must_use]
    pub fn level(&self) -> Option<i8> {
        self.said.iter().find_map(|said| *said)
    }
}

fn level(value: &str) -> Option<i8> {
    // `1 (Highest)`: what follows is a comment.
    let word = value.split([' ', '(']).next().unwrap_or_default();
    match word.to_ascii_lowercase().as_str() {
        "urgent" | "high" | "1" | "2" => Some(URGENT),
        "normal" | "3" => Some(0),
        "non-urgent" | "low" | "4" | "5" => Some(NOT_URGENT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(header: &str) -> Option<i8> {
        let mut whole = UrgencyWatch::default();
        whole.watch(header.as_bytes());
        let mut pieces = UrgencyWatch::default();
        for octet in header.as_bytes() {
            pieces.watch(&[*octet]);
        }
        assert_eq!(whole.level(), pieces.level(), "{header}");
        whole.level()
    }

    #[test]
    fn the_fields_are_understood_in_their_order() {
        for (header, expected) in [
            ("Priority: urgent\r\n", Some(4)),
            ("priority : Non-Urgent\r\n", Some(-4)),
            ("Importance: high\r\n", Some(4)),
            ("X-Priority: 1 (Highest)\r\n", Some(4)),
            ("X-Priority: 5(Lowest)\r\n", Some(-4)),
            ("X-MSMail-Priority: Low\r\n", Some(-4)),
            ("X-Priority: 1\r\nPriority: normal\r\n", Some(0)),
            ("Importance: low\r\nImportance: high\r\n", Some(-4)),
            ("Priority: whatever\r\nImportance: high\r\n", Some(4)),
            ("Subject: Priority: urgent\r\n", None),
            ("X-Priority: 11\r\n", None),
            ("\r\nPriority: urgent\r\n", None),
            ("Subject: x\n\nPriority: urgent\n", None),
            ("Priority: urgent", None),
            ("", None),
        ] {
            assert_eq!(said(header), expected, "{header}");
        }
    }

    #[test]
    fn endless_lines_take_no_memory() {
        let mut watch = UrgencyWatch::default();
        for _ in 0..10_000 {
            watch.watch(&[b'x'; 1000]);
        }
        assert!(watch.line.capacity() <= LINE_OCTETS_MAX);
        watch.watch(b"\r\nPriority: urgent\r\n");
        assert_eq!(watch.level(), Some(4));
    }
}
