//! Follows the links between servers: a new table is in force at once, and what waits for a way that may be another one now is
//! routed again.

use super::{Shared, Transport};
use crate::World;
use bridgehead_categorizer::Snapshot;
use bridgehead_mail::{Addressee, Destination, NextHop};
use bridgehead_routing::Table;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Mail without a way is looked at again at most so often because of other recipients.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// At most so often it is looked which mailboxes have moved: not for each change, as a directory may have some every second.
const MOVES_EVERY: Duration = Duration::from_secs(5);

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

/// Remembers that recipients have changed: what has no way may have one by that, and what waits for a server or a store may belong to
/// another.
#[derive(Default)]
pub(super) struct Homes(Mutex<Changes>);

#[derive(Default)]
struct Changes {
    /// The recipients before the first change since it was looked.
    before: Option<Arc<Snapshot>>,
    looked: Option<Instant>,
    /// Whether mail without a way wasn't looked at since.
    waits: bool,
    looked_at_waiting: Option<Instant>,
}

/// What is to be looked at.
struct Look {
    /// The recipients of the last look, if they have changed since.
    before: Option<Arc<Snapshot>>,
    /// Mail without a way.
    waiting: bool,
}

impl Homes {
    /// Recipients were these until now.
    pub(super) fn note_change(&self, before: &Arc<Snapshot>) {
        let mut changes = self.0.lock();
        changes.before.get_or_insert_with(|| Arc::clone(before));
        changes.waits = true;
    }

    /// What it is time to look at.
    fn take(&self) -> Look {
        let mut changes = self.0.lock();
        let is_time = |looked: Option<Instant>, every| {
            looked.is_none_or(|looked: Instant| looked.elapsed() >= every)
        };
        let mut look = Look {
            before: None,
            waiting: false,
        };
        if changes.before.is_some() && is_time(changes.looked, MOVES_EVERY) {
            look.before = changes.before.take();
            changes.looked = Some(Instant::now());
        }
        if changes.waits && is_time(changes.looked_at_waiting, LOOK_EVERY) {
            look.waiting = true;
            changes.waits = false;
            changes.looked_at_waiting = Some(Instant::now());
        }
        look
    }
}

impl Shared {
    /// Some time after recipients have changed mail without a way is routed again, and if a mailbox has moved what waits for other
    /// servers, or for this one's store, as well.
    pub(super) fn look_for_homes(self: &Arc<Self>) {
        let Look { before, waiting } = self.homes.take();
        if before.is_none() && !waiting {
            return;
        }
        let (shared, world) = (Arc::clone(self), self.world.load_full());
        // A new full picture of a large directory is compared recipient by recipient.
        tokio::task::spawn_blocking(move || {
            let own = &world.routing.settings().server;
            let moves = before.map(|before| world.snapshot.moves(&before, own));
            let moves = moves.unwrap_or_default();
            let moved = shared.queue.reroute_links(&|hop| match hop {
                NextHop::Unreachable { .. } => waiting || moves.from_named,
                NextHop::Servers { .. } => moves.from_named,
                NextHop::Local => moves.from_here,
                NextHop::SmartHosts { .. } | NextHop::Mx { .. } => false,
            });
            if (moves.from_named || moves.from_here) && moved > 0 {
                tracing::info!(
                    messages = moved,
                    "mailboxes have moved: mail is routed again"
                );
            }
        });
    }

    /// Whether one of a message's mailboxes is at home elsewhere since it was routed: this store isn't its place any more.
    pub(super) fn has_left(&self, addressees: &[Addressee]) -> bool {
        let world = self.world.load();
        let own = &world.routing.settings().server;
        addressees
            .iter()
            .any(|addressee| match &addressee.destination {
                Destination::Mailbox(name) => {
                    let home = world.snapshot.home(name);
                    home.is_some_and(|home| {
                        home != &**own && home.to_lowercase() != own.to_lowercase()
                    })
                }
                Destination::Remote => false,
            })
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
