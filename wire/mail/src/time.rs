//! Wall-clock time as a value: milliseconds since the Unix epoch.
//!
//! Product code gets it as a parameter; only the drivers read a clock.

use std::time::Duration;

/// A point in wall-clock time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Arithmetic saturates: a hostile or broken clock can't panic the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The Unix epoch itself; also "long ago".
    pub const EPOCH: Self = Self(0);
    /// Later than everything else; also "never".
    pub const NEVER: Self = Self(u64::MAX);

    /// From milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// This much later, at most [`Self::NEVER`].
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(duration_millis(wait)))
    }

    /// How long after `earlier` this is; zero if it isn't after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

fn duration_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(
            Timestamp::NEVER.after(Duration::from_secs(1)),
            Timestamp::NEVER
        );
        assert_eq!(Timestamp::EPOCH.since(Timestamp::NEVER), Duration::ZERO);
        assert_eq!(
            Timestamp::from_millis(1500).since(Timestamp::from_millis(500)),
            Duration::from_secs(1)
        );
    }
}
