//! One connection to a server: TLS first, then requests and their answers, each within a time and a size.

use super::finding;
use crate::{LdapError, LdapSettings, ServerUrl};
use bridgehead_ldap::{
    Control, Entry, Message, Request, Response, Search, decode, encode, frame, paged, paged_cookie,
};
use bytes::{Buf, BytesMut};
use rustls_pki_types::ServerName;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Octets of one answer: an entry with all values of an attribute, as a large group.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Entries of a page.
const PAGE: u16 = 500;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

/// A connection.
pub(super) struct Connection {
    server: String,
    stream: Box<dyn Stream>,
    buffer: BytesMut,
    last: u32,
    patience: Duration,
}

impl Connection {
    /// Connects, with TLS as the settings say.
    pub(super) async fn open(
        server: &ServerUrl,
        settings: &LdapSettings,
        tls: &TlsConnector,
    ) -> Result<Self, LdapError> {
        let name = server.to_string();
        let io = |source| LdapError::Io {
            server: name.clone(),
            source,
        };
        let slow = |what| LdapError::Slow {
            server: name.clone(),
            what,
        };
        let patience = settings.timeout;
        let connecting = async {
            let addresses = finding::addresses(server, settings).await?;
            TcpStream::connect(addresses.as_slice()).await
        };
        let connected = timeout(patience, connecting).await;
        let stream = connected.map_err(|_| slow("a connection"))?.map_err(io)?;
        stream.set_nodelay(true).map_err(io)?;
        let local = stream.peer_addr().map_err(io)?.ip().is_loopback();
        let clear = local && settings.clear_text_on_loopback;
        let mut connection = Self {
            server: name.clone(),
            stream: Box::new(stream),
            buffer: BytesMut::new(),
            last: 0,
            patience,
        };
        if !server.tls && clear {
            return Ok(connection);
        }
        if !server.tls {
            if !settings.start_tls {
                return Err(LdapError::ClearText { server: name });
            }
            connection.start_tls().await?;
        }
        let host = ServerName::try_from(server.host.clone()).map_err(|error| LdapError::Io {
            server: name.clone(),
            source: io::Error::new(io::ErrorKind::InvalidInput, error),
        })?;
        let secured = timeout(patience, tls.connect(host, connection.stream)).await;
        let stream = secured.map_err(|_| slow("TLS"))?.map_err(io)?;
        connection.stream = Box::new(stream);
        Ok(connection)
    }

    async fn start_tls(&mut self) -> Result<(), LdapError> {
        let message = self.call(&Request::StartTls, &[], "StartTLS").await?;
        let Response::Extended { result, .. } = message.response else {
            return Err(self.unexpected("StartTLS"));
        };
        self.success(&result, "StartTLS")?;
        if !self.buffer.is_empty() {
            // Octets from before TLS must not count as being inside it.
            return Err(self.unexpected("StartTLS"));
        }
        Ok(())
    }

    /// A simple bind (RFC 4511 §4.2).
    pub(super) async fn bind(&mut self, name: &str, password: &str) -> Result<(), LdapError> {
        let password = password.as_bytes();
        let request = Request::Bind { name, password };
        let message = self.call(&request, &[], "a bind").await?;
        match message.response {
            Response::Bind { result, .. } => self.success(&result, "a bind"),
            _ => Err(self.unexpected("a bind")),
        }
    }

    /// One step of a bind by SASL: what the server answers, and whether it is content.
    #[cfg(feature = "gssapi")]
    pub(super) async fn sasl(
        &mut self,
        mechanism: &str,
        credentials: &[u8],
    ) -> Result<(Vec<u8>, bool), LdapError> {
        /// RFC 4511 appendix A: saslBindInProgress.
        const IN_PROGRESS: u32 = 14;
        let request = Request::Sasl {
            mechanism,
            credentials,
        };
        let message = self.call(&request, &[], "a bind").await?;
        let Response::Bind {
            result,
            credentials,
        } = message.response
        else {
            return Err(self.unexpected("a bind"));
        };
        if result.code != IN_PROGRESS {
            self.success(&result, "a bind")?;
        }
        Ok((credentials.unwrap_or_default(), result.code == 0))
    }

    /// The server's name in errors.
    #[cfg(feature = "gssapi")]
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Says goodbye.
    pub(super) async fn close(mut self) {
        // Whoever doesn't take it is gone anyway.
        let _ = self.send(&Request::Unbind, &[]).await;
    }

    /// Sends a request and tells its number.
    pub(super) async fn send(
        &mut self,
        request: &Request<'_>,
        controls: &[Control],
    ) -> Result<u32, LdapError> {
        self.last = self.last.checked_add(1).unwrap_or(1);
        let octets = encode(self.last, request, controls);
        let writing = async {
            self.stream.write_all(&octets).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, writing).await {
            Ok(Ok(())) => Ok(self.last),
            Ok(Err(source)) => Err(self.io(source)),
            Err(_) => Err(self.slow("a request")),
        }
    }

