//! More than 300 odd but legal messages, always the same: what a mail server must hand on octet for octet.
//!
//! Legal means: lines end with CRLF, no CR or LF stands alone, no NUL. Everything else that people and programs have
//! been seen to send may occur.

mod bodies;
mod headers;
mod mime;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// What is odd about it; unique.
    pub name: String,
    /// Its octets, dot-stuffing undone.
    pub content: Vec<u8>,
}

impl Sample {
    fn new(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            content: content.into(),
        }
    }

    /// Whether it must be sent with `BODY=8BITMIME` (RFC 6152).
    #[must_use]
    pub fn is_eight_bit(&self) -> bool {
        !self.content.is_ascii()
    }

    /// Whether its header must be sent with `SMTPUTF8` (RFC 6531).
    #[must_use]
    pub fn has_utf8_header(&self) -> bool {
        !header_of(&self.content).is_ascii()
    }

    /// Whether DATA can carry it: its last line is ended, or it is empty. BDAT carries all (RFC 3030 §2).
    #[must_use]
    pub fn fits_data(&self) -> bool {
        self.content.is_empty() || self.content.ends_with(b"\r\n")
    }
}

/// The header section: up to the first empty line.
fn header_of(content: &[u8]) -> &[u8] {
    let end = content
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap_or(content.len());
    content.get(..end).unwrap_or_default()
}

/// All of them, in the same order each time.
#[must_use]
pub fn messages() -> Vec<Sample> {
    let mut samples = Vec::new();
    bodies::add(&mut samples);
    headers::add(&mut samples);
    mime::add(&mut samples);
    add_random(&mut samples);
    samples
}

/// A plain header, an empty line, and this body.
fn with_body(body: &[u8]) -> Vec<u8> {
    let mut content = b"From: a@example.test\r\nTo: b@example.test\r\nSubject: odd\r\n\
        Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <odd@example.test>\r\n\r\n"
        .to_vec();
    content.extend_from_slice(body);
    content
}

/// Lines of random lengths and octets, with a taste for dots and for line ends near each other.
fn add_random(samples: &mut Vec<Sample>) {
    for seed in 0..90_u64 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut body = Vec::new();
        for _ in 0..random.random_range(1..200) {
            random_line(&mut random, &mut body);
        }
        let content = if seed % 3 == 0 {
            body
        } else {
            with_body(&body)
        };
        // Without a header of its own the first lines would be one, and eight bits there would need SMTPUTF8.
        let content = if seed % 3 == 0 && !header_of(&content).is_ascii() {
            with_body(&content)
        } else {
            content
        };
        samples.push(Sample::new(format!("random-{seed}"), content));
    }
}

fn random_line(random: &mut StdRng, body: &mut Vec<u8>) {
    if random.random_ratio(1, 4) {
        body.extend(std::iter::repeat_n(b'.', random.random_range(1..4)));
    }
    let longest = if random.random_ratio(1, 20) { 3000 } else { 90 };
    let length = random.random_range(0..longest);
    let eight_bit = random.random_ratio(1, 3);
    for _ in 0..length {
        let octet = if eight_bit {
            random.random_range(1..=255_u8)
        } else {
            random.random_range(b' '..=b'~')
        };
        body.push(if octet == b'\r' || octet == b'\n' {
            b'.'
        } else {
            octet
        });
    }
    body.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn there_are_more_than_300_with_names_of_their_own() {
        let samples = messages();
        let names: HashSet<_> = samples.iter().map(|sample| &sample.name).collect();
        assert!(samples.len() >= 300, "{}", samples.len());
        assert_eq!(names.len(), samples.len());
    }

    #[test]
    fn all_are_legal() {
        for sample in messages() {
            let content = &sample.content;
            for (at, octet) in content.iter().enumerate() {
                let before = at.checked_sub(1).map(|before| content[before]);
                match octet {
                    0 => panic!("{}: NUL at {at}", sample.name),
                    b'\n' => assert_eq!(before, Some(b'\r'), "{}: {at}", sample.name),
                    b'\r' => assert_eq!(content.get(at + 1), Some(&b'\n'), "{}", sample.name),
                    _ => {}
                }
            }
            let header = header_of(content);
            assert!(std::str::from_utf8(header).is_ok(), "{}", sample.name);
        }
    }

    #[test]
    fn they_are_the_same_each_time() {
        assert_eq!(messages(), messages());
    }
}
