//! Walks messages through the corridor: one dispatcher takes and sends out, couriers carry.
//!
//! A courier serves one link over one connection until nothing waits there; the connection is kept for a while for
//! the next one. A link whose hosts can't be reached is held as a whole, and then tried by one courier first.

use crate::hand_over::handover;
use crate::plan::{Plan, plan};
use crate::report::{Notice, Reports, Subject, Told, compose};
use crate::settle::{Facts, Settled, settle};
use crate::{Settings, World};
use arc_swap::ArcSwap;
use bridgehead_delivery::{Carrier, Delivery};
use bridgehead_mail::{
    Addressee, Event, EventKind, Failure, MessageId, NextHop, Outcome, StatusCode, Timestamp, Track,
};
use bridgehead_queue::{Assignment, Lease, PartLease, Queue, ReadyLink, Settlement};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::sleep;

/// Messages categorized before links are looked at again.
const TAKEN_AT_ONCE: usize = 64;
/// The dispatcher looks around at least so often, and at most so often for timers.
const ROUND_MAX: Duration = Duration::from_secs(1);
const ROUND_MIN: Duration = Duration::from_millis(20);

/// The corridor. Cheap to copy.
#[derive(Clone)]
pub struct Transport {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Queue,
    delivery: Delivery,
    track: Arc<dyn Track>,
    world: ArcSwap<World>,
    links: Mutex<HashMap<u32, LinkState>>,
    couriers: AtomicUsize,
    stopping: AtomicBool,
    wake: Notify,
}

/// What the corridor remembers of a link.
#[derive(Default)]
struct LinkState {
    couriers: usize,
    /// Connections in a row that couldn't be made; several at once count as one.
    failures: u32,
    /// When the last of them failed.
    failed_at: Option<Instant>,
    /// Connections that wait for another message, with the time they were left.
    idle: Vec<(Carrier, Instant)>,
}

impl Transport {
    /// Starts walking messages through the corridor.
    #[must_use]
    pub fn start(queue: Queue, delivery: Delivery, track: Arc<dyn Track>, world: World) -> Self {
        let shared = Arc::new(Shared {
            queue,
            delivery,
            track,
            world: ArcSwap::from_pointee(world),
            links: Mutex::default(),
            couriers: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
        });
        tokio::spawn(dispatch(Arc::clone(&shared)));
        Self { shared }
    }

    /// A new picture of directory, ways and settings. What waits is routed again by it.
    pub fn apply(&self, world: World) {
        self.shared.world.store(Arc::new(world));
        let idle: Vec<_> = {
            let mut links = self.shared.links.lock();
            links
                .values_mut()
                .flat_map(|link| link.idle.drain(..))
                .collect()
        };
        close_all(idle);
        let moved = self.shared.queue.reroute();
        if moved > 0 {
            tracing::info!(messages = moved, "queued mail is routed again");
        }
        self.shared.wake.notify_one();
    }

