//! Couriers: each serves one link over one connection until nothing waits there; the connection is kept for a while
//! for the next one. A link whose hosts can't be reached is held as a whole, and then tried by one courier first.

use super::{Shared, now};
use crate::Settings;
use crate::hand_over::handover;
use bridgehead_delivery::Carrier;
use bridgehead_mail::{Failure, MessageId, NextHop, Outcome};
use bridgehead_queue::{PartLease, ReadyLink};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tracing::Instrument;

/// What the corridor remembers of a link.
#[derive(Default)]
pub(super) struct LinkState {
    couriers: usize,
    /// Connections in a row that couldn't be made; several at once count as one.
    failures: u32,
    /// When the last of them failed.
    failed_at: Option<Instant>,
    /// Connections that wait for another message, with the time they were left.
    idle: Vec<(Carrier, Instant)>,
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

    /// Sends couriers to links with work.
    pub(super) fn send_couriers(self: &Arc<Self>) {
        let world = self.world.load();
        for ready in self.queue.ready_links(now()) {
            let most = self.couriers_for(&ready, &world.settings);
            let mut links = self.links.lock();
            let link = links.entry(ready.number).or_default();
            // A link that failed is tried by one first.
            let most = if link.failures > 0 { 1 } else { most };
            while link.couriers < most {
                link.couriers += 1;
                self.couriers.fetch_add(1, Ordering::AcqRel);
                tokio::spawn(carry(Arc::clone(self), ready.number, ready.hop.clone()));
            }
        }
    }

    fn couriers_for(&self, ready: &ReadyLink, settings: &Settings) -> usize {
        match ready.hop {
            NextHop::Local => ready.waiting.min(settings.local_deliveries.max(1)),
            NextHop::SmartHosts { .. } | NextHop::Mx { .. } => {
                let each = settings.messages_per_further_connection.max(1);
                let wanted = ready.waiting.div_ceil(each);
                wanted.min(self.delivery.connections_max(&ready.hop))
            }
        }
    }

    /// Closes connections that nobody needed for a while.
    pub(super) fn close_idle(&self) {
        let patience = self.world.load().settings.idle_connection;
        let mut old = Vec::new();
        let mut links = self.links.lock();
        for link in links.values_mut() {
            let (stale, fresh) = std::mem::take(&mut link.idle)
                .into_iter()
                .partition(|(_, left)| left.elapsed() >= patience);
            link.idle = fresh;
            old.extend::<Vec<_>>(stale);
        }
        links.retain(|_, link| link.couriers > 0 || link.failures > 0 || !link.idle.is_empty());
        drop(links);
        close_all(old);
    }

    fn idle_carrier(&self, number: u32) -> Option<Carrier> {
        let mut links = self.links.lock();
        let (carrier, _) = links.get_mut(&number)?.idle.pop()?;
        Some(carrier)
    }

    /// All mail of a link waits after a failure that concerns the link.
    fn link_failed(&self, number: u32, hop: &NextHop, failure: &Failure, began: Instant) {
        let failures = {
            let mut links = self.links.lock();
            let link = links.entry(number).or_default();
            // Others that began before that failure learn nothing new.
            if link.failed_at.is_some_and(|failed| failed > began) {
                return;
            }
            link.failed_at = Some(Instant::now());
            link.failures = link.failures.saturating_add(1);
            link.failures
        };
        let wait = self.world.load().settings.retry.wait_after(failures);
        let link = hop.link();
        tracing::warn!(%link, %failure, wait_s = wait.as_secs(), "a link failed; its mail waits");
        self.queue.hold_link(&link, now().after(wait), failure);
    }

    fn link_works(&self, number: u32) {
        if let Some(link) = self.links.lock().get_mut(&number) {
            link.failures = 0;
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

/// A courier: serves one link until nothing waits there.
async fn carry(shared: Arc<Shared>, number: u32, hop: NextHop) {
    let mut ending = Ending {
        shared: Arc::clone(&shared),
        number,
        carrier: shared.idle_carrier(number),
        carries: None,
    };
    while !shared.stopping.load(Ordering::Acquire) {
        let Some(lease) = shared.queue.next(number, now()) else {
            break;
        };
        // What the rooms say on the way carries the message's id.
        let span = tracing::info_span!("hand-over", id = %lease.id());
        ending.carries = Some(lease.id());
        let outcomes = ending.hand_over(&hop, &lease).instrument(span).await;
        shared.settle(lease, outcomes);
        ending.carries = None;
    }
}

/// What a courier leaves behind, also when it panics.
struct Ending {
    shared: Arc<Shared>,
    number: u32,
    carrier: Option<Carrier>,
    /// What it is handing over.
    carries: Option<MessageId>,
}

impl Ending {
    /// Hands a part over, on the connection that is there or on a new one.
    async fn hand_over(&mut self, hop: &NextHop, lease: &PartLease) -> Vec<Outcome> {
        let shared = Arc::clone(&self.shared);
        let handover = handover(lease, &shared.world.load().settings, now());
        if let Some(mut carrier) = self.carrier.take() {
            let outcomes = carrier.deliver(&handover).await;
            let stale = carrier.was_stale();
            self.keep(carrier);
            // That is no failure of the message, and no attempt.
            if !stale {
                return outcomes;
            }
        }
        let began = Instant::now();
        match shared.delivery.connect(hop).await {
            Ok(mut carrier) => {
                shared.link_works(self.number);
                let outcomes = carrier.deliver(&handover).await;
                self.keep(carrier);
                outcomes
            }
            Err(failure) => {
                // Held before the part comes back, so that it isn't tried at once.
                if !failure.is_permanent() {
                    shared.link_failed(self.number, hop, &failure, began);
                }
                vec![failure.into_outcome(); lease.addressees.len()]
            }
        }
    }

    fn keep(&mut self, carrier: Carrier) {
        if carrier.is_usable() {
            self.carrier = Some(carrier);
        } else {
            tokio::spawn(carrier.close());
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(id) = self.carries.filter(|_| std::thread::panicking()) {
            let said = "the log has its words";
            self.shared.note_crash(id, "handing it over", said);
        }
        self.shared.courier_ends(self.number, self.carrier.take());
    }
}
