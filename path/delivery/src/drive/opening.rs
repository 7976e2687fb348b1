//! Opening a connection to another server: greeting, EHLO, STARTTLS, AUTH.
//!
//! Guards: a password never leaves in the clear unless the operator said so; what came in the clear is never taken for what
//! came inside TLS. May refuse: a host that is this server, and one that can't be encrypted to as the settings want.

use super::connection::Connection;
use super::doubt::Progress;
use super::stream::Stream;
use super::tls::{ClientTls, facts_of_member};
use crate::settings::{ConnectorSettings, Credentials, Tls};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bridgehead_mail::{Domain, Failure, RemoteReply, StatusCode};
use bridgehead_membership::{chose_members, why};
use bridgehead_smtp::client::Extensions;
use bridgehead_smtp::reply::ServerReply;
use rustix::net::sockopt;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// What is needed to open a connection.
pub(super) struct Opening<'a> {
    pub(super) hostname: &'a Domain,
    pub(super) connector: &'a Arc<ConnectorSettings>,
    pub(super) tls: &'a ClientTls,
    pub(super) host: &'a Domain,
    pub(super) address: SocketAddr,
    pub(super) own_addresses: &'a [SocketAddr],
    /// Found by DNS, so that this server may be among the hosts.
    pub(super) is_mx: bool,
    /// The server of the organisation that it must prove to be.
    pub(super) member: Option<&'a MemberTls>,
    pub(super) progress: &'a Progress,
}

/// How a server of the organisation proves itself.
pub(super) struct MemberTls {
    pub(super) server: Box<str>,
    pub(super) config: Arc<ClientConfig>,
}

/// Why no connection was opened.
pub(super) enum NotOpened {
    /// The host is this server.
    ThisServer,
    /// It can't be used.
    Failure(Failure),
}

/// The same, before it is known whether another try follows.
enum Refusal {
    /// Encryption was offered and failed; another try in the clear may work.
    Handshake(String),
    ThisServer,
    Failure(Failure),
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Opening<'_> {
    /// Opens a connection, encrypted if the settings and the server want it.
    pub(super) async fn open(&self) -> Result<Connection, NotOpened> {
        if self.member.is_some() {
            // Never in the clear, never with an ordinary certificate: what a connector says of TLS is for others.
            let opened = self.open_with(Tls::Required).await;
            return opened.map_err(|refusal| self.not_opened(refusal));
        }
        match self.open_with(self.connector.tls).await {
            // RFC 7435 §3: opportunistic encryption gives way; on a new connection, since nobody knows what became of the old.
            Err(Refusal::Handshake(why)) if self.connector.tls == Tls::Opportunistic => {
                tracing::info!(host = %self.host, %why, "TLS failed; opportunistic, so in the clear");
                let opened = self.open_with(Tls::Never).await;
                let mut connection = opened.map_err(|refusal| self.not_opened(refusal))?;
                connection.secured(&format!("in the clear, because TLS failed: {why}"));
                Ok(connection)
            }
            other => other.map_err(|refusal| self.not_opened(refusal)),
        }
    }

    /// No other try follows.
    fn not_opened(&self, refusal: Refusal) -> NotOpened {
        match refusal {
            Refusal::Failure(failure) => NotOpened::Failure(failure),
            Refusal::ThisServer => NotOpened::ThisServer,
            Refusal::Handshake(why) => {
                let label = label(self.host, self.address);
                let text = match self.member {
                    Some(MemberTls { server, .. }) => {
                        format!(
                            "{label} has not proved to be the server {server} of the organisation"
                        )
                    }
                    None => format!("No encrypted connection to {label} could be made"),
                };
                let failure = Failure::new(StatusCode::transient(7, 5), &text);
                NotOpened::Failure(failure.because(&why))
            }
        }
    }

