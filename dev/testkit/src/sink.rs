//! A next hop that records everything: what was said to it, octet for octet.
//!
//! It answers as it is told to, so that refusals and trouble of another server can be played. A thread for each
//! connection; it ends when the sink is dropped.

use parking_lot::Mutex;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A client that says nothing for this long is forgotten.
const SILENCE: Duration = Duration::from_secs(60);

/// One message as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What stood behind `EHLO` or `HELO`.
    pub helo: String,
    /// What stood behind `MAIL FROM:`, with its parameters.
    pub mail: String,
    /// What stood behind each `RCPT TO:` that was answered 250, with its parameters.
    pub rcpts: Vec<String>,
    /// The content, dot-stuffing undone.
    pub content: Vec<u8>,
    /// Which connection, counted from 1.
    pub connection: u64,
}

/// A moment at which the sink may be told to answer otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// A client connected; its number.
    Connected(u64),
    /// `MAIL FROM:` with the rest of its line.
    Mail(&'a str),
    /// `RCPT TO:` with the rest of its line.
    Rcpt(&'a str),
    /// The content has arrived.
    Content(&'a Received),
}

/// What to answer: `None` for the usual, else a whole reply without its line end. A reply that starts with `421`
/// also closes the connection; an empty one closes it without a word.
pub type Script = dyn Fn(Moment<'_>) -> Option<String> + Send + Sync;

/// The sink; dropping it closes it.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    received: Mutex<Vec<Received>>,
    script: Box<Script>,
    extensions: Vec<String>,
    connections: AtomicU64,
    closing: AtomicBool,
}

/// All that a modern server offers.
pub const ALL_EXTENSIONS: &[&str] = &[
    "PIPELINING",
    "SIZE 209715200",
    "8BITMIME",
    "SMTPUTF8",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
    "DSN",
];

impl Sink {
    /// A sink on a free port that offers everything and agrees to everything.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start() -> io::Result<Self> {
        Self::start_with(ALL_EXTENSIONS, Box::new(|_| None))
    }

    /// A sink that offers these extensions and answers by a script.
    ///
    /// # Errors
    /// No port could be had.
    pub fn start_with(extensions: &[&str], script: Box<Script>) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), extensions, script)
    }

    /// The same at a given address, as one that was away comes back.
    ///
    /// # Errors
    /// The address couldn't be had.
    pub fn start_at(
        address: SocketAddr,
        extensions: &[&str],
        script: Box<Script>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            received: Mutex::new(Vec::new()),
            script,
            extensions: extensions.iter().map(|&name| name.to_owned()).collect(),
            connections: AtomicU64::new(0),
            closing: AtomicBool::new(false),
        });
        let in_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &in_thread));
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

    /// What arrived so far.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().clone()
    }

    /// Takes away what arrived so far.
    #[must_use]
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.shared.received.lock())
    }

    /// How many messages arrived so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.received.lock().len()
    }

    /// How many connections there were so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            let _ = Connection::new(stream, &shared, number).and_then(|mut it| it.serve());
        });
    }
}

struct Connection<'a> {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    shared: &'a Shared,
    current: Received,
}

/// Whether the conversation goes on.
enum Next {
    GoOn,
    Close,
}

impl<'a> Connection<'a> {
    fn new(stream: TcpStream, shared: &'a Shared, number: u64) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            writer: stream.try_clone()?,
            reader: BufReader::new(stream),
            shared,
            current: Received {
                connection: number,
                ..Received::default()
            },
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let greeting = Moment::Connected(self.current.connection);
        let planned = (self.shared.script)(greeting);
        let mut next = self.say(planned, "220 sink.example.net ESMTP")?;
        while matches!(next, Next::GoOn) {
            let Some(line) = self.line()? else {
                return Ok(());
            };
            let line = String::from_utf8_lossy(&line).into_owned();
            next = self.command(line.trim_end())?;
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> io::Result<Next> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.ehlo(rest),
            "HELO" => {
                rest.clone_into(&mut self.current.helo);
                self.say(None, "250 sink.example.net")
            }
            "MAIL" => {
                let path = after_colon(rest);
                let planned = (self.shared.script)(Moment::Mail(path));
                if planned.as_ref().is_none_or(|reply| reply.starts_with('2')) {
                    self.reset();
                    path.clone_into(&mut self.current.mail);
                }
                self.say(planned, "250 2.1.0 OK")
            }
            "RCPT" => {
                let path = after_colon(rest);
                let planned = (self.shared.script)(Moment::Rcpt(path));
                if planned.as_ref().is_none_or(|reply| reply.starts_with('2')) {
                    self.current.rcpts.push(path.to_owned());
                }
                self.say(planned, "250 2.1.5 OK")
            }
            "DATA" if self.current.rcpts.is_empty() => self.say(None, "503 5.5.1 RCPT first"),
            "DATA" => {
                self.say(None, "354 go")?;
                self.data()?;
                self.finish()
            }
            "BDAT" => self.bdat(rest),
            "RSET" => {
                self.reset();
                self.say(None, "250 2.0.0 OK")
            }
            "NOOP" => self.say(None, "250 2.0.0 OK"),
            "QUIT" => {
                self.say(None, "221 2.0.0 bye")?;
                Ok(Next::Close)
            }
            _ => self.say(None, "500 5.5.2 what?"),
        }
    }

