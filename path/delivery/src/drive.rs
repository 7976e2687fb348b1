//! Opening ways to next hops, and what travels over them. The driver of this room: only here and below are sockets and
//! waiting.

mod connection;
mod courier;
mod dns;
mod doubt;
mod fetching;
mod local;
mod members;
mod opening;
mod pace;
mod reach;
mod remote;
mod stream;
mod tls;
mod turned;

use crate::handover::Handover;
use crate::pace::Slowed;
use crate::settings::Settings;
use crate::view::LinkPace;
use bridgehead_mail::{LinkName, NextHop, Opening, Outcome, Timestamp, opening as hours_at};
use bridgehead_store::Store;
use dns::Resolvers;
use pace::Pace;
use parking_lot::{Mutex, RwLock};
use remote::Remote;
use std::collections::HashMap;
use std::sync::Arc;

pub use courier::{Courier, Handed};
pub use fetching::{NotAsked, Receive, Receiving};
pub use members::LinkWatcher;
pub use pace::NotConnected;
pub use stream::Line;
pub use tls::TrustFault;
pub use turned::Asker;

/// Opens ways to next hops. Cheap to copy.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
}

struct Shared {
    settings: RwLock<Arc<Settings>>,
    store: Store,
    resolvers: Resolvers,
    trust: tls::Trust,
    open: Mutex<HashMap<LinkName, usize>>,
    pace: Arc<Pace>,
    members: members::Members,
    fetching: fetching::Fetching,
}

impl Delivery {
    /// With these settings, and this store for local mail.
    #[must_use]
    pub fn new(settings: Settings, store: Store) -> Self {
        Self {
            shared: Arc::new(Shared {
                trust: tls::Trust::new(&settings),
                settings: RwLock::new(Arc::new(settings)),
                store,
                resolvers: Resolvers::default(),
                open: Mutex::default(),
                pace: Arc::new(Pace::new()),
                members: members::Members::new(),
                fetching: fetching::Fetching::default(),
            }),
        }
    }

    /// New settings; they hold for the next connections. Tells which files of trusted certificates can't be used. Blocks.
    pub fn apply(&self, settings: Settings) -> Vec<TrustFault> {
        let faults = self.shared.trust.apply(&settings);
        self.shared.members.retain(&settings);
        let settings = Arc::new(settings);
        *self.shared.settings.write() = Arc::clone(&settings);
        self.shared.resolvers.forget();
        self.fetch_from_now_on(&settings);
        faults
    }

    /// Whether a link may be served now by the hours of its connector. What waits to be asked for without any hours never opens by itself.
    #[must_use]
    pub fn opening(&self, hop: &NextHop, at: Timestamp) -> Opening {
        let settings = Arc::clone(&self.shared.settings.read());
        let connector = courier::connector(&settings, hop);
        if connector.asked_for_by.is_some() && connector.hours.is_empty() {
            return Opening::Closed(Timestamp::NEVER);
        }
        hours_at(&connector.hours, &connector.zone, at)
    }

    /// By which commands mail for a hop is asked for, if it waits for that.
    #[must_use]
    pub fn asked_for_by(&self, hop: &NextHop) -> Option<&'static str> {
        let settings = Arc::clone(&self.shared.settings.read());
        courier::connector(&settings, hop).asked_for_by
    }

    /// Waits until somebody may come who waited for a remote address, or may have been called before.
    pub async fn called(&self) {
        self.shared.pace.called.notified().await;
    }

    /// Links that waited for a remote address and may try again.
    #[must_use]
    pub fn take_called(&self) -> Vec<LinkName> {
        self.shared.pace.take_called()
    }

    /// Forgets the pace of links that nobody has used for a while.
    pub fn forget_old(&self) {
        self.shared.pace.forget_old();
    }

    /// All links that were served lately, with their pace.
    #[must_use]
    pub fn links(&self) -> Vec<LinkPace> {
        let open = self.shared.open.lock().clone();
        let now = self.shared.pace.now();
        let links = self.shared.pace.links.lock();
        let mut found: Vec<LinkPace> = links
            .all()
            .map(|(name, link)| link.picture(name, open.get(name).copied().unwrap_or(0), now))
            .collect();
        drop(links);
        found.sort_unstable_by(|one, other| one.link.cmp(&other.link));
        found
    }

    /// Opens a way to a next hop.
    ///
    /// # Errors
    /// If none of its hosts can be used, or may be used now.
    pub async fn connect(&self, hop: &NextHop) -> Result<Carrier, NotConnected> {
        if *hop == NextHop::Local {
            return Ok(Carrier(Way::Local(self.shared.store.clone())));
        }
        let remote = Remote::connect(Arc::clone(&self.shared), hop).await?;
        Ok(Carrier(Way::Remote(Box::new(remote))))
    }
}

