//! Who is next: links with their ready parts, retry times, expiry. In memory only; rebuilt at every start.

use crate::control::{Decision, Steering};
use crate::turns::{Standing, Turns, Waiter};
use bridgehead_mail::{Failure, LinkName, MessageId, NextHop, Timestamp};
use hashbrown::HashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// So many times are kept without looking for stale ones.
const STALE_MAX: usize = 4_096;

/// All queues that share one next hop.
pub(crate) struct Link {
    pub(crate) name: LinkName,
    pub(crate) hop: NextHop,
    ready: Turns,
    held: Option<Held>,
    closed: Option<Closed>,
    /// Until then the hours of its schedule don't keep it closed, because an operator said so.
    let_through: Timestamp,
    frozen: Option<Decision>,
    /// Why it leads nowhere, if it does: nothing is ever handed over there.
    lost: Option<Closed>,
}

/// A link with which nothing is wrong, and that isn't to be used before a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Until when.
    pub until: Timestamp,
    /// Why, in words.
    pub why: Arc<str>,
    /// Whether it is so by its schedule, which an operator may pass over.
    pub by_schedule: bool,
}

/// A link that isn't to be tried before a time.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) until: Timestamp,
    pub(crate) failure: Arc<Failure>,
}

/// The clockwork of the queue.
#[derive(Default)]
pub(crate) struct Schedule {
    links: Vec<Link>,
    by_hop: HashMap<NextHop, u32>,
    /// Links with ready parts.
    with_ready: BTreeSet<u32>,
    due: BinaryHeap<Reverse<(Timestamp, MessageId, u32)>>,
    expiry: BinaryHeap<Reverse<(Timestamp, MessageId)>>,
    /// How long the two may grow before they are swept.
    sweep_expiry_at: usize,
    sweep_due_at: usize,
    steering: Steering,
}

impl Schedule {
    /// The link for a next hop, made if need be.
    pub(crate) fn link_for(&mut self, hop: &NextHop) -> u32 {
        if let Some(number) = self.by_hop.get(hop) {
            return *number;
        }
        let number = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let name = hop.link();
        let frozen = self.steering.holds(&name, *hop == NextHop::Local).cloned();
        self.links.push(Link {
            name,
            hop: hop.clone(),
            ready: Turns::default(),
            held: None,
            closed: None,
            let_through: Timestamp::EPOCH,
            frozen,
            lost: match hop {
                NextHop::Unreachable { why, .. } => Some(Closed {
                    until: Timestamp::NEVER,
                    why: why.as_ref().into(),
                    by_schedule: false,
                }),
                _ => None,
            },
        });
        self.by_hop.insert(hop.clone(), number);
        number
    }

    pub(crate) fn link(&self, number: u32) -> Option<&Link> {
        self.links.get(usize::try_from(number).ok()?)
    }

    fn link_mut(&mut self, number: u32) -> Option<&mut Link> {
        self.links.get_mut(usize::try_from(number).ok()?)
    }

    pub(crate) fn push_ready(&mut self, link: u32, standing: Standing, waiter: Waiter) {
        if let Some(found) = self.link_mut(link) {
            found.ready.push(standing, waiter);
            self.with_ready.insert(link);
        }
    }

    /// A part that was taken and given back goes first.
    pub(crate) fn push_front(&mut self, link: u32, standing: Standing, waiter: Waiter) {
        if let Some(found) = self.link_mut(link) {
            found.ready.push_front(standing, waiter);
            self.with_ready.insert(link);
        }
    }

    /// The ready part of a link whose turn it is, unless the link is held.
    pub(crate) fn pop_ready(&mut self, link: u32, now: Timestamp) -> Option<Waiter> {
        let is_open = self.link(link)?.is_open(now);
        is_open.then(|| self.pop(link))?
    }

    /// The same for who has asked for what waits there: neither its hours nor a failure of another way keep it back.
    pub(crate) fn pop_asked(&mut self, link: u32) -> Option<Waiter> {
        let may_be_had = self.link(link)?.may_be_asked_for();
        may_be_had.then(|| self.pop(link))?
    }

