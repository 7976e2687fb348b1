//! How orders of operators change the state. No disk, no clock, no thread; who calls writes down what was changed.

use crate::control::{Control, Decision, Deletion, Effect, Order};
use crate::entry::{Carried, Entry, Part, PartState, Stage};
use crate::schedule::{Held, Link};
use crate::state::State;
use bridgehead_mail::{Failure, LinkName, MessageId, NextHop, Timestamp};
use std::sync::Arc;

impl State {
    /// Carries out an order on one message.
    pub(crate) fn obey(
        &mut self,
        message: MessageId,
        order: &Order,
        decision: &Decision,
    ) -> Effect {
        let Some(entry) = self.entries.get(&message) else {
            return Effect::Gone;
        };
        match order {
            // It isn't this server's yet.
            _ if entry.adopting().is_some() => return Effect::Busy,
            Order::Retry => return self.retry(message),
            // Its sender is just being told.
            Order::Restore | Order::Expire(_) if entry.returned.is_some() && entry.is_busy() => {
                return Effect::Busy;
            }
            Order::Resubmit if entry.is_busy() => return Effect::Busy,
            // It will be categorized anyway.
            Order::Resubmit
                if entry.resolved.is_none() && matches!(entry.stage, Stage::Submission) =>
            {
                return Effect::Already;
            }
            _ => {}
        }
        let before = entry.control.as_deref().cloned().unwrap_or_default();
        let mut control = before.clone();
        decide(&mut control, order, decision);
        if is_same(&control, &before) {
            return Effect::Already;
        }
        if let Some(mut entry) = self.entries.get_mut(&message) {
            entry.set_control(Box::new(control));
        }
        self.follow(message, order);
        Effect::Changed
    }

    /// What follows from a decision that has just been made.
    fn follow(&mut self, message: MessageId, order: &Order) {
        match order {
            Order::Freeze | Order::Retry => {}
            Order::Thaw => self.route_again(message, false),
            Order::Redirect(_) => self.route_again(message, true),
            Order::Restore => {
                self.tell_nobody(message);
                self.route_again(message, false);
            }
            Order::Resubmit => self.route_again(message, true),
            Order::Delete { until, .. } => {
                // Unless that is under way, its sender isn't told of anything before.
                self.tell_nobody(message);
                self.cool(message);
                self.schedule.expire_at(*until, message);
            }
            Order::Prioritize(_) => {
                for number in self.ready_parts(message) {
                    self.queue_up(message, number);
                }
            }
            Order::Expire(at) => {
                if let Some(mut entry) = self.entries.get_mut(&message) {
                    entry.expires = *at;
                    entry.returned = None;
                    self.schedule.expire_at(*at, message);
                }
            }
        }
    }

    /// A message isn't over after all.
    fn tell_nobody(&mut self, message: MessageId) {
        if let Some(mut entry) = self.entries.get_mut(&message) {
            entry.returned = None;
        }
    }

    fn ready_parts(&self, message: MessageId) -> Vec<u32> {
        let Some(Stage::Parts(parts)) = self.entries.get(&message).map(|entry| &entry.stage) else {
            return Vec::new();
        };
        let numbered = (0u32..).zip(parts);
        let ready = numbered.filter(|(_, part)| part.state == PartState::Ready);
        ready.map(|(number, _)| number).collect()
    }

    /// A message is tried now, on a path that is found anew. Who calls lets its links go at the end: until then it shows whom
    /// they hold.
    fn retry(&mut self, message: MessageId) -> Effect {
        let Some(entry) = self.entries.get(&message) else {
            return Effect::Gone;
        };
        if entry.is_kept() {
            return Effect::Already;
        }
        let parts = match &entry.stage {
            Stage::Parts(parts) => parts,
            Stage::Taken => return Effect::Busy,
            Stage::Submission => return self.end_carried_wait(message),
        };
        let holds = |link: &Link| link.held().is_some();
        let waits = parts.iter().any(|part| match part.state {
            PartState::Retry(_) => true,
            PartState::Ready => self.schedule.link(part.link).is_some_and(holds),
            PartState::Active | PartState::Done => false,
        });
        if !waits {
            return Effect::Already;
        }
        self.route_again(message, true);
        Effect::Changed
    }

