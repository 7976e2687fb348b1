//! How often: a bucket of tokens, one of which each time costs (the generic cell rate algorithm, which needs one number).
//!
//! Guards: over any time never more than the rate and one burst.

use super::Moment;
use bridgehead_mail::Rate;

/// A bucket. Its rate comes with each question, so that it may change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    /// When it is full again.
    full: Moment,
}

impl Bucket {
    /// When the next token is there; none if one is there now.
    pub(crate) fn due(&self, rate: Rate, now: Moment) -> Option<Moment> {
        let spare = rate.interval().saturating_mul(rate.burst() - 1);
        let due = self.full.saturating_sub(spare);
        (due > now).then_some(due)
    }

    /// Takes a token, if one is there.
    ///
    /// # Errors
    /// When the next one is there.
    pub(crate) fn take(&mut self, rate: Rate, now: Moment) -> Result<(), Moment> {
        if let Some(due) = self.due(rate, now) {
            return Err(due);
        }
        self.full = self.full.max(now).saturating_add(rate.interval());
        Ok(())
    }

    /// A token wasn't needed.
    pub(crate) fn give_back(&mut self, rate: Rate) {
        self.full = self.full.saturating_sub(rate.interval());
    }

    /// Whether it is full, so that it may be forgotten.
    pub(crate) fn is_full(&self, now: Moment) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let rate = Rate::parse("5/s").unwrap();
        let mut bucket = Bucket::default();
        for _ in 0..5 {
            assert_eq!(bucket.take(rate, at(0)), Ok(()));
        }
        assert_eq!(bucket.take(rate, at(0)), Err(at(200)));
        assert_eq!(bucket.take(rate, at(199)), Err(at(200)));
        assert_eq!(bucket.take(rate, at(200)), Ok(()));
        assert_eq!(bucket.take(rate, at(200)), Err(at(400)));
    }

    #[test]
    fn over_a_long_time_it_is_the_rate() {
        let rate = Rate::parse("30/min").unwrap();
        let mut bucket = Bucket::default();
        let (mut now, mut taken) = (at(1), 0);
        while now < at(3_600_000) {
            match bucket.take(rate, now) {
                Ok(()) => taken += 1,
                Err(due) => now = due,
            }
        }
        assert_eq!(taken, 1_800);
    }

    #[test]
    fn what_was_not_needed_is_there_again() {
        let rate = Rate::parse("1/h").unwrap();
        let mut bucket = Bucket::default();
        assert_eq!(bucket.take(rate, at(1000)), Ok(()));
        assert!(!bucket.is_full(at(2000)));
        bucket.give_back(rate);
        assert!(bucket.is_full(at(2000)));
        assert_eq!(bucket.take(rate, at(2000)), Ok(()));
    }

    #[test]
    fn a_pause_saves_no_more_than_a_burst() {
        let rate = Rate::parse("2/s").unwrap();
        let mut bucket = Bucket::default();
        let day = at(86_400_000);
        let taken = (0..100).filter(|_| bucket.take(rate, day).is_ok()).count();
        assert_eq!(taken, 2);
    }
}
