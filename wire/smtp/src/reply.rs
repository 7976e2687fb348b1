//! Replies of another server (RFC 5321 §4.2), read as they come.
//!
//! Guards: lines, their number and their length are bounded; texts leave without control characters. Refuses: what isn't a
//! reply, saying what was wrong.

use bridgehead_mail::StatusCode;
use std::fmt;

/// RFC 5321 §4.5.3.1.5 asks for 512 octets; longer ones are met in practice.
const LINE_OCTETS_MAX: usize = 2048;
const LINES_MAX: usize = 100;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReply {
    /// The three digits.
    pub code: u16,
    /// The texts of its lines, without digits and control characters.
    pub lines: Vec<String>,
}

/// Why what came is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// A line doesn't start with three digits in the range of RFC 5321 §4.2.
    #[error("a line that starts with no reply code")]
    Code,
    /// The lines of one reply have different codes (RFC 5321 §4.2.1).
    #[error("a reply whose lines have different codes")]
    Mixed,
    /// A line is too long.
    #[error("a reply line of more than {LINE_OCTETS_MAX} octets")]
    LongLine,
    /// There are too many lines.
    #[error("a reply of more than {LINES_MAX} lines")]
    ManyLines,
}

impl ServerReply {
    /// 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// The enhanced status code at the start of the text (RFC 2034 §4), if its class fits the reply's.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        let word = self.lines.first()?.split(' ').next()?;
        let status: StatusCode = word.parse().ok()?;
        let class = word.bytes().next()?.wrapping_sub(b'0');
        (u16::from(class) == self.code / 100).then_some(status)
    }

    /// All lines in one, of at most 1,000 octets.
    #[must_use]
    pub fn text(&self) -> String {
        const OCTETS_MAX: usize = 1000;
        let mut text = self.lines.join(" ");
        text.truncate(text.floor_char_boundary(OCTETS_MAX));
        text
    }
}

impl fmt::Display for ServerReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text())
    }
}

/// Reads replies.
#[derive(Debug, Default)]
pub struct ReplyReader {
    line: Vec<u8>,
    code: Option<u16>,
    lines: Vec<String>,
}

impl ReplyReader {
    /// Takes octets up to the end of one reply. Returns how many were eaten, and the reply if it is whole.
    ///
    /// # Errors
    /// If it isn't a reply: the connection is of no further use.
    pub fn receive(&mut self, octets: &[u8]) -> Result<(usize, Option<ServerReply>), ReplyFault> {
        let mut eaten = 0;
        while let Some(rest) = octets.get(eaten..).filter(|rest| !rest.is_empty()) {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.line.extend_from_slice(rest);
                self.check_length()?;
                return Ok((octets.len(), None));
            };
            self.line
                .extend_from_slice(rest.get(..end).unwrap_or_default());
            eaten += end + 1;
            self.check_length()?;
            let line = std::mem::take(&mut self.line);
            if let Some(reply) = self.line_ended(&line)? {
                return Ok((eaten, Some(reply)));
            }
        }
        Ok((eaten, None))
    }

    const fn check_length(&self) -> Result<(), ReplyFault> {
        if self.line.len() > LINE_OCTETS_MAX {
            return Err(ReplyFault::LongLine);
        }
        Ok(())
    }

    fn line_ended(&mut self, line: &[u8]) -> Result<Option<ServerReply>, ReplyFault> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (digits, rest) = line.split_at_checked(3).ok_or(ReplyFault::Code)?;
        let code = parse_code(digits).ok_or(ReplyFault::Code)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyFault::Mixed);
        }
        let (last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(ReplyFault::Code),
        };
        self.code = Some(code);
        self.lines.push(plain(text));
        if !last {
            if self.lines.len() >= LINES_MAX {
                return Err(ReplyFault::ManyLines);
            }
            return Ok(None);
        }
        self.code = None;
        Ok(Some(ServerReply {
            code,
            lines: std::mem::take(&mut self.lines),
        }))
    }
}

/// `Reply-code = %x32-35 %x30-35 %x30-39` (RFC 5321 §4.2); a second digit up to 9 is met and taken.
fn parse_code(digits: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(digits).ok()?;
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    let code: u16 = text.parse().ok().filter(|_| all)?;
    (200..600).contains(&code).then_some(code)
}

fn plain(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text: String = text.chars().map(plain).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: &[u8]) -> Result<Vec<ServerReply>, ReplyFault> {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        let mut rest = octets;
        while !rest.is_empty() {
            let (eaten, reply) = reader.receive(rest)?;
            replies.extend(reply);
            rest = &rest[eaten..];
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_read_one_by_one() {
        let replies = read(b"250-one\r\n250 two\r\n550 5.1.1 no\x07 one\r\n354\r\n").unwrap();
        assert_eq!(replies.len(), 3);
        assert_eq!(replies[0].lines, ["one", "two"]);
        assert_eq!(replies[1].status(), "5.1.1".parse().ok());
        assert_eq!(replies[1].to_string(), "550 5.1.1 no  one");
        assert_eq!(replies[2].code, 354);
    }

    #[test]
    fn a_status_of_another_class_does_not_count() {
        let replies = read(b"450 5.1.1 hm\r\n").unwrap();
        assert_eq!(replies[0].status(), None);
    }

    #[test]
    fn what_is_no_reply_is_said() {
        assert_eq!(read(b"hello\r\n"), Err(ReplyFault::Code));
        assert_eq!(read(b"25\r\n"), Err(ReplyFault::Code));
        assert_eq!(read(b"250x\r\n"), Err(ReplyFault::Code));
        assert_eq!(read(b"150 x\r\n"), Err(ReplyFault::Code));
        assert_eq!(read(b"250-a\r\n550 b\r\n"), Err(ReplyFault::Mixed));
        assert_eq!(read(&[b'2'; 5000]), Err(ReplyFault::LongLine));
        assert_eq!(read(&b"250-a\r\n".repeat(101)), Err(ReplyFault::ManyLines));
    }

    #[test]
    fn the_text_is_bounded_in_octets() {
        let line = format!("250-{}\r\n", "\u{e9}".repeat(900));
        let replies = read(format!("{line}{line}250 x\r\n").as_bytes()).unwrap();
        assert_eq!(replies[0].text().len(), 1000);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let _ = read(&octets);
        }
    }
}
