//! Walks messages through the corridor: one dispatcher takes and sends out, couriers carry.
//!
//! It stands still until it is told by what to decide.

mod aside;
mod courier;
mod following;
mod postmaster;
mod turned;

use crate::notice::Moderation;
use crate::plan::{Plan, Taken, plan};
use crate::report::{Notice, Reports, Subject, Told, compose, is_from_nobody};
use crate::settle::{Facts, Settled, settle};
use crate::{Settings, World};
use crate::{journal, list};
use arc_swap::ArcSwap;
use aside::Aside;
use bridgehead_badmail::{Bad, Badmail};
use bridgehead_categorizer::Snapshot;
use bridgehead_delivery::Delivery;
use bridgehead_mail::{
    Addressee, Event, EventKind, Failure, MessageId, Outcome, Recipient, StatusCode, Timestamp,
    Track,
};
use bridgehead_queue::{Assignment, Lease, PartLease, Queue, Settlement};
use courier::{LinkState, close_all};
use following::Homes;
use parking_lot::Mutex;
use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::sleep;
pub use turned::Meant;

/// Messages categorized before links are looked at again.
const TAKEN_AT_ONCE: usize = 64;
/// The dispatcher looks around at least so often, and at most so often for timers.
const ROUND_MAX: Duration = Duration::from_secs(1);
const ROUND_MIN: Duration = Duration::from_millis(20);
/// Until what failed, and couldn't be told or kept, is tried again.
const UNTOLD_WAIT: Duration = Duration::from_secs(60);

/// The corridor. Cheap to copy.
#[derive(Clone)]
pub struct Transport {
    rooms: Rooms,
    /// Empty until the first picture of the world is there.
    shared: Arc<OnceLock<Arc<Shared>>>,
    /// What a start found set aside, until the postmaster can be told.
    found_aside: Arc<Mutex<postmaster::Found>>,
}

/// The rooms that the corridor connects.
#[derive(Clone)]
struct Rooms {
    queue: Queue,
    delivery: Delivery,
    badmail: Badmail,
    track: Arc<dyn Track>,
}

struct Shared {
    queue: Queue,
    delivery: Delivery,
    track: Arc<dyn Track>,
    world: ArcSwap<World>,
    links: Mutex<HashMap<u32, LinkState>>,
    couriers: AtomicUsize,
    aside: Aside,
    moderation: Mutex<Moderation>,
    homes: Homes,
    stopping: AtomicBool,
    wake: Notify,
}

impl Transport {
    /// A corridor that stands still: what a message needs is decided by a [`World`], so nothing is taken from the queue
    /// before the first one is applied. A server that knows no connectors yet would otherwise refuse the mail that
    /// it finds in its queue.
    #[must_use]
    pub fn new(queue: Queue, delivery: Delivery, badmail: Badmail, track: Arc<dyn Track>) -> Self {
        Self {
            rooms: Rooms {
                queue,
                delivery,
                badmail,
                track,
            },
            shared: Arc::default(),
            found_aside: Arc::default(),
        }
    }

    /// A new picture of directory, ways and settings. What waits is routed again by it. With the first one the
    /// walk begins.
    pub fn apply(&self, world: World) {
        let world = Arc::new(world);
        let mut begins = false;
        let shared = self.shared.get_or_init(|| {
            begins = true;
            let (aside, waiting) = Aside::new();
            let shared = Shared::new(self.rooms.clone(), Arc::clone(&world), aside);
            let shared = Arc::new(shared);
            let badmail = self.rooms.badmail.clone();
            tokio::spawn(aside::keep(Arc::downgrade(&shared), badmail, waiting));
            shared
        });
        self.tell_what_was_found(shared);
        if begins {
            tokio::spawn(dispatch(Arc::clone(shared)));
            return;
        }
        let before = shared.world.swap(world);
        close_all(shared.take_idle());
        // Other hours and limits may hold now.
        shared.queue.open_links();
        // What waits keeps its waits, but not where its mailbox has moved.
        shared.homes.note_change(&before.snapshot);
        let moved = shared.queue.reroute();
        if moved > 0 {
            tracing::info!(messages = moved, "queued mail is routed again");
        }
        shared.wake.notify_one();
    }

