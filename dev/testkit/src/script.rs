//! A next hop that misbehaves exactly as a test says: each connection runs the test's own script, word by word.
//!
//! Where [`crate::sink::Sink`] is a well-bred server with an opinion, this one has no manners of its own. A thread for each
//! connection; the listener ends when the peer is dropped.

use parking_lot::Mutex;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A client that says nothing for this long is forgotten.
const SILENCE: Duration = Duration::from_secs(30);

/// A message that [`Talk::serve`] took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Which connection, counted from 1.
    pub connection: u64,
    /// The line of MAIL.
    pub mail: String,
    /// The lines of RCPT.
    pub rcpts: Vec<String>,
    /// The content as it came, with its dots still doubled.
    pub content: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Vec<String>>,
    taken: Mutex<Vec<Taken>>,
    connections: AtomicU64,
    closing: AtomicBool,
}

/// The server; dropping it closes it.
pub struct Peer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// On a free port of 127.0.0.1; every connection runs `script`, and is closed when it returns.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start(
        script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), script)
    }

    /// The same at a given address.
    ///
    /// # Errors
    /// The address couldn't be had.
    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let in_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &in_thread, &Arc::new(script)));
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The lines that were heard so far, outside of content.
    #[must_use]
    pub fn heard(&self) -> Vec<String> {
        self.shared.heard.lock().clone()
    }

    /// The messages that [`Talk::serve`] took so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        self.shared.taken.lock().clone()
    }

    /// How many connections there were so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept<S>(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<S>)
where
    S: Fn(&mut Talk) -> io::Result<()> + Send + Sync + 'static,
{
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let (shared, script) = (Arc::clone(shared), Arc::clone(script));
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            let _ = Talk::new(stream, shared, number).and_then(|mut talk| script(&mut talk));
        });
    }
}

enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
    Gone,
}

/// One connection, from the server's side.
pub struct Talk {
    wire: Wire,
    unread: Vec<u8>,
    number: u64,
    shared: Arc<Shared>,
}

