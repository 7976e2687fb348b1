//! What a server offers in its answer to EHLO (RFC 5321 §4.1.1.1).

use crate::reply::ServerReply;

/// What a server offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// BINARYMIME (RFC 3030).
    pub binary_mime: bool,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// DELIVERBY (RFC 2852).
    pub deliver_by: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// SIZE (RFC 1870), with the limit if one was said.
    pub size: Option<Option<u64>>,
    /// AUTH PLAIN (RFC 4954, RFC 4616).
    pub auth_plain: bool,
    /// AUTH LOGIN.
    pub auth_login: bool,
    /// X-JOURNEY, between servers of one organisation.
    pub journey: bool,
    /// X-LINK2STATE, between servers of one organisation.
    pub link_state: bool,
}

impl Extensions {
    /// From the answer to EHLO: its first line is the greeting, each further one an extension.
    #[must_use]
    pub fn parse(reply: &ServerReply) -> Self {
        let mut offered = Self::default();
        for line in reply.lines.iter().skip(1) {
            let upper = line.to_ascii_uppercase();
            let mut words = upper.split_ascii_whitespace();
            match words.next() {
                Some("PIPELINING") => offered.pipelining = true,
                Some("8BITMIME") => offered.eight_bit_mime = true,
                Some("SMTPUTF8") => offered.smtputf8 = true,
                Some("DSN") => offered.dsn = true,
                Some("CHUNKING") => offered.chunking = true,
                Some("BINARYMIME") => offered.binary_mime = true,
                Some("MT-PRIORITY") => offered.mt_priority = true,
                Some("DELIVERBY") => offered.deliver_by = true,
                Some("X-JOURNEY") => offered.journey = true,
                Some("X-LINK2STATE") => offered.link_state = true,
                Some("STARTTLS") => offered.starttls = true,
                Some("SIZE") => {
                    let limit = words.next().and_then(|word| word.parse().ok());
                    // RFC 1870 §4: zero means no fixed limit.
                    offered.size = Some(limit.filter(|limit| *limit > 0));
                }
                Some("AUTH") => {
                    for mechanism in words {
                        offered.auth_plain |= mechanism == "PLAIN";
                        offered.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case() {
        let lines = [
            "hello",
            "pipelining",
            "SIZE 1000",
            "AUTH LOGIN PLAIN",
            "X-OTHER",
            "",
        ];
        let offered = Extensions::parse(&ServerReply {
            code: 250,
            lines: lines.map(String::from).to_vec(),
        });
        assert!(offered.pipelining && offered.auth_plain && offered.auth_login);
        assert_eq!(offered.size, Some(Some(1000)));
        assert!(!offered.dsn);
    }
}
