//! The pace of all destinations with its clock, and places at remote addresses that are given back by themselves.

use crate::pace::{Addresses, Links, Moment, Paused};
use bridgehead_mail::{Failure, LinkName};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Who waits for a place at an address asks again after this time, also if nobody has called.
const ASKS_AGAIN: Duration = Duration::from_secs(10);
/// How often it is looked for what nobody needs any more.
const FORGETS_EACH: Duration = Duration::from_secs(30);

/// The pace of all destinations.
pub(super) struct Pace {
    started: Instant,
    pub(super) links: Mutex<Links>,
    pub(super) addresses: Mutex<Addresses>,
    /// Somebody who waited for an address may come.
    pub(super) called: Notify,
    forgot: Mutex<Moment>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            links: Mutex::default(),
            addresses: Mutex::default(),
            called: Notify::new(),
            forgot: Mutex::default(),
        }
    }

    /// Time since the start; it never goes back.
    pub(super) fn now(&self) -> Moment {
        self.started.elapsed()
    }

    /// A place at a remote address, if there is one; else the link waits in its row.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: SocketAddr,
        bound: usize,
        link: &LinkName,
    ) -> Option<Place> {
        let entered = self.addresses.lock().enter(address, bound, link);
        entered.then(|| Place {
            pace: Arc::clone(self),
            address,
            began: self.now(),
        })
    }

    /// Those who waited for an address and may come.
    pub(super) fn take_called(&self) -> Vec<LinkName> {
        let called = self.addresses.lock().take_called();
        let mut links = self.links.lock();
        for name in &called {
            links.wake(name);
        }
        called
    }

    /// Forgets what nobody needs any more, every now and then.
    pub(super) fn forget_old(&self) {
        let now = self.now();
        let mut forgot = self.forgot.lock();
        if now < forgot.saturating_add(FORGETS_EACH) {
            return;
        }
        *forgot = now;
        drop(forgot);
        self.links.lock().forget_old(now);
        self.addresses.lock().forget_old(now);
    }
}

/// A place at a remote address: for as long as this is kept, one connection counts.
pub(super) struct Place {
    pace: Arc<Pace>,
    address: SocketAddr,
    began: Moment,
}

impl Place {
    /// The address.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether others wait for a place there.
    pub(super) fn is_wanted(&self) -> bool {
        self.pace.addresses.lock().is_wanted(self.address)
    }

    /// The address took a message.
    pub(super) fn worked(&self) {
        let now = self.pace.now();
        if self.pace.addresses.lock().worked(self.address, now) {
            self.pace.called.notify_one();
        }
    }

    /// The address said that it is too much.
    pub(super) fn slowed(&self) {
        let (began, now) = (self.began, self.pace.now());
        let mut addresses = self.pace.addresses.lock();
        addresses.slowed(self.address, began, now);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.pace.addresses.lock().leave(self.address) {
            self.pace.called.notify_one();
        }
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotConnected {
    /// None of the hosts can be used: that holds for all mail of the link.
    Failed(Failure),
    /// A bound of ours is reached; nothing was tried.
    Paused(Paused),
}

impl From<Failure> for NotConnected {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl NotConnected {
    /// All places at the addresses of a host are taken.
    pub(super) fn no_place(host: &impl std::fmt::Display) -> Self {
        let why = format!("all connections that {host} may have at once are in use");
        Self::Paused(Paused {
            why: why.into(),
            wait: ASKS_AGAIN,
        })
    }
}