    /// A new picture of the recipients alone: the ways and settings stay, and what is routed stays so, but for what has no way, and
    /// what waits for other servers where a mailbox has moved. Nothing before the first world.
    pub fn learn(&self, snapshot: &Arc<Snapshot>) {
        let Some(shared) = self.shared.get() else {
            return;
        };
        let before = shared.world.rcu(|world| World {
            snapshot: Arc::clone(snapshot),
            ..World::clone(world)
        });
        shared.homes.note_change(&before.snapshot);
        shared.wake.notify_one();
    }

    /// Takes nothing more, and waits for what is being handed over, at most this long. Returns whether all of it ended.
    pub async fn stop(&self, grace: Duration) -> bool {
        let Some(shared) = self.shared.get() else {
            return true;
        };
        shared.stopping.store(true, Ordering::Release);
        shared.wake.notify_one();
        let ended = async {
            while shared.couriers.load(Ordering::Acquire) > 0 {
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
            if !shared.world.load().snapshot.is_complete() {
                // Who a recipient is can't be known yet: mail waits rather than be refused.
                break;
            }
            let Some(lease) = shared.queue.take() else {
                break;
            };
            if !shared.assign_or_survive(lease) {
                // It is back in the queue: not again before something changed.
                sleep(ROUND_MAX).await;
                break;
            }
            busy = true;
        }
        shared.give_up_expired();
        shared.look_for_homes();
        shared.open_called();
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
            () = shared.delivery.called() => {}
            () = sleep(due.clamp(ROUND_MIN, ROUND_MAX)) => {}
        }
    }
}