    async fn open_with(&self, tls: Tls) -> Result<Connection, Refusal> {
        if self.is_mx && self.is_own_address() {
            return Err(Refusal::ThisServer);
        }
        let mut connection = self.connect().await?;
        match self.prepare(&mut connection, tls).await {
            Ok(()) => Ok(connection),
            Err(refusal) => {
                // RFC 5321 §4.1.1.10: QUIT is said even to a server that turned us away.
                if connection.is_open() {
                    tokio::spawn(connection.quit());
                }
                Err(refusal)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Refusal> {
        let address = self.address;
        let label = label(self.host, address);
        let unreachable = |why: &dyn Display| {
            let text = format!("No connection to {label} could be made");
            Failure::new(StatusCode::transient(4, 1), &text).because(&why)
        };
        let connecting = TcpStream::connect(address);
        let stream = match timeout(self.connector.connect_timeout, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(&error).into()),
            Err(_) => return Err(unreachable(&"no answer in time").into()),
        };
        if self.is_mx && self.is_own_machine(&stream) {
            return Err(Refusal::ThisServer);
        }
        // Whole commands are written at once; waiting for more would only cost time.
        let _ = stream.set_nodelay(true);
        if self.member.is_some() {
            notice_silence(&stream);
        }
        self.progress.made();
        let (connector, progress) = (Arc::clone(self.connector), self.progress.clone());
        let patience = (self.patience(), progress);
        let stream = Stream::Clear(stream);
        Ok(Connection::new(stream, label.into(), connector, patience))
    }

    /// From the greeting on.
    async fn prepare(&self, connection: &mut Connection, tls: Tls) -> Result<(), Refusal> {
        greeted(connection).await?;
        self.hello(connection).await?;
        connection.secured(match (tls, connection.offered.starttls) {
            (Tls::Never, _) => "in the clear, as its connector says",
            _ => "in the clear: the other server offers no TLS",
        });
        if tls != Tls::Never && connection.offered.starttls {
            self.encrypt(connection, tls).await?;
            // RFC 3207 §4.2: what was offered in the clear is forgotten. A server that drops the connection here has found
            // fault with the handshake only now.
            let again = self.hello(connection).await;
            let dropped = "dropped after the handshake";
            match again {
                // In TLS 1.3 the key of this server is judged when the handshake is over for it.
                Err(Refusal::Failure(failure))
                    if self.member.is_some() && failure.remote.is_none() =>
                {
                    let why = format!(
                        "{dropped}, as if it didn't know the key of this server: {failure}"
                    );
                    return Err(Refusal::Handshake(why));
                }
                _ if !connection.is_open() => return Err(Refusal::Handshake(dropped.to_owned())),
                other => other?,
            }
        } else if self.member.is_some() {
            return Err(Refusal::Handshake("it offers no TLS".to_owned()));
        } else if matches!(tls, Tls::Required | Tls::Verify) {
            let label = connection.label();
            let text = format!("{label} does not offer the encryption that is required");
            return Err(Failure::new(StatusCode::transient(7, 10), &text).into());
        }
        match &self.connector.credentials {
            Some(credentials) if self.member.is_none() => {
                self.authenticate(connection, credentials).await
            }
            _ => Ok(()),
        }
    }

    async fn hello(&self, connection: &mut Connection) -> Result<(), Refusal> {
        let reply = introduce(connection, self.hostname).await?;
        let first = reply.lines.first().map(String::as_str).unwrap_or_default();
        let name = first.split_ascii_whitespace().next().unwrap_or_default();
        if self.is_mx && name.eq_ignore_ascii_case(self.hostname.as_str()) {
            return Err(Refusal::ThisServer);
        }
        Ok(())
    }

    /// STARTTLS (RFC 3207). Whatever goes wrong here is the encryption's fault.
    async fn encrypt(&self, connection: &mut Connection, tls: Tls) -> Result<(), Refusal> {
        let because = |failure: Failure| Refusal::Handshake(failure.to_string());
        connection.write(b"STARTTLS\r\n").await.map_err(because)?;
        let reply = connection.reply_in_time().await.map_err(because)?;
        if !reply.is_success() {
            return Err(Refusal::Handshake(reply.to_string()));
        }
        let refused = |why: &str| Refusal::Handshake(why.to_owned());
        // What came before the handshake may be anybody's (RFC 3207 §5): never taken for the server's.
        let Some(stream) = connection.take_clear() else {
            return Err(refused("octets before the handshake"));
        };
        let config = match (self.member, tls) {
            (Some(member), _) => Ok(&member.config),
            (None, Tls::Verify) => self.tls.verifying.as_ref(),
            (None, _) => self.tls.accepting.as_ref(),
        };
        let config = config.map_err(|why| refused(why))?;
        let name = match self.host.literal() {
            Some(address) => ServerName::from(address),
            None => ServerName::try_from(self.host.as_str().to_owned())
                .map_err(|error| Refusal::Handshake(error.to_string()))?,
        };
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream);
        let encrypted = timeout(self.patience(), handshake)
            .await
            .map_err(|_| refused("no answer in time"))?
            .map_err(|error| Refusal::Handshake(why(&error)))?;
        let (_, session) = encrypted.get_ref();
        let facts = match self.member {
            Some(_) if !chose_members(session) => {
                return Err(refused("it doesn't speak the protocol of members"));
            }
            Some(member) => facts_of_member(session, &member.server),
            None => self.tls.facts(session, &name),
        };
        self.progress.made();
        tracing::debug!(host = %connection.label(), %facts, "encrypted");
        connection.secured(&facts);
        connection.set_stream(Stream::Tls(Box::new(encrypted)));
        Ok(())
    }

    /// AUTH PLAIN or LOGIN (RFC 4954), never in the clear unless the operator switched encryption off.
    async fn authenticate(
        &self,
        connection: &mut Connection,
        Credentials { user, password }: &Credentials,
    ) -> Result<(), Refusal> {
        let label = connection.label();
        if connection.is_clear() && self.connector.tls != Tls::Never {
            let text = format!("{label} offers no encryption for the password");
            return Err(Failure::new(StatusCode::transient(7, 11), &text).into());
        }
        let plain = || STANDARD.encode(format!("\0{user}\0{password}"));
        let steps = match (connection.offered.auth_plain, connection.offered.auth_login) {
            (true, _) => vec![format!("AUTH PLAIN {}", plain())],
            (false, true) => {
                let texts = [user, password].map(|text| STANDARD.encode(text.as_bytes()));
                let [user, password] = texts;
                vec!["AUTH LOGIN".to_owned(), user, password]
            }
            (false, false) => {
                let text = format!("{label} offers no way to authenticate that is known here");
                return Err(Failure::new(StatusCode::transient(7, 4), &text).into());
            }
        };
        let last = steps.len().saturating_sub(1);
        for (number, step) in steps.iter().enumerate() {
            let reply = ask(connection, step).await?;
            let expected = match number == last {
                true => reply.is_success(),
                false => reply.code == 334,
            };
            if !expected {
                return Err(turned_away(connection, &reply).into());
            }
        }
        Ok(())
    }

    /// For the reply to a command. A server must have a time-out and should have it configurable (RFC 5321 §4.5.3.2); between
    /// servers of the organisation there is another bound: what they answer to commands comes from memory, so that silence means a
    /// line that is dead behind something that still takes octets, and the kernel can't notice that.
    fn patience(&self) -> Duration {
        let patience = self.connector.command_timeout;
        match self.member {
            Some(_) => patience.min(SILENCE),
            None => patience,
        }
    }

    /// Whether this server listens at the address.
    fn is_own_address(&self) -> bool {
        self.own_addresses.iter().any(|own| {
            let same = own.ip() == self.address.ip();
            let any = own.ip().is_unspecified() && self.address.ip().is_loopback();
            own.port() == self.address.port() && (same || any)
        })
    }

    /// Whether the connection never left the machine and leads to a port where this server listens on all addresses.
    fn is_own_machine(&self, stream: &TcpStream) -> bool {
        let here = stream.local_addr().ok().map(|address| address.ip());
        let listens =
            |own: &SocketAddr| own.ip().is_unspecified() && own.port() == self.address.port();
        here == Some(self.address.ip()) && self.own_addresses.iter().any(listens)
    }
}

/// The greeting of the other server.
pub(super) async fn greeted(connection: &mut Connection) -> Result<(), Failure> {
    let greeting = connection.reply_in_time().await?;
    if !greeting.is_success() {
        return Err(turned_away(connection, &greeting));
    }
    Ok(())
}

/// EHLO, and what the other server says to it.
pub(super) async fn introduce(
    connection: &mut Connection,
    hostname: &Domain,
) -> Result<ServerReply, Failure> {
    connection.offered = Extensions::default();
    let mut reply = ask(connection, &format!("EHLO {hostname}")).await?;
    if reply.is_success() {
        connection.offered = Extensions::parse(&reply);
    } else if reply.code / 100 == 5 {
        // RFC 5321 §3.2: a server that doesn't know EHLO.
        reply = ask(connection, &format!("HELO {hostname}")).await?;
    }
    if !reply.is_success() {
        return Err(turned_away(connection, &reply));
    }
    Ok(reply)
}

/// Says a line, and waits for what the other server says to it.
pub(super) async fn ask(connection: &mut Connection, line: &str) -> Result<ServerReply, Failure> {
    connection.write(format!("{line}\r\n").as_bytes()).await?;
    connection.reply_in_time().await
}

/// How a next hop is named in reports: its name and address, or the address alone where that is its name.
fn label(host: &Domain, address: SocketAddr) -> String {
    let literal = format!("[{}]", address.ip());
    if host.as_str() == literal {
        return format!("{literal}:{}", address.port());
    }
    format!("{host} {literal}:{}", address.port())
}

/// How long a server of the organisation may be silent when it should say something.
const SILENCE: Duration = Duration::from_secs(15);

/// A line between servers of the organisation that is dead is noticed by the kernel, long before a server that is only slow would be
/// given up (the user timeout of RFC 5482). Where that can't be had the patience of the connector is what is left.
fn notice_silence(stream: &TcpStream) {
    let millis = u32::try_from(SILENCE.as_millis()).unwrap_or(u32::MAX);
    let _ = sockopt::set_tcp_user_timeout(stream, millis);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, SILENCE / 3);
    let _ = sockopt::set_tcp_keepintvl(stream, SILENCE / 3);
}

/// A refusal of the whole connection: temporary, because it isn't about any message. Only 521 says for good that there is
/// no mail service (RFC 7504 §3).
fn turned_away(connection: &Connection, reply: &ServerReply) -> Failure {
    const NO_SERVICE: u16 = 521;
    let label = connection.label();
    let said = RemoteReply {
        host: label.into(),
        code: reply.code,
        text: reply.text().into(),
    };
    let failure = if reply.code == NO_SERVICE {
        let text = format!("{label} is a host that takes no mail");
        Failure::new(StatusCode::permanent(3, 2), &text)
    } else {
        let text = format!("{label} takes no mail from this server now");
        let status = reply
            .status()
            .map_or(StatusCode::transient(4, 0), |status| {
                StatusCode::transient(status.subject(), status.detail())
            });
        Failure::new(status, &text)
    };
    failure.said(said)
}
