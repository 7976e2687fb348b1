//! One copy of each failure: when a next hop is away, it is the same for all that waits for it.

use bridgehead_mail::Failure;
use std::collections::HashSet;
use std::sync::Arc;

/// So many are kept without looking for those that nobody has any more.
const KEPT_MIN: usize = 256;

/// The failures that messages have.
#[derive(Default)]
pub(crate) struct Failures {
    known: HashSet<Arc<Failure>>,
    sweep_at: usize,
}

impl Failures {
    /// The one copy of a failure.
    pub(crate) fn one(&mut self, failure: Arc<Failure>) -> Arc<Failure> {
        if let Some(known) = self.known.get(&failure) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.sweep_at.max(KEPT_MIN) {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = self.known.len().saturating_mul(2);
        }
        self.known.insert(Arc::clone(&failure));
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::StatusCode;

    fn failure(text: &str) -> Arc<Failure> {
        Arc::new(Failure::new(StatusCode::transient(4, 1), text))
    }

    #[test]
    fn equal_failures_are_one_and_what_nobody_has_is_forgotten() {
        let mut failures = Failures::default();
        let kept = failures.one(failure("busy"));
        assert!(Arc::ptr_eq(&kept, &failures.one(failure("busy"))));
        for number in 0..10 * KEPT_MIN {
            let _ = failures.one(failure(&number.to_string()));
        }
        assert!(failures.known.len() <= KEPT_MIN + 1);
        assert!(Arc::ptr_eq(&kept, &failures.one(failure("busy"))));
    }
}
