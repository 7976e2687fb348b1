//! Content on its way after DATA (RFC 5321 §4.5.2): dots at line starts doubled, one end.
//!
//! Guards: a CR or LF that stands alone leaves as a line end, so that no server can see another end of data than ours.

/// Encodes content piece by piece.
#[derive(Debug)]
pub struct Encoder {
    at_line_start: bool,
    /// The last octet was a CR that hasn't been written.
    pending_cr: bool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self {
            at_line_start: true,
            pending_cr: false,
        }
    }
}

impl Encoder {
    /// Encodes the next piece.
    pub fn encode(&mut self, piece: &[u8], to: &mut Vec<u8>) {
        let mut rest = piece;
        while let Some(first) = rest.first() {
            if self.pending_cr {
                self.pending_cr = false;
                self.end_line(to);
                if *first == b'\n' {
                    rest = rest.get(1..).unwrap_or_default();
                }
                continue;
            }
            if self.at_line_start && *first == b'.' {
                to.push(b'.');
            }
            let end = memchr::memchr2(b'\r', b'\n', rest);
            let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
            to.extend_from_slice(line);
            self.at_line_start = self.at_line_start && line.is_empty();
            match after.first() {
                Some(b'\r') => self.pending_cr = true,
                Some(_) => self.end_line(to),
                None => {}
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// Ends the content: with a line end if it has none, and the dot.
    pub fn finish(&mut self, to: &mut Vec<u8>) {
        if self.pending_cr || !self.at_line_start {
            self.pending_cr = false;
            self.end_line(to);
        }
        to.extend_from_slice(b".\r\n");
    }

    fn end_line(&mut self, to: &mut Vec<u8>) {
        to.extend_from_slice(b"\r\n");
        self.at_line_start = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let mut to = Vec::new();
        let mut encoder = Encoder::default();
        for piece in pieces {
            encoder.encode(piece, &mut to);
        }
        encoder.finish(&mut to);
        to
    }

    /// An independent reading: what a server makes of it, which must end exactly at the end.
    fn decoded(octets: &[u8]) -> Vec<u8> {
        let text = octets.strip_suffix(b".\r\n").unwrap();
        let mut content = Vec::new();
        for line in text.split_inclusive(|octet| *octet == b'\n') {
            assert_ne!(line, b".\r\n", "the end of data is in the middle");
            assert!(line.ends_with(b"\r\n"));
            content.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        content
    }

    #[test]
    fn dots_are_doubled_at_line_starts_only() {
        assert_eq!(
            encoded(&[b".a\r\n..b\r\nc.d\r\n.\r\n"]),
            b"..a\r\n...b\r\nc.d\r\n..\r\n.\r\n"
        );
        assert_eq!(encoded(&[b""]), b".\r\n");
        assert_eq!(encoded(&[b"no end"]), b"no end\r\n.\r\n");
    }

    #[test]
    fn a_lone_cr_or_lf_becomes_a_line_end() {
        assert_eq!(
            encoded(&[b"a\n.\nb\r.\rc"]),
            b"a\r\n..\r\nb\r\n..\r\nc\r\n.\r\n"
        );
        assert_eq!(encoded(&[b"a\r", b"\n.b"]), b"a\r\n..b\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn legal_content_comes_out_as_it_went_in(
            lines in proptest::collection::vec("[.a\\x80-\\xff]{0,5}", 0..20),
            cut in 0usize..60,
        ) {
            let content: Vec<u8> = lines.iter().flat_map(|l| [l.as_bytes(), b"\r\n"].concat()).collect();
            let (one, two) = content.split_at(cut.min(content.len()));
            prop_assert_eq!(decoded(&encoded(&[one, two])), content);
        }

        #[test]
        fn any_content_has_one_end(octets in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..60)) {
            let sent = encoded(&[&octets]);
            let end = memchr::memmem::find(&[b"\r\n", sent.as_slice()].concat(), b"\r\n.\r\n").unwrap();
            prop_assert_eq!(end + 3, sent.len());
            decoded(&sent);
        }
    }
}