    /// Takes nothing more, and waits for what is being handed over, at most this long. Returns whether all of it ended.
    pub async fn stop(&self, grace: Duration) -> bool {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake.notify_one();
        let ended = async {
            while self.shared.couriers.load(Ordering::Acquire) > 0 {
                sleep(ROUND_MIN).await;
            }
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// The dispatcher: categorizes what was accepted, sends couriers to links, gives up what has expired.
async fn dispatch(shared: Arc<Shared>) {
    while !shared.stopping.load(Ordering::Acquire) {
        let mut busy = false;
        for _ in 0..TAKEN_AT_ONCE {
            let Some(lease) = shared.queue.take() else {
                break;
            };
            if !shared.assign(lease) {
                // It is back in the queue: not again before something changed.
                sleep(ROUND_MAX).await;
                break;
            }
            busy = true;
        }
        shared.give_up_expired();
        shared.send_couriers();
        if busy {
            tokio::task::yield_now().await;
            continue;
        }
        shared.close_idle();
        let at = now();
        let due = shared
            .queue
            .next_due(at)
            .map_or(ROUND_MAX, |due| due.since(at));
        tokio::select! {
            () = shared.queue.changed() => {}
            () = shared.wake.notified() => {}
            () = sleep(due.clamp(ROUND_MIN, ROUND_MAX)) => {}
        }
    }
}

impl Shared {
    fn track(&self, message: MessageId, events: Vec<EventKind>) {
        let at = now();
        for kind in events {
            self.track.track(Event {
                at,
                message,
                session: None,
                kind,
            });
        }
    }

    /// Categorizes and routes one message. Returns whether it could be done.
    fn assign(&self, lease: Lease) -> bool {
        let world = self.world.load();
        let at = now();
        let id = lease.id();
        let Plan {
            parts,
            notices,
            mut events,
            expires,
            delay_notice,
        } = plan(&lease.envelope, &lease.work, &world);
        let subject = Subject {
            id,
            envelope: &lease.envelope,
            content: &lease.content,
        };
        let inlet = self.queue.inlet();
        let reports = match compose(&subject, &notices, &world.settings, &inlet, at) {
            Ok(reports) => reports,
            Err(error) => {
                // The message stays where it is and is taken again; mail is being refused meanwhile.
                tracing::error!(message = %id, %error, "a report can't be stored");
                drop(lease);
                return false;
            }
        };
        events.extend(reports.events);
        if parts.is_empty() {
            events.push(EventKind::Done);
        }
        let assignment = Assignment {
            parts,
            reports: reports.reports,
            expires,
            delay_notice,
        };
        match self.queue.assign(lease, assignment, at) {
            Ok(()) => {
                self.track(id, events);
                true
            }
            Err(error) => {
                tracing::error!(message = %id, %error, "a message can't be assigned");
                false
            }
        }
    }

    /// What has expired fails with its last failure; no other attempt is made.
    fn give_up_expired(&self) {
        while let Some(lease) = self.queue.take_expired(now()) {
            let last = lease.last_failure.as_deref().cloned();
            let failure = last.unwrap_or_else(|| {
                Failure::new(
                    StatusCode::transient(4, 1),
                    "The next server could not be reached",
                )
            });
            let outcomes = lease
                .addressees
                .iter()
                .map(|_| Outcome::Deferred(failure.clone()));
            let outcomes = outcomes.collect();
            self.settle(lease, outcomes);
        }
    }

    /// Records what became of a part, with what has to be reported of it.
    fn settle(&self, lease: PartLease, outcomes: Vec<Outcome>) {
        let world = self.world.load();
        let at = now();
        let facts = Facts {
            expires: lease.expires,
            delay_notice: lease.delay_notice,
            delay_reported: lease.delay_reported,
            attempts: lease.attempts,
        };
        let retry = &world.settings.retry;
        let jitter = rand::random();
        let mut settled = settle(facts, retry, &lease.addressees, outcomes, jitter, at);
        let reports = self.reports(&lease, &mut settled, &world.settings, at);
        let id = lease.id();
        let mut events = settled.events;
        events.extend(reports.events);
        let delay_told = settled.delay_told;
        match self
            .queue
            .settle(lease, settled.settlements, reports.reports, delay_told)
        {
            Ok(finished) => {
                if finished {
                    events.push(EventKind::Done);
                }
                self.track(id, events);
            }
            Err(error) => tracing::error!(message = %id, %error, "a settlement can't be recorded"),
        }
    }

    /// The reports for an attempt. If they can't be stored, failures wait: nobody fails without being told.
    fn reports(
        &self,
        lease: &PartLease,
        settled: &mut Settled,
        settings: &Settings,
        at: Timestamp,
    ) -> Reports {
        let subject = Subject {
            id: lease.id(),
            envelope: &lease.envelope,
            content: &lease.content,
        };
        let inlet = self.queue.inlet();
        match compose(&subject, &settled.notices, settings, &inlet, at) {
            Ok(reports) => reports,
            Err(error) => {
                tracing::error!(message = %lease.id(), %error, "a report can't be stored");
                keep_failed(
                    settled,
                    &lease.addressees,
                    at.after(Duration::from_secs(60)),
                );
                Reports::default()
            }
        }
    }

    /// Sends couriers to links with work.
    fn send_couriers(self: &Arc<Self>) {
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
    fn close_idle(&self) {
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

/// Turns failures that can't be told into another try.
fn keep_failed(settled: &mut Settled, addressees: &[Addressee], until: Timestamp) {
    for (addressee, settlement) in addressees.iter().zip(&mut settled.settlements) {
        let told = settled
            .notices
            .iter()
            .find_map(|notice: &Notice| match &notice.told {
                Told::Failed(failure) if notice.recipient.address == addressee.address => {
                    Some(failure)
                }
                _ => None,
            });
        if let Some(failure) = told {
            let failure = failure.clone();
            *settlement = Settlement::Deferred { until, failure };
        }
    }
    settled.delay_told = false;
    settled
        .events
        .retain(|event| !matches!(event, EventKind::Failed { .. }));
}

fn close_all(carriers: Vec<(Carrier, Instant)>) {
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
    };
    while !shared.stopping.load(Ordering::Acquire) {
        let Some(lease) = shared.queue.next(number, now()) else {
            break;
        };
        let outcomes = ending.hand_over(&hop, &lease).await;
        shared.settle(lease, outcomes);
    }
}

/// What a courier leaves behind, also when it panics.
struct Ending {
    shared: Arc<Shared>,
    number: u32,
    carrier: Option<Carrier>,
}

impl Ending {
    /// Hands a part over, on the connection that is there or on a new one.
    async fn hand_over(&mut self, hop: &NextHop, lease: &PartLease) -> Vec<Outcome> {
        let shared = Arc::clone(&self.shared);
        let handover = handover(lease, &shared.world.load().settings, now());
        if let Some(mut carrier) = self.carrier.take() {
            let outcomes = carrier.deliver(&handover).await;
            let all_late = outcomes
                .iter()
                .all(|one| matches!(one, Outcome::Deferred(_)));
            let stale = all_late && !carrier.is_usable();
            self.keep(carrier);
            // The other side had closed it meanwhile: that is no failure of the message.
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
        self.shared.courier_ends(self.number, self.carrier.take());
    }
}
