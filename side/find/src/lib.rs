//! Which queued messages are meant: predicates that operators write, and every bulk control takes.
//!
//! What it is: a small language (`docs/queue.md`, "Which messages"), read into a [`Predicate`] that is asked about the [`Facts`] of a
//! message. What it guards: the same words mean the same messages in a dry run and in the control itself; what only the disk
//! knows is asked for only where it decides. What it may refuse: words that aren't in the language, with the place and what is
//! expected; predicates that are too long or too deep. Deliberately absent: the queue, the disk, the clock.

mod parse;
mod pattern;

pub use parse::PredicateError;

use bridgehead_mail::{Failure, MessageId, Phase, Priority};
use pattern::Pattern;
use std::time::Duration;

/// What is known of a message, or of its recipients with one next hop.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Its id.
    pub id: MessageId,
    /// Its phase.
    pub phase: Phase,
    /// Its link; none while it isn't known.
    pub link: Option<&'a str>,
    /// The final domain; none while it isn't known.
    pub domain: Option<&'a str>,
    /// Octets of content.
    pub size: u64,
    /// Time since it was accepted.
    pub age: Duration,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: Option<&'a Failure>,
    /// Its priority.
    pub priority: Priority,
    /// What only the disk knows; none where nobody has looked.
    pub read: Option<&'a ReadFacts>,
}

/// What of a message is on the disk only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadFacts {
    /// The reverse-path; empty for the null reverse-path.
    pub from: String,
    /// The recipients that are left.
    pub to: Vec<String>,
    /// The subject as its header has it.
    pub subject: String,
    /// The authenticated user who sent it; empty if there was none.
    pub user: String,
    /// The client's network address; empty if this server made the message.
    pub client: String,
    /// The virtual server that took it, or the room that made it.
    pub via: String,
}

/// Which messages are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate(Expression);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// Every message.
    Everything,
    Not(Box<Expression>),
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Text(TextField, Pattern),
    Number(NumberField, Comparison, u64),
    Phase(Phase),
    Priority(Priority),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    Id,
    Link,
    Domain,
    Error,
    From,
    To,
    Subject,
    User,
    Client,
    Via,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberField {
    /// Octets.
    Size,
    /// Seconds.
    Age,
    Attempts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

impl Predicate {
    /// Reads a predicate.
    ///
    /// # Errors
    /// Where it stops being one, and what is expected there.
    pub fn parse(text: &str) -> Result<Self, PredicateError> {
        parse::predicate(text).map(Self)
    }

    /// Every message.
    #[must_use]
    pub const fn everything() -> Self {
        Self(Expression::Everything)
    }

    /// Whether a message is meant; none if that depends on what only the disk knows.
    #[must_use]
    pub fn test(&self, facts: &Facts<'_>) -> Option<bool> {
        self.0.test(facts)
    }
}

impl Expression {
    fn test(&self, facts: &Facts<'_>) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::Not(inner) => inner.test(facts).map(|meant| !meant),
            Self::All(inner) => decide(inner, facts, false),
            Self::Any(inner) => decide(inner, facts, true),
            Self::Text(field, pattern) => field.test(facts, pattern),
            Self::Number(field, comparison, value) => {
                Some(comparison.holds(field.of(facts), *value))
            }
            Self::Phase(phase) => Some(facts.phase == *phase),
            Self::Priority(priority) => Some(facts.priority == *priority),
        }
    }
}

/// One answer of a kind decides; without it, one that isn't known leaves all open.
fn decide(inner: &[Expression], facts: &Facts<'_>, decides: bool) -> Option<bool> {
    let mut open = false;
    for expression in inner {
        match expression.test(facts) {
            Some(answer) if answer == decides => return Some(decides),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!decides)
}

impl TextField {
    fn test(self, facts: &Facts<'_>, pattern: &Pattern) -> Option<bool> {
        let known = |text: Option<&str>| Some(text.is_some_and(|text| pattern.matches(text)));
        let read = |field: fn(&ReadFacts) -> &str| {
            let text = facts.read.map(field)?;
            Some(pattern.matches(text))
        };
        match self {
            Self::Id => Some(pattern.matches(&facts.id.to_string())),
            Self::Link => known(facts.link),
            Self::Domain => known(facts.domain),
            Self::Error => Some(
                facts
                    .error
                    .is_some_and(|failure| pattern.matches(&failure.to_string())),
            ),
            Self::From => read(|read| &read.from),
            Self::Subject => read(|read| &read.subject),
            Self::User => read(|read| &read.user),
            Self::Client => read(|read| &read.client),
            Self::Via => read(|read| &read.via),
            Self::To => facts
                .read
                .map(|read| read.to.iter().any(|one| pattern.matches(one))),
        }
    }
}

impl NumberField {
    fn of(self, facts: &Facts<'_>) -> u64 {
        match self {
            Self::Size => facts.size,
            Self::Age => facts.age.as_secs(),
            Self::Attempts => u64::from(facts.attempts),
        }
    }
}

impl Comparison {
    const fn holds(self, found: u64, value: u64) -> bool {
        match self {
            Self::Less => found < value,
            Self::AtMost => found <= value,
            Self::Equal => found == value,
            Self::AtLeast => found >= value,
            Self::More => found > value,
        }
    }
}
