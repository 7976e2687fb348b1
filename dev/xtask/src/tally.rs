//! Adds up the summaries of a test run that consists of many binaries.

use std::fmt;

/// Tests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl Tally {
    /// Takes a line of output; anything but a summary is passed over.
    pub(crate) fn take(&mut self, line: &str) {
        let Some(summary) = line.strip_prefix("test result: ") else {
            return;
        };
        let counts = summary
            .split_once(". ")
            .map_or(summary, |(_, counts)| counts);
        for part in counts.split(';') {
            let mut words = part.split_whitespace();
            let (Some(number), Some(what)) = (words.next(), words.next()) else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }

    /// Tests that ran but said that they couldn't do their work here count as skipped.
    pub(crate) fn skip(&mut self, tests: u64) {
        let tests = tests.min(self.passed);
        self.passed -= tests;
        self.skipped += tests;
    }

    /// A test binary that died without a summary counts as one failure.
    pub(crate) fn ended(&mut self, success: bool) {
        if !success && self.failed == 0 {
            self.failed = 1;
        }
    }

    /// Whether tests ran, and all of them passed.
    pub(crate) fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_add_up_and_other_lines_do_not_count() {
        let mut tally = Tally::default();
        tally.take("running 7 tests");
        tally.take("test result: ok. 6 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s");
        tally.take("test a::b ... ok");
        tally
            .take("test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(tally.to_string(), "8 passed, 1 failed, 1 skipped");
        assert!(!tally.is_good());
    }

    #[test]
    fn a_binary_that_died_is_a_failure() {
        let mut tally = Tally::default();
        tally.take("test result: ok. 6 passed; 0 failed; 0 ignored");
        tally.ended(false);
        assert_eq!(tally.to_string(), "6 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn no_test_at_all_is_not_good() {
        assert!(!Tally::default().is_good());
    }

    #[test]
    fn a_skip_moves_from_passed_to_skipped() {
        let mut tally = Tally::default();
        tally.take("test result: ok. 3 passed; 0 failed; 0 ignored");
        tally.skip(1);
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 1 skipped");
    }
}
