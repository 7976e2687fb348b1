//! Whether a link works: from outcomes of attempts to "down" and back.
//!
//! Guards: a single failure means nothing; only failures some time apart count, and only after some of them the link is down. Then
//! probes are asked for, and the first success brings it back unless it flaps. Load is taken in steps and changes rarely.

use crate::damping::Damping;
use crate::settings::Settings;
use crate::time::Time;
use std::time::Duration;

/// How an attempt to use a link ended. Only what the link is to blame for counts as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The other side answered.
    Works,
    /// Nobody answered, at any of its hosts.
    Fails,
}

/// What an attempt showed of the raw link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Up,
    /// It failed so often; the last failure that counted was then.
    Suspect {
        failures: u32,
        counted: Time,
    },
    Down,
}

/// One link under watch.
#[derive(Clone, Debug)]
pub struct Watch {
    state: State,
    since: Time,
    damping: Damping,
    probe_at: Time,
    /// A probe was asked for, and nobody has said yet how it ended.
    asked: bool,
    wait: Duration,
    load: Load,
}

/// Mail that waits for the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How many messages.
    pub queued: u32,
    /// How long the oldest has waited, in seconds.
    pub delay: u32,
    /// What that adds to the cost.
    pub surcharge: u8,
    changed: Option<Time>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            state: State::Up,
            since: Time::START,
            damping: Damping::default(),
            probe_at: Time::NEVER,
            asked: false,
            wait: Duration::ZERO,
            load: Load::default(),
        }
    }
}

impl Watch {
    /// An attempt ended.
    pub fn note(&mut self, now: Time, outcome: Outcome, settings: &Settings) {
        match (outcome, self.state) {
            (Outcome::Works, State::Up) => {}
            (Outcome::Works, _) => {
                self.state = State::Up;
                self.since = now;
                self.probe_at = Time::NEVER;
                self.asked = false;
            }
            (Outcome::Fails, State::Up) => self.count(now, 1, settings),
            (Outcome::Fails, State::Suspect { failures, counted }) => {
                // Deliveries that fail side by side are one failure.
                if failures == 0 || now.since(counted) >= settings.glitch_interval {
                    self.count(now, failures.saturating_add(1), settings);
                } else {
                    self.probe_at = self.probe_at.min(counted.after(settings.glitch_interval));
                }
            }
            // Other attempts don't put the next probe off.
            (Outcome::Fails, State::Down) if !self.asked => {}
            (Outcome::Fails, State::Down) => {
                self.asked = false;
                self.wait = (self.wait * 2).min(settings.probe_interval_max);
                self.probe_at = now.after(self.wait);
            }
        }
    }

    fn count(&mut self, now: Time, failures: u32, settings: &Settings) {
        if failures > settings.glitch_retries {
            self.state = State::Down;
            self.since = now;
            self.asked = false;
            self.damping.flap(now, &settings.damping);
            self.wait = settings.probe_interval.min(settings.probe_interval_max);
            self.probe_at = now.after(self.wait);
        } else {
            let counted = now;
            self.state = State::Suspect { failures, counted };
            self.probe_at = now.after(settings.glitch_interval);
        }
    }

    /// Somebody else says that the link doesn't work: it is tried at once.
    pub fn suspect(&mut self, now: Time) {
        if self.state == State::Up {
            self.state = State::Suspect {
                failures: 0,
                counted: now,
            };
            self.probe_at = now;
        }
    }

    /// Whether the link is to be tried now; then it is to be noted how that ended.
    pub fn take_probe(&mut self, now: Time, settings: &Settings) -> bool {
        let due = now >= self.probe_at;
        if due {
            self.asked = true;
            self.probe_at = now.after(settings.probe_timeout);
        }
        due
    }

    /// The load changed; takes what it costs in steps, and not too often.
    pub fn note_load(&mut self, now: Time, queued: u32, delay: Duration, settings: &Settings) {
        let step = |delay: Duration| {
            let reached = settings.load_steps.iter().rev();
            let mut reached = reached.filter(|step| delay >= step.delay);
            reached.next().map_or(0, |step| step.surcharge)
        };
        self.load.queued = queued;
        self.load.delay = u32::try_from(delay.as_secs()).unwrap_or(u32::MAX);
        // Down only when half of what took it up is left, so that it doesn't go to and fro.
        let surcharge = match step(delay) {
            higher if higher > self.load.surcharge => higher,
            _ => step(delay.saturating_mul(2)).min(self.load.surcharge),
        };
        let rests = |changed: Time| now.since(changed) >= settings.load_interval;
        if surcharge != self.load.surcharge && self.load.changed.is_none_or(rests) {
            self.load.surcharge = surcharge;
            self.load.changed = Some(now);
        }
    }

