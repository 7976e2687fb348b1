//! What happens when the clock of the machine is set back: waits that were counted from the old time don't get longer.
//!
//! Guards: a retry comes as late as it was meant to, whatever the clock shows, give or take the time between two looks at it. What a sender asked for and when a message is
//! given up are times of day, and stay.

use crate::entry::{Entry, PartState, Stage};
use crate::state::State;
use bridgehead_mail::Timestamp;
use std::time::Duration;

/// Less is the clock being adjusted, and two threads that read it.
const STEP_MIN: Duration = Duration::from_secs(2);

impl State {
    /// Takes note of the time. If it went back, all waits begin to count from there.
    pub(crate) fn follow_clock(&mut self, now: Timestamp) {
        let back = self.seen.since(now);
        if back < STEP_MIN {
            self.seen = self.seen.max(now);
            return;
        }
        self.seen = now;
        tracing::warn!(
            seconds = back.as_secs(),
            "the clock was set back: retries come as much earlier by it"
        );
        self.schedule.pull_links(back);
        let schedule = &mut self.schedule;
        self.entries.each(|message, entry| {
            if let Some(carried) = &mut entry.carried
                && carried.attempts > 0
            {
                carried.until = carried.until.before(back);
            }
            for (number, until) in pull_parts(entry, back) {
                schedule.retry_at(until, *message, number);
            }
        });
        for until in self.unreadable.values_mut() {
            *until = None;
        }
    }
}

/// Parts that wait for their next try wait as much shorter; what was never tried waits for a time that its sender chose.
fn pull_parts(entry: &mut Entry, back: Duration) -> Vec<(u32, Timestamp)> {
    let Stage::Parts(parts) = &mut entry.stage else {
        return Vec::new();
    };
    let mut pulled = Vec::new();
    for (number, part) in (0u32..).zip(parts.iter_mut()) {
        if let PartState::Retry(until) = part.state
            && part.carried.attempts > 0
        {
            let until = until.before(back);
            part.state = PartState::Retry(until);
            part.carried.until = until;
            pulled.push((number, until));
        }
    }
    pulled
}
