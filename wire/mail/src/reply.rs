//! Replies of the server (RFC 5321 §4.2): all numbers, enhanced codes (RFC 2034) and words in one table.
//!
//! Rooms return a named [`Refusal`]; only this table turns it into numbers and words. The session says its own
//! [`Assent`]s. What it guards: local trouble is 4xx, every reply that may carry an enhanced code does.
//! `docs/reference/replies.md` is this table, written by a test.

use crate::StatusCode;
use std::fmt;
use std::io::Write;

/// One reply: three digits, an enhanced status code, a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code; none where RFC 2034 §4 forbids one (greeting, EHLO, 3xx).
    pub status: Option<StatusCode>,
    /// The text, without line ends.
    pub text: String,
}

/// One row of the table of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is called in the code.
    pub name: &'static str,
    /// When it is said.
    pub when: &'static str,
    /// The three digits.
    pub code: u16,
    /// The enhanced status code; none where RFC 2034 §4 forbids one.
    pub status: Option<StatusCode>,
    /// The text; `{}` stands for a value.
    pub text: &'static str,
    /// Digits, status and text with their spaces.
    line: &'static str,
}

impl Row {
    /// Appends the reply as one line with its CRLF.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the reply with `value` in the place of `{}`. The value must hold no line end.
    pub fn write_with(&self, out: &mut Vec<u8>, value: &dyn fmt::Display) {
        let (before, after) = self.line.split_once("{}").unwrap_or((self.line, ""));
        out.extend_from_slice(before.as_bytes());
        // Writing into memory can't fail.
        let _ = write!(out, "{value}");
        out.extend_from_slice(after.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// The row as a value with its parts.
    #[must_use]
    pub fn reply(&self) -> Reply {
        Reply {
            code: self.code,
            status: self.status,
            text: self.text.to_owned(),
        }
    }
}

/// The status code of a row; the digits stand in the table.
macro_rules! status {
    () => {
        None
    };
    (2, $subject:literal, $detail:literal) => {
        Some(StatusCode::success($subject, $detail))
    };
    (4, $subject:literal, $detail:literal) => {
        Some(StatusCode::transient($subject, $detail))
    };
    (5, $subject:literal, $detail:literal) => {
        Some(StatusCode::permanent($subject, $detail))
    };
}

/// The line of a row as it goes on the wire.
macro_rules! line {
    ($code:literal, [], $text:literal) => {
        concat!($code, " ", $text)
    };
    ($code:literal, [$class:literal, $subject:literal, $detail:literal], $text:literal) => {
        concat!($code, " ", $class, ".", $subject, ".", $detail, " ", $text)
    };
}

/// Makes an enum of replies with one row for each variant.
macro_rules! replies {
    (
        $(#[$about:meta])*
        $kind:ident {
            $($(#[doc = $when:literal])+ $name:ident = $code:literal [$($digit:tt),*] $text:literal;)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind {
            $($(#[doc = $when])+ $name,)+
        }

        impl $kind {
            /// All of them, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its row of the table.
            #[must_use]
            pub const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        name: stringify!($name),
                        when: concat!($($when),+),
                        code: $code,
                        status: status!($($digit),*),
                        text: $text,
                        line: line!($code, [$($digit),*], $text),
                    },)+
                }
            }

            /// The reply for it.
            #[must_use]
            pub fn reply(self) -> Reply {
                self.row().reply()
            }
        }
    };
}

replies! {
    /// What the server says when it agrees, or wants to hear more: one variant for each row.
    Assent {
        /// A client connected; the value is the server's name.
        Greeting = 220 [] "{} ESMTP Bridgehead";
        /// HELO; the value is the server's name. Also the first line of the reply to EHLO.
        Hello = 250 [] "{}";
        /// HELP.
        Help = 214 [2, 0, 0] "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT STARTTLS AUTH; see RFC 5321";
        /// STARTTLS; the handshake follows.
        ReadyForTls = 220 [2, 0, 0] "Ready to start TLS";
        /// QUIT.
        Bye = 221 [2, 0, 0] "Goodbye";
        /// AUTH with the right password.
        Authenticated = 235 [2, 7, 0] "Authenticated";
        /// AUTH wants the next part; the value is the challenge in base 64.
        Challenge = 334 [] "{}";
        /// NOOP.
        Noop = 250 [2, 0, 0] "OK";
        /// RSET.
        Reset = 250 [2, 0, 0] "Forgotten";
        /// MAIL with a sender that may send here.
        SenderOk = 250 [2, 1, 0] "Sender OK";
        /// RCPT with a recipient whom we serve.
        RecipientOk = 250 [2, 1, 5] "Recipient OK";
        /// BDAT that is not the last; the value is its size in octets.
        ChunkOk = 250 [2, 0, 0] "{} octets taken";
        /// ETRN for which nothing waits (RFC 1985 §5.2).
        NothingWaits = 251 [2, 0, 0] "OK, no messages waiting";
        /// ETRN; the value is how many messages wait (RFC 1985 §5.2).
        PendingStarted = 253 [2, 0, 0] "OK, {} pending messages started";
        /// ATRN; the client is the server now (RFC 2645 §5.2).
        Turned = 250 [2, 0, 0] "OK, now reversing the connection";
        /// VRFY and EXPN: nothing is told about who exists (RFC 5321 §7.3).
        CannotVerify = 252 [2, 1, 5] "Cannot verify; send mail and see";
        /// DATA: the message may come.
        StartMail = 354 [] "Send the message, end with CRLF.CRLF";
        /// X-LINK2STATE, of another server of the organisation.
        LinkStateTaken = 250 [2, 0, 0] "Link state taken";
        /// The message is on stable storage; the value is its id.
        Accepted = 250 [2, 0, 0] "Accepted as {}";
    }
}

replies! {
    /// Why something was refused: one variant for each row of the reply table.
    Refusal {
        /// The server is shutting down.
        ShuttingDown = 421 [4, 3, 2] "Server is shutting down";
        /// The directory has no longer the key by which another server of the organisation has proved itself.
        NoMember = 421 [4, 7, 0] "Your key is no longer that of a server of the organisation, closing";
        /// More sessions than the virtual server takes.
        TooManySessions = 421 [4, 3, 2] "Too many sessions, try later";
        /// More sessions from one client than the virtual server takes.
        TooManySessionsOfClient = 421 [4, 7, 0] "Too many sessions from your address";
        /// The client was silent for too long, or its message took too long.
        TimedOut = 421 [4, 4, 2] "Timed out, closing";
        /// Too many errors in one session.
        TooManyErrors = 421 [4, 7, 0] "Too many errors, closing";
        /// Too many commands that brought no mail.
        TooManyCommands = 421 [4, 7, 0] "Too many commands without mail, closing";
        /// Too many wrong passwords.
        TooManyAuthFailures = 421 [4, 7, 0] "Too many failed authentications, closing";
        /// ATRN for mail that the account may not fetch (RFC 2645 §5.2).
        TurnRefused = 450 [4, 7, 1] "ATRN request refused: not mail that you may fetch";
        /// Something inside failed without a better name.
        Internal = 451 [4, 3, 0] "Internal trouble, try later";
        /// The directory can't be asked.
        DirectoryUnavailable = 451 [4, 4, 3] "Directory unavailable";
        /// ATRN while it isn't known what waits (RFC 2645 §5.2).
        CannotTurn = 451 [4, 3, 0] "Unable to process the ATRN request now, try later";
        /// Less space than the floor on the queue's disk.
        DiskFull = 452 [4, 3, 1] "Not enough disk space";
        /// An operator empties the server: mail goes to another one.
        Draining = 451 [4, 3, 2] "This server takes no new mail now; try another one";
        /// Too much mail is waiting, or too much memory is used.
        Overloaded = 452 [4, 3, 2] "Too much mail is waiting here; try again later";
        /// The queue can't store (a failed sync, an I/O error).
        StorageFailed = 452 [4, 3, 0] "Cannot store mail now";
        /// More recipients than the virtual server takes in one transaction.
        TooManyRecipients = 452 [4, 5, 3] "Too many recipients";
        /// ATRN for which nothing waits (RFC 2645 §5.2).
        NoMail = 453 [4, 0, 0] "You have no mail";
        /// Too many wrong passwords from the client's network.
        TooManyGuesses = 454 [4, 7, 0] "Too many wrong passwords from your network, try later";
        /// The password could not be checked now.
        AuthUnavailable = 454 [4, 7, 0] "Cannot authenticate now, try later";
        /// There is no certificate to start TLS with.
        TlsUnavailable = 454 [4, 7, 0] "TLS not available now";
        /// ETRN while what waits can't be started (RFC 1985 §5.2).
        CannotStart = 458 [4, 3, 0] "Unable to start what waits now, try later";
        /// ETRN for a domain whose mail doesn't wait to be asked for (RFC 1985 §5.2).
        NotToBeAsked = 459 [4, 7, 1] "Mail for that domain isn't kept for ETRN here";
        /// The verb is not known.
        UnknownCommand = 500 [5, 5, 2] "Unknown command";
        /// A command line is longer than the virtual server takes.
        CommandTooLong = 500 [5, 5, 2] "Line too long";
        /// A command line with a control character, a CR or LF alone, or octets that are no UTF-8.
        BadCommandOctets = 500 [5, 5, 2] "Commands are lines of text that end with CRLF";
        /// The arguments of a command don't fit its grammar.
        BadArguments = 501 [5, 5, 4] "Bad arguments";
        /// A message is to be held longer than is offered (RFC 4865).
        HoldTooLong = 501 [5, 5, 4] "Messages are not held that long";
        /// BDAT whose size can't be read: where the next command begins is not known.
        BadChunk = 501 [5, 5, 4] "Bad chunk size, closing";
        /// The argument of EHLO or HELO is missing or no name.
        BadHello = 501 [5, 5, 4] "Say your domain name or address literal";
        /// MAIL with something that is no reverse-path.
        BadSender = 501 [5, 1, 7] "Bad sender address";
        /// RCPT with something that is no forward-path.
        BadRecipient = 501 [5, 1, 3] "Bad recipient address";
        /// What should be base 64 isn't.
        BadBase64 = 501 [5, 5, 2] "Not base 64";
        /// The client ended AUTH with `*`.
        AuthCancelled = 501 [5, 7, 0] "Authentication cancelled";
        /// A command that this virtual server doesn't offer.
        NotOffered = 502 [5, 5, 1] "Not offered here";
        /// A command at the wrong time.
        BadSequence = 503 [5, 5, 1] "Bad sequence of commands";
        /// EHLO or HELO has not been said.
        HelloFirst = 503 [5, 5, 1] "Say EHLO first";
        /// RCPT or DATA without MAIL.
        MailFirst = 503 [5, 5, 1] "Say MAIL first";
        /// DATA or BDAT without a recipient.
        NoRecipients = 503 [5, 5, 1] "No valid recipients";
        /// DATA for a message that is declared binary (RFC 3030 §3).
        BinaryNeedsBdat = 503 [5, 5, 1] "BINARYMIME needs BDAT";
        /// An AUTH mechanism that is not offered.
        UnknownMechanism = 504 [5, 5, 4] "Mechanism not supported";
        /// The virtual server takes mail only inside TLS.
        TlsRequired = 530 [5, 7, 0] "Say STARTTLS first";
        /// The virtual server takes mail only from clients that authenticated.
        AuthRequired = 530 [5, 7, 0] "Authentication required";
        /// Wrong name or password.
        AuthFailed = 535 [5, 7, 8] "Wrong name or password";
        /// AUTH outside TLS.
        AuthNeedsTls = 538 [5, 7, 11] "Encryption required: say STARTTLS first";
        /// No such mailbox in a domain that is ours.
        UnknownRecipient = 550 [5, 1, 1] "No such mailbox here";
        /// Two objects of the directory have this address (RFC 3463 §3.2).
        AmbiguousRecipient = 550 [5, 1, 4] "Address is not unique here";
        /// Neither ours nor allowed to relay.
        RelayDenied = 550 [5, 7, 1] "Relaying denied";
        /// The recipient doesn't take mail of this sender.
        SenderRestricted = 550 [5, 7, 1] "This sender may not send to this recipient";
        /// X-LINK2STATE, of another server of the organisation; the value is the reason.
        LinkStateRefused = 550 [5, 5, 0] "Link state refused: {}";
        /// The message has a CR or LF that stands alone.
        BareLineEnd = 550 [5, 6, 0] "Message has a bare CR or LF; lines must end with CRLF";
        /// The message has a NUL and was not declared binary.
        NulOctet = 550 [5, 6, 0] "Message has a NUL octet";
        /// A text line is longer than the virtual server takes.
        TextLineTooLong = 550 [5, 6, 0] "Message has a line that is too long";
        /// Larger than the virtual server takes.
        TooLarge = 552 [5, 3, 4] "Message too large";
        /// Larger than the recipient takes (RFC 3463 §3.3).
        TooLargeForRecipient = 552 [5, 2, 3] "Message too large for this recipient";
        /// The header is larger than the virtual server takes.
        HeaderTooLarge = 552 [5, 3, 4] "Message header too large";
        /// The authenticated user may not send as this address.
        NotYourAddress = 553 [5, 7, 1] "Not an address of the authenticated user";
        /// An international address without SMTPUTF8 (RFC 6531 §3.5).
        NeedsSmtputf8 = 553 [5, 6, 7] "Address needs SMTPUTF8";
        /// The client spoke when it had to wait for an answer.
        EarlyTalk = 554 [5, 5, 1] "Spoke before its turn, closing";
        /// Too many Received fields.
        TooManyHops = 554 [5, 4, 6] "Too many hops";
        /// A parameter of MAIL or RCPT that is not offered.
        UnknownParameter = 555 [5, 5, 4] "Parameter not recognized";
    }
}

impl Refusal {
    /// Whether the session ends with it (RFC 5321 §3.8: 421 and close).
    #[must_use]
    pub const fn closes(self) -> bool {
        self.row().code == 421 || matches!(self, Self::EarlyTalk | Self::BadChunk)
    }

    /// Whether the client is at fault, so that it counts as an error of the session.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.row().code >= 500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> impl Iterator<Item = Row> {
        let assents = Assent::ALL.iter().map(|one| one.row());
        assents.chain(Refusal::ALL.iter().map(|one| one.row()))
    }

    #[test]
    fn the_class_of_code_and_status_agree() {
        use crate::StatusClass as Class;
        for row in rows() {
            let class = row.status.map(StatusCode::class);
            let fits = match row.code / 100 {
                2 => class == Some(Class::Success) || matches!(row.name, "Greeting" | "Hello"),
                3 => class.is_none(),
                4 => class == Some(Class::Transient),
                5 => class == Some(Class::Permanent),
                _ => false,
            };
            assert!(fits, "{row:?}");
        }
    }

    #[test]
    fn a_line_fits_the_limit_of_512_octets_and_is_plain_text() {
        for row in rows() {
            assert!(row.line.len() < 300, "{row:?}");
            assert!(row.line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }

    #[test]
    fn a_value_takes_the_place_of_the_braces() {
        let mut out = Vec::new();
        Assent::ChunkOk.row().write_with(&mut out, &17);
        Refusal::TooLarge.row().write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "250 2.0.0 17 octets taken\r\n552 5.3.4 Message too large\r\n"
        );
    }
}
