//! How many connections a destination takes at once: grows while it takes them, halves when it doesn't (as TCP does, RFC 5681).
//!
//! Guards: it is never below one, and never above its bound.

use super::Moment;
use std::time::Duration;

/// After something went wrong the window grows no faster than by one in this time, so that a destination at its limit isn't
/// asked for more all the time.
const REST: Duration = Duration::from_secs(15);

/// A window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    size: usize,
    bound: usize,
    /// Below this it grows with each success, above it only slowly.
    threshold: usize,
    /// Successes since it last grew.
    successes: usize,
    /// When it last changed after a failure, or because of one.
    changed: Option<Moment>,
    shrunk: Option<Moment>,
}

impl Window {
    /// A window that begins with this size.
    pub(crate) fn new(first: usize, bound: usize) -> Self {
        let bound = bound.max(1);
        Self {
            size: first.clamp(1, bound),
            bound,
            threshold: bound,
            successes: 0,
            changed: None,
            shrunk: None,
        }
    }

    /// How many at once.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Another bound from now on.
    pub(crate) fn bind(&mut self, bound: usize) {
        let bound = bound.max(1);
        if self.threshold == self.bound {
            self.threshold = bound;
        }
        self.bound = bound;
        self.size = self.size.min(bound);
    }

    /// Something arrived while so many were in use, and so many of these taken by the other side. Returns whether there is more
    /// room now.
    pub(crate) fn worked(&mut self, in_use: usize, taken: usize, now: Moment) -> bool {
        // Room that nobody uses says nothing about what the other side takes.
        if in_use < self.size || self.size >= self.bound {
            return false;
        }
        // Nor does, once it has said no, a connection that it hasn't answered yet.
        if self.shrunk.is_some() && taken < self.size {
            return false;
        }
        self.successes += 1;
        if self.size >= self.threshold {
            let rested = self.changed.is_none_or(|at| now >= at.saturating_add(REST));
            if self.successes < self.size || !rested {
                return false;
            }
            self.changed = Some(now);
        }
        self.size += 1;
        self.successes = 0;
        true
    }

    /// Something failed that began at a time, while so many were in use. `at_limit` says that others went on, so that it
    /// was too many. What began before the last failure learnt nothing new.
    pub(crate) fn failed(&mut self, in_use: usize, at_limit: bool, began: Moment, now: Moment) {
        if self.shrunk.is_some_and(|at| at > began) {
            return;
        }
        self.size = (self.size.min(in_use.max(1)) / 2).max(1);
        if at_limit {
            self.threshold = self.size;
        }
        self.successes = 0;
        self.changed = Some(now);
        self.shrunk = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    /// Something arrived while all of it was in use.
    fn worked(window: &mut Window, second: u64) -> bool {
        let size = window.size();
        window.worked(size, size, at(second))
    }

    #[test]
    fn it_starts_small_and_grows_with_each_success_up_to_its_bound() {
        let mut window = Window::new(2, 5);
        let mut sizes = vec![window.size()];
        for _ in 0..10 {
            worked(&mut window, 0);
            sizes.push(window.size());
        }
        assert_eq!(sizes, [2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5]);
    }

    #[test]
    fn room_that_nobody_uses_doesnt_grow() {
        let mut window = Window::new(2, 5);
        assert!(!window.worked(1, 1, at(0)));
        assert_eq!(window.size(), 2);
    }

    #[test]
    fn it_halves_with_what_was_in_use_and_then_grows_slowly() {
        let mut window = Window::new(8, 8);
        window.failed(6, true, at(100), at(100));
        assert_eq!(window.size(), 3);
        // So many successes and so much time, and one more.
        for _ in 0..100 {
            assert!(!window.worked(3, 3, at(114)));
        }
        assert!(window.worked(3, 3, at(115)));
        assert_eq!(window.size(), 4);
        assert!(!window.worked(4, 4, at(129)));
        for _ in 0..3 {
            window.worked(4, 4, at(130));
        }
        assert_eq!(window.size(), 5);
    }

    #[test]
    fn after_a_failure_only_what_the_other_side_took_makes_it_grow() {
        let mut window = Window::new(6, 6);
        window.failed(6, false, at(0), at(1));
        assert_eq!(window.size(), 3);
        assert!(window.worked(3, 3, at(2)));
        for _ in 0..10 {
            assert!(!window.worked(4, 3, at(2)), "the fourth isn't taken yet");
        }
        assert!(window.worked(4, 4, at(2)));
        assert_eq!(window.size(), 5);
    }

    #[test]
    fn failures_at_once_count_once_and_it_stays_at_one() {
        let mut window = Window::new(8, 8);
        window.failed(8, true, at(10), at(20));
        window.failed(8, true, at(11), at(21));
        window.failed(8, true, at(20), at(22));
        assert_eq!(window.size(), 2, "the second had begun before");
        for second in 30..40 {
            window.failed(1, true, at(second), at(second));
        }
        assert_eq!(window.size(), 1);
    }

    #[test]
    fn after_an_outage_it_is_soon_where_it_was() {
        let mut window = Window::new(8, 8);
        for second in 1..10 {
            window.failed(1, false, at(second), at(second));
        }
        assert_eq!(window.size(), 1);
        for _ in 0..7 {
            assert!(worked(&mut window, 10));
        }
        assert_eq!(window.size(), 8);
    }

    #[test]
    fn another_bound_holds_at_once() {
        let mut window = Window::new(8, 8);
        window.bind(3);
        assert_eq!(window.size(), 3);
        window.bind(0);
        assert_eq!(window.size(), 1);
        window.bind(20);
        for _ in 0..30 {
            worked(&mut window, 0);
        }
        assert_eq!(window.size(), 20);
    }
}
