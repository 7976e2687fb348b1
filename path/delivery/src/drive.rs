//! Opening ways to next hops, and what travels over them. The driver of this room: only here and below are sockets and
//! waiting.

mod connection;
mod dns;
mod local;
mod opening;
mod reach;
mod remote;
mod stream;
mod tls;

use crate::handover::Handover;
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Failure, LinkName, NextHop, Outcome};
use bridgehead_store::Store;
use dns::Resolvers;
use parking_lot::{Mutex, RwLock};
use remote::Remote;
use std::collections::HashMap;
use std::sync::Arc;

/// Opens ways to next hops. Cheap to copy.
#[derive(Clone)]
pub struct Delivery {
    shared: Arc<Shared>,
}

struct Shared {
    settings: RwLock<Arc<Settings>>,
    store: Store,
    resolvers: Resolvers,
    tls: tls::ClientTls,
    open: Mutex<HashMap<LinkName, usize>>,
}

impl Delivery {
    /// With these settings, and this store for local mail.
    #[must_use]
    pub fn new(settings: Settings, store: Store) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings: RwLock::new(Arc::new(settings)),
                store,
                resolvers: Resolvers::default(),
                tls: tls::ClientTls::new(),
                open: Mutex::default(),
            }),
        }
    }

    /// New settings; they hold for the next connections.
    pub fn apply(&self, settings: Settings) {
        *self.shared.settings.write() = Arc::new(settings);
        self.shared.resolvers.forget();
    }

    /// How many connections to a next hop there may be at once.
    #[must_use]
    pub fn connections_max(&self, hop: &NextHop) -> usize {
        match hop {
            NextHop::Local => usize::MAX,
            NextHop::SmartHosts { connector, .. } | NextHop::Mx { connector, .. } => {
                let settings = self.shared.settings.read();
                let connector = settings.connectors.get(connector);
                let most = connector.map(|connector| connector.connections_max);
                let most = most.unwrap_or(ConnectorSettings::default().connections_max);
                most.max(1)
            }
        }
    }

    /// Open connections by link.
    #[must_use]
    pub fn connections(&self) -> Vec<crate::view::LinkConnections> {
        let open = self.shared.open.lock();
        let all = open.iter().filter(|(_, count)| **count > 0);
        all.map(|(link, count)| crate::view::LinkConnections {
            link: link.clone(),
            open: *count,
        })
        .collect()
    }

    /// Opens a way to a next hop.
    ///
    /// # Errors
    /// If none of its hosts can be used: the failure holds for all mail of the link.
    pub async fn connect(&self, hop: &NextHop) -> Result<Carrier, Failure> {
        let connector = match hop {
            NextHop::Local => return Ok(Carrier(Way::Local(self.shared.store.clone()))),
            NextHop::SmartHosts { connector, .. } | NextHop::Mx { connector, .. } => connector,
        };
        let remote = Remote::connect(Arc::clone(&self.shared), connector, hop).await?;
        Ok(Carrier(Way::Remote(Box::new(remote))))
    }
}

/// An open way to a next hop, good for many messages.
pub struct Carrier(Way);

enum Way {
    Local(Store),
    Remote(Box<Remote>),
}

impl Carrier {
    /// Hands a message over. One outcome for each addressee, in order.
    pub async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        match &mut self.0 {
            Way::Local(store) => local::deliver(store, handover).await,
            Way::Remote(remote) => remote.deliver(handover).await,
        }
    }

    /// Whether it can take another message.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match &self.0 {
            Way::Local(_) => true,
            Way::Remote(remote) => remote.is_usable(),
        }
    }

    /// Whether the other side had given up a connection that was used before, before any content of the last message
    /// left: that is no failure of the message, which may go over a new connection at once.
    #[must_use]
    pub const fn was_stale(&self) -> bool {
        match &self.0 {
            Way::Local(_) => false,
            Way::Remote(remote) => remote.was_stale(),
        }
    }

    /// Takes leave politely.
    pub async fn close(self) {
        if let Way::Remote(remote) = self.0 {
            remote.close().await;
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
