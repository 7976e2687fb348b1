//! Sessions on connections that this server has made: it asked for mail by ATRN, and the other side is the client now (RFC 2645 §5.3).
//!
//! Guards: such a client is one like any other of its virtual server, in limits and in what it may; it can't start TLS, authenticate or
//! turn the connection once more.

use super::accept::{Phase, Rules, ServerState};
use super::session::{Arrived, converse};
use super::stream::{Line, Stream};
use super::{Alive, Listener};
use crate::settings::{TlsMode, VirtualServer};
use bridgehead_mail::Refusal;
use bridgehead_smtp::server::Policy;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

impl Listener {
    /// Serves the other side of a connection as a client of the virtual server of this name, until either side has enough. Returns how
    /// many messages were taken. `tls` describes TLS, if it has started.
    ///
    /// # Errors
    /// If there is no such virtual server now, or it has no place for another session.
    pub async fn receive(
        &self,
        name: &str,
        line: Box<dyn Line>,
        address: IpAddr,
        tls: Option<Box<str>>,
    ) -> Result<u64, Refusal> {
        let (server, alive) = self.open(name).ok_or(Refusal::ShuttingDown)?;
        if *server.phase.borrow() != Phase::Open {
            return Err(Refusal::ShuttingDown);
        }
        let rules = Arc::new(reversed(&server.rules.load()));
        let address = address.to_canonical();
        let seat = server.seat(address, &rules, &alive)?;
        drop(alive);
        let arrived = Arrived {
            stream: Stream::Given(line),
            address,
            tls,
        };
        let world = Arc::clone(&self.inner.world);
        let id = world.next_session();
        Ok(converse(world, server, rules, arrived, id, seat).await)
    }

    /// The virtual server of this name, unless the listener was shut down.
    fn open(&self, name: &str) -> Option<(Arc<ServerState>, Alive)> {
        let alive = self.inner.alive.lock();
        let alive = alive.as_ref().map(|(alive, _)| alive.clone())?;
        let servers = self.inner.servers.lock();
        let mut servers = servers.iter();
        let server = servers.find(|server| *server.state.name == *name)?;
        Some((Arc::clone(&server.state), alive))
    }
}

/// The rules of a virtual server for who is a client by being asked.
fn reversed(rules: &Rules) -> Rules {
    Rules {
        settings: VirtualServer {
            tls: TlsMode::Off,
            // It waits for the greeting: it can't be one of those that don't.
            greeting_delay: Duration::ZERO,
            ..rules.settings.clone()
        },
        policy: Arc::new(Policy {
            starttls: false,
            auth: false,
            etrn: false,
            atrn: false,
            ..Policy::clone(&rules.policy)
        }),
        tls: None,
    }
}
