//! Whether the other side is there still: what comes of each step says so, and silence puts it in doubt.
//!
//! Guards: a line that is only slow is never in doubt, as long as steps come to something; each wait is doubted once at the most.

use parking_lot::Mutex;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// When nothing has come of a step for so long, that is a reason to look whether the other side is there. Many times what a step
/// takes over a satellite, and a step is one round trip.
const DOUBT_AFTER: Duration = Duration::from_secs(2);

/// When something came of a step last: octets were heard, or taken.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// It begins now.
    pub(super) fn begin() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Something came of a step, or another begins.
    pub(super) fn made(&self) {
        *self.0.lock() = Instant::now();
    }

    fn doubtful_at(&self) -> Instant {
        *self.0.lock() + DOUBT_AFTER
    }

    /// Waits for what the other side does; `doubted` is called where it does nothing for a while.
    pub(super) async fn watch<T>(
        &self,
        waited_for: impl Future<Output = T>,
        doubted: impl FnOnce(),
    ) -> T {
        let mut waited_for = pin!(waited_for);
        let mut doubtful_at = self.doubtful_at();
        loop {
            if let Ok(done) = timeout_at(doubtful_at, &mut waited_for).await {
                return done;
            }
            // Something came of it meanwhile.
            let then = std::mem::replace(&mut doubtful_at, self.doubtful_at());
            if then == doubtful_at {
                break;
            }
        }
        doubted();
        waited_for.await
    }
}
