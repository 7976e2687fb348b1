//! Couriers: each serves one link over one connection until nothing waits there; the connection is kept for a while
//! for the next one. How many there are, and how soon, is the pace of the link. A link that nobody gets through to is held as a
//! whole, and then tried by one courier first.

use super::{Shared, now};
use crate::hand_over::handover;
use crate::settings::spread;
use bridgehead_delivery::{After, Carrier, Courier, Handed, NotConnected, Paused};
use bridgehead_mail::{Failure, LinkName, MessageId, NextHop, Opening, Timestamp};
use bridgehead_queue::{Closed, PartLease, ReadyLink};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tracing::Instrument;

/// What the corridor remembers of a link.
#[derive(Default)]
pub(super) struct LinkState {
    couriers: usize,
    /// Connections that wait for another message, with the time they were left.
    idle: Vec<(Carrier, Instant)>,
}

/// What a courier is sent to.
struct Errand {
    number: u32,
    link: LinkName,
    hop: NextHop,
    /// When its schedule closes the link.
    open_until: Timestamp,
}

impl Shared {
    /// All connections that wait for another message.
    pub(super) fn take_idle(&self) -> Vec<(Carrier, Instant)> {
        let mut links = self.links.lock();
        links
            .values_mut()
            .flat_map(|link| link.idle.drain(..))
            .collect()
    }

    /// Links that waited for a remote address may be tried.
    pub(super) fn open_called(&self) {
        for link in self.delivery.take_called() {
            self.queue.open_link(&link);
        }
    }

    /// Sends couriers to links with work.
    pub(super) fn send_couriers(self: &Arc<Self>) {
        let at = now();
        // Links of one connector have the same hours.
        let mut hours: HashMap<Box<str>, Opening> = HashMap::new();
        for ready in self.queue.ready_links(at) {
            let opening = match ready.hop.connector() {
                None => Opening::Open(Timestamp::NEVER),
                Some(connector) => *hours
                    .entry(connector.into())
                    .or_insert_with(|| self.delivery.opening(&ready.hop, at)),
            };
            let open_until = match opening {
                Opening::Open(until) => until,
                Opening::Closed(until) => {
                    let closed = Closed {
                        until,
                        why: match self.delivery.asked_for_by(&ready.hop) {
                            Some(by) if until == Timestamp::NEVER => {
                                format!("it waits until it is asked for ({by})").into()
                            }
                            _ => "it is outside its schedule".into(),
                        },
                        by_schedule: true,
                    };
                    if self.queue.close_link(ready.number, closed, at) {
                        continue;
                    }
                    // An operator, or who asked for it, let it through.
                    until
                }
            };
            self.send_to(&ready, open_until, at);
        }
    }

    /// Sends couriers to one link, as many as its pace allows.
    fn send_to(self: &Arc<Self>, ready: &ReadyLink, open_until: Timestamp, at: Timestamp) {
        let mut links = self.links.lock();
        let link = links.entry(ready.number).or_default();
        let allowed = self
            .delivery
            .couriers_at_most(&ready.hop, &ready.link, link.idle.len());
        let most = match allowed {
            Ok(most) => most.min(self.wanted(ready)),
            Err(Paused { why, wait }) => {
                let closed = Closed {
                    until: at.after(wait),
                    why: why.as_ref().into(),
                    by_schedule: false,
                };
                self.queue.close_link(ready.number, closed, at);
                return;
            }
        };
        while link.couriers < most {
            link.couriers += 1;
            self.couriers.fetch_add(1, Ordering::AcqRel);
            let idle = link.idle.pop().map(|(carrier, _)| carrier);
            let errand = Errand {
                number: ready.number,
                link: ready.link.clone(),
                hop: ready.hop.clone(),
                open_until,
            };
            let courier = self
                .delivery
                .courier(errand.hop.clone(), errand.link.clone(), idle);
            tokio::spawn(carry(Arc::clone(self), errand, courier));
        }
    }

    /// How many couriers what waits is worth.
    fn wanted(&self, ready: &ReadyLink) -> usize {
        let settings = &self.world.load().settings;
        match &ready.hop {
            // Never ready.
            NextHop::Unreachable { .. } => 0,
            // Its receiver comes for it, whatever an operator lets through.
            NextHop::SmartHosts { hosts, .. } if hosts.is_empty() => 0,
            NextHop::Local => ready.waiting.min(settings.local_deliveries.max(1)),
            NextHop::SmartHosts { .. } | NextHop::Mx { .. } | NextHop::Servers { .. } => {
                let each = settings.messages_per_further_connection.max(1);
                ready.waiting.div_ceil(each)
            }
        }
    }