    /// The next answer, if one comes within this time.
    pub(super) async fn receive(&mut self, wait: Duration) -> Result<Option<Message>, LdapError> {
        let until = tokio::time::Instant::now() + wait;
        loop {
            let whole = frame(&self.buffer, MESSAGE_OCTETS_MAX);
            let whole = whole.map_err(|source| self.malformed(source))?;
            if let Some(whole) = whole.filter(|whole| *whole <= self.buffer.len()) {
                let octets = self.buffer.get(..whole).unwrap_or_default();
                let message = decode(octets).map_err(|source| self.malformed(source))?;
                self.buffer.advance(whole);
                if message.id == 0 {
                    // RFC 4511 §4.4.1: notice of disconnection.
                    return Err(self.io(io::ErrorKind::ConnectionReset.into()));
                }
                return Ok(Some(message));
            }
            // Cancelled, a read has taken nothing.
            let reading = self.stream.read_buf(&mut self.buffer);
            match tokio::time::timeout_at(until, reading).await {
                Err(_) => return Ok(None),
                Ok(Ok(0)) => return Err(self.io(io::ErrorKind::UnexpectedEof.into())),
                Ok(Ok(_)) => {}
                Ok(Err(source)) => return Err(self.io(source)),
            }
        }
    }

    /// The answer to a request with one answer.
    pub(super) async fn call(
        &mut self,
        request: &Request<'_>,
        controls: &[Control],
        what: &'static str,
    ) -> Result<Message, LdapError> {
        let id = self.send(request, controls).await?;
        self.answer(id, what).await
    }

    /// The next answer to a request.
    pub(super) async fn answer(
        &mut self,
        id: u32,
        what: &'static str,
    ) -> Result<Message, LdapError> {
        let until = tokio::time::Instant::now() + self.patience;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            match self.receive(left).await? {
                Some(message) if message.id == id => return Ok(message),
                // Of a request that was given up.
                Some(_) => {}
                None => return Err(self.slow(what)),
            }
        }
    }

    /// The first entry of a search, if there is one.
    pub(super) async fn find(&mut self, search: &Search<'_>) -> Result<Option<Entry>, LdapError> {
        /// RFC 4511 appendix A.
        const NO_SUCH_OBJECT: u32 = 32;
        let id = self.send(&Request::Search(search.clone()), &[]).await?;
        let mut found = None;
        loop {
            match self.answer(id, "a search").await?.response {
                Response::Entry(entry) => found = found.or(Some(entry)),
                Response::Reference => {}
                Response::SearchDone(result) if result.code == NO_SUCH_OBJECT => return Ok(None),
                Response::SearchDone(result) => {
                    self.success(&result, "a search")?;
                    return Ok(found);
                }
                _ => return Err(self.unexpected("a search")),
            }
        }
    }

    /// A page of a search: its entries, and where the next begins. References to elsewhere are ignored.
    pub(super) async fn page(
        &mut self,
        search: &Search<'_>,
        cookie: &[u8],
        more: &[Control],
    ) -> Result<(Vec<Entry>, Option<Vec<u8>>), LdapError> {
        let mut controls = vec![paged(PAGE, cookie)];
        controls.extend_from_slice(more);
        let id = self
            .send(&Request::Search(search.clone()), &controls)
            .await?;
        let mut entries = Vec::new();
        loop {
            let message = self.answer(id, "a search").await?;
            match message.response {
                Response::Entry(entry) => entries.push(entry),
                Response::Reference => {}
                Response::SearchDone(result) => {
                    self.success(&result, "a search")?;
                    let next = paged_cookie(&message.controls);
                    let next = next.map_err(|source| self.malformed(source))?;
                    return Ok((entries, next));
                }
                _ => return Err(self.unexpected("a search")),
            }
        }
    }

    pub(super) fn success(
        &self,
        result: &bridgehead_ldap::LdapResult,
        what: &'static str,
    ) -> Result<(), LdapError> {
        if result.code == 0 {
            return Ok(());
        }
        Err(LdapError::Refused {
            server: self.server.clone(),
            what,
            code: result.code,
            text: result
                .text
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect(),
        })
    }

    pub(super) fn malformed(&self, source: bridgehead_ldap::BerError) -> LdapError {
        LdapError::Malformed {
            server: self.server.clone(),
            source,
        }
    }

    pub(super) fn unexpected(&self, what: &'static str) -> LdapError {
        LdapError::Unexpected {
            server: self.server.clone(),
            what,
        }
    }

    pub(super) fn slow(&self, what: &'static str) -> LdapError {
        LdapError::Slow {
            server: self.server.clone(),
            what,
        }
    }

    fn io(&self, source: io::Error) -> LdapError {
        LdapError::Io {
            server: self.server.clone(),
            source,
        }
    }
}
