//! Damping: a link that comes and goes is held down until it has come to rest.
//!
//! Each loss adds to a penalty, of which half is left after the half-life. Guards: the penalty has a ceiling, so that a link is
//! never held down longer than the ceiling takes to decay.

use crate::settings::DampingSettings;
use crate::time::Time;
use std::time::Duration;

/// The penalty of one link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Damping {
    penalty: f64,
    at: Time,
    held: bool,
}

impl Damping {
    /// The link was lost.
    pub fn flap(&mut self, now: Time, settings: &DampingSettings) {
        self.decay(now, settings);
        self.penalty = (self.penalty + settings.flap).min(settings.ceiling);
        self.held |= self.penalty >= settings.suppress;
    }

    /// Whether the link is held down; lets it go when its time has come.
    pub fn is_held(&mut self, now: Time, settings: &DampingSettings) -> bool {
        self.decay(now, settings);
        self.held &= self.penalty >= settings.reuse;
        self.held
    }

    /// When it is let go if nothing happens; never if it isn't held.
    #[must_use]
    pub fn deadline(&self, settings: &DampingSettings) -> Time {
        if !self.held {
            return Time::NEVER;
        }
        let halvings = (self.penalty / settings.reuse).log2().max(0.0);
        // A moment later rather than a moment too early.
        let wait = settings.half_life.mul_f64(halvings) + Duration::from_millis(2);
        self.at.after(wait)
    }

    /// Whether nothing worth keeping is left.
    pub fn is_spent(&mut self, now: Time, settings: &DampingSettings) -> bool {
        self.decay(now, settings);
        !self.held && self.penalty < 1.0
    }

    fn decay(&mut self, now: Time, settings: &DampingSettings) {
        let halvings =
            now.since(self.at).as_secs_f64() / settings.half_life.as_secs_f64().max(0.001);
        self.penalty *= (-halvings).exp2();
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    #[test]
    fn one_loss_is_free_and_many_hold_the_link_down_for_a_bounded_time() {
        let settings = DampingSettings::default();
        let mut damping = Damping::default();
        damping.flap(at(0), &settings);
        assert!(!damping.is_held(at(0), &settings));
        for second in 1..3600 {
            damping.flap(at(second), &settings);
        }
        assert!(damping.is_held(at(3600), &settings));
        let end = damping.deadline(&settings);
        // From 4000 to 1000 in two half-lives.
        assert!(end > at(3600 + 590) && end < at(3600 + 610), "{end:?}");
        assert!(damping.is_held(at(3600 + 590), &settings));
        assert!(!damping.is_held(end, &settings));
        assert_eq!(damping.deadline(&settings), Time::NEVER);
    }

    #[test]
    fn rare_losses_never_add_up() {
        let settings = DampingSettings::default();
        let mut damping = Damping::default();
        for hour in 0..100 {
            damping.flap(at(hour * 3600), &settings);
            assert!(!damping.is_held(at(hour * 3600), &settings));
        }
        assert!(damping.is_spent(at(200 * 3600), &settings));
    }

    #[test]
    fn a_clock_that_goes_back_changes_nothing() {
        let settings = DampingSettings::default();
        let mut damping = Damping::default();
        damping.flap(at(1000), &settings);
        damping.flap(at(10), &settings);
        damping.flap(at(10), &settings);
        assert!(damping.is_held(at(10), &settings));
    }
}
