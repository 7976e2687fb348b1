//! Back pressure: first slow, then refuse, with hysteresis, before disk, memory or the queue itself are full. Pure.

use crate::settings::Limits;
use std::time::Duration;

/// How hard it is for the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Not hard.
    #[default]
    Normal,
    /// Replies to new mail are delayed.
    Slow,
    /// New mail is refused; what is there goes on.
    Refusing,
}

impl Level {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Slow => "slow",
            Self::Refusing => "refusing",
        }
    }
}

/// The level, and what it follows from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The level.
    pub level: Level,
    /// The scarcest of all, in words.
    pub why: String,
    /// How much of it is used, in thousandths of what there may be.
    pub(crate) used: u64,
    /// Whether the scarcest is the space on the disk.
    pub(crate) of_disk: bool,
}

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readings {
    /// Octets that are free on the queue's disk.
    pub(crate) free: u64,
    /// Messages in the queue.
    pub(crate) messages: u64,
    /// Octets of resident memory; 0 while that isn't known.
    pub(crate) memory: u64,
}

/// Thousandths at which a level begins, and below which it ends.
const REFUSE: (u64, u64) = (1000, 900);
const SLOW: (u64, u64) = (800, 700);
/// How the space on the disk is named.
const DISK: &str = "octets free on the queue's disk";
/// The longest delay, just before mail is refused.
const DELAY_MAX: Duration = Duration::from_secs(2);

/// The level now, from that of before and what was measured.
pub(crate) fn judge(limits: &Limits, readings: Readings, before: Level) -> Pressure {
    let of = |used: u64, most: u64| used.saturating_mul(1000).checked_div(most).unwrap_or(0);
    let floor = limits.free_space_floor;
    let disk = match (floor, readings.free) {
        (0, _) => 0,
        (_, 0) => u64::MAX,
        (floor, free) => of(floor, free),
    };
    let most = limits.max_messages;
    let memory = limits.max_memory.unwrap_or(0);
    let all = [
        (disk, DISK, readings.free, floor),
        (
            of(readings.messages, most),
            "messages in the queue",
            readings.messages,
            most,
        ),
        (
            of(readings.memory, memory),
            "octets of memory",
            readings.memory,
            memory,
        ),
    ];
    let (used, what, found, bound) = all.into_iter().max_by_key(|one| one.0).unwrap_or_default();
    let level = match before {
        _ if used >= REFUSE.0 => Level::Refusing,
        Level::Refusing if used >= REFUSE.1 => Level::Refusing,
        _ if used >= SLOW.0 => Level::Slow,
        Level::Refusing | Level::Slow if used >= SLOW.1 => Level::Slow,
        _ => Level::Normal,
    };
    Pressure {
        level,
        why: format!("{found} {what}, the bound is {bound}"),
        used,
        of_disk: what == DISK,
    }
}

impl Pressure {
    /// How long a reply to new mail is delayed.
    pub(crate) fn delay(&self) -> Duration {
        if self.level != Level::Slow {
            return Duration::ZERO;
        }
        let above = self.used.saturating_sub(SLOW.1).min(REFUSE.0 - SLOW.1);
        let part = u32::try_from(above).unwrap_or(0);
        DELAY_MAX * part / u32::try_from(REFUSE.0 - SLOW.1).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            free_space_floor: 1_000,
            max_messages: 1_000,
            max_memory: Some(1_000),
            ..Limits::default()
        }
    }

    fn at(messages: u64, before: Level) -> Pressure {
        let readings = Readings {
            free: 100_000,
            messages,
            memory: 0,
        };
        judge(&limits(), readings, before)
    }

    #[test]
    fn it_slows_then_refuses_and_goes_back_later_than_it_came() {
        use Level::{Normal, Refusing, Slow};
        let mut level = Normal;
        let mut seen = Vec::new();
        for messages in [700, 799, 800, 999, 1000, 950, 900, 899, 750, 700, 699, 799] {
            level = at(messages, level).level;
            seen.push(level);
        }
        assert_eq!(
            seen,
            [
                Normal, Normal, Slow, Slow, Refusing, Refusing, Refusing, Slow, Slow, Slow, Normal,
                Normal
            ]
        );
    }

    #[test]
    fn the_delay_grows_up_to_the_refusal() {
        let delays: Vec<Duration> = [750, 850, 999]
            .map(|messages| at(messages, Level::Slow).delay())
            .to_vec();
        assert!(
            delays.is_sorted() && delays[0] > Duration::ZERO,
            "{delays:?}"
        );
        assert!(delays[2] <= DELAY_MAX);
        assert_eq!(at(1000, Level::Slow).delay(), Duration::ZERO);
        assert_eq!(at(10, Level::Normal).delay(), Duration::ZERO);
    }

    #[test]
    fn the_scarcest_counts_and_is_named() {
        let readings = Readings {
            free: 500,
            messages: 900,
            memory: 10,
        };
        let pressure = judge(&limits(), readings, Level::Normal);
        assert_eq!(pressure.level, Level::Refusing);
        assert!(pressure.of_disk);
        assert!(pressure.why.contains("500 octets free"), "{}", pressure.why);
        let none = Limits {
            free_space_floor: 0,
            max_messages: 0,
            max_memory: None,
            ..Limits::default()
        };
        let full = Readings {
            free: 0,
            messages: u64::MAX,
            memory: u64::MAX,
        };
        assert_eq!(judge(&none, full, Level::Normal).level, Level::Normal);
    }
}
