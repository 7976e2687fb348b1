//! A connection that the next hop has made and turned round (RFC 2645 §5.3): it is the server there, and gets what waits for it.
//!
//! Guards: no other connection is ever made because of it. What the other side doesn't take stays in the queue.

use super::connection::Connection;
use super::courier::connector;
use super::doubt::Progress;
use super::opening::{greeted, introduce};
use super::stream::{Line, Stream};
use super::{Carrier, Delivery, Shared, Way};
use crate::handover::Handover;
use bridgehead_mail::{Failure, NextHop, Outcome};
use std::any::Any;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// Who has asked for mail, and waits for it.
pub struct Asker {
    line: Box<dyn Line>,
    label: Box<str>,
    over: String,
    /// What is given back when the connection is gone.
    place: Box<dyn Any + Send + Sync>,
}

impl Asker {
    /// `hello` is what it called itself, `tls` describes TLS, if that has started; `place` is kept for as long as the connection is.
    #[must_use]
    pub fn new(
        line: impl AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
        hello: &str,
        address: IpAddr,
        tls: Option<&str>,
        place: Box<dyn Any + Send + Sync>,
    ) -> Self {
        let secured = tls.unwrap_or("in the clear");
        Self {
            line: Box::new(line),
            label: format!("{hello} [{address}]").into(),
            over: format!("{secured}, over the connection by which it was asked for (ATRN)"),
            place,
        }
    }

    /// Who it is, for the log.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

/// An open way to who has asked.
pub(super) struct Turned {
    connection: Connection,
    shared: Arc<Shared>,
    _place: Box<dyn Any + Send + Sync>,
}

impl Delivery {
    /// Opens the way to who has asked for the mail of this hop, and perhaps of others: waits for its greeting, and introduces this
    /// server.
    ///
    /// # Errors
    /// If it doesn't become a server.
    pub async fn turn(&self, asker: Asker, hop: &NextHop) -> Result<Carrier, Failure> {
        let settings = Arc::clone(&self.shared.settings.read());
        let stream = Stream::Given(asker.line);
        let connector = connector(&settings, hop);
        let patience = (connector.command_timeout, Progress::begin());
        let mut connection = Connection::new(stream, asker.label, connector, patience);
        connection.secured(&asker.over);
        // RFC 2645 §5.3: "the customer sends a standard SMTP initial greeting line". Nothing is said before it.
        let greeted = greeted(&mut connection).await;
        let introduced = match greeted {
            Ok(()) => introduce(&mut connection, &settings.hostname).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = introduced {
            connection.quit().await;
            return Err(failure);
        }
        Ok(Carrier(Way::Turned(Box::new(Turned {
            connection,
            shared: Arc::clone(&self.shared),
            _place: asker.place,
        }))))
    }
}

impl Turned {
    /// The settings of the connector of this hop hold for what comes next.
    pub(super) fn serve(&mut self, hop: &NextHop) {
        let settings = Arc::clone(&self.shared.settings.read());
        self.connection.serve(connector(&settings, hop));
    }

    pub(super) async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        let deadline = Instant::now() + self.connection.message_timeout();
        let all = &handover.addressees;
        self.connection.deliver(handover, all, deadline).await
    }

    pub(super) const fn is_open(&self) -> bool {
        self.connection.is_open()
    }

    pub(super) async fn close(self) {
        self.connection.quit().await;
    }
}
