//! What came of asking another server for mail, and when it is asked again.

use bridgehead_mail::{Host, Timestamp};
use bridgehead_smtp::client::Answer;
use std::time::Duration;

/// A failure may be over in a moment: it is tried again so soon, so often in a row.
const GLITCH_WAIT: Duration = Duration::from_secs(60);
const GLITCHES_MAX: u32 = 2;

/// What came of asking once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// When.
    pub at: Timestamp,
    /// What was said to what.
    pub said: Vec<Said>,
    /// Messages that came over the connection, when it has ended.
    pub messages: Option<u64>,
    /// Whether mail that was asked for still comes over its connection.
    pub coming: bool,
    /// Why nothing could be asked, or what was asked for couldn't be taken.
    pub failure: Option<Box<str>>,
}

/// A question, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The command.
    pub asked: Box<str>,
    /// The reply.
    pub reply: Box<str>,
    /// What it means.
    pub answer: Answer,
}

impl Fetched {
    /// Nothing was said yet.
    pub(crate) const fn at(at: Timestamp) -> Self {
        Self {
            at,
            said: Vec::new(),
            messages: None,
            coming: false,
            failure: None,
        }
    }

    /// Whether the other server did what it was asked for, or has nothing.
    #[must_use]
    pub fn worked(&self) -> bool {
        let refused = |said: &Said| matches!(said.answer, Answer::NotNow | Answer::Never);
        self.failure.is_none() && !self.said.iter().any(refused)
    }
}

/// Mail that is asked for elsewhere, for management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPicture {
    /// The connector.
    pub connector: Box<str>,
    /// The server that is asked.
    pub host: Host,
    /// By which command.
    pub by: &'static str,
    /// How often.
    pub every: Duration,
    /// Whether it is being asked now.
    pub asking: bool,
    /// When it is asked next.
    pub next: Option<Timestamp>,
    /// How often in a row that failed.
    pub failures: u32,
    /// What came of it the last time.
    pub last: Option<Fetched>,
}

/// How long it is until the next question, after so many failures in a row.
pub(crate) fn wait_after(every: Duration, failures: u32) -> Duration {
    match failures {
        1..=GLITCHES_MAX => every.min(GLITCH_WAIT),
        _ => every,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glitch_is_tried_again_soon_and_trouble_that_stays_is_not() {
        let every = Duration::from_secs(900);
        let waits: Vec<u64> = (0..5)
            .map(|count| wait_after(every, count).as_secs())
            .collect();
        assert_eq!(waits, [900, 60, 60, 900, 900]);
        let often = Duration::from_secs(60);
        assert_eq!(wait_after(often, 1), often);
    }

    #[test]
    fn it_worked_if_all_was_granted_or_nothing_waits() {
        let said = |answer| Said {
            asked: "ETRN a.example".into(),
            reply: "".into(),
            answer,
        };
        let of = |answers: &[Answer]| Fetched {
            said: answers.iter().copied().map(said).collect(),
            ..Fetched::at(Timestamp::EPOCH)
        };
        assert!(of(&[Answer::Sends, Answer::Nothing]).worked());
        assert!(!of(&[Answer::Sends, Answer::NotNow]).worked());
        assert!(!of(&[Answer::Never]).worked());
        let failed = Fetched {
            failure: Some("the connection was lost".into()),
            ..of(&[Answer::Turned])
        };
        assert!(!failed.worked());
    }
}
