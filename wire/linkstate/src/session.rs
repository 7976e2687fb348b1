//! One neighbour: what it still has to be told, what it hasn't acknowledged, and whether it answers at all.
//!
//! Guards: what waits for a neighbour is a set of origins, so it never outgrows the table, and a record that was replaced meanwhile
//! is never sent. A neighbour that doesn't answer is only asked for its digest now and then; what it missed follows when it answers.

use crate::settings::Settings;
use crate::time::Time;
use crate::topology::ServerId;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// So many messages may be without an acknowledgement.
const FLIGHTS_MAX: usize = 8;
/// After so many messages in turn without one the neighbour may count as away.
const STRIKES_MAX: u32 = 3;
/// It does when the last wait was so many times the ordinary one.
const LAST_WAIT: u32 = 4;
/// An acknowledgement may take so many times what acknowledgements took lately.
const SPREAD: u32 = 4;
/// So many late messages are remembered, to learn how late they were.
const LATE_MAX: usize = 8;

/// What is going on with one neighbour.
#[derive(Clone, Debug)]
pub struct Session {
    waiting: BTreeSet<ServerId>,
    flush_at: Time,
    flights: VecDeque<Flight>,
    /// Those that were given up.
    late: VecDeque<Flight>,
    /// How long acknowledgements took lately; none if there was none.
    round_trip: Option<Duration>,
    number: u32,
    digest_at: Time,
    strikes: u32,
    away: bool,
    instances: [Option<u64>; 2],
}

/// A message without an acknowledgement yet.
#[derive(Clone, Debug)]
struct Flight {
    number: u32,
    sent_at: Time,
    late_at: Time,
    origins: Vec<ServerId>,
}

/// What a message from the neighbour shows, whatever it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// It was away, or is another process than before.
    pub(crate) anew: bool,
    /// An earlier process speaks again: there are two.
    pub(crate) twin: bool,
}

impl Session {
    /// A neighbour that is asked for its digest at `digest_at`.
    pub(crate) const fn new(digest_at: Time) -> Self {
        Self {
            waiting: BTreeSet::new(),
            flush_at: Time::NEVER,
            flights: VecDeque::new(),
            late: VecDeque::new(),
            round_trip: None,
            number: 0,
            digest_at,
            strikes: 0,
            away: false,
            instances: [None; 2],
        }
    }

