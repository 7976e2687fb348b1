//! What operators do to the queue while it runs.

use crate::Queue;
use crate::control::{Decision, Effect, Order, Steering};
use crate::error::Refused;
use crate::gather::Meaning;
use crate::pressure::Pressure;
use crate::record::Record;
use crate::settings::Limits;
use crate::small_file::FolderFault;
use bridgehead_mail::{LinkName, MessageId, NextHop, Timestamp};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl Queue {
    /// Carries out an order on messages, and says of each what it did, in their order. Durable after [`Queue::synced`]. Holds the
    /// queue up for a moment: with many messages, call it for some at a time. [`Order::Retry`] leaves links as they are: let
    /// those go with [`Queue::release_link`] that held one of the messages.
    pub fn control(
        &self,
        messages: &[MessageId],
        order: &Order,
        decision: &Decision,
    ) -> Vec<Effect> {
        let mut state = self.shared.state.lock();
        let mut gather = self.shared.gather.lock();
        if *order == Order::Retry {
            // What couldn't be read may be readable by now.
            state.look_again();
        }
        let mut effects = Vec::with_capacity(messages.len());
        for message in messages {
            let effect = state.obey(*message, order, decision);
            if effect == Effect::Changed
                && *order != Order::Retry
                && let Some(entry) = state.entries.get(message)
            {
                let control = entry.control.clone().unwrap_or_default();
                gather.add(*message, &Record::Controlled(control), Meaning::Other);
            }
            effects.push(effect);
        }
        self.shared.noted(gather);
        drop(state);
        self.shared.changed.notify_one();
        effects
    }

    /// The processing of a message has ended a worker; `how` is what it said. With the second time the message is set aside, until
    /// an operator thaws or deletes it. Returns whether it is set aside now.
    #[must_use]
    pub fn note_crash(&self, message: MessageId, how: &str) -> bool {
        let mut state = self.shared.state.lock();
        let poison = state.note_crash(message, how);
        if poison && let Some(entry) = state.entries.get(&message) {
            let mut gather = self.shared.gather.lock();
            let control = entry.control.clone().unwrap_or_default();
            gather.add(message, &Record::Controlled(control), Meaning::Other);
            self.shared.noted(gather);
        }
        drop(state);
        poison
    }

    /// Holds all mail for other servers, or lets it go; durable when this returns. Returns whether that was a change.
    ///
    /// # Errors
    /// If it can't be stored: then nothing is changed.
    pub fn hold_outbound(&self, held: Option<Decision>) -> Result<bool, Refused> {
        self.shared.steer(|steering| {
            let was = steering.outbound.is_some();
            if was != held.is_some() {
                steering.outbound = held;
            }
        })
    }

    /// Takes no new mail from now on, or takes it again; durable when this returns. Returns whether that was a change.
    ///
    /// # Errors
    /// If it can't be stored: then nothing is changed.
    pub fn drain(&self, drained: Option<Decision>) -> Result<bool, Refused> {
        self.shared.steer(|steering| {
            if steering.draining.is_some() != drained.is_some() {
                steering.draining = drained;
            }
        })
    }

    /// Holds a link, whether it exists yet or not, or lets it go; durable when this returns. Returns whether that was a change.
    ///
    /// # Errors
    /// If it can't be stored: then nothing is changed.
    pub fn freeze_link(&self, link: &LinkName, held: Option<Decision>) -> Result<bool, Refused> {
        self.shared.steer(|steering| match held {
            Some(decision) => {
                let links = &mut steering.links;
                links.entry(link.clone()).or_insert(decision);
            }
            None => {
                steering.links.remove(link);
            }
        })
    }

    /// Whether mail has waited on a link of this name since the start.
    #[must_use]
    pub fn knows_link(&self, link: &LinkName) -> bool {
        !self.shared.state.lock().schedule.named(link).is_empty()
    }

    /// What is held on the server as a whole.
    #[must_use]
    pub fn steering(&self) -> Steering {
        self.shared.state.lock().schedule.steering().clone()
    }

    /// Makes ready everything that waits. Returns how many messages that touched.
    pub fn retry_all(&self) -> u64 {
        let nobody = Decision {
            by: "".into(),
            at: Timestamp::EPOCH,
        };
        let effects = self.control(&self.ids(), &Order::Retry, &nobody);
        self.shared.state.lock().schedule.release_all();
        self.shared.changed.notify_one();
        let changed = effects
            .into_iter()
            .filter(|effect| *effect == Effect::Changed);
        changed.count() as u64
    }

    /// Sends everything back to be routed again; what is being handed over follows when that has ended. Returns how many
    /// messages that concerns.
    pub fn reroute(&self) -> u64 {
        let moved = self.shared.state.lock().reroute();
        self.shared.changed.notify_one();
        moved
    }

    /// Sends back to be routed again what waits on links with a next hop for which this holds, at once and whatever it waits for;
    /// what is being handed over follows when that has ended. Returns how many messages that concerns.
    pub fn reroute_links(&self, concerned: &dyn Fn(&NextHop) -> bool) -> u64 {
        let moved = self.shared.state.lock().reroute_links(concerned);
        if moved > 0 {
            self.shared.changed.notify_one();
        }
        moved
    }

    /// Sends one message back to be routed again, at once; if something of it is being handed over, when that has ended.
    pub fn route_again(&self, id: MessageId) {
        self.shared.state.lock().route_again(id, true);
        self.shared.changed.notify_one();
    }

    /// Removes a message at once, without a report and without a way back. Returns whether there was such a message. One that is
    /// being handed over may still arrive.
    pub fn delete(&self, id: MessageId) -> bool {
        let mut state = self.shared.state.lock();
        if !state.entries.contains_key(&id) {
            return false;
        }
        let mut gather = self.shared.gather.lock();
        self.shared.end(id, &mut state, &mut gather);
        self.shared.noted(gather);
        drop(state);
        true
    }

    /// Resolves when everything that was changed until now is on stable storage, so that a crash doesn't take it back.
    ///
    /// # Errors
    /// If storing fails: the change holds in memory, and is stored as soon as that is possible again.
    pub async fn synced(&self) -> Result<(), Refused> {
        let told = self.shared.synced().await;
        told.unwrap_or(Err(Refused::Closed))
    }

    /// New limits, in force from the next message on.
    pub fn apply(&self, limits: Limits) {
        self.shared.limit(limits);
        self.shared.state.lock().expire_after = limits.expire_after;
    }

    /// New mail goes to this folder from now on, which must be absolute and is made if need be, and what lies elsewhere is brought
    /// there in the background. Durable when this returns. Returns whether that was a change. May take long.
    ///
    /// # Errors
    /// If the folder can't be used: then nothing is changed.
    pub fn turn_to(&self, folder: &Path) -> Result<bool, FolderFault> {
        let turned = self.shared.turn_to(folder)?;
        if turned {
            tracing::info!(folder = %folder.display(), "new mail goes to another folder of the queue");
        }
        Ok(turned)
    }

    /// How long a message that an operator deletes now can be had back.
    #[must_use]
    pub fn undo_window(&self) -> Duration {
        self.shared.limits.lock().undo_window
    }

    /// How much memory the server uses, for the limit of it. Unit: octets.
    pub fn note_memory(&self, octets: u64) {
        self.shared.memory.store(octets, Ordering::Relaxed);
    }

    /// How hard it is for the server.
    #[must_use]
    pub fn pressure(&self, now: Timestamp) -> Pressure {
        self.shared.look(now).pressure.clone()
    }

    /// The operator says that the disk is well again. Returns why mail is still refused, if it is.
    pub fn resume(&self) -> Option<String> {
        self.shared.log.lock().resume();
        self.shared.failing.store(false, Ordering::Release);
        if self.shared.commit_once() {
            self.shared.changed.notify_one();
            return None;
        }
        self.refusing()
    }
}
