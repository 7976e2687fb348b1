//! All octets that a client ever sends, made once.

use crate::plan::{Plan, SIZE_MIN};
use std::fmt::Write;

/// A piece of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Ehlo,
    Mail,
    /// The so-manyth recipient.
    Rcpt(u32),
    Data,
    /// MAIL, all RCPT and DATA.
    Envelope,
    /// The content with the final dot.
    Content,
    /// The same, and the next message's envelope behind it.
    ContentAndEnvelope,
    /// The final dot alone.
    Dot,
    Rset,
    Quit,
}

/// The octets.
#[derive(Debug)]
pub(crate) struct Script {
    mail: Vec<u8>,
    rcpt: Vec<Vec<u8>>,
    envelope: Vec<u8>,
    /// The content with the final dot, then the envelope once more.
    content: Vec<u8>,
    content_length: usize,
}

impl Script {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mail = format!("MAIL FROM:<{}>\r\n", plan.from).into_bytes();
        let rcpt: Vec<Vec<u8>> = (0..plan.recipients)
            .map(|number| match number {
                0 => format!("RCPT TO:<{}>\r\n", plan.to).into_bytes(),
                _ => format!("RCPT TO:<{number}{}>\r\n", plan.to).into_bytes(),
            })
            .collect();
        let mut envelope = mail.clone();
        rcpt.iter()
            .for_each(|line| envelope.extend_from_slice(line));
        envelope.extend_from_slice(b"DATA\r\n");
        let mut content = content(plan.size);
        content.extend_from_slice(b".\r\n");
        let content_length = content.len();
        content.extend_from_slice(&envelope);
        Self {
            mail,
            rcpt,
            envelope,
            content,
            content_length,
        }
    }

    pub(crate) fn octets(&self, part: Part) -> &[u8] {
        match part {
            Part::Ehlo => b"EHLO load.example.org\r\n",
            Part::Mail => &self.mail,
            Part::Rcpt(number) => {
                let line = usize::try_from(number)
                    .ok()
                    .and_then(|at| self.rcpt.get(at));
                line.map_or(&[], Vec::as_slice)
            }
            Part::Data => b"DATA\r\n",
            Part::Envelope => &self.envelope,
            Part::Content => self.content.get(..self.content_length).unwrap_or_default(),
            Part::ContentAndEnvelope => &self.content,
            Part::Dot => b".\r\n",
            Part::Rset => b"RSET\r\n",
            Part::Quit => b"QUIT\r\n",
        }
    }
}

/// A message of exactly so many octets, in lines that end with CRLF and don't begin with a dot.
fn content(size: usize) -> Vec<u8> {
    let mut text = String::from("From: <a@example.org>\r\nSubject: load\r\n\r\n");
    debug_assert!(text.len() < SIZE_MIN - 2);
    let mut line = 0_u32;
    // A line has at most 80 octets, and the last one at least its CRLF.
    while size.saturating_sub(text.len()) > 82 {
        let _ = writeln!(text, "{line:08} {:x<69}\r", "");
        line = line.wrapping_add(1);
    }
    while text.len() + 2 < size {
        text.push('x');
    }
    text.push_str("\r\n");
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_its_size_to_the_octet_and_no_line_is_too_long() {
        for size in (SIZE_MIN..700).chain([1024, 102_400]) {
            let text = String::from_utf8(content(size)).unwrap();
            assert_eq!(text.len(), size);
            assert!(text.ends_with("\r\n"), "{size}");
            let lines: Vec<&str> = text.split_terminator("\r\n").collect();
            assert!(
                lines
                    .iter()
                    .all(|line| line.len() <= 82 && !line.starts_with('.')),
                "{size}"
            );
            assert!(!lines.iter().any(|line| line.contains(['\r', '\n'])));
        }
    }

    #[test]
    fn the_envelope_names_each_recipient_once() {
        let mut plan = Plan::to(([127, 0, 0, 1], 25).into());
        plan.recipients = 3;
        let script = Script::of(&plan);
        let envelope = String::from_utf8(script.octets(Part::Envelope).to_vec()).unwrap();
        assert_eq!(
            envelope,
            "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<1b@example.net>\r\nRCPT TO:<2b@example.net>\r\nDATA\r\n"
        );
        let both = script.octets(Part::ContentAndEnvelope);
        assert!(both.starts_with(script.octets(Part::Content)));
        assert!(both.ends_with(envelope.as_bytes()));
        assert!(script.octets(Part::Rcpt(3)).is_empty());
    }
}