    /// What waits for it.
    #[must_use]
    pub const fn load(&self) -> Load {
        self.load
    }

    /// Whether the link counts as down: nothing gets through, or it flaps.
    pub fn is_down(&mut self, now: Time, settings: &Settings) -> bool {
        let held = self.damping.is_held(now, &settings.damping);
        self.state == State::Down || held
    }

    /// Whether nothing gets through, whatever is said about it.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state == State::Down
    }

    /// Whether it failed, but not often enough to count as down.
    #[must_use]
    pub const fn is_suspected(&self) -> bool {
        matches!(self.state, State::Suspect { .. })
    }

    /// When it is tried next; never if it works.
    #[must_use]
    pub const fn next_probe(&self) -> Time {
        self.probe_at
    }

    /// Since when it is as it is.
    #[must_use]
    pub const fn since(&self) -> Time {
        self.since
    }

    /// When something is to be done.
    #[must_use]
    pub fn deadline(&self, settings: &Settings) -> Time {
        self.probe_at.min(self.damping.deadline(&settings.damping))
    }

    /// Whether there is nothing to remember.
    pub fn is_idle(&mut self, now: Time, settings: &Settings) -> bool {
        self.state == State::Up
            && self.load.queued == 0
            && self.load.surcharge == 0
            && self.damping.is_spent(now, &settings.damping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn a_link_is_down_only_after_failures_some_time_apart() {
        let settings = Settings::default();
        let mut watch = Watch::default();
        for millis in 0..900 {
            watch.note(at(millis), Outcome::Fails, &settings);
        }
        assert!(!watch.is_down(at(900), &settings));
        assert!(watch.take_probe(at(1000), &settings));
        assert!(!watch.take_probe(at(1001), &settings));
        watch.note(at(1000), Outcome::Fails, &settings);
        assert!(!watch.is_down(at(1000), &settings));
        watch.note(at(2000), Outcome::Fails, &settings);
        assert!(watch.is_down(at(2000), &settings));
        // Probes bring it back.
        assert_eq!(watch.deadline(&settings), at(7000));
        assert!(watch.take_probe(at(7000), &settings));
        watch.note(at(7001), Outcome::Fails, &settings);
        assert_eq!(watch.deadline(&settings), at(17_001));
        watch.note(at(17_001), Outcome::Works, &settings);
        assert!(!watch.is_down(at(17_001), &settings));
        assert_eq!(watch.deadline(&settings), Time::NEVER);
    }

    #[test]
    fn a_success_between_failures_makes_it_a_glitch() {
        let settings = Settings::default();
        let mut watch = Watch::default();
        for second in 0..100 {
            let outcome = if second % 3 == 2 {
                Outcome::Works
            } else {
                Outcome::Fails
            };
            watch.note(at(second * 1000), outcome, &settings);
            assert!(!watch.is_down(at(second * 1000), &settings));
        }
    }

    #[test]
    fn waits_between_probes_are_bounded() {
        let settings = Settings::default();
        let mut watch = Watch::default();
        let mut now = at(0);
        for _ in 0..100 {
            watch.note(now, Outcome::Fails, &settings);
            now = watch.deadline(&settings);
            assert!(watch.take_probe(now, &settings));
        }
        watch.note(now, Outcome::Fails, &settings);
        // Mail that is tried meanwhile puts nothing off.
        let later = now.after(Duration::from_secs(1));
        watch.note(later, Outcome::Fails, &settings);
        assert_eq!(
            watch.deadline(&settings),
            now.after(settings.probe_interval_max)
        );
    }

    #[test]
    fn a_suspicion_is_proved_by_failures_of_its_own() {
        let settings = Settings::default();
        let mut watch = Watch::default();
        watch.suspect(at(0));
        assert!(watch.take_probe(at(0), &settings));
        for (millis, down) in [(5, false), (1005, false), (2005, true)] {
            watch.note(at(millis), Outcome::Fails, &settings);
            assert_eq!(watch.is_down(at(millis), &settings), down);
        }
    }

    #[test]
    fn load_goes_up_in_steps_and_down_with_hysteresis() {
        let settings = Settings::default();
        let mut watch = Watch::default();
        let mut cost = |minute: u64, seconds: u64| {
            let now = at(minute * 60_000);
            watch.note_load(now, 10, Duration::from_secs(seconds), &settings);
            watch.load().surcharge
        };
        assert_eq!(cost(0, 59), 0);
        assert_eq!(cost(1, 60), 5);
        assert_eq!(cost(2, 400), 5, "too soon");
        assert_eq!(cost(3, 400), 20);
        assert_eq!(cost(6, 160), 20, "more than half is left");
        assert_eq!(cost(9, 100), 5);
        assert_eq!(cost(12, 0), 0);
    }
}
