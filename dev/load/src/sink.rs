//! One session as the sink sees it: everything is answered 250, nothing is kept.
//!
//! Guards: it counts a message when its final dot has come. Refuses: endless command lines.

use std::sync::atomic::{AtomicU64, Ordering};

/// A command line that is longer ends the session.
const LINE_OCTETS_MAX: usize = 4_096;
const END: &[u8; 5] = b"\r\n.\r\n";

const GREETING: &[u8] = b"220 sink.example.org ESMTP\r\n";
const HELLO: &[u8] = b"250-sink.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
const OK: &[u8] = b"250 2.0.0 OK\r\n";
const GO_ON: &[u8] = b"354 End with a dot\r\n";
const BYE: &[u8] = b"221 2.0.0 Bye\r\n";
const UNKNOWN: &[u8] = b"500 5.5.1 Unknown command\r\n";

/// What a sink has seen. Read it while the sink runs.
#[derive(Debug, Default)]
pub struct Counts {
    sessions: AtomicU64,
    messages: AtomicU64,
    octets: AtomicU64,
    quits: AtomicU64,
}

impl Counts {
    /// Sessions that were opened.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Acquire)
    }

    /// Messages whose final dot has come.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Acquire)
    }

    /// Octets of content, final dots included.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets.load(Ordering::Acquire)
    }

    /// Sessions that ended with QUIT.
    #[must_use]
    pub fn quits(&self) -> u64 {
        self.quits.load(Ordering::Acquire)
    }

    pub(crate) fn session(&self) {
        self.sessions.fetch_add(1, Ordering::AcqRel);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Commands,
    /// So much of the end has come.
    Content(usize),
    Over,
}

/// A session.
#[derive(Debug)]
pub(crate) struct Guest {
    stage: Stage,
    /// The first octets of the command line so far.
    word: [u8; 4],
    length: usize,
}

impl Guest {
    /// A session, greeted.
    pub(crate) fn new(out: &mut Vec<u8>) -> Self {
        out.extend_from_slice(GREETING);
        Self {
            stage: Stage::Commands,
            word: [0; 4],
            length: 0,
        }
    }

    /// Whether the connection is to be closed once all is written.
    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Takes octets; adds replies.
    pub(crate) fn receive(&mut self, mut octets: &[u8], out: &mut Vec<u8>, counts: &Counts) {
        while !octets.is_empty() {
            let eaten = match self.stage {
                Stage::Commands => self.command(octets, out, counts),
                Stage::Content(seen) => self.content(seen, octets, out, counts),
                Stage::Over => return,
            };
            octets = octets.get(eaten..).unwrap_or_default();
        }
    }

    fn command(&mut self, octets: &[u8], out: &mut Vec<u8>, counts: &Counts) -> usize {
        let end = memchr::memchr(b'\n', octets).map(|at| at + 1);
        let line = octets
            .get(..end.unwrap_or(octets.len()))
            .unwrap_or_default();
        let free = self.word.get_mut(self.length..).unwrap_or_default();
        for (to, from) in free.iter_mut().zip(line) {
            *to = from.to_ascii_uppercase();
        }
        self.length = self.length.saturating_add(line.len());
        if self.length > LINE_OCTETS_MAX {
            self.stage = Stage::Over;
        } else if end.is_some() {
            self.length = 0;
            let word = std::mem::take(&mut self.word);
            self.answer(word, out, counts);
        }
        line.len()
    }

    fn answer(&mut self, word: [u8; 4], out: &mut Vec<u8>, counts: &Counts) {
        let reply = match &word {
            b"EHLO" => HELLO,
            b"HELO" | b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" => OK,
            b"DATA" => {
                // The line before the content has ended.
                self.stage = Stage::Content(2);
                GO_ON
            }
            b"QUIT" => {
                self.stage = Stage::Over;
                counts.quits.fetch_add(1, Ordering::AcqRel);
                BYE
            }
            _ => UNKNOWN,
        };
        out.extend_from_slice(reply);
    }

    fn content(
        &mut self,
        mut seen: usize,
        octets: &[u8],
        out: &mut Vec<u8>,
        counts: &Counts,
    ) -> usize {
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            if seen == 0 {
                at += memchr::memchr(b'\r', rest).map_or(rest.len(), |found| found + 1);
                seen = usize::from(octets.get(at - 1) == Some(&b'\r'));
                continue;
            }
            let octet = rest.first().copied().unwrap_or_default();
            at += 1;
            seen = match octet {
                octet if END.get(seen) == Some(&octet) => seen + 1,
                b'\r' => 1,
                _ => 0,
            };
            if seen == END.len() {
                out.extend_from_slice(OK);
                counts.octets.fetch_add(at as u64, Ordering::AcqRel);
                counts.messages.fetch_add(1, Ordering::AcqRel);
                self.stage = Stage::Commands;
                return at;
            }
        }
        counts.octets.fetch_add(at as u64, Ordering::AcqRel);
        self.stage = Stage::Content(seen);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(text: &[u8], piece: usize) -> (String, Counts, bool) {
        let (mut out, counts) = (Vec::new(), Counts::default());
        let mut guest = Guest::new(&mut out);
        for piece in text.chunks(piece) {
            guest.receive(piece, &mut out, &counts);
        }
        (String::from_utf8(out).unwrap(), counts, guest.is_over())
    }

    #[test]
    fn messages_are_counted_however_they_are_cut() {
        let text = b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\nS: x\r\n\r\n..\r\n.x\r\n\r\r\n.\r\n\
            mail from:<>\r\nrcpt to:<a@b>\r\ndata\r\n.\r\nQUIT\r\n";
        for piece in 1..text.len() {
            let (said, counts, over) = talk(text, piece);
            assert_eq!(counts.messages(), 2, "in pieces of {piece}: {said}");
            assert_eq!(counts.octets(), 25, "in pieces of {piece}");
            assert_eq!(counts.quits(), 1);
            assert!(over);
            assert_eq!(said.matches("354").count(), 2);
            assert!(said.ends_with("221 2.0.0 Bye\r\n"));
        }
    }

    #[test]
    fn nonsense_is_refused_and_endless_lines_end_it() {
        let (said, _, over) = talk(b"XYZZY\r\n", 3);
        assert!(said.contains("500 ") && !over);
        let (_, counts, over) = talk(&vec![b'x'; LINE_OCTETS_MAX + 1], 100);
        assert!(over);
        assert_eq!(counts.messages(), 0);
    }
}
