//! The headers of a message, read from its content in bounded memory.

use bridgehead_mail::Content;
use std::io;

/// Headers beyond this are cut: no honest message comes near.
pub const HEADER_OCTETS_MAX: usize = 1024 * 1024;
const WINDOW: usize = 16 * 1024;

/// The header section of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    /// Its octets, without the empty line that ends it.
    pub octets: Vec<u8>,
    /// Whether it was longer than [`HEADER_OCTETS_MAX`] and cut.
    pub cut: bool,
}

/// Reads the header section: up to the first empty line, or all there is.
///
/// # Errors
/// If the content can't be read.
pub fn read_headers(content: &dyn Content) -> io::Result<Headers> {
    let mut octets = Vec::new();
    let mut window = vec![0; WINDOW];
    loop {
        let searched = octets.len().saturating_sub(3);
        let count = content.read_at(octets.len() as u64, &mut window)?;
        octets.extend_from_slice(window.get(..count).unwrap_or_default());
        if octets.starts_with(b"\r\n") {
            octets.clear();
            return Ok(Headers { octets, cut: false });
        }
        let rest = octets.get(searched..).unwrap_or_default();
        if let Some(end) = memchr::memmem::find(rest, b"\r\n\r\n") {
            octets.truncate(searched + end + 2);
            return Ok(Headers { octets, cut: false });
        }
        if count == 0 {
            return Ok(Headers { octets, cut: false });
        }
        if octets.len() >= HEADER_OCTETS_MAX {
            octets.truncate(HEADER_OCTETS_MAX);
            return Ok(Headers { octets, cut: true });
        }
    }
}

impl Headers {
    /// The fields in order: name and body. Folded lines are joined (RFC 5322 §2.2.3); what isn't UTF-8 is shown with
    /// replacement characters; a line that is no field is skipped.
    pub fn fields(&self) -> impl Iterator<Item = (String, String)> + '_ {
        Fields { rest: &self.octets }
    }

    /// The body of the first field of a name, in any case.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<String> {
        self.fields()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, body)| body)
    }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl Fields<'_> {
    fn line(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut field = Vec::new();
        loop {
            let end = memchr::memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
            let (line, rest) = self.rest.split_at(end);
            self.rest = rest;
            let text = line.strip_suffix(b"\n").unwrap_or(line);
            field.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            if !matches!(self.rest.first(), Some(b' ' | b'\t')) {
                return Some(field);
            }
        }
    }
}

impl Iterator for Fields<'_> {
    type Item = (String, String);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.line()?;
            let Some(colon) = memchr::memchr(b':', &line) else {
                continue;
            };
            let (name, body) = line.split_at(colon);
            let name = String::from_utf8_lossy(name).trim_end().to_owned();
            let body = String::from_utf8_lossy(body.get(1..).unwrap_or_default());
            return Some((name, body.trim().to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(text: &str) -> Headers {
        read_headers(&text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_section_ends_at_the_first_empty_line() {
        let read = headers("A: 1\r\nB: 2\r\n 3\r\n\r\nC: 4\r\n\r\n");
        assert_eq!(read.octets, b"A: 1\r\nB: 2\r\n 3\r\n");
        assert_eq!(read.first("b").as_deref(), Some("2 3"));
        assert_eq!(read.first("C"), None);
    }

    #[test]
    fn odd_messages_are_read_as_far_as_they_make_sense() {
        assert_eq!(headers("").octets, b"");
        assert_eq!(headers("\r\nbody").octets, b"");
        assert_eq!(headers("no colon\r\nA: 1").first("a").as_deref(), Some("1"));
        assert_eq!(headers(" : \r\n : ").fields().count(), 1);
    }

    #[test]
    fn an_end_across_windows_is_found() {
        for pad in WINDOW - 6..WINDOW + 3 {
            let text = format!("A: {}\r\n\r\nbody", "x".repeat(pad));
            assert_eq!(headers(&text).octets.len(), pad + 5, "{pad}");
        }
    }

    #[test]
    fn endless_headers_are_cut() {
        let read = headers(&"A: 1\r\n".repeat(300_000));
        assert!(read.cut);
        assert_eq!(read.octets.len(), HEADER_OCTETS_MAX);
    }
}