impl Shared {
    fn new(rooms: Rooms, world: Arc<World>, aside: Aside) -> Self {
        Self {
            queue: rooms.queue,
            delivery: rooms.delivery,
            track: rooms.track,
            world: ArcSwap::new(world),
            links: Mutex::default(),
            couriers: AtomicUsize::new(0),
            aside,
            moderation: Mutex::default(),
            homes: Homes::default(),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

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

    /// Categorizes and routes one message; a panic on the way is the message's, not the server's.
    fn assign_or_survive(self: &Arc<Self>, lease: Lease) -> bool {
        let id = lease.id();
        let assigned = catch_unwind(AssertUnwindSafe(|| self.assign(lease)));
        assigned.unwrap_or_else(|panic| {
            self.note_crash(id, "categorizing it", &in_words(&*panic));
            true
        })
    }

    /// A worker has ended over a message.
    fn note_crash(self: &Arc<Self>, id: MessageId, doing: &str, said: &str) {
        let how = format!("{doing} ended a worker: {said}");
        let poison = self.queue.note_crash(id, &how);
        tracing::error!(%id, %how, poison, "a worker ended over a message");
        if poison {
            let by = format!("the server: {how}").into();
            let action = "set aside";
            self.track(id, vec![EventKind::Controlled { action, by }]);
            self.tell_postmaster(id, how.into());
        }
    }

    /// Categorizes and routes one message. Returns whether it could be done.
    fn assign(self: &Arc<Self>, lease: Lease) -> bool {
        let world = self.world.load_full();
        let at = now();
        let id = lease.id();
        let Plan {
            parts,
            notices,
            journals,
            lists,
            bad,
            mut events,
            expires,
            delay_notice,
            ..
        } = plan(&taken(&lease, at), &world);
        let subject = Subject {
            id,
            envelope: &lease.envelope,
            content: &lease.content,
        };
        let inlet = self.queue.inlet();
        let made = compose(&subject, &notices, &world.settings, &inlet, at);
        let made = made.and_then(|mut reports| {
            let settings = &world.settings;
            journal::compose(&subject, &journals, settings, &inlet, at, &mut reports)?;
            list::compose(&subject, &lists, &inlet, at, &mut reports)?;
            Ok(reports)
        });
        let reports = match made {
            Ok(reports) => reports,
            Err(error) => {
                // The message stays where it is and is taken again; mail is being refused meanwhile.
                tracing::error!(id = %id, %error, "a report can't be stored");
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
        if bad.is_empty() {
            let assigned = self.assigned(lease, assignment, events, at);
            self.catch_up(&world);
            return assigned;
        }
        let bad = Bad {
            id,
            envelope: Arc::clone(&lease.envelope),
            content: Arc::clone(&lease.content),
            failed: bad,
            at,
        };
        self.set_aside(bad, move |shared, kept| {
            // What can't be kept stays where it is, and is taken again.
            if let Ok(name) = kept {
                events.push(EventKind::Badmail { name: name.into() });
                shared.assigned(lease, assignment, events, at);
                shared.catch_up(&world);
            }
        });
        true
    }

    fn assigned(
        &self,
        lease: Lease,
        assignment: Assignment,
        events: Vec<EventKind>,
        at: Timestamp,
    ) -> bool {
        let id = lease.id();
        match self.queue.assign(lease, assignment, at) {
            Ok(()) => {
                self.track(id, events);
                true
            }
            Err(error) => {
                tracing::error!(id = %id, %error, "a message can't be assigned");
                false
            }
        }
    }

    /// What has expired fails with its last failure; no other attempt is made.
    fn give_up_expired(self: &Arc<Self>) {
        while !self.aside.is_busy()
            && let Some(lease) = self.queue.take_expired(now())
        {
            let id = lease.id();
            let given_up = catch_unwind(AssertUnwindSafe(|| self.give_up(lease)));
            if let Err(panic) = given_up {
                self.note_crash(id, "giving it up", &in_words(&*panic));
            }
        }
    }

    fn give_up(self: &Arc<Self>, lease: PartLease) {
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

    /// Records what became of a part, with what has to be reported of it.
    fn settle(self: &Arc<Self>, lease: PartLease, outcomes: Vec<Outcome>) {
        let world = self.world.load();
        let at = now();
        let facts = Facts {
            expires: lease.expires,
            delay_notice: lease.delay_notice,
            delay_reported: lease.delay_reported,
            trace: lease
                .envelope
                .handling
                .deliver_by
                .is_some_and(|by| by.trace),
            nobody: is_from_nobody(&lease.envelope),
            attempts: lease.attempts,
        };
        let retry = &world.settings.retry;
        let jitter = rand::random();
        let mut settled = settle(facts, retry, &lease.addressees, outcomes, jitter, at);
        if settled.bad.is_empty() {
            return self.settled(lease, settled, &world.settings, at);
        }
        let bad = Bad {
            id: lease.id(),
            envelope: Arc::clone(&lease.envelope),
            content: Arc::clone(&lease.content),
            failed: std::mem::take(&mut settled.bad),
            at,
        };
        let failed = bad.failed.clone();
        let settings = Arc::clone(&world.settings);
        self.set_aside(bad, move |shared, kept| {
            match kept {
                Ok(name) => settled
                    .events
                    .push(EventKind::Badmail { name: name.into() }),
                Err(_) => keep_failed(&mut settled, &lease.addressees, &failed, at),
            }
            shared.settled(lease, settled, &settings, at);
        });
    }

    fn settled(&self, lease: PartLease, mut settled: Settled, settings: &Settings, at: Timestamp) {
        let reports = self.reports(&lease, &mut settled, settings, at);
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
            Err(error) => tracing::error!(id = %id, %error, "a settlement can't be recorded"),
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
                tracing::error!(id = %lease.id(), %error, "a report can't be stored");
                let failed = told_as_failed(&settled.notices);
                keep_failed(settled, &lease.addressees, &failed, at);
                Reports::default()
            }
        }
    }
}

fn taken(lease: &Lease, at: Timestamp) -> Taken<'_> {
    Taken {
        id: lease.id(),
        at,
        envelope: &lease.envelope,
        work: &lease.work,
        size: lease.content.size(),
        priority: lease.priority,
        redirect: lease.redirect.as_deref(),
    }
}

/// What a panic said.
fn in_words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "nothing is known of it".to_owned())
}

/// Who is told as failed, and why.
fn told_as_failed(notices: &[Notice]) -> Vec<(Recipient, Failure)> {
    let failed = notices.iter().filter_map(|notice| match &notice.told {
        Told::Failed(failure) => Some((notice.recipient.clone(), failure.clone())),
        _ => None,
    });
    failed.collect()
}

/// Turns failures that nobody would know of into another try.
fn keep_failed(
    settled: &mut Settled,
    addressees: &[Addressee],
    failed: &[(Recipient, Failure)],
    at: Timestamp,
) {
    let until = at.after(UNTOLD_WAIT);
    for (addressee, settlement) in addressees.iter().zip(&mut settled.settlements) {
        let his = |(recipient, _): &&(Recipient, Failure)| recipient.address == addressee.address;
        if let Some((_, failure)) = failed.iter().find(his) {
            let failure = failure.clone();
            *settlement = Settlement::Deferred { until, failure };
        }
    }
    settled.delay_told = false;
    settled
        .events
        .retain(|event| !matches!(event, EventKind::Failed { .. }));
}
