//! Mail for who has asked for it and waits on the same connection (ATRN, RFC 2645): this one courier is the only one that mail goes by.
//!
//! Guards: no connection is made because of it. Each part is tried once for each asking; what isn't taken waits again.

use super::{Shared, Transport, now};
use crate::hand_over::handover;
use bridgehead_delivery::{Asker, Carrier};
use bridgehead_mail::{LinkName, MessageId, NextHop, Outcome};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::Instrument;

/// After this time no other message is begun: who is still there asks again.
const ASKING_MAX: Duration = Duration::from_secs(4 * 60 * 60);

/// How late a stop is noticed by who waits for a greeting.
const STOP_SEEN_IN: Duration = Duration::from_millis(200);

/// Which links are asked for.
pub type Meant = Arc<dyn Fn(&LinkName) -> bool + Send + Sync>;

impl Transport {
    /// Hands over what waits on the links that are meant to who has asked for it, beside everything else.
    pub fn hand_over_to(&self, asker: Asker, meant: Meant) {
        let Some(shared) = self.shared.get().map(Arc::clone) else {
            return;
        };
        shared.couriers.fetch_add(1, Ordering::AcqRel);
        let errand = Errand {
            shared,
            meant,
            carries: None,
        };
        let span = tracing::info_span!("asked", by = asker.label());
        tokio::spawn(errand.run(asker).instrument(span));
    }
}

/// A courier that goes to who has asked.
struct Errand {
    shared: Arc<Shared>,
    meant: Meant,
    /// What it is handing over.
    carries: Option<MessageId>,
}

impl Errand {
    async fn run(mut self, asker: Asker) {
        // Where meanwhile nothing is left it takes leave at once (RFC 2645 §5.2).
        let first = self.begin().await.unwrap_or(NextHop::Local);
        let turned = tokio::select! {
            turned = self.shared.delivery.turn(asker, &first) => turned,
            // Nothing was taken from the queue yet: a stop needn't wait for a greeting.
            () = self.stopped() => return,
        };
        let mut carrier = match turned {
            Ok(carrier) => carrier,
            Err(failure) => {
                tracing::info!(%failure, "who asked for mail doesn't take it");
                return;
            }
        };
        let (tried, taken) = self.go(&mut carrier).await;
        let broke = !carrier.is_usable();
        tracing::info!(tried, taken, broke, "what was asked for is handed over");
        carrier.close().await;
    }

    /// What waits there waits for nothing but this. A look at all messages, so not on the network's threads.
    async fn begin(&self) -> Option<NextHop> {
        let (shared, meant) = (Arc::clone(&self.shared), Arc::clone(&self.meant));
        let looked = tokio::task::spawn_blocking(move || {
            shared.queue.end_waits_on(&*meant);
            let links = shared.queue.asked_links(&*meant, now());
            links.into_iter().map(|link| link.hop).next()
        });
        looked.await.unwrap_or_default()
    }

    /// Hands over until nothing waits, or nothing more is taken. Returns how many parts were tried, and how many were taken.
    async fn go(&mut self, carrier: &mut Carrier) -> (u64, u64) {
        let until = now().after(ASKING_MAX);
        let (mut tried, mut taken) = (0, 0);
        loop {
            let before = tried;
            for link in self.shared.queue.asked_links(&*self.meant, now()) {
                carrier.serve(&link.hop);
                while carrier.is_usable() && now() < until && !self.is_stopping() {
                    let Some(lease) = self.shared.queue.next_asked(link.number, now()) else {
                        break;
                    };
                    let span = tracing::info_span!("hand-over", id = %lease.id());
                    self.carries = Some(lease.id());
                    let handover = handover(&lease, &self.shared.world.load().settings, now());
                    let outcomes = carrier.deliver(&handover).instrument(span).await;
                    tried += 1;
                    taken += u64::from(outcomes.iter().any(is_relayed));
                    self.shared.settle(lease, outcomes);
                    self.carries = None;
                }
            }
            if tried == before {
                return (tried, taken);
            }
        }
    }

    async fn stopped(&self) {
        while !self.is_stopping() {
            tokio::time::sleep(STOP_SEEN_IN).await;
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }
}

const fn is_relayed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Relayed { .. })
}

impl Drop for Errand {
    /// Also when it panics.
    fn drop(&mut self) {
        if let Some(id) = self.carries.filter(|_| std::thread::panicking()) {
            let said = "the log has its words";
            self.shared.note_crash(id, "handing it over", said);
        }
        self.shared.couriers.fetch_sub(1, Ordering::AcqRel);
        self.shared.wake.notify_one();
    }
}