    fn ehlo(&mut self, name: &str) -> io::Result<Next> {
        name.clone_into(&mut self.current.helo);
        let mut lines = vec!["sink.example.net".to_owned()];
        lines.extend(self.shared.extensions.iter().cloned());
        let last = lines.len() - 1;
        let mut reply = String::new();
        for (number, line) in lines.iter().enumerate() {
            let mark = if number == last { ' ' } else { '-' };
            reply.push_str(&format!("250{mark}{line}\r\n"));
        }
        self.writer.write_all(reply.as_bytes())?;
        Ok(Next::GoOn)
    }

    fn data(&mut self) -> io::Result<()> {
        loop {
            let Some(line) = self.line()? else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            if line == b".\r\n" {
                return Ok(());
            }
            // RFC 5321 §4.5.2: a leading dot was added by the client.
            let line = line.strip_prefix(b".").unwrap_or(&line);
            self.current.content.extend_from_slice(line);
        }
    }

    fn bdat(&mut self, rest: &str) -> io::Result<Next> {
        let mut words = rest.split_whitespace();
        let size: u64 = words
            .next()
            .and_then(|size| size.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        let mut chunk = Vec::new();
        (&mut self.reader).take(size).read_to_end(&mut chunk)?;
        if (chunk.len() as u64) < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.current.rcpts.is_empty() {
            return self.say(None, "503 5.5.1 RCPT first");
        }
        self.current.content.append(&mut chunk);
        if words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("LAST"))
        {
            self.finish()
        } else {
            self.say(None, "250 2.0.0 OK")
        }
    }

    /// The content is here: keep it, unless the script refuses it.
    fn finish(&mut self) -> io::Result<Next> {
        let planned = (self.shared.script)(Moment::Content(&self.current));
        if planned.as_ref().is_none_or(|reply| reply.starts_with('2')) {
            self.shared.received.lock().push(self.current.clone());
        }
        self.reset();
        self.say(planned, "250 2.0.0 kept")
    }

    fn reset(&mut self) {
        self.current.mail.clear();
        self.current.rcpts.clear();
        self.current.content.clear();
    }

    fn say(&mut self, planned: Option<String>, usual: &str) -> io::Result<Next> {
        let reply = planned.unwrap_or_else(|| usual.to_owned());
        if reply.is_empty() {
            return Ok(Next::Close);
        }
        self.writer.write_all(format!("{reply}\r\n").as_bytes())?;
        Ok(if reply.starts_with("421") {
            Next::Close
        } else {
            Next::GoOn
        })
    }

    /// A line with its CRLF; `None` at the end.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            if self.reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(line))
    }
}

fn after_colon(text: &str) -> &str {
    text.split_once(':').map_or("", |(_, rest)| rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn what_goes_in_is_recorded() {
        let sink = Sink::start().unwrap();
        let mut client = Client::connect(sink.address()).unwrap();
        client.ehlo("client.example.test").unwrap();
        let content = b"Subject: x\r\n\r\n.\r\n..dots\r\n";
        let reply = client
            .send("a@example.test", &["b@example.net"], content)
            .unwrap();
        assert_eq!(reply.code, 250);
        client.quit().unwrap();
        let received = sink.received();
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].content, content);
        assert_eq!(received[0].mail, "<a@example.test>");
        assert_eq!(received[0].rcpts, ["<b@example.net>"]);
        assert_eq!(received[0].helo, "client.example.test");
    }

    #[test]
    fn chunks_arrive_without_a_last_line_end() {
        let sink = Sink::start().unwrap();
        let mut client = Client::connect(sink.address()).unwrap();
        client.ehlo("client.example.test").unwrap();
        client.command("MAIL FROM:<>").unwrap();
        client.command("RCPT TO:<b@example.net>").unwrap();
        assert_eq!(client.bdat(b"a\r\n", false).unwrap().code, 250);
        assert_eq!(client.bdat(b".", true).unwrap().code, 250);
        assert_eq!(sink.received()[0].content, b"a\r\n.");
    }

    #[test]
    fn a_script_refuses_one_recipient() {
        let script = |moment: Moment<'_>| match moment {
            Moment::Rcpt(path) if path.contains("bad") => Some("550 5.1.1 no".to_owned()),
            _ => None,
        };
        let sink = Sink::start_with(&[], Box::new(script)).unwrap();
        let mut client = Client::connect(sink.address()).unwrap();
        client.ehlo("client.example.test").unwrap();
        client.command("MAIL FROM:<>").unwrap();
        assert_eq!(client.command("RCPT TO:<bad@x.test>").unwrap().code, 550);
        assert_eq!(client.command("RCPT TO:<good@x.test>").unwrap().code, 250);
        assert_eq!(client.data(b"x\r\n").unwrap().code, 250);
        assert_eq!(sink.received()[0].rcpts, ["<good@x.test>"]);
    }
}
