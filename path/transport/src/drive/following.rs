//! Follows the links between servers: a new table is in force at once, and what waits for a way that may be another one now is
//! routed again.

use super::{Shared, Transport};
use crate::World;
use bridgehead_categorizer::Snapshot;
use bridgehead_mail::NextHop;
use bridgehead_routing::Table;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Mail without a way is looked at again at most so often because of other recipients.
const LOOK_EVERY: Duration = Duration::from_secs(30);

impl Transport {
    /// The table in force, with the links in another state. Mail that waits for other servers, or has no way, is routed again; of
    /// the rest only what could go another way. What is being handed over stays where it is. Nothing before the first world.
    /// Returns how many messages are routed again.
    pub fn follow_links(&self, routing: &Arc<Table>) -> u64 {
        let Some(shared) = self.shared.get() else {
            return 0;
        };
        shared.world.rcu(|world| World {
            routing: Arc::clone(routing),
            ..World::clone(world)
        });
        let moved = shared
            .queue
            .reroute_links(&|hop| is_concerned(hop, routing));
        if moved > 0 {
            tracing::info!(messages = moved, "links have changed: mail is routed again");
        }
        shared.wake.notify_one();
        moved
    }
}

/// Remembers that recipients have changed: what has no way may have one by that, and what waits for a server may belong to another.
#[derive(Default)]
pub(super) struct Homes {
    /// The recipients before the first change since it was looked.
    before: Mutex<Option<Arc<Snapshot>>>,
    looked: Mutex<Option<Instant>>,
}

impl Homes {
    /// Recipients were these until now.
    pub(super) fn note_change(&self, before: &Arc<Snapshot>) {
        let mut first = self.before.lock();
        first.get_or_insert_with(|| Arc::clone(before));
    }

    /// Everything is routed again anyway.
    pub(super) fn forget(&self) {
        self.before.lock().take();
    }

    /// The recipients of the last look if they have changed since, and it is time to look. Not for each change: a directory may
    /// have some every second.
    fn take(&self) -> Option<Arc<Snapshot>> {
        let mut looked = self.looked.lock();
        if looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return None;
        }
        let before = self.before.lock().take()?;
        *looked = Some(Instant::now());
        Some(before)
    }
}

impl Shared {
    /// Some time after recipients have changed mail without a way is routed again, and if a mailbox has moved what waits for other
    /// servers as well.
    pub(super) fn look_for_homes(self: &Arc<Self>) {
        let Some(before) = self.homes.take() else {
            return;
        };
        let (shared, world) = (Arc::clone(self), self.world.load_full());
        // A new full picture of a large directory is compared recipient by recipient.
        tokio::task::spawn_blocking(move || {
            let has_moved = world.snapshot.has_moved(&before);
            let moved = shared.queue.reroute_links(&|hop| match hop {
                NextHop::Unreachable { .. } => true,
                NextHop::Servers { .. } => has_moved,
                NextHop::Local | NextHop::SmartHosts { .. } | NextHop::Mx { .. } => false,
            });
            if has_moved && moved > 0 {
                tracing::info!(
                    messages = moved,
                    "mailboxes have moved: mail is routed again"
                );
            }
        });
    }

    /// What was routed by a picture that isn't in force any more is looked at again.
    pub(super) fn catch_up(&self, routed_by: &Arc<World>) {
        let world = self.world.load();
        if !Arc::ptr_eq(&world.routing, &routed_by.routing) {
            let routing = &world.routing;
            self.queue.reroute_links(&|hop| is_concerned(hop, routing));
        }
    }
}

/// Whether the state of links has a say in who goes there.
fn is_concerned(hop: &NextHop, routing: &Table) -> bool {
    match hop {
        NextHop::Local => false,
        NextHop::Servers { .. } | NextHop::Unreachable { .. } => true,
        NextHop::SmartHosts { connector, .. } | NextHop::Mx { connector, .. } => {
            routing.has_rivals(connector)
        }
    }
}