impl Talk {
    fn new(stream: TcpStream, shared: Arc<Shared>, number: u64) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            wire: Wire::Clear(stream),
            unread: Vec::new(),
            number,
            shared,
        })
    }

    /// Which connection this is, counted from 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Octets as they are.
    ///
    /// # Errors
    /// The client is gone.
    pub fn raw(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.wire {
            Wire::Clear(stream) => stream.write_all(octets),
            Wire::Tls(stream) => {
                stream.write_all(octets)?;
                stream.flush()
            }
            Wire::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// A line; its CRLF is added.
    ///
    /// # Errors
    /// The client is gone.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        self.raw(format!("{line}\r\n").as_bytes())
    }

    /// Waits for a line, and gives it back without its CRLF.
    ///
    /// # Errors
    /// The client is gone, or silent for too long.
    pub fn hear(&mut self) -> io::Result<String> {
        let line = self.until(b"\n")?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        self.shared.heard.lock().push(line.clone());
        Ok(line)
    }

    /// Waits for a line and answers it.
    ///
    /// # Errors
    /// As of [`Self::hear`].
    pub fn answer(&mut self, reply: &str) -> io::Result<String> {
        let line = self.hear()?;
        self.say(reply)?;
        Ok(line)
    }

    /// The greeting, and the answer to EHLO with these extensions.
    ///
    /// # Errors
    /// As of [`Self::hear`].
    pub fn hello(&mut self, extensions: &[&str]) -> io::Result<()> {
        self.say("220 peer.example.net ESMTP")?;
        self.ehlo(extensions)
    }

    /// Waits for EHLO and answers with these extensions.
    ///
    /// # Errors
    /// As of [`Self::hear`].
    pub fn ehlo(&mut self, extensions: &[&str]) -> io::Result<()> {
        self.hear()?;
        let mut reply = String::from("250-peer.example.net\r\n");
        for extension in extensions {
            reply.push_str(&format!("250-{extension}\r\n"));
        }
        self.say(&format!("{reply}250 HELP"))
    }

    /// Reads content up to its dot, which is left out.
    ///
    /// # Errors
    /// As of [`Self::hear`].
    pub fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let line = self.until(b"\n")?;
            if line == b".\r\n" {
                return Ok(content);
            }
            content.extend_from_slice(&line);
        }
    }

    /// Reads so many octets.
    ///
    /// # Errors
    /// As of [`Self::hear`].
    pub fn octets(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count {
            self.more()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Says that TLS may start, and makes the handshake with a certificate that nobody signed.
    ///
    /// # Errors
    /// The client is gone, or doesn't want it.
    pub fn start_tls(&mut self) -> io::Result<()> {
        self.start_tls_as(tls_config()?)
    }

    /// The same as this server.
    ///
    /// # Errors
    /// The client is gone, or doesn't want it.
    pub fn start_tls_as(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        self.answer("220 go")?;
        let Wire::Clear(mut stream) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        self.wire = Wire::Tls(Box::new(StreamOwned::new(connection, stream)));
        Ok(())
    }

    /// Agrees to everything until the client leaves, and keeps what it sends.
    ///
    /// # Errors
    /// The client left without a word.
    pub fn serve(&mut self) -> io::Result<()> {
        let mut taken = Taken::default();
        loop {
            let line = self.hear()?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "MAIL" => {
                    taken = Taken {
                        connection: self.number,
                        mail: line,
                        ..Taken::default()
                    };
                }
                "RCPT" => taken.rcpts.push(line),
                "DATA" => {
                    self.say("354 go")?;
                    taken.content = self.content()?;
                    self.shared.taken.lock().push(std::mem::take(&mut taken));
                }
                "BDAT" => {
                    let size = line.split(' ').nth(1).and_then(|size| size.parse().ok());
                    taken.content = self.octets(size.unwrap_or(0))?;
                    self.shared.taken.lock().push(std::mem::take(&mut taken));
                }
                "QUIT" => return self.say("221 bye"),
                _ => {}
            }
            self.say("250 ok")?;
        }
    }

    /// Says nothing more; returns when the client is gone.
    ///
    /// # Errors
    /// The client holds on for too long.
    pub fn silence(&mut self) -> io::Result<()> {
        loop {
            match self.more() {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                other => other?,
            }
            self.unread.clear();
        }
    }

    /// Says one octet after the other, with a pause after each, for as long as the client listens.
    ///
    /// # Errors
    /// The client is gone: that is how it ends.
    pub fn drip(&mut self, octets: &[u8], pause: Duration) -> io::Result<()> {
        for octet in octets.iter().cycle() {
            self.raw(&[*octet])?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Closes the connection for good, with whatever the client still wants to say.
    pub fn close(&mut self) {
        if let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Gone) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Ends the connection with a reset: whatever is on its way is lost.
    pub fn reset(&mut self) {
        if let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Gone) {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Up to and with this end.
    fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found = self
                .unread
                .get(searched..)
                .unwrap_or_default()
                .windows(end.len())
                .position(|piece| piece == end);
            if let Some(at) = found {
                return Ok(self.unread.drain(..searched + at + end.len()).collect());
            }
            searched = self.unread.len().saturating_sub(end.len());
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = match &mut self.wire {
            Wire::Clear(stream) => stream.read(&mut buffer)?,
            Wire::Tls(stream) => stream.read(&mut buffer)?,
            Wire::Gone => 0,
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread
            .extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }
}

fn tls_config() -> io::Result<Arc<ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(vec!["peer.example.net".to_owned()])
        .map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn it_says_what_its_script_says_and_keeps_what_it_heard() {
        let peer = Peer::start(|talk| {
            talk.hello(&["PIPELINING"])?;
            talk.answer("550 no")?;
            talk.serve()
        })
        .unwrap();
        let mut client = Client::connect(peer.address()).unwrap();
        client.ehlo("client.example.test").unwrap();
        assert_eq!(client.command("MAIL FROM:<>").unwrap().code, 550);
        client
            .send("a@example.test", &["b@example.net"], b".x\r\n")
            .unwrap();
        client.quit().unwrap();
        assert_eq!(peer.heard()[0], "EHLO client.example.test");
        assert_eq!(peer.taken()[0].content, b"..x\r\n");
        assert_eq!(peer.connections(), 1);
    }
}
