//! A small SMTP client that does exactly what it is told and shows every reply: for tests that want a word out of turn,
//! and for load that must know which message was answered 250.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that says nothing for this long is given up.
const SILENCE: Duration = Duration::from_secs(60);
/// More than this isn't a reply.
const REPLY_OCTETS_MAX: u64 = 64 * 1024;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The text of each line.
    pub lines: Vec<String>,
}

impl Reply {
    /// The lines joined by a space.
    #[must_use]
    pub fn text(&self) -> String {
        self.lines.join(" ")
    }

    /// Whether it is 2xx.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.code / 100 == 2
    }
}

/// A connection to a server.
#[derive(Debug)]
pub struct Client {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// The greeting.
    pub greeting: Reply,
}

impl Client {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// No connection, or no reply that can be read.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        stream.set_nodelay(true)?;
        let mut client = Self {
            writer: stream.try_clone()?,
            reader: BufReader::new(stream),
            greeting: Reply {
                code: 0,
                lines: Vec::new(),
            },
        };
        client.greeting = client.reply()?;
        Ok(client)
    }

    /// EHLO.
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn ehlo(&mut self, name: &str) -> io::Result<Reply> {
        self.command(&format!("EHLO {name}"))
    }

    /// A whole transaction with DATA. The first reply that isn't good ends it and is given back.
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn send(&mut self, from: &str, to: &[&str], content: &[u8]) -> io::Result<Reply> {
        let mail = self.command(&format!("MAIL FROM:<{from}>"))?;
        if !mail.is_good() {
            return Ok(mail);
        }
        for recipient in to {
            let rcpt = self.command(&format!("RCPT TO:<{recipient}>"))?;
            if !rcpt.is_good() {
                return Ok(rcpt);
            }
        }
        self.data(content)
    }

    /// DATA with the content, which is dot-stuffed here and must end with CRLF or be empty.
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn data(&mut self, content: &[u8]) -> io::Result<Reply> {
        let start = self.command("DATA")?;
        if start.code != 354 {
            return Ok(start);
        }
        let mut out = Vec::with_capacity(content.len() + 64);
        for line in content.split_inclusive(|octet| *octet == b'\n') {
            // RFC 5321 §4.5.2.
            if line.starts_with(b".") {
                out.push(b'.');
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b".\r\n");
        self.write(&out)?;
        self.reply()
    }

    /// One chunk (RFC 3030 §2).
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn bdat(&mut self, chunk: &[u8], last: bool) -> io::Result<Reply> {
        let last = if last { " LAST" } else { "" };
        let mut out = format!("BDAT {}{last}\r\n", chunk.len()).into_bytes();
        out.extend_from_slice(chunk);
        self.write(&out)?;
        self.reply()
    }

    /// QUIT.
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn quit(&mut self) -> io::Result<Reply> {
        self.command("QUIT")
    }

    /// A line, and its reply.
    ///
    /// # Errors
    /// As of [`Self::reply`].
    pub fn command(&mut self, line: &str) -> io::Result<Reply> {
        self.write(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// Octets as they are.
    ///
    /// # Errors
    /// The connection broke.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.writer.write_all(octets)
    }

    /// Reads one reply with all its lines.
    ///
    /// # Errors
    /// The connection broke or was closed, the server was silent for a minute, or what it said is no reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let mut bounded = (&mut self.reader).take(REPLY_OCTETS_MAX);
            if bounded.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let (Some(code), Some(text)) = (line.get(..3), line.get(3..)) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, line.to_owned()));
            };
            let code: u16 = code
                .parse()
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, line.to_owned()))?;
            let goes_on = text.starts_with('-');
            lines.push(text.get(1..).unwrap_or_default().to_owned());
            if !goes_on {
                return Ok(Reply { code, lines });
            }
        }
    }
}
