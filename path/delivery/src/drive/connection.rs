//! A connection to another server: opened, encrypted, authenticated, and used for transactions.
//!
//! Guards: every write and every reply has a time limit; what came in the clear is never taken for what came inside TLS.

use super::stream::Stream;
use super::tls::ClientTls;
use crate::handover::Handover;
use crate::settings::{ConnectorSettings, Tls};
use bridgehead_mail::{BodyKind, Domain, Failure, Outcome, RemoteReply, StatusCode};
use bridgehead_smtp::client::{Encoder, Extensions, Next, Order, Transaction};
use bridgehead_smtp::reply::{ReplyReader, ServerReply};
use rustls_pki_types::ServerName;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const WINDOW: usize = 64 * 1024;
const READ_OCTETS: usize = 4 * 1024;

/// What is needed to open a connection.
pub(super) struct Opening<'a> {
    pub(super) hostname: &'a Domain,
    pub(super) connector: &'a ConnectorSettings,
    pub(super) tls: &'a ClientTls,
    pub(super) host: &'a Domain,
    pub(super) address: SocketAddr,
}

/// An open connection.
pub(super) struct Connection {
    stream: Option<Stream>,
    /// `name [address]:port`.
    label: Box<str>,
    offered: Extensions,
    connector: ConnectorSettings,
    unread: Vec<u8>,
    transactions: usize,
    reset_first: bool,
    /// Reused for what is written.
    out: Vec<u8>,
}

impl Opening<'_> {
    /// Opens a connection, encrypted if the settings and the server want it.
    pub(super) async fn open(&self) -> Result<Connection, Failure> {
        match self.open_with(self.connector.tls).await {
            Err(Refusal::Handshake(why)) if self.connector.tls == Tls::Opportunistic => {
                tracing::info!(host = %self.host, %why, "TLS failed; opportunistic, so in the clear");
                self.open_with(Tls::Never)
                    .await
                    .map_err(Refusal::into_failure)
            }
            other => other.map_err(Refusal::into_failure),
        }
    }

    async fn open_with(&self, tls: Tls) -> Result<Connection, Refusal> {
        let label = format!(
            "{} [{}]:{}",
            self.host,
            self.address.ip(),
            self.address.port()
        );
        let connecting = TcpStream::connect(self.address);
        let connected = timeout(self.connector.connect_timeout, connecting).await;
        let unreachable = |why: &dyn Display| {
            let text = format!("No connection to {label} could be made");
            Refusal::Failure(Failure::new(StatusCode::transient(4, 1), &text).because(&why))
        };
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(&error)),
            Err(_) => return Err(unreachable(&"no answer in time")),
        };
        // Whole commands are written at once; waiting for more would only cost time.
        let _ = stream.set_nodelay(true);
        let mut connection = Connection {
            stream: Some(Stream::Clear(stream)),
            label: label.into(),
            offered: Extensions::default(),
            connector: self.connector.clone(),
            unread: Vec::new(),
            transactions: 0,
            reset_first: false,
            out: Vec::new(),
        };
        let greeting = connection.reply(self.connector.command_timeout).await?;
        if !greeting.is_success() {
            return Err(connection.turned_away(&greeting));
        }
        connection.hello(self.hostname).await?;
        if tls != Tls::Never && connection.offered.starttls {
            self.encrypt(&mut connection, tls).await?;
            connection.hello(self.hostname).await?;
        } else if matches!(tls, Tls::Required | Tls::Verify) {
            let text = format!(
                "{} does not offer the encryption that is required",
                connection.label
            );
            return Err(Refusal::Failure(Failure::new(
                StatusCode::transient(7, 10),
                &text,
            )));
        }
        self.authenticate(&mut connection, tls).await?;
        Ok(connection)
    }

    async fn encrypt(&self, connection: &mut Connection, tls: Tls) -> Result<(), Refusal> {
        connection.write(b"STARTTLS\r\n").await?;
        let reply = connection.reply(self.connector.command_timeout).await?;
        if !reply.is_success() {
            return Err(Refusal::Handshake(reply.to_string()));
        }
        // What came before the handshake may be anybody's (RFC 3207 §5): never taken for the server's.
        if !connection.unread.is_empty() {
            return Err(Refusal::Handshake("octets before the handshake".to_owned()));
        }
        let Some(Stream::Clear(stream)) = connection.stream.take() else {
            return Err(Refusal::Handshake("already encrypted".to_owned()));
        };
        let config = match tls {
            Tls::Verify => self.tls.verifying.as_ref(),
            _ => self.tls.accepting.as_ref(),
        };
        let config = config.ok_or_else(|| Refusal::Handshake("no TLS here".to_owned()))?;
        let name = match self.host.literal() {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(self.host.as_str().to_owned())
                .map_err(|error| Refusal::Handshake(error.to_string()))?,
        };
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        let patience = self.connector.command_timeout;
        let encrypted = timeout(patience, handshake)
            .await
            .map_err(|_| Refusal::Handshake("no answer in time".to_owned()))?
            .map_err(|error| Refusal::Handshake(error.to_string()))?;
        let (_, session) = encrypted.get_ref();
        tracing::debug!(host = %connection.label, version = ?session.protocol_version(), cipher = ?session.negotiated_cipher_suite(), "encrypted");
        connection.stream = Some(Stream::Tls(Box::new(encrypted)));
        Ok(())
    }

    /// AUTH PLAIN or LOGIN (RFC 4954), never in the clear unless the operator said so.
    async fn authenticate(&self, connection: &mut Connection, tls: Tls) -> Result<(), Refusal> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        let Some(credentials) = &self.connector.credentials else {
            return Ok(());
        };
        let in_the_clear = matches!(connection.stream, Some(Stream::Clear(_)));
        if in_the_clear && (tls != Tls::Never || self.connector.tls != Tls::Never) {
            let text = format!("{} offers no encryption for the password", connection.label);
            return Err(Refusal::Failure(Failure::new(
                StatusCode::transient(7, 11),
                &text,
            )));
        }
        let (user, password) = (&credentials.user, &credentials.password);
        let steps = if connection.offered.auth_plain {
            vec![format!(
                "AUTH PLAIN {}",
                STANDARD.encode(format!("\0{user}\0{password}"))
            )]
        } else {
            let texts = [user, password].map(|text| STANDARD.encode(text.as_bytes()));
            let [user, password] = texts;
            vec!["AUTH LOGIN".to_owned(), user, password]
        };
        let mut reply = None;
        for step in steps {
            connection.write(format!("{step}\r\n").as_bytes()).await?;
            let answer = connection.reply(self.connector.command_timeout).await?;
            let go_on = answer.code == 334;
            reply = Some(answer);
            if !go_on {
                break;
            }
        }
        match reply {
            Some(reply) if reply.is_success() => Ok(()),
            Some(reply) => Err(connection.turned_away(&reply)),
            None => Ok(()),
        }
    }
}

