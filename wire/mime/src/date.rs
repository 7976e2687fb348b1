//! Dates in messages (RFC 5322 §3.3), always in UTC.

use bridgehead_mail::Timestamp;

/// `Mon, 23 Nov 2026 14:11:07 +0000`; a time beyond the calendar is shown as the epoch.
#[must_use]
pub fn date_time(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// `2026-11-23 14:11 UTC`, which is read the same in every language.
pub(crate) fn plain_time(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(0);
    let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_in_the_form_of_the_rfc() {
        let at = Timestamp::from_millis(1_795_443_067_000);
        assert_eq!(date_time(at), "Mon, 23 Nov 2026 14:11:07 +0000");
        assert_eq!(
            date_time(Timestamp::NEVER),
            "Thu, 01 Jan 1970 00:00:00 +0000"
        );
    }
}