/// An open way to a next hop, good for many messages.
pub struct Carrier(Way);

enum Way {
    Local(Store),
    Remote(Box<Remote>),
    Turned(Box<turned::Turned>),
}

impl Carrier {
    /// Hands a message over. One outcome for each addressee, in order.
    pub async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        match &mut self.0 {
            Way::Local(store) => local::deliver(store, handover).await,
            Way::Remote(remote) => remote.deliver(handover).await,
            Way::Turned(turned) => turned.deliver(handover).await,
        }
    }

    /// Mail for this hop comes next, over a connection that was turned round: the settings of its connector hold.
    pub fn serve(&mut self, hop: &NextHop) {
        if let Way::Turned(turned) = &mut self.0 {
            turned.serve(hop);
        }
    }

    /// Whether it can take another message.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match &self.0 {
            Way::Local(_) => true,
            Way::Remote(remote) => remote.is_usable(),
            Way::Turned(turned) => turned.is_open(),
        }
    }

    /// Whether the other side had given up a connection that was used before, before any content of the last message
    /// left: that is no failure of the message, which may go over a new connection at once.
    #[must_use]
    pub const fn was_stale(&self) -> bool {
        match &self.0 {
            Way::Local(_) | Way::Turned(_) => false,
            Way::Remote(remote) => remote.was_stale(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        match &self.0 {
            Way::Local(_) => true,
            Way::Remote(remote) => remote.is_open(),
            Way::Turned(turned) => turned.is_open(),
        }
    }

    /// What the other side said in the last message that means "too much".
    pub(crate) fn take_slowed(&mut self) -> Option<Slowed> {
        match &mut self.0 {
            Way::Local(_) | Way::Turned(_) => None,
            Way::Remote(remote) => remote.take_slowed(),
        }
    }

    /// Whether others wait for a connection to the same address.
    #[must_use]
    pub fn is_wanted_by_others(&self) -> bool {
        match &self.0 {
            Way::Local(_) | Way::Turned(_) => false,
            Way::Remote(remote) => remote.is_wanted_by_others(),
        }
    }

    /// Whether others wait for its place and it had its turn.
    pub(crate) fn is_in_the_way(&self) -> bool {
        match &self.0 {
            Way::Local(_) | Way::Turned(_) => false,
            Way::Remote(remote) => remote.had_its_turn() && remote.is_wanted_by_others(),
        }
    }

    /// Takes leave politely.
    pub async fn close(self) {
        match self.0 {
            Way::Local(_) => {}
            Way::Remote(remote) => remote.close().await,
            Way::Turned(turned) => turned.close().await,
        }
    }
}

/// Counts an open connection for as long as it lives.
struct Counted {
    shared: Arc<Shared>,
    link: LinkName,
}

impl Counted {
    fn new(shared: Arc<Shared>, link: LinkName) -> Self {
        *shared.open.lock().entry(link.clone()).or_insert(0) += 1;
        Self { shared, link }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.shared.open.lock();
        if let Some(count) = open.get_mut(&self.link) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.link);
            }
        }
    }
}
