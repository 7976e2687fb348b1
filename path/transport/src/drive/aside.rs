//! What failed and has nobody who could be told waits here until it is on disk as badmail; only then it is settled.
//!
//! Guards: nothing is settled that isn't kept, and the disk holds up nothing else; what can't be kept stays in the queue.

use super::{ROUND_MAX, Shared, in_words};
use bridgehead_badmail::{Bad, Badmail};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

/// Messages that are made durable together.
const BATCH_MAX: usize = 100;
/// With so many that wait, no others are given up.
const WAITING_MAX: usize = 1_000;

/// The way to the keeper.
pub(super) struct Aside {
    sender: UnboundedSender<Waiting>,
    waiting: AtomicUsize,
}

/// Its name as badmail.
pub(super) type Kept = Result<String, NotKept>;
type Then = Box<dyn FnOnce(&Arc<Shared>, Kept) + Send>;

/// One message, and what follows when it is kept or can't be.
pub(super) struct Waiting {
    bad: Bad,
    then: Then,
    _counted: Counted,
}

/// Counts as work under way, so that a stop waits for it.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.couriers.fetch_add(1, Ordering::AcqRel);
        shared.aside.waiting.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.aside.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.couriers.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
    }
}

impl Aside {
    pub(super) fn new() -> (Self, UnboundedReceiver<Waiting>) {
        let (sender, waiting) = unbounded_channel();
        let aside = Self {
            sender,
            waiting: AtomicUsize::new(0),
        };
        (aside, waiting)
    }

    /// Whether so many wait that no more should come.
    pub(super) fn is_busy(&self) -> bool {
        self.waiting.load(Ordering::Acquire) >= WAITING_MAX
    }
}

impl Shared {
    /// Has a message kept as badmail; `then` is told its name there, or why it can't be kept.
    pub(super) fn set_aside(
        self: &Arc<Self>,
        bad: Bad,
        then: impl FnOnce(&Arc<Self>, Kept) + Send + 'static,
    ) {
        let waiting = Waiting {
            bad,
            then: Box::new(then),
            _counted: Counted::new(self),
        };
        // Without a keeper the runtime is ending: the lease in `then` goes back into the queue.
        let _ = self.aside.sender.send(waiting);
    }
}

/// The keeper: makes durable what waits, many at a time.
pub(super) async fn keep(
    shared: Weak<Shared>,
    badmail: Badmail,
    mut waiting: UnboundedReceiver<Waiting>,
) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let batch = std::mem::take(&mut batch);
        let all: Vec<Bad> = batch.iter().map(|one| one.bad.clone()).collect();
        let badmail = badmail.clone();
        let kept = tokio::task::spawn_blocking(move || keep_all(&badmail, &all)).await;
        let kept = kept.unwrap_or_default();
        if kept.iter().any(Result::is_err) {
            // It comes back to the queue, and must not be here again at once.
            sleep(ROUND_MAX).await;
        }
        let Some(shared) = shared.upgrade() else {
            return;
        };
        for (one, kept) in batch.into_iter().zip(kept) {
            finish(&shared, one, kept);
        }
    }
}

/// Why a message isn't kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKept {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// A worker ended over it, and said this.
    #[error("a worker ended over it: {0}")]
    Crash(String),
}

/// Keeps them together; where that ends in a panic, one by one, to find whose it is.
fn keep_all(badmail: &Badmail, all: &[Bad]) -> Vec<Kept> {
    let keep = |some: &[Bad]| catch_unwind(AssertUnwindSafe(|| badmail.keep(some)));
    let answers = |kept: Vec<io::Result<String>>| kept.into_iter().map(|one| Ok(one?)).collect();
    if let Ok(kept) = keep(all) {
        return answers(kept);
    }
    let alone = all
        .iter()
        .flat_map(|one| match keep(std::slice::from_ref(one)) {
            Ok(kept) => answers(kept),
            Err(panic) => vec![Err(NotKept::Crash(in_words(&*panic)))],
        });
    alone.collect()
}

fn finish(shared: &Arc<Shared>, one: Waiting, kept: Kept) {
    let id = one.bad.id;
    match &kept {
        Ok(name) => {
            tracing::warn!(%id, name, "a message failed that nobody can be told of: it is badmail")
        }
        Err(error) => {
            tracing::error!(%id, %error, "badmail can't be kept; the message stays in the queue")
        }
    }
    let crash = match &kept {
        Err(NotKept::Crash(said)) => Some(said.clone()),
        _ => None,
    };
    let then = AssertUnwindSafe(|| (one.then)(shared, kept));
    let crash = match catch_unwind(then) {
        Ok(()) => crash,
        Err(panic) => Some(in_words(&*panic)),
    };
    if let Some(said) = crash {
        shared.note_crash(id, "setting it aside", &said);
    }
}
