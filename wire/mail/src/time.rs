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

impl Timestamp {
    /// From a date and time of RFC 3339 §5.6, as `2026-11-23T14:11:07Z` or `2026-11-23T15:11:07.5+01:00`; none if it isn't one, or
    /// lies before the epoch.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| -> Option<i64> {
            let digits = text.get(from..to)?;
            let all = digits.bytes().all(|octet| octet.is_ascii_digit());
            all.then(|| digits.parse().ok())?
        };
        let at = |place: usize, sign: &str| {
            text.get(place..place + 1)
                .filter(|found| found.eq_ignore_ascii_case(sign))
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        for (place, sign) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")] {
            at(place, sign)?;
        }
        let valid = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        if !valid || hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let rest = text.get(19..)?;
        let zone = match rest.strip_prefix('.') {
            Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
            None => rest,
        };
        let seconds = days_before(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
        let seconds = seconds - offset(zone)?;
        u64::try_from(seconds)
            .ok()
            .map(|seconds| Self(seconds * 1000))
    }
}

impl Timestamp {
    /// As a date and time of RFC 3339, in UTC, to the second; what lies beyond the year 9999 as its end.
    #[must_use]
    pub fn rfc3339(self) -> String {
        let seconds = i64::try_from(self.0 / 1000).unwrap_or(i64::MAX);
        let seconds = seconds.min(253_402_300_799);
        let (mut day, time) = (seconds / 86_400, seconds % 86_400);
        let mut year = 1970 + day / 366;
        while days_before(year + 1, 1, 1) <= day {
            year += 1;
        }
        day -= days_before(year, 1, 1);
        let mut month = 1;
        while day >= days_in(year, month) {
            day -= days_in(year, month);
            month += 1;
        }
        let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
        format!(
            "{year:04}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
            day + 1
        )
    }
}

/// Seconds of a time zone: `Z`, or hours and minutes.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("Z") {
        return Some(0);
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let two = |digits: &str| {
        let fits = digits.len() == 2 && digits.bytes().all(|octet| octet.is_ascii_digit());
        fits.then(|| digits.parse::<i64>().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

const fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to a day of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let leaps = past / 4 - past / 100 + past / 400;
    // 719,162 days lie before the epoch.
    let years = past * 365 + leaps - 719_162;
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day - 1
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
