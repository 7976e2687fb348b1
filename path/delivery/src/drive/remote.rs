//! Remote delivery: a message over the connection that is there, and over the next host where that one fails it.
//!
//! Guards: once content was sent, no other host is tried in the same attempt, because the first may have taken it.

use super::connection::Connection;
use super::courier::connector;
use super::pace::{NotConnected, Place};
use super::reach::{Reach, Route};
use super::{Counted, Shared};
use crate::handover::Handover;
use crate::pace::Slowed;
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Addressee, LinkName, NextHop, Outcome};
use std::sync::Arc;
use tokio::time::Instant;

/// Hosts that may fail one message, after they took the connection, before it waits for its next attempt.
const HOSTS_FAILING_MAX: usize = 5;
/// Messages of one turn, after which a connection makes room for others who wait for its address.
const TURN: usize = 10;

/// A way to a remote next hop.
pub(super) struct Remote {
    connection: Connection,
    /// At the address of the connection.
    place: Place,
    link: LinkName,
    route: Route,
    settings: Arc<Settings>,
    connector: Arc<ConnectorSettings>,
    shared: Arc<Shared>,
    used: bool,
    stale: bool,
    slowed: Option<Slowed>,
    _counted: Counted,
}

impl Remote {
    pub(super) async fn connect(shared: Arc<Shared>, hop: &NextHop) -> Result<Self, NotConnected> {
        let settings = Arc::clone(&shared.settings.read());
        let connector = connector(&settings, hop);
        let link = hop.link();
        let tls = shared.trust.of(&connector);
        let reach = Reach::of(&shared, &settings, (&connector, &tls), &link);
        let mut route = Route::find(hop, reach).await?;
        let (connection, place) = route.next(reach).await?;
        Ok(Self {
            connection,
            place,
            route,
            settings,
            connector,
            _counted: Counted::new(Arc::clone(&shared), link.clone()),
            link,
            shared,
            used: false,
            stale: false,
            slowed: None,
        })
    }

    /// Hands a message over. One outcome for each addressee, in order.
    pub(super) async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        let deadline = Instant::now() + self.connector.message_timeout;
        let used = std::mem::replace(&mut self.used, true);
        let all = &handover.addressees;
        let mut outcomes = self.over_connection(handover, all, deadline).await;
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
            let more = self.over_connection(handover, &left, deadline).await;
            for (place, outcome) in places.into_iter().zip(more) {
                *place = outcome;
            }
        }
        outcomes
    }

    async fn over_connection(
        &mut self,
        handover: &Handover,
        addressees: &[Addressee],
        deadline: Instant,
    ) -> Vec<Outcome> {
        let used = self.connection.transactions() > 0;
        let connection = &mut self.connection;
        let progress = connection.progress().clone();
        let delivering = connection.deliver(handover, addressees, deadline);
        let (route, members) = (&self.route, &self.shared.members);
        let outcomes = route.doubting_present(&progress, members, delivering).await;
        self.slowed = connection.take_slowed();
        let left = used && !connection.is_open() && outcomes.iter().all(is_deferred);
        match self.slowed {
            // One that had its time may be ended without a hint at anything.
            Some(_) if !left => self.place.slowed(),
            None if outcomes.iter().any(is_relayed) => self.place.worked(),
            _ => {}
        }
        outcomes
    }

    /// RFC 5321 §5.1: the next host that can be used, in place of this one. Returns whether there is one.
    async fn next_host(&mut self) -> bool {
        let tls = self.shared.trust.of(&self.connector);
        let reach = Reach::of(
            &self.shared,
            &self.settings,
            (&self.connector, &tls),
            &self.link,
        );
        match self.route.next(reach).await {
            Ok((next, place)) => {
                let old = std::mem::replace(&mut self.connection, next);
                let old_place = std::mem::replace(&mut self.place, place);
                tokio::spawn(leave(old, old_place));
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

    pub(super) const fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    pub(super) const fn take_slowed(&mut self) -> Option<Slowed> {
        self.slowed.take()
    }

    pub(super) const fn had_its_turn(&self) -> bool {
        self.connection.transactions() >= TURN
    }

    pub(super) fn is_wanted_by_others(&self) -> bool {
        self.place.is_wanted()
    }

    pub(super) async fn close(self) {
        leave(self.connection, self.place).await;
    }
}

/// The place is free when the connection is gone.
async fn leave(connection: Connection, place: Place) {
    connection.quit().await;
    drop(place);
}

const fn is_relayed(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Relayed { .. })
}

const fn is_deferred(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred(_))
}
