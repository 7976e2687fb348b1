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
/// After so many messages in turn without one the neighbour counts as away.
const STRIKES_MAX: u32 = 3;

/// What is going on with one neighbour.
#[derive(Clone, Debug)]
pub struct Session {
    waiting: BTreeSet<ServerId>,
    flush_at: Time,
    flights: VecDeque<Flight>,
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
        let patience = (settings.patience * doubled).min(settings.patience_max);
        self.number = self.number.wrapping_add(1);
        for flight in &mut self.flights {
            // What this one brings needn't be repeated for the sake of an earlier one.
            flight.origins.retain(|origin| !origins.contains(origin));
        }
        self.flights.push_back(Flight {
            number: self.number,
            late_at: now.after(patience),
            origins,
        });
        self.number
    }

    /// The number of a message that wants none.
    pub(crate) const fn number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// A message was acknowledged.
    pub(crate) fn acknowledged(&mut self, now: Time, number: u32) {
        let before = self.flights.len();
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
        let before = self.flights.len();
        self.flights.retain(|flight| flight.late_at > now);
        if self.flights.len() == before {
            return false;
        }
        self.strikes = self.strikes.saturating_add(1);
        if self.away {
            self.waiting.clear();
            return false;
        }
        if self.strikes < STRIKES_MAX {
            self.digest_at = now;
            return false;
        }
        self.away = true;
        self.waiting.clear();
        self.flights.clear();
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
        self.flush_at = Time::NEVER;
        self.digest_at = now;
    }
}
