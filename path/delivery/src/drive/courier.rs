//! A courier: hands messages over one after the other on one link, at the pace of the link.
//!
//! Guards: it counts among the link's couriers for as long as it lives; a bound of ours costs a message no attempt.

use super::{Carrier, Delivery, NotConnected};
use crate::handover::Handover;
use crate::pace::{After, Link, Moment, Paused, Slowed};
use crate::settings::{ConnectorSettings, Settings};
use bridgehead_mail::{Failure, LinkName, NextHop, Outcome, Timestamp};
use std::sync::Arc;

/// Serves one link.
pub struct Courier {
    delivery: Delivery,
    hop: NextHop,
    link: LinkName,
    settings: Arc<Settings>,
    carrier: Option<Carrier>,
    connected: bool,
}

/// What came of handing a message over.
#[derive(Debug)]
pub struct Handed {
    /// One outcome for each addressee, in order; or why it wasn't tried.
    pub result: Result<Vec<Outcome>, NotConnected>,
    /// What follows for the link from a failure of it.
    pub after: Option<After>,
    /// The failure in question.
    pub failure: Option<Failure>,
    /// Whether there is room for another courier now.
    pub has_room: bool,
    /// Whether the link failed before, and works again.
    pub recovered: bool,
}

impl Delivery {
    /// How many couriers may serve a link at once, while so many idle connections wait for one.
    ///
    /// # Errors
    /// If none may begin now.
    pub fn couriers_at_most(
        &self,
        hop: &NextHop,
        link: &LinkName,
        idle: usize,
    ) -> Result<usize, Paused> {
        if *hop == NextHop::Local {
            return Ok(usize::MAX);
        }
        let settings = Arc::clone(&self.shared.settings.read());
        let pace = &self.shared.pace;
        let most = connector(&settings, hop).most(hop.domain());
        let now = pace.now();
        let mut links = pace.links.lock();
        links.bound(link, most, now).couriers_at_most(idle, now)
    }

    /// A courier for a link, with the idle connection that it takes over, if there is one.
    #[must_use]
    pub fn courier(&self, hop: NextHop, link: LinkName, carrier: Option<Carrier>) -> Courier {
        let mut courier = Courier {
            delivery: self.clone(),
            settings: Arc::clone(&self.shared.settings.read()),
            hop,
            link,
            connected: carrier.is_some(),
            carrier,
        };
        courier.bind(1);
        courier
    }
}

impl Courier {
    fn is_paced(&self) -> bool {
        self.hop != NextHop::Local
    }

    /// Counts it in, with the bounds that hold now.
    fn bind(&mut self, more: usize) {
        if !self.is_paced() {
            return;
        }
        let most = connector(&self.settings, &self.hop).most(self.hop.domain());
        let pace = &self.delivery.shared.pace;
        let mut links = pace.links.lock();
        let link = links.bound(&self.link, most, pace.now());
        link.couriers += more;
        link.connected += more.min(usize::from(self.connected));
    }

    /// Says something about its link.
    fn tell<T: Default>(&self, about: impl FnOnce(&mut Link, Moment) -> T) -> T {
        if !self.is_paced() {
            return T::default();
        }
        let pace = &self.delivery.shared.pace;
        let now = pace.now();
        let mut links = pace.links.lock();
        links
            .get(&self.link)
            .map_or_else(T::default, |link| about(link, now))
    }

    fn set_connected(&mut self, connected: bool) {
        let was = std::mem::replace(&mut self.connected, connected);
        self.tell(|link, _| match (was, connected) {
            (false, true) => link.connected += 1,
            (true, false) => link.connected = link.connected.saturating_sub(1),
            _ => {}
        });
    }

    /// The right to hand one message over.
    ///
    /// # Errors
    /// If the link's rate doesn't allow it yet.
    pub fn take(&mut self) -> Result<(), Paused> {
        if !self.is_paced() {
            return Ok(());
        }
        let settings = Arc::clone(&self.delivery.shared.settings.read());
        if !Arc::ptr_eq(&settings, &self.settings) {
            self.settings = settings;
            self.bind(0);
        }
        self.tell(|link, now| link.take_message(now).err())
            .map_or(Ok(()), Err)
    }

