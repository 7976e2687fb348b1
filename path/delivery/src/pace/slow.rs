//! Which replies mean "too many" or "slow down", and which are about one recipient or one message only.
//!
//! Guards: greylisting, a full mailbox and a sender that isn't liked never slow a destination.

use bridgehead_mail::{Failure, RemoteReply, StatusCode, Timestamp};
use bridgehead_smtp::client::Answering;
use bridgehead_smtp::reply::ServerReply;

/// An answer that slowed a destination down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slowed {
    /// When.
    pub at: Timestamp,
    /// The other server's words.
    pub said: RemoteReply,
    /// What they are taken for.
    pub means: &'static str,
}

impl Slowed {
    /// What the other server said when it turned a connection away, if that was that it is too much.
    pub(crate) fn of_connection(failure: &Failure, at: Timestamp) -> Option<Self> {
        let said = failure.remote.clone()?;
        let reply = ServerReply {
            code: said.code,
            lines: vec![said.text.to_string()],
        };
        // A greeting and what follows it can only be about this server, as the reply to MAIL.
        let means = asks_to_slow_down(Answering::Mail, &reply)?;
        Some(Self { at, said, means })
    }
}

/// Where a row holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    /// In answer to whatever it is.
    Anything,
    /// Before a recipient was named: it can only be about this server.
    Before,
    /// Where nobody was accepted yet: else it is about the number of recipients in one transaction.
    First,
}

/// Subject and detail of an enhanced status code (RFC 3463, and the registry of RFC 5248), none for any detail.
const STATUSES: [(u16, Option<u16>, Where, &str); 7] = [
    (3, Some(0), Where::Before, "its system is in trouble"),
    (3, Some(1), Where::Anything, "its disk is full"),
    (3, Some(2), Where::Anything, "its system takes no mail now"),
    (4, Some(5), Where::Anything, "its system is congested"),
    (5, Some(3), Where::First, "too many recipients from here"),
    // After RCPT and after the content it is greylisting far more often.
    (7, None, Where::Before, "its policy wants less from here"),
    (4, Some(2), Where::Before, "it breaks off"),
];

/// Codes without an enhanced status code.
const CODES: [(u16, Where, &str); 2] = [
    (451, Where::Before, "its system is in trouble"),
    (452, Where::Before, "its system has no room"),
];

/// They say it in words, whatever the codes.
const WORDS: [&str; 8] = [
    "too many",
    "too much",
    "too fast",
    "too quickly",
    "rate limit",
    "ratelimit",
    "throttl",
    "slow down",
];

/// What these say is about one message.
const GREYLISTING: [&str; 3] = ["greylist", "graylist", "grey list"];

/// What a reply to a step of a transaction means for the whole destination; none if it is about this message or its recipients.
pub(crate) fn asks_to_slow_down(step: Answering, reply: &ServerReply) -> Option<&'static str> {
    if reply.code / 100 != 4 {
        return None;
    }
    let text = reply.text().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&GREYLISTING) {
        return None;
    }
    if reply.code == 421 {
        return Some("it ends the connection");
    }
    let status = reply.status();
    if status.is_some_and(is_about_an_address) {
        return None;
    }
    let holds = |place: Where| match (place, step) {
        (Where::Anything, _) => true,
        (Where::Before, step) => step == Answering::Mail,
        (Where::First, Answering::Recipient { first }) => first,
        (Where::First, step) => step == Answering::Mail,
    };
    // Too many recipients in one transaction: another transaction takes the rest.
    let by_number = matches!(step, Answering::Recipient { first: false });
    if says(&WORDS) && !by_number {
        return Some("it says that it is too much");
    }
    match status {
        Some(status) => {
            let mut rows = STATUSES.iter();
            let row = rows.find(|(subject, detail, place, _)| {
                *subject == status.subject()
                    && detail.is_none_or(|detail| detail == status.detail())
                    && holds(*place)
            });
            row.map(|(.., means)| *means)
        }
        None => {
            let mut rows = CODES.iter();
            let row = rows.find(|(code, place, _)| *code == reply.code && holds(*place));
            row.map(|(.., means)| *means)
        }
    }
}

/// RFC 3463 §3.2 and §3.3: addresses and mailboxes.
const fn is_about_an_address(status: StatusCode) -> bool {
    matches!(status.subject(), 1 | 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_smtp::reply::ReplyReader;

    const MAIL: Answering = Answering::Mail;
    const FIRST: Answering = Answering::Recipient { first: true };
    const LATER: Answering = Answering::Recipient { first: false };
    const CONTENT: Answering = Answering::Content;

    fn slows(step: Answering, line: &str) -> bool {
        let octets = format!("{line}\r\n");
        let mut reader = ReplyReader::default();
        let (_, reply) = reader.receive(octets.as_bytes()).unwrap();
        asks_to_slow_down(step, &reply.unwrap()).is_some()
    }

    #[test]
    fn what_is_about_this_server_slows_the_destination() {
        for (step, line) in [
            (MAIL, "421 4.7.0 mx.example.net Error: too many connections"),
            (FIRST, "421 4.4.5 try later"),
            (CONTENT, "421 4.7.28 unusual rate of mail from your IP"),
            (MAIL, "450 4.7.1 Error: too much mail from 192.0.2.1"),
            (FIRST, "450 4.7.1 Error: too many recipients from 192.0.2.1"),
            (MAIL, "451 4.3.2 system not accepting network messages"),
            (FIRST, "451 4.3.2 please try again later"),
            (CONTENT, "452 4.3.1 insufficient system storage"),
            (MAIL, "452 insufficient storage"),
            (MAIL, "451 4.4.5 congested"),
            (FIRST, "452 4.5.3 too many recipients this hour"),
            (CONTENT, "451 4.7.1 you are being rate limited"),
            (MAIL, "451 4.7.500 server busy"),
            (CONTENT, "450 Slow down"),
        ] {
            assert!(slows(step, line), "{line}");
        }
    }

    #[test]
    fn what_is_about_a_recipient_or_a_message_slows_nobody() {
        for (step, line) in [
            (MAIL, "250 ok"),
            (FIRST, "550 5.7.1 too many of you"),
            (
                FIRST,
                "450 4.2.0 <b@example.net>: Recipient address rejected: Greylisted",
            ),
            (
                FIRST,
                "451 4.7.1 Greylisting in action, please come back later",
            ),
            (FIRST, "450 4.7.1 try again later"),
            (CONTENT, "451 4.7.1 Try again later"),
            (MAIL, "421 greylisted, come back in 300 seconds"),
            (FIRST, "452 4.2.2 mailbox full"),
            (FIRST, "450 4.2.1 the user receives mail too quickly"),
            (MAIL, "450 4.1.8 Sender address rejected: Domain not found"),
            (LATER, "452 4.5.3 too many recipients"),
            (LATER, "452 too many recipients"),
            (FIRST, "451 4.3.0 <b@example.net>: Temporary lookup failure"),
            (CONTENT, "451 local error in processing"),
            (FIRST, "450 mailbox unavailable"),
        ] {
            assert!(!slows(step, line), "{line}");
        }
    }
}
