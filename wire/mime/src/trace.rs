//! Trace fields (RFC 5321 §4.4): Received and Return-Path.
//!
//! Guards: what a client said of itself can't break out of its place: its name is put into a comment-free word, its address is ours
//! to write.

use crate::date_time;
use bridgehead_mail::{Address, Domain, Envelope, MessageId, ReversePath};
use std::net::IpAddr;

/// What a Received field says beyond the envelope.
#[derive(Clone, Copy, Debug)]
pub struct TraceFacts<'a> {
    /// The message.
    pub id: MessageId,
    /// The server's own name.
    pub by: &'a Domain,
    /// The recipient, if it is the only one: more would tell each of the others (RFC 5321 §7.2).
    pub only: Option<&'a Address>,
}

/// The Received field for a message that this server accepted, with its line end.
#[must_use]
pub fn received(envelope: &Envelope, facts: TraceFacts<'_>) -> Vec<u8> {
    let origin = &envelope.origin;
    let mut field = String::with_capacity(300);
    field.push_str("Received: ");
    if let Some(client) = origin.client {
        let helo = word(&origin.helo);
        field.push_str(&format!("from {helo} ([{}])\r\n\t", literal(client)));
    }
    field.push_str(&format!("by {} with {}", facts.by, origin.protocol));
    if let Some(tls) = &origin.tls {
        field.push_str(&format!("\r\n\t({})", word(tls)));
    }
    field.push_str(&format!("\r\n\tid {}", facts.id));
    if let Some(only) = facts.only {
        field.push_str(&format!("\r\n\tfor <{only}>"));
    }
    field.push_str(&format!(";\r\n\t{}\r\n", date_time(envelope.accepted)));
    field.into_bytes()
}

/// The Return-Path field that final delivery adds (RFC 5321 §4.4), with its line end.
#[must_use]
pub fn return_path(reverse_path: &ReversePath) -> Vec<u8> {
    format!("Return-Path: {reverse_path}\r\n").into_bytes()
}

/// RFC 5321 §4.1.3: an IPv6 address has its tag.
fn literal(client: IpAddr) -> String {
    match client {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("IPv6:{six}"),
    }
}

/// A text from outside where the grammar wants a word: what could end it early or open a comment becomes `?`.
fn word(text: &str) -> String {
    const LETTERS_MAX: usize = 255;
    let safe = |letter: char| match letter {
        '(' | ')' | '<' | '>' | ';' | '\\' | '"' => '?',
        letter if letter.is_control() => '?',
        letter => letter,
    };
    let shown: String = text.chars().take(LETTERS_MAX).map(safe).collect();
    if shown.trim().is_empty() {
        return "unknown".to_owned();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::{BodyKind, Origin, Protocol, Recipient, Timestamp};

    fn envelope(helo: &str) -> Envelope {
        Envelope {
            handling: bridgehead_mail::Handling::default(),
            reverse_path: ReversePath::Null,
            recipients: vec![Recipient::plain(
                Address::parse("bob@example.test").unwrap(),
            )],
            body: BodyKind::SevenBit,
            smtputf8: false,
            ret: None,
            envid: None,
            origin: Origin {
                virtual_server: "inbound".into(),
                client: Some("2001:db8::1".parse().unwrap()),
                helo: helo.into(),
                protocol: Protocol {
                    extended: true,
                    tls: true,
                    authenticated: false,
                    utf8: false,
                },
                tls: Some("TLS1_3 TLS13_AES_256_GCM_SHA384".into()),
                user: None,
            },
            accepted: Timestamp::from_millis(1_795_443_067_000),
            journey: None,
        }
    }

    fn shown(helo: &str) -> String {
        let by = Domain::parse("mail1.example.test").unwrap();
        let envelope = envelope(helo);
        let facts = TraceFacts {
            id: MessageId::from_u128(7),
            by: &by,
            only: Some(&envelope.recipients[0].address),
        };
        String::from_utf8(received(&envelope, facts)).unwrap()
    }

    #[test]
    fn received_says_who_how_and_when() {
        assert_eq!(
            shown("client.example"),
            "Received: from client.example ([IPv6:2001:db8::1])\r\n\
             \tby mail1.example.test with ESMTPS\r\n\
             \t(TLS1_3 TLS13_AES_256_GCM_SHA384)\r\n\
             \tid 00000000000000000000000007\r\n\
             \tfor <bob@example.test>;\r\n\
             \tMon, 23 Nov 2026 14:11:07 +0000\r\n"
        );
    }

    #[test]
    fn a_client_name_cannot_break_out() {
        let field = shown("x)\r\nBcc: evil@example.org\r\n (");
        assert!(
            field.contains("from x???Bcc: evil@example.org??"),
            "{field}"
        );
        assert!(shown("").contains("from unknown "));
    }

    #[test]
    fn the_null_reverse_path_is_written_as_such() {
        assert_eq!(return_path(&ReversePath::Null), b"Return-Path: <>\r\n");
    }
}