    /// Closes connections that nobody needed for a while, and those whose place others need.
    pub(super) fn close_idle(&self) {
        let patience = self.world.load().settings.idle_connection;
        let mut old = Vec::new();
        let mut links = self.links.lock();
        for link in links.values_mut() {
            let (stale, fresh) =
                std::mem::take(&mut link.idle)
                    .into_iter()
                    .partition(|(carrier, left)| {
                        left.elapsed() >= patience || carrier.is_wanted_by_others()
                    });
            link.idle = fresh;
            old.extend::<Vec<_>>(stale);
        }
        links.retain(|_, link| link.couriers > 0 || !link.idle.is_empty());
        drop(links);
        close_all(old);
        self.delivery.forget_old();
    }

    /// All mail of a link waits after a failure that concerns the link. The same rule whatever the failure is: of the
    /// network, or the other side's "too many".
    fn hold(&self, link: &LinkName, failure: &Failure, failures: u32) {
        let wait = self.world.load().settings.retry.wait_after(failures);
        let wait = spread(wait, rand::random());
        tracing::warn!(%link, %failure, failures, wait_s = wait.as_secs(), "a link failed; its mail waits");
        self.queue.hold_link(link, now().after(wait), failure);
    }

    /// What follows from handing a message over. Returns whether the courier may go on.
    fn conclude(self: &Arc<Self>, errand: &Errand, lease: PartLease, handed: Handed) -> bool {
        let Handed {
            result,
            after,
            failure,
            has_room,
            recovered,
        } = handed;
        // Held before the part comes back, so that it isn't tried at once.
        if let (Some(After::Hold { failures }), Some(failure)) = (after, &failure) {
            self.hold(&errand.link, failure, failures);
        }
        if recovered {
            self.queue.release_link(&errand.link);
        }
        if has_room {
            self.wake.notify_one();
        }
        match result {
            Ok(outcomes) => {
                self.settle(lease, outcomes);
                after.is_none()
            }
            // It goes back as it came: that was no attempt.
            Err(NotConnected::Paused(_)) => false,
            Err(NotConnected::Failed(_)) if after == Some(After::Fewer) => false,
            Err(NotConnected::Failed(failure)) => {
                let outcomes = vec![failure.into_outcome(); lease.addressees.len()];
                self.settle(lease, outcomes);
                after.is_none()
            }
        }
    }

    fn courier_ends(&self, number: u32, carrier: Option<Carrier>) {
        let mut links = self.links.lock();
        let link = links.entry(number).or_default();
        link.couriers = link.couriers.saturating_sub(1);
        if let Some(carrier) = carrier {
            link.idle.push((carrier, Instant::now()));
        }
        drop(links);
        self.couriers.fetch_sub(1, Ordering::AcqRel);
        self.wake.notify_one();
    }
}

pub(super) fn close_all(carriers: Vec<(Carrier, Instant)>) {
    for (carrier, _) in carriers {
        tokio::spawn(carrier.close());
    }
}

/// A courier: serves one link until nothing waits there, or its pace wants a pause.
async fn carry(shared: Arc<Shared>, errand: Errand, courier: Courier) {
    let mut ending = Ending {
        shared: Arc::clone(&shared),
        number: errand.number,
        courier: Some(courier),
        carries: None,
    };
    while let Some(courier) = &mut ending.courier {
        let over = shared.stopping.load(Ordering::Acquire) || now() >= errand.open_until;
        if over || courier.take().is_err() {
            break;
        }
        let Some(lease) = shared.queue.next(errand.number, now()) else {
            courier.give_back();
            break;
        };
        if errand.hop == NextHop::Local && shared.has_left(&lease.addressees) {
            // It is routed again when the part is back.
            shared.queue.route_again(lease.id());
            courier.give_back();
            break;
        }
        // What the rooms say on the way carries the message's id.
        let span = tracing::info_span!("hand-over", id = %lease.id());
        ending.carries = Some(lease.id());
        let handover = handover(&lease, &shared.world.load().settings, now());
        let handed = courier.hand_over(&handover).instrument(span).await;
        let goes_on = shared.conclude(&errand, lease, handed);
        ending.carries = None;
        if !goes_on {
            break;
        }
    }
}

/// What a courier leaves behind, also when it panics.
struct Ending {
    shared: Arc<Shared>,
    number: u32,
    courier: Option<Courier>,
    /// What it is handing over.
    carries: Option<MessageId>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(id) = self.carries.filter(|_| std::thread::panicking()) {
            let said = "the log has its words";
            self.shared.note_crash(id, "handing it over", said);
        }
        let carrier = self.courier.take().and_then(Courier::end);
        self.shared.courier_ends(self.number, carrier);
    }
}