/// Why a connection can't be used.
enum Refusal {
    /// The TLS handshake; another try in the clear may work.
    Handshake(String),
    Failure(Failure),
}

impl Refusal {
    fn into_failure(self) -> Failure {
        match self {
            Self::Failure(failure) => failure,
            Self::Handshake(why) => {
                let text = "No encrypted connection to the next server could be made";
                Failure::new(StatusCode::transient(7, 5), text).because(&why)
            }
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Connection {
    pub(super) const fn is_usable(&self) -> bool {
        self.stream.is_some() && self.transactions < self.connector.messages_per_connection
    }

    /// A refusal of the whole connection: temporary, because it isn't about any message.
    fn turned_away(&self, reply: &ServerReply) -> Refusal {
        let text = format!("{} takes no mail from this server now", self.label);
        let failure = Failure::new(StatusCode::transient(4, 0), &text);
        Refusal::Failure(failure.said(RemoteReply {
            host: self.label.clone(),
            code: reply.code,
            text: reply.text().into(),
        }))
    }

    async fn hello(&mut self, hostname: &Domain) -> Result<(), Refusal> {
        let patience = self.connector.command_timeout;
        self.write(format!("EHLO {hostname}\r\n").as_bytes())
            .await?;
        let reply = self.reply(patience).await?;
        if reply.is_success() {
            self.offered = Extensions::parse(&reply);
            return Ok(());
        }
        // RFC 5321 §3.2: a server that doesn't know EHLO.
        self.write(format!("HELO {hostname}\r\n").as_bytes())
            .await?;
        let reply = self.reply(patience).await?;
        self.offered = Extensions::default();
        if reply.is_success() {
            Ok(())
        } else {
            Err(self.turned_away(&reply))
        }
    }

    /// Hands a message over, in as many transactions as its recipients need.
    pub(super) async fn deliver(&mut self, handover: &Handover) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(handover.addressees.len());
        let most = self.connector.recipients_per_transaction.max(1);
        for addressees in handover.addressees.chunks(most) {
            let order = Order {
                reverse_path: &handover.reverse_path,
                addressees,
                body: handover.body,
                smtputf8: handover.smtputf8,
                ret: handover.ret,
                envid: handover.envid.as_ref(),
                size: handover.size(),
            };
            let eight_bit = self.connector.eight_bit;
            let (mut transaction, next) =
                Transaction::start(&order, &self.offered, eight_bit, &self.label);
            match self.run(&mut transaction, next, handover).await {
                Ok(some) => outcomes.extend(some),
                Err(failure) => {
                    // Nothing is known of what the other server made of it: the connection is of no further use.
                    self.stream = None;
                    outcomes.extend(transaction.broken(&failure));
                }
            }
            self.reset_first = transaction.needs_reset();
            self.transactions += 1;
        }
        outcomes
    }

    async fn run(
        &mut self,
        transaction: &mut Transaction,
        mut next: Next,
        handover: &Handover,
    ) -> Result<Vec<Outcome>, Failure> {
        if self.reset_first && !matches!(next, Next::Done(_)) {
            self.reset_first = false;
            self.write(b"RSET\r\n").await?;
            self.reply(self.connector.command_timeout).await?;
        }
        loop {
            let mut patience = self.connector.command_timeout;
            match next {
                Next::Send(octets) => self.write(&octets).await?,
                Next::Read => {}
                Next::Content => {
                    self.content(handover).await?;
                    patience = self.connector.data_timeout;
                }
                Next::Chunk(head) => {
                    self.write(&head).await?;
                    self.raw(handover).await?;
                    patience = self.connector.data_timeout;
                }
                Next::Done(outcomes) => return Ok(outcomes),
            }
            let reply = self.reply(patience).await?;
            let closing = reply.code == 421;
            next = transaction.receive(&reply);
            if closing {
                self.stream = None;
            }
        }
    }

    /// The content after DATA, in windows; small content leaves in one write.
    async fn content(&mut self, handover: &Handover) -> Result<(), Failure> {
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        let mut encoder = Encoder::default();
        encoder.encode(&handover.prefix, &mut out);
        let size = handover.content.size();
        let window = usize::try_from(size).unwrap_or(WINDOW).min(WINDOW);
        let mut window = vec![0; window.max(1)];
        let mut at = 0;
        while at < size {
            let piece = read(handover, at, &mut window)?;
            at += piece.len() as u64;
            encoder.encode(piece, &mut out);
            if out.len() >= WINDOW && at < size {
                self.write(&out).await?;
                out.clear();
            }
        }
        encoder.finish(&mut out);
        self.write(&out).await?;
        // A small buffer is kept for the next message; a large one isn't.
        if out.capacity() <= 4 * WINDOW {
            self.out = out;
        }
        Ok(())
    }

    /// The content as it is, after BDAT.
    async fn raw(&mut self, handover: &Handover) -> Result<(), Failure> {
        let binary = handover.body == BodyKind::BinaryMime;
        debug_assert!(binary);
        self.write(&handover.prefix).await?;
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        while at < handover.content.size() {
            let count = read(handover, at, &mut window)?.len();
            self.write(window.get(..count).unwrap_or_default()).await?;
            at += count as u64;
        }
        Ok(())
    }

    /// Takes leave: what the other side says to it doesn't matter any more.
    pub(super) async fn quit(mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        if self.stream.is_some() && self.write(b"QUIT\r\n").await.is_ok() {
            let _ = self.reply(PATIENCE).await;
        }
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Failure> {
        let patience = self.connector.command_timeout;
        let lost = |why: &dyn Display| lost(&self.label, why);
        let Some(stream) = &mut self.stream else {
            return Err(lost(&"it was closed"));
        };
        let written = async {
            stream.write_all(octets).await?;
            stream.flush().await
        };
        match timeout(patience, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(lost(&error)),
            Err(_) => Err(lost(&"nothing was taken in time")),
        }
    }

    /// The next reply, within a time for all of it.
    async fn reply(&mut self, patience: Duration) -> Result<ServerReply, Failure> {
        match timeout(patience, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(lost(&self.label, &"no reply in time")),
        }
    }

    async fn read_reply(&mut self) -> Result<ServerReply, Failure> {
        let mut reader = ReplyReader::default();
        loop {
            if !self.unread.is_empty() {
                let (eaten, reply) = reader
                    .receive(&self.unread)
                    .map_err(|fault| lost(&self.label, &fault))?;
                self.unread.drain(..eaten);
                if let Some(reply) = reply {
                    return Ok(reply);
                }
            }
            let Some(stream) = &mut self.stream else {
                return Err(lost(&self.label, &"it was closed"));
            };
            self.unread.resize(READ_OCTETS, 0);
            let read = stream.read(&mut self.unread).await;
            self.unread.truncate(*read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Err(lost(&self.label, &"the other side closed it")),
                Ok(_) => {}
                Err(error) => return Err(lost(&self.label, &error)),
            }
        }
    }
}

fn read<'a>(handover: &Handover, at: u64, window: &'a mut [u8]) -> Result<&'a [u8], Failure> {
    let failed = |why: &dyn Display| {
        let text = "The queued content can't be read";
        Failure::new(StatusCode::transient(3, 0), text).because(&why)
    };
    match handover.content.read_at(at, window) {
        Ok(0) => Err(failed(&"it ends too early")),
        Ok(count) => Ok(window.get(..count).unwrap_or_default()),
        Err(error) => Err(failed(&error)),
    }
}

fn lost(label: &str, why: &dyn Display) -> Failure {
    let text = format!("The connection to {label} was lost");
    Failure::new(StatusCode::transient(4, 2), &text).because(&why)
}
