//! Replies of a server as they come, octet by octet: nothing is kept of them but the code and whether PIPELINING was offered.
//!
//! Refuses: what isn't a reply, and lines longer than any reply is.

/// RFC 5321 §4.5.3.1.5 says 512; a server that answers more isn't worth measuring.
const LINE_OCTETS_MAX: usize = 4_096;
/// So much of each line is looked at.
const SEEN: usize = 14;
const PIPELINING: &[u8; 10] = b"PIPELINING";

/// What the octets so far add up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A whole reply, and how many octets were used.
    Reply { code: u16, eaten: usize },
    /// More is needed.
    More,
    /// This is no reply.
    Nonsense,
}

/// Reads replies.
#[derive(Debug)]
pub(crate) struct Replies {
    length: usize,
    seen: [u8; SEEN],
    pipelining: bool,
}

impl Replies {
    pub(crate) const fn new() -> Self {
        Self {
            length: 0,
            seen: [0; SEEN],
            pipelining: false,
        }
    }

    /// Whether a line of some reply said PIPELINING.
    pub(crate) const fn offered_pipelining(&self) -> bool {
        self.pipelining
    }

    /// Reads up to the end of the next reply.
    pub(crate) fn next(&mut self, octets: &[u8]) -> Heard {
        let mut eaten = 0;
        while let Some(rest) = octets.get(eaten..).filter(|rest| !rest.is_empty()) {
            let end = memchr::memchr(b'\n', rest).map(|at| at + 1);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            self.keep(line);
            eaten += line.len();
            if self.length > LINE_OCTETS_MAX {
                return Heard::Nonsense;
            }
            if end.is_none() {
                return Heard::More;
            }
            match self.line() {
                Some((_, true)) => {}
                Some((code, false)) => return Heard::Reply { code, eaten },
                None => return Heard::Nonsense,
            }
        }
        Heard::More
    }

    fn keep(&mut self, octets: &[u8]) {
        let free = self.seen.get_mut(self.length..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(octets) {
            *to = *from;
        }
        self.length = self.length.saturating_add(octets.len());
    }

    /// The code of the line that just ended, and whether more lines follow.
    fn line(&mut self) -> Option<(u16, bool)> {
        let length = std::mem::take(&mut self.length);
        let [a, b, c, mark, rest @ ..] = self.seen;
        let digits = [a, b, c];
        if length < 5 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.pipelining |= rest == *PIPELINING && (15..=16).contains(&length);
        let code = digits
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        match mark {
            b'-' => Some((code, true)),
            b' ' | b'\r' | b'\n' => Some((code, false)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(octets: &[u8], piece: usize) -> (Vec<u16>, Replies, bool) {
        let mut replies = Replies::new();
        let mut codes = Vec::new();
        for mut piece in octets.chunks(piece) {
            loop {
                match replies.next(piece) {
                    Heard::Reply { code, eaten } => {
                        codes.push(code);
                        piece = &piece[eaten..];
                    }
                    Heard::More => break,
                    Heard::Nonsense => return (codes, replies, false),
                }
            }
        }
        (codes, replies, true)
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        let text = b"220 mail1 ESMTP\r\n250-mail1\r\n250-PIPELINING\r\n250 HELP\r\n354 Go\r\n250 2.0.0 OK\r\n421\r\n";
        for piece in 1..text.len() {
            let (codes, replies, good) = all(text, piece);
            assert_eq!(codes, [220, 250, 354, 250, 421], "in pieces of {piece}");
            assert!(replies.offered_pipelining() && good);
        }
    }

    #[test]
    fn pipelining_is_a_whole_word() {
        for text in [
            "250-PIPELININGS\r\n250 x\r\n",
            "250 NOPIPELINING\r\n",
            "250 OK\r\n",
        ] {
            assert!(!all(text.as_bytes(), 7).1.offered_pipelining(), "{text}");
        }
    }

    #[test]
    fn what_is_no_reply_is_found_out() {
        for text in ["HTTP/1.1 400\r\n", "25\r\n", "250x no\r\n", "\r\n"] {
            assert!(!all(text.as_bytes(), 1000).2, "{text:?}");
        }
        let endless = vec![b'2'; LINE_OCTETS_MAX + 1];
        assert!(!all(&endless, 512).2);
    }
}
