//! The organisation in a directory that several servers share: a chain of changes that stay as they were written, and one
//! head that says which change is in force.
//!
//! Guards: a change counts as a whole or not at all, although the directory writes one entry after the other: its parts are
//! there before the head is moved, and the head moves only from where the writer saw it (compare and set). Two writers
//! can't both win; the loser's parts are in no chain.

#[expect(unreachable_pub, reason = "declared like the objects of a file")]
mod part;
mod plan;
#[cfg(test)]
mod tests;
mod versions;

pub(crate) use part::Part;
pub(crate) use plan::{moved_head, new_change, parts_to_prune};
pub(crate) use versions::{Link, Versions, objects};

use std::fmt;
use std::pin::Pin;

/// An answer of the shared directory, later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, SharedError>> + Send + 'a>>;

/// A part of the shared organisation, as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// Its DN.
    pub place: Box<str>,
    /// Its text.
    pub text: String,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A new entry; a conflict if there is one of this name.
    Add {
        /// The entry's name: letters, digits, spaces and hyphens.
        name: String,
        /// Its text.
        text: String,
    },
    /// Another text for an entry; a conflict if its text isn't `before` any more.
    Swap {
        /// Its DN.
        place: String,
        /// The text it has.
        before: String,
        /// The text it gets.
        after: String,
    },
    /// An entry goes; nothing if it is gone already.
    Remove {
        /// Its DN.
        place: String,
    },
}

/// Where the organisation is kept for all servers.
pub trait SharedDirectory: fmt::Debug + Send + Sync {
    /// All parts there are now. Answers within a bounded time.
    fn read(&self) -> Later<'_, Vec<StoredPart>>;

    /// Does these steps in their order, and stops at the first that fails.
    fn write<'a>(&'a self, steps: &'a [Step]) -> Later<'a, ()>;
}

/// Why the shared directory didn't do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// An entry isn't what the writer saw: somebody else was faster.
    #[error("{0}")]
    Conflict(String),
    /// It said no.
    #[error("{0}")]
    Refused(String),
    /// It couldn't be asked, or didn't answer: whether the last step was done isn't known.
    #[error("{0}")]
    Away(String),
}
