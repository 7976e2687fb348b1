//! Sizes and durations with their units, as `50 MiB` and `4h`: one way to write them everywhere.

use std::fmt;
use std::time::Duration;

/// Octets, as `50 MiB`; binary units only, so that nobody wonders which kilo is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const SIZE_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

impl Size {
    /// From its text: a whole number, a space if you like, and B, KiB, MiB or GiB.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, unit) = text.split_at(end);
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let (_, octets) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
        number.parse::<u64>().ok()?.checked_mul(*octets).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, octets) in SIZE_UNITS {
            if self.0 >= octets && self.0.is_multiple_of(octets) {
                return write!(f, "{} {name}", self.0 / octets);
            }
        }
        write!(f, "{} B", self.0)
    }
}

/// A duration from one second up, as `90s`, `1m`, `4h`, `2d` or `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(u64);

const WAIT_UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// Ten years; longer is a slip.
const WAIT_SECONDS_MAX: u64 = 3_653 * 86_400;

impl Wait {
    /// From whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// From its text: numbers with d, h, m, s, the larger units first.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let mut seconds: u64 = 0;
        let mut units = WAIT_UNITS.iter();
        while !rest.is_empty() {
            let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
            let (number, after) = rest.split_at(end);
            let unit = after.get(..1)?;
            let (_, length) = units.by_ref().find(|(name, _)| *name == unit)?;
            let part = number.parse::<u64>().ok()?.checked_mul(*length)?;
            seconds = seconds.checked_add(part)?;
            rest = after.get(1..)?;
        }
        (1..=WAIT_SECONDS_MAX)
            .contains(&seconds)
            .then_some(Self(seconds))
    }
}

impl fmt::Display for Wait {
    /// The largest unit that fits without rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, length) in WAIT_UNITS {
            if self.0 >= length && self.0.is_multiple_of(length) {
                return write!(f, "{}{name}", self.0 / length);
            }
        }
        write!(f, "{}s", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_out_and_back() {
        for (text, octets) in [
            ("50 MiB", 50 << 20),
            ("1 GiB", 1 << 30),
            ("1000 B", 1000),
            ("0 B", 0),
        ] {
            assert_eq!(Size::parse(text), Some(Size(octets)), "{text}");
            assert_eq!(Size(octets).to_string(), text);
        }
        assert_eq!(Size::parse("64KiB"), Some(Size(64 << 10)));
        for text in [
            "",
            "50",
            "MiB",
            "50 MB",
            "50  MiB",
            "-1 B",
            "99999999999 GiB",
        ] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_go_out_and_back() {
        for (text, seconds) in [
            ("1s", 1),
            ("90s", 90),
            ("1m", 60),
            ("4h", 14_400),
            ("2d", 172_800),
        ] {
            assert_eq!(Wait::parse(text), Some(Wait(seconds)), "{text}");
            assert_eq!(Wait(seconds).to_string(), text);
        }
        assert_eq!(Wait::parse("1h30m"), Some(Wait(5_400)));
        for text in [
            "",
            "0s",
            "5",
            "m",
            "1m1h",
            "1.5h",
            "10ms",
            "1 h",
            "99999999999999d",
            "1é",
        ] {
            assert_eq!(Wait::parse(text), None, "{text}");
        }
    }
}
