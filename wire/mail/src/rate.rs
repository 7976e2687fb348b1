//! How many in how long, as `5/s`, `100/min` or `1000/h`.
//!
//! Refuses: no rate at all, and rates above what a server of this kind can reach.

use std::fmt;
use std::time::Duration;

const UNITS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];
/// So many in one of the units; more is a slip.
const COUNT_MAX: u32 = 1_000_000;

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u32,
    seconds: u64,
}

impl Rate {
    /// From its text: a whole number from 1 up, a slash, and `s`, `min` or `h`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, unit) = text.split_once('/')?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count = count.parse().ok()?;
        (1..=COUNT_MAX).contains(&count).then_some(Self {
            count,
            seconds: *seconds,
        })
    }

    /// The time from one to the next; at least a microsecond.
    #[must_use]
    pub fn interval(self) -> Duration {
        let all = Duration::from_secs(self.seconds);
        (all / self.count).max(Duration::from_micros(1))
    }

    /// How many may come at once after a pause: those of one second, and one at least.
    #[must_use]
    pub fn burst(self) -> u32 {
        let each_second = u64::from(self.count) / self.seconds;
        u32::try_from(each_second).unwrap_or(u32::MAX).max(1)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, seconds)| *seconds == self.seconds);
        write!(f, "{}/{}", self.count, unit.map_or("s", |(name, _)| *name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_in_and_comes_out() {
        for (text, micros, burst) in [
            ("5/s", 200_000, 5),
            ("1/s", 1_000_000, 1),
            ("30/min", 2_000_000, 1),
            ("600/min", 100_000, 10),
            ("1/h", 3_600_000_000, 1),
            ("1000000/s", 1, 1_000_000),
        ] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(rate.interval(), Duration::from_micros(micros), "{text}");
            assert_eq!(rate.burst(), burst, "{text}");
        }
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "5",
            "/s",
            "0/s",
            "5/",
            "5/d",
            "5 /s",
            "+5/s",
            "-1/s",
            "1.5/s",
            "1000001/s",
            "99999999999/s",
            "5/s/s",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
    }
}