    /// A message that is to be routed won't wait for its next try afterwards.
    fn end_carried_wait(&mut self, message: MessageId) -> Effect {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return Effect::Gone;
        };
        let carried = entry.carried.as_deref_mut();
        match carried.filter(|carried| carried.until > Timestamp::EPOCH) {
            Some(carried) => {
                carried.until = Timestamp::EPOCH;
                Effect::Changed
            }
            None => Effect::Already,
        }
    }

    /// Finds new next hops for a message, at once or when what is being handed over of it has ended. `now` says whether its waits
    /// are over.
    pub(crate) fn route_again(&mut self, message: MessageId, now: bool) {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return;
        };
        if now && let Some(carried) = entry.carried.as_deref_mut() {
            carried.until = Timestamp::EPOCH;
        }
        if entry.is_busy() {
            entry.reroute = Some(now || entry.reroute == Some(true));
            drop(entry);
            if now {
                self.end_waits(message, |_| true);
            }
            return;
        }
        if entry.resolved.is_none() && matches!(entry.stage, Stage::Parts(_)) {
            // The record of its addressees is under way: they can't be read yet.
            entry.reroute = Some(now || entry.reroute == Some(true));
            drop(entry);
            if now {
                self.end_waits(message, |_| true);
            }
            for number in self.ready_parts(message) {
                self.queue_up(message, number);
            }
            return;
        }
        if let Stage::Parts(parts) = &entry.stage {
            let carried = carried(
                parts.iter().filter(|part| part.state != PartState::Done),
                now,
            );
            entry.carried = carried;
        }
        drop(entry);
        self.submit(message);
    }

    /// Makes ready the parts of a message that wait for their next try, if they are meant.
    pub(crate) fn end_waits(&mut self, message: MessageId, meant: impl Fn(&Part) -> bool) {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return;
        };
        let Stage::Parts(parts) = &mut entry.stage else {
            return;
        };
        let mut ended = Vec::new();
        for (number, part) in (0u32..).zip(parts) {
            if matches!(part.state, PartState::Retry(_)) && meant(part) {
                part.state = PartState::Ready;
                part.carried.until = Timestamp::EPOCH;
                ended.push(number);
            }
        }
        drop(entry);
        for number in ended {
            self.queue_up(message, number);
        }
    }

    /// Sends messages back to be routed again (after a change of the ways). Returns how many.
    pub(crate) fn reroute(&mut self) -> u64 {
        let mut moved = 0;
        for message in self.oldest_first() {
            let on_its_way = |entry: &Entry| {
                matches!(entry.stage, Stage::Parts(_)) && entry.deleted_until().is_none()
            };
            if self.entries.get(&message).is_some_and(on_its_way) {
                self.route_again(message, false);
                moved += 1;
            }
        }
        moved
    }

    /// Sends messages back to be routed again that wait on links with a next hop for which this holds. Returns how many.
    pub(crate) fn reroute_links(&mut self, concerned: &dyn Fn(&NextHop) -> bool) -> u64 {
        let links = self.schedule.which(concerned);
        // The usual case takes no look at the messages.
        if !links.contains(&true) {
            return 0;
        }
        let waits = |entry: &Entry| {
            let Stage::Parts(parts) = &entry.stage else {
                return false;
            };
            let mut open = parts
                .iter()
                .filter(|part| matches!(part.state, PartState::Ready | PartState::Retry(_)));
            let is_there = |link: u32| {
                let place = usize::try_from(link).ok();
                place.and_then(|place| links.get(place)) == Some(&true)
            };
            entry.deleted_until().is_none() && open.any(|part| is_there(part.link))
        };
        let mut moved: Vec<MessageId> = self
            .entries
            .iter()
            .filter(|(_, entry)| waits(entry))
            .map(|(id, _)| *id)
            .collect();
        moved.sort_unstable();
        for message in &moved {
            self.route_again(*message, true);
        }
        u64::try_from(moved.len()).unwrap_or(u64::MAX)
    }

    /// Holds or releases all links of a name.
    pub(crate) fn hold(&mut self, name: &LinkName, until: Timestamp, failure: Option<&Failure>) {
        let held = failure.map(|failure| Held {
            until,
            failure: Arc::new(failure.clone()),
        });
        for link in self.schedule.named(name) {
            self.schedule.hold(link, held.clone());
        }
    }
}

/// What the parts of a message have behind them, as one.
fn carried<'p>(parts: impl Iterator<Item = &'p Part>, now: bool) -> Option<Box<Carried>> {
    let most = parts
        .map(|part| &part.carried)
        .max_by_key(|carried| carried.attempts)?;
    let mut carried = most.clone();
    if now {
        carried.until = Timestamp::EPOCH;
    }
    Some(Box::new(carried))
}

fn decide(control: &mut Control, order: &Order, decision: &Decision) {
    match order {
        Order::Freeze => control.frozen = Some(decision.clone()),
        Order::Thaw => {
            control.frozen = None;
            control.poison = None;
        }
        Order::Retry => {}
        Order::Resubmit => control.resubmit = true,
        Order::Delete { until, report } => {
            control.deleted = Some(Deletion {
                decision: decision.clone(),
                until: *until,
                report: *report,
            });
        }
        Order::Restore => control.deleted = None,
        Order::Redirect(connector) => control.redirect.clone_from(connector),
        Order::Prioritize(priority) => control.priority = Some(*priority),
        Order::Expire(at) => control.expires = Some(*at),
    }
}

/// Whether only who decided differs: the first decision stands.
fn is_same(after: &Control, before: &Control) -> bool {
    let frozen = after.frozen.is_some() == before.frozen.is_some();
    let deleted = match (&after.deleted, &before.deleted) {
        // To have it gone earlier is a change; later, the first decision stands.
        (Some(after), Some(before)) => after.report == before.report && after.until >= before.until,
        (after, before) => after.is_none() && before.is_none(),
    };
    frozen
        && deleted
        && after.poison == before.poison
        && (after.priority, after.expires, after.resubmit)
            == (before.priority, before.expires, before.resubmit)
        && after.redirect == before.redirect
}