    /// It wasn't needed.
    pub fn give_back(&mut self) {
        self.tell(|link, _| link.give_message_back());
    }

    /// Hands a message over, on the connection that is there or on a new one.
    pub async fn hand_over(&mut self, handover: &Handover) -> Handed {
        let began = self.delivery.shared.pace.now();
        if let Some(carrier) = &mut self.carrier {
            let outcomes = carrier.deliver(handover).await;
            // That is no failure of the message, and no attempt.
            if !carrier.was_stale() {
                return self.handed(outcomes, began);
            }
            self.drop_carrier();
        }
        match self.connect().await {
            Ok(mut carrier) => {
                self.set_connected(true);
                let outcomes = carrier.deliver(handover).await;
                self.carrier = Some(carrier);
                self.handed(outcomes, began)
            }
            Err(not) => self.not_connected(not, began, handover.at),
        }
    }

    async fn connect(&self) -> Result<Carrier, NotConnected> {
        let allowed = self.tell(|link, now| link.take_connection(now).err());
        if let Some(paused) = allowed {
            return Err(NotConnected::Paused(paused));
        }
        self.delivery.connect(&self.hop).await
    }

    fn not_connected(&self, not: NotConnected, began: Moment, at: Timestamp) -> Handed {
        let mut handed = Handed::of(Err(not));
        match &handed.result {
            Err(NotConnected::Paused(paused)) => self.tell(|link, now| link.rest(paused, now)),
            Err(NotConnected::Failed(failure)) if !failure.is_permanent() => {
                let slowed = Slowed::of_connection(failure, at);
                handed.failure = Some(failure.clone());
                handed.after = self.tell(|link, now| {
                    let told = slowed.is_some();
                    link.slowed = slowed.or(link.slowed.take());
                    Some(link.failed(false, told, began, now))
                });
            }
            _ => {}
        }
        handed
    }

    /// What the last message says of the link.
    fn handed(&mut self, outcomes: Vec<Outcome>, began: Moment) -> Handed {
        let slowed = self.carrier.as_mut().and_then(Carrier::take_slowed);
        let broken = self
            .carrier
            .as_ref()
            .is_none_or(|carrier| !carrier.is_open());
        let decided = |outcome: &Outcome| !matches!(outcome, Outcome::Deferred(_));
        let answered = outcomes.iter().any(decided);
        let failure = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Deferred(failure) => Some(failure.clone()),
            _ => None,
        });
        let mut handed = Handed::of(Ok(outcomes));
        if let Some(slowed) = slowed {
            handed.failure = failure;
            handed.after = self.tell(|link, now| {
                link.slowed = Some(slowed);
                Some(link.failed(true, true, began, now))
            });
            self.drop_carrier();
            return handed;
        }
        if broken && !answered {
            self.tell(|link, now| link.lost(began, now));
        } else {
            (handed.has_room, handed.recovered) = self.tell(Link::worked);
        }
        let usable = |carrier: &Carrier| carrier.is_usable() && !carrier.is_in_the_way();
        if !self.carrier.as_ref().is_some_and(usable) {
            self.drop_carrier();
        }
        handed
    }

    fn drop_carrier(&mut self) {
        if let Some(carrier) = self.carrier.take() {
            tokio::spawn(carrier.close());
        }
        self.set_connected(false);
    }

    /// Nothing waits for it any more. Returns its connection, unless others need its place.
    #[must_use]
    pub fn end(mut self) -> Option<Carrier> {
        let carrier = self.carrier.take()?;
        if carrier.is_wanted_by_others() {
            tokio::spawn(carrier.close());
            return None;
        }
        Some(carrier)
    }
}

impl Drop for Courier {
    fn drop(&mut self) {
        self.set_connected(false);
        self.tell(|link, _| link.couriers = link.couriers.saturating_sub(1));
    }
}

impl Handed {
    const fn of(result: Result<Vec<Outcome>, NotConnected>) -> Self {
        Self {
            result,
            after: None,
            failure: None,
            has_room: false,
            recovered: false,
        }
    }
}

/// The settings of the connector of a next hop.
pub(super) fn connector(settings: &Settings, hop: &NextHop) -> Arc<ConnectorSettings> {
    let found = hop
        .connector()
        .and_then(|name| settings.connectors.get(name));
    found.cloned().unwrap_or_default()
}
