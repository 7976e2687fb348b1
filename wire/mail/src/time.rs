//! Wall-clock time as a value: milliseconds since the Unix epoch.
//!
//! Product code gets it as a parameter; only the drivers read a clock.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::Pieces;
use std::time::Duration;

/// In the calendar, which reaches further than instants do.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

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

    /// This much earlier, at least [`Self::EPOCH`].
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(duration_millis(wait)))
    }

    /// How long after `earlier` this is; zero if it isn't after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Timestamp {
    /// From a date and time of RFC 3339 §5.6, as `2026-11-23T14:11:07Z` or `2026-11-23T15:11:07.5+01:00`; none if it isn't one, or
    /// lies before the epoch. Parts of a second don't count.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        // The library takes more than the grammar: a space for the T, and offsets without minutes.
        let has_t = text
            .as_bytes()
            .get(10)
            .is_some_and(|sign| sign.eq_ignore_ascii_case(&b'T'));
        let utc = text.ends_with(['Z', 'z']);
        let offset = text.as_bytes().iter().rev().nth(2) == Some(&b':')
            && text
                .as_bytes()
                .iter()
                .rev()
                .nth(5)
                .is_some_and(|sign| b"+-".contains(sign));
        if !has_t || !(utc || offset) {
            return None;
        }
        let pieces = Pieces::parse(text).ok()?;
        let since = pieces
            .date()
            .to_datetime(pieces.time()?)
            .duration_since(EPOCH);
        let seconds = since.as_secs() - i64::from(pieces.to_numeric_offset()?.seconds());
        u64::try_from(seconds)
            .ok()
            .map(|seconds| Self(seconds * 1000))
    }

    /// As a date and time of RFC 3339, in UTC, to the second; what lies beyond the calendar as its end.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let since = SignedDuration::from_secs(i64::try_from(self.0 / 1000).unwrap_or(i64::MAX));
        let at = EPOCH.checked_add(since).unwrap_or(DateTime::MAX);
        at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

fn duration_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_rfc_3339_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-23T14:11:07Z", 1_795_443_067),
            ("2026-11-23t15:11:07.123+01:00", 1_795_443_067),
            ("2026-11-23T09:11:07-05:00", 1_795_443_067),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            let expected = Timestamp::from_millis(seconds * 1000);
            assert_eq!(Timestamp::parse_rfc3339(text), Some(expected), "{text}");
            assert_eq!(
                Timestamp::parse_rfc3339(&expected.rfc3339()),
                Some(expected),
                "{text}"
            );
        }
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T14:11:07",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-23 14:11:07Z",
            "2026-11-23T14:11:07+1:00",
            "2026-11-23T14:11:07ZZ",
            "+026-11-23T14:11:07Z",
            "2026-11-23T14:11:0éZ",
        ] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
    }

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
