//! A watch over the header of a message as it streams by: how large it is, how many hops it tells of.
//!
//! Guards: hop count (RFC 5321 §6.3) and header size are known when the header has passed, in a few bytes of
//! memory. It judges nothing else about the content. Refuses nothing itself; the session compares with its limits.

const RECEIVED: &[u8] = b"received";

/// Where in the header the watch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the start of a line.
    LineStart,
    /// In the name of a field; so many of its octets were those of `Received`, or none any more.
    Name(Option<usize>),
    /// After white space behind a name; whether that was `Received`.
    Colon(bool),
    /// After the name or in a folded line: the rest of the line.
    Rest,
    /// After the header.
    Body,
}

/// The watch. Its memory doesn't grow.
#[derive(Clone, Debug)]
pub struct HeaderWatch {
    place: Place,
    octets: u64,
    hops: u32,
}

impl Default for HeaderWatch {
    fn default() -> Self {
        Self::new()
    }
}

impl HeaderWatch {
    /// At the beginning of a message.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            place: Place::LineStart,
            octets: 0,
            hops: 0,
        }
    }

    /// Octets of header so far; the line that ended it may be among them.
    #[must_use]
    pub const fn octets(&self) -> u64 {
        self.octets
    }

    /// Received fields so far.
    #[must_use]
    pub const fn hops(&self) -> u32 {
        self.hops
    }

    /// Goes on through content. After the header this costs nothing.
    pub fn watch(&mut self, mut text: &[u8]) {
        while self.place != Place::Body && !text.is_empty() {
            let eaten = self.advance(text).max(1);
            self.octets = self.octets.saturating_add(eaten as u64);
            text = text.get(eaten..).unwrap_or_default();
        }
    }

    fn advance(&mut self, text: &[u8]) -> usize {
        let first = text.first().copied().unwrap_or_default();
        match self.place {
            Place::Rest => match memchr::memchr(b'\n', text) {
                Some(at) => {
                    self.place = Place::LineStart;
                    return at + 1;
                }
                None => return text.len(),
            },
            Place::LineStart if matches!(first, b' ' | b'\t') => self.place = Place::Rest,
            Place::LineStart => self.name(first, Some(0)),
            Place::Name(matched) => self.name(first, matched),
            Place::Colon(received) => self.colon(first, received),
            Place::Body => {}
        }
        1
    }

    /// One octet of a name (RFC 5322 §2.2: printable ASCII but the colon). A line that doesn't begin like a field
    /// ends the header, be it empty or not.
    fn name(&mut self, octet: u8, matched: Option<usize>) {
        let received = matched == Some(RECEIVED.len());
        let goes_on = |at: &usize| {
            let letter = RECEIVED.get(*at);
            letter.is_some_and(|letter| octet.eq_ignore_ascii_case(letter))
        };
        match octet {
            b':' | b' ' | b'\t' => self.colon(octet, received),
            b'!'..=b'~' => self.place = Place::Name(matched.filter(goes_on).map(|at| at + 1)),
            _ => self.place = Place::Body,
        }
    }

    /// RFC 5322 §4.5.3: white space before the colon is obsolete and must be understood.
    fn colon(&mut self, octet: u8, received: bool) {
        self.place = match octet {
            b':' => {
                self.hops = self.hops.saturating_add(u32::from(received));
                Place::Rest
            }
            b' ' | b'\t' => Place::Colon(received),
            _ => Place::Body,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(pieces: &[&str]) -> (u32, u64) {
        let mut watch = HeaderWatch::new();
        for piece in pieces {
            watch.watch(piece.as_bytes());
        }
        (watch.hops(), watch.octets())
    }

    #[test]
    fn received_fields_are_counted_and_only_in_the_header() {
        let text = "Received: a\r\n b\r\nRECEIVED : c\r\nX-Received: d\r\nReceivedx: e\r\nSubject: x\r\n\r\nReceived: f\r\n";
        assert_eq!(watch(&[text]).0, 2);
        for at in 0..text.len() {
            let (a, b) = text.split_at(at);
            assert_eq!(watch(&[a, b]), watch(&[text]), "split at {at}");
        }
    }

    #[test]
    fn the_size_is_that_of_the_header() {
        assert_eq!(watch(&["A: b\r\n\r\nbody body"]).1, 7);
        assert_eq!(watch(&["\r\nbody"]).1, 1);
    }

    #[test]
    fn a_message_without_a_header_has_none() {
        for (line, seen) in [
            ("\u{e4} no field\r\n", 1),
            ("no field\r\n", 4),
            ("Received x: y\r\n", 10),
        ] {
            assert_eq!(watch(&[&line.repeat(10)]), (0, seen));
        }
    }

    #[test]
    fn a_folded_line_that_looks_like_a_hop_is_none() {
        assert_eq!(
            watch(&["X: y\r\n Received: a\r\n\tReceived: b\r\n\r\n"]).0,
            0
        );
    }
}
