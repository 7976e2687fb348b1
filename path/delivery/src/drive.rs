//! Opening ways to next hops, and what travels over them. The driver of this room: only here and below are sockets and
//! waiting.

mod connection;
mod dns;
mod local;
mod reach;
mod stream;
mod tls;

use crate::handover::Handover;
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Failure, LinkName, NextHop, Outcome};
use bridgehead_store::Store;
use connection::Connection;
use dns::Resolvers;
use parking_lot::{Mutex, RwLock};
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
                self.connector(connector).connections_max.max(1)
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
        let settings = Arc::clone(&self.shared.settings.read());
        let connector = self.connector(connector);
        let reach = reach::Reach {
            settings: &settings,
            connector: &connector,
            resolvers: &self.shared.resolvers,
            tls: &self.shared.tls,
        };
        let connection = reach.connect(hop).await?;
        let counted = Counted::new(Arc::clone(&self.shared), hop.link());
        Ok(Carrier(Way::Remote {
            connection: Box::new(connection),
            _counted: counted,
        }))
    }

    fn connector(&self, name: &str) -> ConnectorSettings {
        let settings = self.shared.settings.read();
        settings.connectors.get(name).cloned().unwrap_or_default()
    }
}

/// An open way to a next hop, good for many messages.
pub struct Carrier(Way);

enum Way {
    Local(Store),
    Remote {
        connection: Box<Connection>,
        _counted: Counted,
    },
}

impl Carrier {
    /// Hands a message over. One outcome for each addressee, in order.
    pub async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        match &mut self.0 {
            Way::Local(store) => local::deliver(store, handover).await,
            Way::Remote { connection, .. } => connection.deliver(handover).await,
        }
    }

    /// Whether it can take another message.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        match &self.0 {
            Way::Local(_) => true,
            Way::Remote { connection, .. } => connection.is_usable(),
        }
    }

    /// Takes leave politely.
    pub async fn close(self) {
        if let Way::Remote { connection, .. } = self.0 {
            connection.quit().await;
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
