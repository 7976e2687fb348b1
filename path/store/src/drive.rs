//! The only file of this room with a thread and waiting in it: deliveries gather while one batch is being made durable.

use crate::bodies::Bodies;
use crate::error::StoreError;
use crate::index::{BodyPlace, Entered, Index, MessageRecord};
use crate::settings::Settings;
use crate::{Delivery, Shared, Store};
use bridgehead_disk::Disk;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Deliveries made durable together at the most.
const BATCH_MAX: usize = 1_000;

/// A delivery that waits for the next batch.
pub(crate) struct Pending {
    delivery: Delivery,
    body: PendingBody,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

enum PendingBody {
    Small(Vec<u8>),
    Own { checksum: u32 },
}

/// What waits.
#[derive(Default)]
pub(crate) struct Waiting {
    pending: Vec<Pending>,
    closed: bool,
}

impl Store {
    /// Opens a store and starts its committer.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn open(settings: Settings, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let directory = &settings.directory;
        disk.create_dir(directory)
            .map_err(|error| StoreError::Disk {
                doing: "make",
                path: directory.clone(),
                why: error.to_string(),
            })?;
        let index = Index::open(&directory.join("index.redb"), settings.index_cache_octets)?;
        let bodies = Bodies::open(disk, &settings, index.body_end()?)?;
        let shared = Arc::new(Shared {
            settings,
            index,
            bodies,
            waiting: Mutex::default(),
            wake: parking_lot::Condvar::new(),
        });
        let running = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store-committer".to_owned())
            .spawn(move || run(&running))
            .map_err(|error| StoreError::Index(error.to_string()))?;
        Ok(Self {
            shared,
            thread: Arc::new(Mutex::new(Some(thread))),
        })
    }

    /// Delivers a message into mailboxes, one body for all. Durable when it resolves; a second delivery of the same
    /// message into the same mailbox changes nothing. One result for each mailbox, in order.
    pub async fn deliver(&self, delivery: Delivery) -> Vec<Result<(), StoreError>> {
        let count = delivery.mailboxes.len();
        let outcome = self.deliver_all(delivery).await;
        vec![outcome; count]
    }

    async fn deliver_all(&self, delivery: Delivery) -> Result<(), StoreError> {
        let free = self.shared.bodies.free_space();
        if free
            < self
                .shared
                .settings
                .free_space_floor
                .saturating_add(delivery.content.size())
        {
            return Err(StoreError::Full { free });
        }
        let body = if delivery.content.size() > self.shared.settings.shared_octets_max {
            let shared = Arc::clone(&self.shared);
            let (id, content) = (delivery.id, Arc::clone(&delivery.content));
            let put = tokio::task::spawn_blocking(move || shared.bodies.put_own(id, &*content));
            let checksum = put.await.map_err(|_| StoreError::Closed)??;
            PendingBody::Own { checksum }
        } else {
            PendingBody::Small(crate::read_all(&*delivery.content)?)
        };
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.shared.waiting.lock();
            if waiting.closed {
                return Err(StoreError::Closed);
            }
            waiting.pending.push(Pending {
                delivery,
                body,
                answer,
            });
        }
        self.shared.wake.notify_one();
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Finishes what waits and stops.
    pub fn close(&self) {
        self.shared.waiting.lock().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            // It ends by itself; if it panicked, there is nothing to add here.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Shared) {
    loop {
        let batch = {
            let mut waiting = shared.waiting.lock();
            while waiting.pending.is_empty() && !waiting.closed {
                shared.wake.wait(&mut waiting);
            }
            if waiting.pending.is_empty() {
                return;
            }
            let count = waiting.pending.len().min(BATCH_MAX);
            waiting.pending.drain(..count).collect::<Vec<_>>()
        };
        let outcome = commit(shared, &batch);
        for pending in batch {
            // A caller that went away will deliver again, and that changes nothing.
            let _ = pending.answer.send(outcome.clone());
        }
    }
}

/// Bodies first, then the index: what the index knows is always there.
fn commit(shared: &Shared, batch: &[Pending]) -> Result<(), StoreError> {
    let small: Vec<&[u8]> = batch
        .iter()
        .filter_map(|pending| match &pending.body {
            PendingBody::Small(octets) => Some(octets.as_slice()),
            PendingBody::Own { .. } => None,
        })
        .collect();
    let new_names = small.len() < batch.len();
    let (places, end) = shared.bodies.commit(&small, new_names)?;
    let mut places = places.into_iter();
    let entered = batch.iter().map(|pending| {
        let (place, checksum) = match &pending.body {
            PendingBody::Small(octets) => (places.next(), crc32c::crc32c(octets)),
            PendingBody::Own { checksum } => (None, *checksum),
        };
        let delivery = &pending.delivery;
        Entered {
            mailboxes: &delivery.mailboxes,
            record: MessageRecord {
                id: delivery.id,
                received: delivery.at,
                place: place.unwrap_or(BodyPlace::Own),
                size: delivery.content.size(),
                checksum,
                prefix: delivery.prefix.clone(),
            },
        }
    });
    let entered: Vec<Entered<'_>> = entered.collect();
    shared.index.enter(&entered, end)
}
