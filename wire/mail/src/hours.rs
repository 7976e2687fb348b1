//! Hours of the week, as `Mon-Fri 18:00-06:00`, and when they begin and end in a time zone.
//!
//! Guards: each of them comes exactly once for each of its days, whatever the clocks do: in the hour that a change of clocks leaves
//! out it comes right after it, and what touches the hour that comes twice lasts through both. Refuses: text that isn't of this form.

use crate::Timestamp;
use jiff::Timestamp as Instant;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use std::fmt;

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];
const DAY_MINUTES: u16 = 24 * 60;
/// From yesterday, whose hours may reach into today, over a whole week.
const DAYS_LOOKED_AT: i8 = 9;

/// A span of time on some days of the week. What ends no later than it begins ends on the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// One bit for each day, Monday's is the lowest.
    days: u8,
    /// Minutes since midnight.
    from: u16,
    to: u16,
}

/// Whether something is open by its hours, and until when it stays so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It is open, at least until then.
    Open(Timestamp),
    /// It is closed, and opens then.
    Closed(Timestamp),
}

impl Hours {
    /// From its text: days as `Mon`, `Mon-Fri` or `Mon,Wed,Sat-Sun`, a space, and times from `00:00` to `24:00` with a hyphen between
    /// them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (days, times) = text.trim().split_once(' ')?;
        let (from, to) = times.trim().split_once('-')?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        let mut bits = 0;
        for some in days.split(',') {
            bits |= day_bits(some)?;
        }
        // Of no length, or beginning where the day is over.
        if from == to || from == DAY_MINUTES {
            return None;
        }
        Some(Self {
            days: bits,
            from,
            to,
        })
    }

    /// Its time on a day, if it has one then.
    fn on(self, day: Date, zone: &TimeZone) -> Option<(Instant, Instant)> {
        let number = day.weekday().to_monday_zero_offset();
        if self.days & (1 << number) == 0 {
            return None;
        }
        let end_day = match self.to <= self.from || self.to == DAY_MINUTES {
            true => day.tomorrow().ok()?,
            false => day,
        };
        let from = zone.to_ambiguous_zoned(on_the_clock(day, self.from)?);
        let to = zone.to_ambiguous_zoned(on_the_clock(end_day, self.to % DAY_MINUTES)?);
        let (from, to) = (from.compatible().ok()?, to.later().ok()?);
        Some((from.timestamp(), to.timestamp()))
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |number: usize| self.days & (1 << number) != 0;
        let mut number = 0;
        let mut first = true;
        while number < DAYS.len() {
            if !has(number) {
                number += 1;
                continue;
            }
            let begin = number;
            while number + 1 < DAYS.len() && has(number + 1) {
                number += 1;
            }
            let name = |number: usize| DAYS.get(number).map_or("", |(name, _)| *name);
            f.write_str(if first { "" } else { "," })?;
            f.write_str(name(begin))?;
            if number > begin {
                write!(f, "-{}", name(number))?;
            }
            first = false;
            number += 1;
        }
        let clock = |minutes: u16| (minutes / 60, minutes % 60);
        let ((h, m), (to_h, to_m)) = (clock(self.from), clock(self.to));
        write!(f, " {h:02}:{m:02}-{to_h:02}:{to_m:02}")
    }
}

/// Whether something with these hours is open at a time, and until when; without hours it always is.
#[must_use]
pub fn opening(hours: &[Hours], zone: &TimeZone, at: Timestamp) -> Opening {
    let millis = i64::try_from(at.as_millis()).ok();
    let Some(instant) = millis.and_then(|millis| Instant::from_millisecond(millis).ok()) else {
        // Beyond the calendar.
        return Opening::Open(Timestamp::NEVER);
    };
    let mut spans = spans(hours, zone, instant);
    if hours.is_empty() || spans.is_empty() {
        return Opening::Open(Timestamp::NEVER);
    }
    spans.sort_unstable();
    let mut end = instant;
    for (from, to) in spans {
        if from > end {
            return match end > instant {
                true => Opening::Open(timestamp(end)),
                false => Opening::Closed(timestamp(from)),
            };
        }
        end = end.max(to);
    }
    Opening::Open(timestamp(end))
}

/// The spans that may count within a week.
fn spans(hours: &[Hours], zone: &TimeZone, at: Instant) -> Vec<(Instant, Instant)> {
    let today = zone.to_datetime(at).date();
    let mut day = today.yesterday().unwrap_or(today);
    let mut spans = Vec::new();
    for _ in 0..DAYS_LOOKED_AT {
        spans.extend(hours.iter().filter_map(|hours| hours.on(day, zone)));
        match day.tomorrow() {
            Ok(next) => day = next,
            Err(_) => break,
        }
    }
    spans
}

fn timestamp(instant: Instant) -> Timestamp {
    Timestamp::from_millis(u64::try_from(instant.as_millisecond()).unwrap_or(0))
}

fn on_the_clock(day: Date, minutes: u16) -> Option<DateTime> {
    let hour = i8::try_from(minutes / 60).ok()?;
    let minute = i8::try_from(minutes % 60).ok()?;
    Some(day.at(hour, minute, 0, 0))
}

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let number = |text: &str| {
        let fits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY_MINUTES).then_some(all)
}