    fn pop(&mut self, link: u32) -> Option<Waiter> {
        let found = self.link_mut(link)?;
        let popped = found.ready.pop();
        if found.ready.is_empty() {
            self.with_ready.remove(&link);
        }
        popped
    }

    /// Links for whose name something holds, and that may be asked for.
    pub(crate) fn asked(&self, meant: &dyn Fn(&LinkName) -> bool) -> Vec<u32> {
        let numbered = (0u32..).zip(&self.links);
        let asked = numbered.filter(|(_, link)| link.may_be_asked_for() && meant(&link.name));
        asked.map(|(number, _)| number).collect()
    }

    /// Links that are called so; more than one if the settings of a connector were changed.
    pub(crate) fn named(&self, name: &LinkName) -> Vec<u32> {
        let numbered = (0u32..).zip(&self.links);
        let matching = numbered.filter(|(_, link)| link.name == *name);
        matching.map(|(number, _)| number).collect()
    }

    /// Links with ready parts that aren't held, with how many.
    pub(crate) fn ready(&mut self, now: Timestamp) -> Vec<(u32, usize)> {
        for number in &self.with_ready {
            let place = usize::try_from(*number).unwrap_or(usize::MAX);
            if let Some(link) = self.links.get_mut(place) {
                link.closed.take_if(|closed| closed.until <= now);
            }
        }
        let links = self
            .with_ready
            .iter()
            .filter_map(|number| Some((*number, self.link(*number)?)));
        links
            .filter(|(_, link)| link.is_open(now))
            .map(|(number, link)| (number, link.ready.len()))
            .collect()
    }

    /// Which links have a next hop for which something holds.
    pub(crate) fn which(&self, holds: &dyn Fn(&NextHop) -> bool) -> Vec<bool> {
        self.links.iter().map(|link| holds(&link.hop)).collect()
    }

    /// No link is held back any more because of a failure.
    pub(crate) fn release_all(&mut self) {
        for link in &mut self.links {
            link.held = None;
        }
    }

    /// Closes a link for a while. Returns whether it is closed: an operator may have let it through.
    pub(crate) fn close(&mut self, link: u32, closed: Closed, now: Timestamp) -> bool {
        let Some(found) = self.link_mut(link) else {
            return false;
        };
        if closed.by_schedule && found.let_through > now {
            return false;
        }
        found.closed = Some(closed);
        true
    }

    /// Links that may be open again: somebody looks anew.
    pub(crate) fn open(&mut self, link: u32) {
        if let Some(found) = self.link_mut(link) {
            found.closed = None;
        }
    }

    /// The same for all links, also for those that an operator let through.
    pub(crate) fn open_all(&mut self) {
        for link in &mut self.links {
            link.closed = None;
            link.let_through = Timestamp::EPOCH;
        }
    }

    /// A link that its schedule keeps closed is open until its schedule opens it. Returns whether it was closed.
    pub(crate) fn let_through(&mut self, link: u32) -> bool {
        let found = self.link_mut(link);
        let closed = found.filter(|found| found.closed.as_ref().is_some_and(|one| one.by_schedule));
        let Some(found) = closed else {
            return false;
        };
        let closed = found.closed.take();
        found.let_through = closed.map_or(Timestamp::EPOCH, |closed| closed.until);
        true
    }

    /// Until a time its schedule doesn't keep the link closed.
    pub(crate) fn let_through_until(&mut self, link: u32, until: Timestamp) {
        if let Some(found) = self.link_mut(link) {
            found.closed.take_if(|closed| closed.by_schedule);
            found.let_through = found.let_through.max(until);
        }
    }

    /// All that waits for a time of this server's clock comes so much earlier.
    pub(crate) fn pull_links(&mut self, by: Duration) {
        for link in &mut self.links {
            if let Some(held) = &mut link.held {
                held.until = held.until.before(by);
            }
            link.closed = None;
        }
    }

