//! How long messages took: counted in steps of a sixteenth of their size, so that nothing is kept of each.

use std::time::Duration;

/// Steps for each doubling.
const STEPS: u64 = 16;
const STEP_BITS: u32 = 4;
/// Enough for every number of microseconds.
const BUCKETS: usize = 64 * STEPS as usize;

/// Durations, counted.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            longest: Duration::ZERO,
        }
    }

    pub(crate) fn count(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(micros)) {
            *count += 1;
            self.total += 1;
        }
        self.longest = self.longest.max(took);
    }

    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }

    /// What so many of a thousand stayed within; at most a sixteenth too much.
    pub(crate) fn within(&self, of_thousand: u64) -> Duration {
        let wanted = (u128::from(self.total) * u128::from(of_thousand)).div_ceil(1000);
        let mut seen = 0;
        for (number, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted.max(1) {
                return Duration::from_micros(top(number)).min(self.longest);
            }
        }
        Duration::ZERO
    }
}

/// Exact below 16 µs, then 16 steps for each doubling.
fn bucket(micros: u64) -> usize {
    let magnitude = micros
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(STEP_BITS);
    let step = micros >> magnitude;
    let number = u64::from(magnitude) * STEPS + step;
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The largest number of microseconds in a bucket.
fn top(number: usize) -> u64 {
    let number = number as u64;
    if number < 2 * STEPS {
        return number;
    }
    let magnitude = number / STEPS - 1;
    let step = number - magnitude * STEPS;
    ((step + 1) << magnitude).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_what_it_says() {
        for micros in (0..5_000).chain([1 << 20, (1 << 20) + 1, u64::MAX >> 1]) {
            let number = bucket(micros);
            assert!(top(number) >= micros, "{micros}");
            assert!(number == 0 || top(number - 1) < micros, "{micros}");
            assert!(top(number) - micros <= micros / 16 + 1, "{micros}");
        }
    }

    #[test]
    fn percentiles_are_of_what_was_counted() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.within(500), Duration::ZERO);
        for micros in 1..=1000 {
            histogram.count(Duration::from_micros(micros));
        }
        let near = |found: Duration, wanted: u64| {
            let found = u64::try_from(found.as_micros()).unwrap();
            found >= wanted && found <= wanted + wanted / 16 + 1
        };
        assert!(near(histogram.within(500), 500));
        assert!(near(histogram.within(990), 990));
        assert_eq!(histogram.within(1000), Duration::from_micros(1000));
        assert_eq!(histogram.longest(), Duration::from_micros(1000));
    }
}
