//! Replies of the server (RFC 5321 §4.2): all numbers, enhanced codes (RFC 2034) and words in one table.
//!
//! Rooms return a named [`Refusal`]; only [`Refusal::reply`] turns it into numbers and words.

use crate::StatusCode;

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

/// Why something was refused: one variant for each row of the reply table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No such mailbox in a domain that is ours.
    UnknownRecipient,
    /// Neither ours nor allowed to relay.
    RelayDenied,
    /// More recipients than the virtual server takes in one transaction.
    TooManyRecipients,
    /// Less space than the floor on the queue's disk.
    DiskFull,
    /// The queue can't store (a failed sync, an I/O error).
    StorageFailed,
    /// Larger than the virtual server takes.
    TooLarge,
    /// Too many Received fields.
    TooManyHops,
    /// The directory can't be asked.
    DirectoryUnavailable,
    /// The server is shutting down.
    ShuttingDown,
}

impl Refusal {
    /// The reply for it.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let (code, status, text) = match self {
            Self::UnknownRecipient => (550, StatusCode::permanent(1, 1), "No such mailbox here"),
            Self::RelayDenied => (550, StatusCode::permanent(7, 1), "Relaying denied"),
            Self::TooManyRecipients => (452, StatusCode::transient(5, 3), "Too many recipients"),
            Self::DiskFull => (452, StatusCode::transient(3, 1), "Not enough disk space"),
            Self::StorageFailed => (452, StatusCode::transient(3, 0), "Cannot store mail now"),
            Self::TooLarge => (552, StatusCode::permanent(3, 4), "Message too large"),
            Self::TooManyHops => (554, StatusCode::permanent(4, 6), "Too many hops"),
            Self::DirectoryUnavailable => {
                (451, StatusCode::transient(4, 3), "Directory unavailable")
            }
            Self::ShuttingDown => (421, StatusCode::transient(3, 2), "Server is shutting down"),
        };
        Reply {
            code,
            status: Some(status),
            text: text.to_owned(),
        }
    }
}