    pub(crate) fn hold(&mut self, link: u32, held: Option<Held>) {
        if let Some(found) = self.link_mut(link) {
            found.held = held;
        }
    }

    /// What operators hold.
    pub(crate) const fn steering(&self) -> &Steering {
        &self.steering
    }

    /// What operators hold from now on.
    pub(crate) fn steer(&mut self, steering: Steering) {
        self.steering = steering;
        for link in &mut self.links {
            let local = link.hop == NextHop::Local;
            link.frozen = self.steering.holds(&link.name, local).cloned();
        }
    }

    pub(crate) fn retry_at(&mut self, at: Timestamp, message: MessageId, part: u32) {
        self.due.push(Reverse((at, message, part)));
    }

    /// Times of messages that are gone are forgotten once there may be as many of them as of others.
    pub(crate) fn sweep(&mut self, lives: impl Fn(&MessageId) -> bool) {
        if self.expiry.len() > self.sweep_expiry_at {
            self.expiry.retain(|Reverse((_, message))| lives(message));
            self.sweep_expiry_at = self.expiry.len().saturating_mul(2).max(STALE_MAX);
        }
        if self.due.len() > self.sweep_due_at {
            self.due.retain(|Reverse((_, message, _))| lives(message));
            self.sweep_due_at = self.due.len().saturating_mul(2).max(STALE_MAX);
        }
    }

    /// So many messages are about to be given times at which they expire.
    pub(crate) fn reserve(&mut self, messages: usize) {
        self.expiry.reserve_exact(messages);
    }

    pub(crate) fn expire_at(&mut self, at: Timestamp, message: MessageId) {
        self.expiry.push(Reverse((at, message)));
    }

    /// A retry that has come, with the time it was set for; it may be stale.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, MessageId, u32)> {
        let Reverse((at, _, _)) = self.due.peek()?;
        if *at > now {
            return None;
        }
        self.due.pop().map(|Reverse(due)| due)
    }

    /// An expiry that has come; it may be stale.
    pub(crate) fn pop_expired(&mut self, now: Timestamp) -> Option<MessageId> {
        let Reverse((at, _)) = self.expiry.peek()?;
        if *at > now {
            return None;
        }
        self.expiry.pop().map(|Reverse((_, message))| message)
    }

    /// When the clock must be looked at next.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.due.peek().map(|Reverse((at, _, _))| *at);
        let expiry = self.expiry.peek().map(|Reverse((at, _))| *at);
        let held = self
            .with_ready
            .iter()
            .filter_map(|number| self.link(*number))
            .filter(|link| link.frozen.is_none())
            .filter_map(|link| link.shut_until(now))
            .min();
        [due, expiry, held].into_iter().flatten().min()
    }
}

impl Link {
    /// Whether something may be handed over.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.may_be_asked_for() && self.shut_until(now).is_none()
    }

    /// Whether its mail may go to who asks for it, whatever its hours are.
    pub(crate) const fn may_be_asked_for(&self) -> bool {
        self.frozen.is_none() && !self.is_lost()
    }

    /// Whether it leads nowhere: its mail waits for another way.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// Who holds it, if an operator does.
    pub(crate) const fn frozen(&self) -> Option<&Decision> {
        self.frozen.as_ref()
    }

    /// How many parts wait for their turn.
    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// When its hold and its closing are both over, if they aren't.
    fn shut_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.shut_until_ever().filter(|until| *until > now)
    }

    /// When its hold and its closing are both over, also if that time has come and nobody has tried it since.
    pub(crate) fn shut_until_ever(&self) -> Option<Timestamp> {
        let held = self.held.as_ref().map(|held| held.until);
        let closed = self.closed.as_ref().map(|closed| closed.until);
        held.max(closed)
    }

    /// Why it isn't used, if nothing is wrong with it.
    pub(crate) fn closed(&self) -> Option<&Closed> {
        self.lost.as_ref().or(self.closed.as_ref())
    }

    pub(crate) const fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }
}
