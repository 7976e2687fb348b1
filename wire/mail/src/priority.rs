//! How urgent a message is: three levels, as in the original.

use std::fmt;

/// The priority of a message. The order is that of urgency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// After all others.
    Low,
    /// As most mail.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Of a value of MT-PRIORITY, from -9 to 9 (RFC 6710): above 0 is high, below 0 low.
    #[must_use]
    pub const fn of_level(level: i8) -> Self {
        match level {
            ..=-1 => Self::Low,
            0 => Self::Normal,
            1.. => Self::High,
        }
    }

    /// The priority of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == word)
    }

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
