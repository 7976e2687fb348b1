//! Mail that is handed over to who asks for it (RFC 2645), whatever keeps it from going by itself.
//!
//! Guards: what operators hold isn't had by asking; what was asked for and not taken waits again as it did before.

use crate::Queue;
use crate::entry::{Entry, Part, PartState, Stage};
use crate::lease::PartLease;
use crate::queue::ReadyLink;
use crate::state::State;
use bridgehead_mail::{LinkName, MessageId, Phase, Timestamp};
use std::sync::atomic::Ordering;

impl Queue {
    /// How much may be had on the links for which something holds.
    #[must_use]
    pub fn can_be_asked_for(&self, meant: &dyn Fn(&LinkName) -> bool) -> u64 {
        let groups = self.waiting_on(meant).into_iter();
        let free = groups.filter(|group| group.frozen.is_none());
        free.map(|group| {
            let kept = [
                Phase::Frozen,
                Phase::Poison,
                Phase::Deleted,
                Phase::Unreachable,
            ];
            let kept = kept.iter().filter_map(|phase| group.phases.get(phase));
            group.count.saturating_sub(kept.sum::<u64>())
        })
        .sum()
    }

    /// These links are asked for: what waits there for another try waits no longer.
    pub fn end_waits_on(&self, meant: &dyn Fn(&LinkName) -> bool) {
        // Who asks again and again must not have all messages looked through each time.
        let groups = self.waiting_on(meant);
        if !groups
            .iter()
            .any(|group| group.phases.contains_key(&Phase::Retry))
        {
            return;
        }
        let mut state = self.shared.state.lock();
        let links = state.schedule.asked(meant);
        state.end_waits_on(&links);
    }

    /// The links for which something holds, where something may be had by [`Self::next_asked`].
    #[must_use]
    pub fn asked_links(&self, meant: &dyn Fn(&LinkName) -> bool, now: Timestamp) -> Vec<ReadyLink> {
        let mut state = self.shared.state.lock();
        state.promote_due(now);
        let numbers = state.schedule.asked(meant).into_iter();
        let links = numbers.filter_map(|number| {
            let link = state.schedule.link(number)?;
            Some(ReadyLink {
                number,
                link: link.name.clone(),
                hop: link.hop.clone(),
                waiting: link.ready(),
            })
        });
        links.filter(|link| link.waiting > 0).collect()
    }

    /// The oldest ready part of a link, also where its hours or a failure keep the link closed; none while settlements can't be
    /// recorded.
    #[must_use]
    pub fn next_asked(&self, link: u32, now: Timestamp) -> Option<PartLease> {
        if self.shared.failing.load(Ordering::Acquire) {
            return None;
        }
        loop {
            let taken = {
                let mut state = self.shared.state.lock();
                state.promote_due(now);
                state.first(link, |schedule| schedule.pop_asked(link))?
            };
            if let Some(lease) = self.lend(&taken, now) {
                return Some(lease);
            }
        }
    }
}

impl State {
    /// Makes ready what waits on these links for its next try.
    fn end_waits_on(&mut self, links: &[u32]) {
        if links.is_empty() {
            return;
        }
        // What was never tried waits because its sender wishes so (RFC 4865), or for a rate: that holds.
        let meant = |part: &Part| {
            let failed = part.carried.attempts > 0;
            failed && matches!(part.state, PartState::Retry(_)) && links.contains(&part.link)
        };
        let waits = |entry: &Entry| {
            let Stage::Parts(parts) = &entry.stage else {
                return false;
            };
            parts.iter().any(meant) && !entry.is_kept()
        };
        let waiting = self.entries.iter().filter(|(_, entry)| waits(entry));
        let mut waiting: Vec<MessageId> = waiting.map(|(id, _)| *id).collect();
        waiting.sort_unstable();
        for message in waiting {
            self.end_waits(message, meant);
        }
    }
}
