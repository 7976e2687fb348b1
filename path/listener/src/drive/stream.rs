//! A client's connection, in clear or inside TLS.
//!
//! Guards: a session that waits holds next to no input buffer; a client that doesn't take our octets is left after a time.

use crate::members::Known;
use bridgehead_membership::{ALPN, peer_key};
use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Octets that are still read from a client after the last reply, so that the reply isn't lost to a reset.
const LINGER_OCTETS_MAX: usize = 256 * 1024;
/// How long the last octets are waited for.
const LINGER: Duration = Duration::from_secs(1);

/// An input buffer of this size is kept while a session waits: to make one for each command costs more than it saves.
pub(super) const KEPT_OCTETS: usize = 2 * 1024;

/// Octets to and from a client, in clear or inside TLS.
pub trait Line: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Line for T {}

/// A connection.
pub(super) enum Stream {
    /// In clear.
    Plain(TcpStream),
    /// Inside TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// As it was given: this server made the connection, and the other side has become the client.
    Given(Box<dyn Line>),
    /// The handshake failed.
    Gone,
}

/// What came of a handshake.
pub(super) struct Secured {
    /// For the trace field.
    pub(super) description: Box<str>,
    /// The key of a member, which the client has proved to have.
    pub(super) key: Option<[u8; 32]>,
}

/// A handshake that failed.
pub(super) struct NotSecured {
    pub(super) error: io::Error,
    /// Whether the client offered the protocol of members.
    pub(super) member: bool,
}

impl From<io::Error> for NotSecured {
    fn from(error: io::Error) -> Self {
        let member = false;
        Self { error, member }
    }
}

impl Stream {
    /// Reads what is there, up to `room` octets; 0 is the end. A large buffer isn't kept while it waits with nothing in it.
    pub(super) async fn read(&mut self, input: &mut BytesMut, room: usize) -> io::Result<usize> {
        poll_fn(|context| {
            input.reserve(room);
            let polled = match self {
                Self::Plain(stream) => pin!(stream.read_buf(input)).poll(context),
                Self::Tls(stream) => pin!(stream.read_buf(input)).poll(context),
                Self::Given(line) => pin!(line.read_buf(input)).poll(context),
                Self::Gone => Poll::Ready(Ok(0)),
            };
            if polled.is_pending() && input.is_empty() && input.capacity() > KEPT_OCTETS {
                *input = BytesMut::new();
            }
            polled
        })
        .await
    }

    /// Sends all of it in time.
    pub(super) async fn write(&mut self, octets: &[u8], patience: Duration) -> io::Result<()> {
        let now = match self {
            Self::Plain(stream) => send_now(stream, octets)?,
            Self::Tls(_) | Self::Given(_) | Self::Gone => 0,
        };
        let rest = octets.get(now..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        let sent = timeout(patience, async {
            match self {
                Self::Plain(stream) => stream.write_all(rest).await,
                Self::Tls(stream) => {
                    stream.write_all(rest).await?;
                    stream.flush().await
                }
                Self::Given(line) => {
                    line.write_all(rest).await?;
                    line.flush().await
                }
                Self::Gone => Err(io::ErrorKind::NotConnected.into()),
            }
        });
        sent.await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Does the server's side of the handshake. Who offers the protocol of members is answered as one, and must prove it; nobody
    /// else is asked for a certificate.
    pub(super) async fn start_tls(
        &mut self,
        config: Arc<ServerConfig>,
        members: Option<&Known>,
        patience: Duration,
    ) -> Result<Secured, NotSecured> {
        let Self::Plain(stream) = std::mem::replace(self, Self::Gone) else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let mut member = false;
        // What a handshake needs is gone after it; a session that waits doesn't hold room for it.
        let shaken = Box::pin(async {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
            let hello = begun.client_hello();
            member = hello
                .alpn()
                .is_some_and(|mut offered| offered.any(|protocol| protocol == ALPN));
            let config = match members {
                Some(members) if member => Arc::clone(&members.tls),
                _ => config,
            };
            begun.into_stream(config).await
        });
        let shaken = timeout(patience, shaken).await;
        let shaken = shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = shaken.map_err(|error| NotSecured { error, member })?;
        let (_, connection) = stream.get_ref();
        let version = match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS1_3",
            _ => "TLS1_2",
        };
        let description = match connection.negotiated_cipher_suite() {
            Some(suite) => format!("{version} {:?}", suite.suite()),
            None => version.to_owned(),
        };
        let key = peer_key(connection);
        *self = Self::Tls(Box::new(stream));
        Ok(Secured {
            description: description.into(),
            key,
        })
    }

    /// Closes. To linger is to close our end first and to read away what the client still sends for a moment.
    pub(super) async fn close(mut self, linger: bool) {
        if !linger && matches!(self, Self::Plain(_) | Self::Gone) {
            return;
        }
        // However it ends, it ends: there is nobody to tell.
        let _ = timeout(LINGER, async {
            match &mut self {
                Self::Plain(stream) => stream.shutdown().await?,
                Self::Tls(stream) => stream.shutdown().await?,
                Self::Given(line) => line.shutdown().await?,
                Self::Gone => {}
            }
            let mut seen = if linger { 0 } else { LINGER_OCTETS_MAX };
            let mut input = BytesMut::new();
            while seen < LINGER_OCTETS_MAX {
                match self.read(&mut input, 4096).await? {
                    0 => break,
                    count => seen += count,
                }
                input.clear();
            }
            io::Result::Ok(())
        })
        .await;
    }
}

/// Sends what there is room for at once. Past the runtime, which would wait for its next look at a connection that is new.
pub(super) fn send_now(stream: &TcpStream, octets: &[u8]) -> io::Result<usize> {
    match SockRef::from(stream).send(octets) {
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        },
        sent => sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Waker};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_session_that_waits_keeps_a_small_buffer_only() {
        let door = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = door.local_addr().unwrap();
        let client = TcpStream::connect(address);
        let (_client, accepted) = tokio::join!(client, door.accept());
        let mut stream = Stream::Plain(accepted.unwrap().0);
        for (held, kept) in [
            (128 * 1024, 0),
            (KEPT_OCTETS, KEPT_OCTETS),
            (0, KEPT_OCTETS),
        ] {
            let mut input = BytesMut::with_capacity(held);
            // As after a message that filled it and was eaten.
            input.resize(held, b'x');
            bytes::Buf::advance(&mut input, held);
            let mut context = Context::from_waker(Waker::noop());
            let polled = pin!(stream.read(&mut input, KEPT_OCTETS)).poll(&mut context);
            assert!(polled.is_pending());
            assert_eq!(input.capacity(), kept, "of {held}");
        }
    }
}