    /// Whether the neighbour doesn't answer.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.away
    }

    /// How many messages it hasn't acknowledged yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.flights.len()
    }

    /// The neighbour is to be told of an origin, after `wait`.
    pub(crate) fn tell(&mut self, now: Time, origin: ServerId, wait: Duration) {
        if !self.away {
            self.waiting.insert(origin);
            self.flush_at = self.flush_at.min(now.after(wait));
        }
    }

    /// The neighbour lacks an origin, as it says or shows; unless that is on its way already.
    pub(crate) fn tell_missing(&mut self, now: Time, origin: ServerId, wait: Duration) {
        let mut flights = self.flights.iter();
        if !flights.any(|flight| flight.origins.contains(&origin)) {
            self.tell(now, origin, wait);
        }
    }

    /// The neighbour has the newest record of an origin.
    pub(crate) fn has(&mut self, origin: ServerId) {
        self.waiting.remove(&origin);
    }

    /// What is to be told now.
    pub(crate) fn take_waiting(&mut self, now: Time) -> Vec<ServerId> {
        if now < self.flush_at || self.flights.len() >= FLIGHTS_MAX {
            return Vec::new();
        }
        self.flush_at = Time::NEVER;
        std::mem::take(&mut self.waiting).into_iter().collect()
    }

    /// The number of a message that is sent now and wants an acknowledgement.
    pub(crate) fn send(&mut self, now: Time, origins: Vec<ServerId>, settings: &Settings) -> u32 {
        let doubled = 1_u32 << self.strikes.min(8);
        let patience = (self.patience(settings) * doubled).min(settings.patience_max);
        self.number = self.number.wrapping_add(1);
        for flight in &mut self.flights {
            // What this one brings needn't be repeated for the sake of an earlier one.
            flight.origins.retain(|origin| !origins.contains(origin));
        }
        self.flights.push_back(Flight {
            number: self.number,
            sent_at: now,
            late_at: now.after(patience),
            origins,
        });
        self.number
    }

    /// How long an acknowledgement may take at first: where they come soon a lost message is missed soon.
    pub(crate) fn patience(&self, settings: &Settings) -> Duration {
        let usual = self.round_trip.map(|usual| usual.saturating_mul(SPREAD));
        // Whoever has set both shorter than the least wants that.
        let least = settings.patience_min.min(settings.patience);
        let usual = usual.map_or(settings.patience, |usual| usual.max(least));
        usual.min(settings.patience_max)
    }

    /// The number of a message that wants none.
    pub(crate) const fn number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// A message was acknowledged.
    pub(crate) fn acknowledged(&mut self, now: Time, number: u32) {
        let before = self.flights.len();
        let all = self.flights.iter().chain(&self.late);
        let took = all.filter(|flight| flight.number == number);
        if let Some(took) = took.map(|flight| now.since(flight.sent_at)).next() {
            // Up at once, down slowly.
            let usual = self.round_trip.map(|usual| (usual * 7 + took) / 8);
            self.round_trip = Some(usual.map_or(took, |usual| usual.max(took)));
        }
        self.late.retain(|flight| flight.number != number);
        self.flights.retain(|flight| flight.number != number);
        if self.flights.len() < before && !self.waiting.is_empty() {
            self.flush_at = self.flush_at.min(now);
        }
    }

    /// Something arrived from the neighbour's process `instance`.
    pub(crate) fn heard(&mut self, now: Time, instance: u64) -> Heard {
        let [current, before] = self.instances;
        let restarted = current.is_some_and(|current| current != instance);
        let heard = Heard {
            anew: self.away || restarted,
            twin: restarted && before == Some(instance),
        };
        if current != Some(instance) {
            self.instances = [Some(instance), current];
        }
        self.strikes = 0;
        if heard.anew {
            self.away = false;
            self.digest_at = now;
        }
        heard
    }

    /// Digests are compared at this time, if not before.
    pub(crate) fn compare_by(&mut self, time: Time) {
        self.digest_at = self.digest_at.min(time);
    }

    /// Whether it is time to compare digests; the one of two neighbours whose name comes first asks regularly.
    pub(crate) fn take_digest(&mut self, now: Time, asks: bool, settings: &Settings) -> bool {
        let due = now >= self.digest_at;
        if due {
            self.digest_at = match (self.away, asks) {
                (true, _) => now.after(settings.away_interval),
                (false, true) => now.after(settings.digest_interval),
                (false, false) => Time::NEVER,
            };
        }
        due
    }

    /// A message should have been acknowledged by now: digests are compared, which shows whether it or only its acknowledgement was
    /// lost. True if the neighbour counts as away from now on.
    pub(crate) fn expire(&mut self, now: Time, settings: &Settings) -> bool {
        let (late, flights): (VecDeque<Flight>, _) = std::mem::take(&mut self.flights)
            .into_iter()
            .partition(|flight| flight.late_at <= now);
        self.flights = flights;
        let waits = late
            .iter()
            .map(|flight| flight.late_at.since(flight.sent_at));
        let Some(longest) = waits.max() else {
            return false;
        };
        self.late.extend(late);
        let surplus = self.late.len().saturating_sub(LATE_MAX);
        self.late.drain(..surplus);
        self.strikes = self.strikes.saturating_add(1);
        if self.away {
            self.waiting.clear();
            return false;
        }
        let last = settings.patience.saturating_mul(LAST_WAIT);
        if self.strikes < STRIKES_MAX || longest < last.min(settings.patience_max) {
            self.digest_at = now;
            return false;
        }
        self.away = true;
        self.waiting.clear();
        self.flights.clear();
        self.late.clear();
        self.flush_at = Time::NEVER;
        self.digest_at = now.after(settings.away_interval);
        true
    }

    /// When something is to be done.
    pub(crate) fn deadline(&self) -> Time {
        let late = self.flights.iter().map(|flight| flight.late_at);
        let late = late.min().unwrap_or(Time::NEVER);
        let flush = if self.flights.len() < FLIGHTS_MAX {
            self.flush_at
        } else {
            Time::NEVER
        };
        late.min(flush).min(self.digest_at)
    }

    /// Another topology: the servers have other numbers. Digests bring back what is forgotten here.
    pub(crate) fn renumber(&mut self, now: Time) {
        self.waiting.clear();
        self.flights.clear();
        self.late.clear();
        self.flush_at = Time::NEVER;
        self.digest_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::Session;
    use crate::settings::Settings;
    use crate::time::Time;
    use std::time::Duration;

    /// After how many milliseconds a message is given up that is sent at `at` and never acknowledged.
    fn patience(session: &mut Session, at: u64) -> u64 {
        let settings = Settings::default();
        let mut session = session.clone();
        session.send(Time::from_millis(at), Vec::new(), &settings);
        let late = |wait: &u64| {
            let mut asked = session.clone();
            asked.expire(Time::from_millis(at + wait), &settings);
            asked.strikes > session.strikes
        };
        (0..20_000).step_by(10).find(late).unwrap()
    }

    fn acknowledge_after(session: &mut Session, at: u64, wait: u64) {
        let number = session.send(Time::from_millis(at), Vec::new(), &Settings::default());
        session.acknowledged(Time::from_millis(at + wait), number);
    }

    #[test]
    fn a_message_is_missed_the_sooner_the_faster_others_were_acknowledged() {
        let mut session = Session::new(Time::NEVER);
        assert_eq!(patience(&mut session, 0), 2000);
        acknowledge_after(&mut session, 0, 20);
        assert_eq!(patience(&mut session, 1000), 500);
        // One that is slow counts at once, those that are fast again little by little.
        acknowledge_after(&mut session, 1000, 400);
        assert_eq!(patience(&mut session, 2000), 1600);
        acknowledge_after(&mut session, 2000, 20);
        let later = patience(&mut session, 3000);
        assert!((1300..1600).contains(&later), "{later}");
    }

    #[test]
    fn an_acknowledgement_that_comes_too_late_still_shows_how_long_they_take() {
        let (mut session, settings) = (Session::new(Time::NEVER), Settings::default());
        acknowledge_after(&mut session, 0, 20);
        let number = session.send(Time::from_millis(1000), Vec::new(), &settings);
        assert!(!session.expire(Time::from_millis(1600), &settings));
        session.acknowledged(Time::from_millis(1900), number);
        session.heard(Time::from_millis(1900), 1);
        assert_eq!(patience(&mut session, 2000), 3600);
    }

    #[test]
    fn short_waits_are_kept_and_a_neighbour_still_counts_as_away() {
        let millis = Duration::from_millis;
        let settings = Settings {
            patience: millis(100),
            patience_max: millis(200),
            ..Settings::default()
        };
        let mut session = Session::new(Time::NEVER);
        for wait in [1, 90, 1] {
            let number = session.send(Time::START, Vec::new(), &settings);
            session.acknowledged(Time::from_millis(wait), number);
            let patience = session.patience(&settings);
            assert!((100..=200).contains(&patience.as_millis()), "{patience:?}");
        }
        for _ in 0..3 {
            assert!(!session.is_away());
            session.send(Time::START, Vec::new(), &settings);
            session.expire(Time::from_millis(200), &settings);
        }
        assert!(session.is_away());
    }

    #[test]
    fn a_neighbour_is_away_after_as_long_as_ever_however_fast_it_was() {
        let settings = Settings::default();
        for fast in [false, true] {
            let mut session = Session::new(Time::NEVER);
            if fast {
                acknowledge_after(&mut session, 0, 20);
            }
            let (mut now, mut tries) = (Time::from_millis(1000), 0);
            while !session.is_away() {
                session.send(now, Vec::new(), &settings);
                tries += 1;
                now = session.flights.back().map_or(now, |flight| flight.late_at);
                session.expire(now, &settings);
            }
            let took = now.since(Time::from_millis(1000));
            let expected = if fast { (15_500, 5) } else { (14_000, 3) };
            assert_eq!(
                (took, tries),
                (Duration::from_millis(expected.0), expected.1)
            );
        }
    }
}
