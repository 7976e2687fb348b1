//! Follows the links between servers: a new table is in force at once, and what waits for a way that may be another one now is
//! routed again.

use super::{Shared, Transport};
use crate::World;
use bridgehead_mail::NextHop;
use bridgehead_routing::Table;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Remembers that recipients have changed: what has no way may have one by that.
#[derive(Default)]
pub(super) struct Homes {
    changed: AtomicBool,
    looked: Mutex<Option<Instant>>,
}

impl Homes {
    pub(super) fn note_change(&self) {
        self.changed.store(true, Ordering::Release);
    }

    /// Whether it is time to look. Not for each change: a directory may have some every second.
    fn is_time(&self) -> bool {
        let mut looked = self.looked.lock();
        let is_early = looked.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        let is_time = !is_early && self.changed.swap(false, Ordering::AcqRel);
        if is_time {
            *looked = Some(Instant::now());
        }
        is_time
    }
}

impl Shared {
    /// Mail without a way is routed again some time after recipients have changed: a mailbox may have moved.
    pub(super) fn look_for_homes(&self) {
        if self.homes.is_time() {
            let lost = |hop: &NextHop| matches!(hop, NextHop::Unreachable { .. });
            self.queue.reroute_links(&lost);
        }
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