fn day_number(name: &str) -> Option<usize> {
    DAYS.iter()
        .position(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// `Fri-Mon` goes over the end of the week.
fn day_bits(text: &str) -> Option<u8> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (mut number, last) = (day_number(first)?, day_number(last)?);
    let mut bits = 1 << number;
    while number != last {
        number = (number + 1) % DAYS.len();
        bits |= 1 << number;
    }
    Some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central European time, by its rule, so that no file of the machine counts.
    fn zone() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn hours(texts: &[&str]) -> Vec<Hours> {
        texts
            .iter()
            .map(|text| Hours::parse(text).unwrap())
            .collect()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn open(until: &str) -> Opening {
        Opening::Open(at(until))
    }

    fn closed(until: &str) -> Opening {
        Opening::Closed(at(until))
    }

    #[test]
    fn text_goes_in_and_comes_out_in_one_form() {
        for (text, shown) in [
            ("Mon-Fri 18:00-06:00", "Mon-Fri 18:00-06:00"),
            ("sat-sun 00:00-24:00", "Sat-Sun 00:00-24:00"),
            ("Fri-Mon 01:30-02:00", "Mon,Fri-Sun 01:30-02:00"),
            ("Wed,Mon,Tue  08:00-09:00", "Mon-Wed 08:00-09:00"),
        ] {
            assert_eq!(Hours::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_hours_is_refused() {
        for text in [
            "",
            "Mon",
            "18:00-06:00",
            "Mon 18-06",
            "Mon 25:00-26:00",
            "Mon 08:60-09:00",
            "Mon 24:00-06:00",
            "Mon 24:01-25:00",
            "Mon 08:00-08:00",
            "Mon- 08:00-09:00",
            "Mon,,Tue 08:00-09:00",
            "Monday 08:00-09:00",
            "Mon 8:00-9:00",
            "Mon +8:00-09:00",
            "Mon 08:00-09:00-10:00",
        ] {
            assert_eq!(Hours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn nights_and_weekends_open_and_close() {
        let hours = hours(&["Mon-Fri 18:00-06:00", "Sat-Sun 00:00-24:00"]);
        let zone = zone();
        // Thursday, 2026-11-26, in winter.
        let asked = |text| opening(&hours, &zone, at(text));
        assert_eq!(
            asked("2026-11-26T12:00:00+01:00"),
            closed("2026-11-26T18:00:00+01:00")
        );
        assert_eq!(
            asked("2026-11-26T18:00:00+01:00"),
            open("2026-11-27T06:00:00+01:00")
        );
        assert_eq!(
            asked("2026-11-27T05:59:59+01:00"),
            open("2026-11-27T06:00:00+01:00")
        );
        assert_eq!(
            asked("2026-11-27T06:00:00+01:00"),
            closed("2026-11-27T18:00:00+01:00")
        );
        // Friday night, the weekend, and nothing on Monday morning: Sunday ends at midnight.
        assert_eq!(
            asked("2026-11-27T20:00:00+01:00"),
            open("2026-11-30T00:00:00+01:00")
        );
        assert_eq!(
            asked("2026-11-30T00:00:00+01:00"),
            closed("2026-11-30T18:00:00+01:00")
        );
    }

    #[test]
    fn without_hours_it_is_always_open_and_with_all_hours_too() {
        let never = opening(&[], &zone(), at("2026-11-26T12:00:00Z"));
        assert_eq!(never, Opening::Open(Timestamp::NEVER));
        let all = hours(&["Mon-Sun 00:00-24:00"]);
        let now = at("2026-11-26T12:00:00Z");
        let Opening::Open(until) = opening(&all, &zone(), now) else {
            panic!("closed");
        };
        assert!(until.since(now).as_secs() > 6 * 86_400);
        let beyond = Timestamp::NEVER;
        assert_eq!(opening(&all, &zone(), beyond), Opening::Open(beyond));
    }

    #[test]
    fn an_hour_that_is_left_out_in_spring_loses_no_window() {
        // On 2026-03-29 the clocks go from 02:00 to 03:00, which is 01:00Z.
        let zone = zone();
        let inside = hours(&["Sun 02:15-02:45"]);
        let asked = |text| opening(&inside, &zone, at(text));
        assert_eq!(
            asked("2026-03-29T00:00:00Z"),
            closed("2026-03-29T01:15:00Z")
        );
        assert_eq!(asked("2026-03-29T01:15:00Z"), open("2026-03-29T01:45:00Z"));
        // Over the change: an hour less.
        let over = hours(&["Sat 22:00-06:00"]);
        let begin = at("2026-03-28T21:00:00Z");
        assert_eq!(opening(&over, &zone, begin), open("2026-03-29T04:00:00Z"));
        assert_eq!(
            opening(&over, &zone, at("2026-03-29T04:00:00Z")),
            closed("2026-04-04T20:00:00Z")
        );
    }

    #[test]
    fn an_hour_that_comes_twice_in_autumn_opens_once() {
        // On 2026-10-25 the clocks go from 03:00 to 02:00, which is 01:00Z.
        let zone = zone();
        let inside = hours(&["Sun 02:15-02:45"]);
        let asked = |text| opening(&inside, &zone, at(text));
        assert_eq!(
            asked("2026-10-25T00:00:00Z"),
            closed("2026-10-25T00:15:00Z")
        );
        assert_eq!(asked("2026-10-25T00:15:00Z"), open("2026-10-25T01:45:00Z"));
        assert_eq!(
            asked("2026-10-25T01:45:00Z"),
            closed("2026-11-01T01:15:00Z")
        );
        // Over the change: an hour more.
        let over = hours(&["Sat 22:00-06:00"]);
        let begin = at("2026-10-24T20:00:00Z");
        assert_eq!(opening(&over, &zone, begin), open("2026-10-25T05:00:00Z"));
    }
}
