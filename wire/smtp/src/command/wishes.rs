//! Wishes for the handling of a message: how urgent it is, when it may leave, by when it should be there.

use bridgehead_mail::{ByMode, DeliverBy, Hold, Timestamp};

/// `MT-PRIORITY=` (RFC 6710): -9 to 9.
pub(super) fn level(value: &str) -> Option<i8> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let one = digits.len() == 1 && digits.bytes().all(|octet| octet.is_ascii_digit());
    one.then(|| value.parse().ok())?
}

/// `HOLDFOR=` (RFC 4865 §3): seconds, at most nine digits.
pub(super) fn hold_for(value: &str) -> Option<Hold> {
    seconds(value).map(Hold::For)
}

/// `HOLDUNTIL=` (RFC 4865 §3, erratum 2040): a date and time of RFC 3339.
pub(super) fn hold_until(value: &str) -> Option<Hold> {
    Timestamp::parse_rfc3339(value).map(Hold::Until)
}

/// `BY=` (RFC 2852): seconds that may be past, a mode, and whether to trace.
pub(super) fn by(value: &str) -> Option<DeliverBy> {
    let (time, how) = value.split_once(';')?;
    let (digits, past) = match time.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (time.strip_prefix('+').unwrap_or(time), false),
    };
    let seconds = i32::try_from(seconds(digits)?).ok()?;
    let seconds = if past { -seconds } else { seconds };
    let mut letters = how.chars();
    let mode = match letters.next()?.to_ascii_uppercase() {
        'N' => ByMode::Notify,
        'R' => ByMode::Return,
        _ => return None,
    };
    let trace = match letters.next() {
        None => false,
        Some('T' | 't') => true,
        Some(_) => return None,
    };
    // RFC 2852: with R the time must lie ahead.
    let ahead = seconds > 0 || mode == ByMode::Notify;
    (letters.next().is_none() && ahead).then_some(DeliverBy {
        seconds,
        mode,
        trace,
    })
}

/// One to nine digits.
fn seconds(digits: &str) -> Option<u32> {
    let fits = (1..=9).contains(&digits.len());
    let all = digits.bytes().all(|octet| octet.is_ascii_digit());
    (fits && all).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_one_digit() {
        for (text, expected) in [
            ("0", Some(0)),
            ("9", Some(9)),
            ("-9", Some(-9)),
            ("3", Some(3)),
        ] {
            assert_eq!(level(text), expected, "{text}");
        }
        for text in ["", "-", "10", "+1", "-10", "a", "--1", "1 "] {
            assert_eq!(level(text), None, "{text}");
        }
    }

    #[test]
    fn holds_are_intervals_or_dates() {
        assert_eq!(hold_for("3600"), Some(Hold::For(3600)));
        assert_eq!(hold_for("1234567890"), None);
        assert_eq!(hold_for("-1"), None);
        let until = Timestamp::from_millis(1_795_443_067_000);
        assert_eq!(hold_until("2026-11-23T14:11:07Z"), Some(Hold::Until(until)));
        assert_eq!(hold_until("tomorrow"), None);
    }

    #[test]
    fn deliver_by_has_a_time_a_mode_and_perhaps_a_trace() {
        let expected = |seconds, mode, trace| {
            Some(DeliverBy {
                seconds,
                mode,
                trace,
            })
        };
        assert_eq!(by("120;R"), expected(120, ByMode::Return, false));
        assert_eq!(by("+120;rt"), expected(120, ByMode::Return, true));
        assert_eq!(by("-5;N"), expected(-5, ByMode::Notify, false));
        assert_eq!(by("0;NT"), expected(0, ByMode::Notify, true));
        for text in [
            "",
            "120",
            "120;",
            "0;R",
            "-1;R",
            "120;X",
            "120;RX",
            "120;RTT",
            ";R",
            "1e3;N",
            "1234567890;N",
        ] {
            assert_eq!(by(text), None, "{text}");
        }
    }
}
