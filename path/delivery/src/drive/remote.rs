//! Remote delivery: a message over the connection that is there, and over the next host where that one fails it.
//!
//! Guards: once content was sent, no other host is tried in the same attempt, because the first may have taken it.

use super::connection::Connection;
use super::reach::{Reach, Route};
use super::{Counted, Shared};
use crate::handover::Handover;
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Failure, NextHop, Outcome};
use std::sync::Arc;
use tokio::time::Instant;

/// Hosts that may fail one message, after they took the connection, before it waits for its next attempt.
const HOSTS_FAILING_MAX: usize = 5;

/// A way to a remote next hop.
pub(super) struct Remote {
    connection: Connection,
    route: Route,
    settings: Arc<Settings>,
    connector: Arc<ConnectorSettings>,
    shared: Arc<Shared>,
    used: bool,
    stale: bool,
    _counted: Counted,
}

impl Remote {
    pub(super) async fn connect(
        shared: Arc<Shared>,
        connector: &str,
        hop: &NextHop,
    ) -> Result<Self, Failure> {
        let settings = Arc::clone(&shared.settings.read());
        let connector = settings.connectors.get(connector).cloned();
        let connector = Arc::new(connector.unwrap_or_default());
        let reach = Reach {
            settings: &settings,
            connector: &connector,
            resolvers: &shared.resolvers,
            tls: &shared.tls,
        };
        let mut route = Route::find(hop, reach).await?;
        let connection = route.next(reach).await?;
        Ok(Self {
            connection,
            route,
            settings,
            connector,
            _counted: Counted::new(Arc::clone(&shared), hop.link()),
            shared,
            used: false,
            stale: false,
        })
    }

    /// Hands a message over. One outcome for each addressee, in order.
    pub(super) async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        let deadline = Instant::now() + self.connector.message_timeout;
        let used = std::mem::replace(&mut self.used, true);
        let all = &handover.addressees;
        let mut outcomes = self.connection.deliver(handover, all, deadline).await;
        let untouched = self.connection.is_for_elsewhere() && outcomes.iter().all(is_deferred);
        self.stale = used && untouched && !self.connection.is_open();
        if self.stale {
            return outcomes;
        }
        for _ in 1..HOSTS_FAILING_MAX {
            let left = outcomes.iter_mut().zip(all);
            let (places, left): (Vec<_>, Vec<_>) = left
                .filter(|(outcome, _)| is_deferred(outcome))
                .map(|(outcome, addressee)| (outcome, addressee.clone()))
                .unzip();
            let over = left.is_empty() || Instant::now() >= deadline;
            if over || !self.connection.is_for_elsewhere() {
                break;
            }
            if let Some(Outcome::Deferred(failure)) = places.first() {
                self.route.note(failure);
            }
            if !self.next_host().await {
                break;
            }
            let more = self.connection.deliver(handover, &left, deadline).await;
            for (place, outcome) in places.into_iter().zip(more) {
                *place = outcome;
            }
        }
        outcomes
    }

    /// RFC 5321 §5.1: the next host that can be used, in place of this one. Returns whether there is one.
    async fn next_host(&mut self) -> bool {
        let reach = Reach {
            settings: &self.settings,
            connector: &self.connector,
            resolvers: &self.shared.resolvers,
            tls: &self.shared.tls,
        };
        match self.route.next(reach).await {
            Ok(next) => {
                let old = std::mem::replace(&mut self.connection, next);
                tokio::spawn(old.quit());
                true
            }
            Err(_) => false,
        }
    }

    pub(super) fn is_usable(&self) -> bool {
        self.connection.is_usable()
    }

    pub(super) const fn was_stale(&self) -> bool {
        self.stale
    }

    pub(super) async fn close(self) {
        self.connection.quit().await;
    }
}

const fn is_deferred(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(_))
}
