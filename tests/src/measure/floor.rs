//! The floor: what sockets, SMTP's round trips and a log with group commit cost, and nothing else.
//!
//! One thread and one epoll. What ended in a round is written to the log in one piece and synced once, then everybody is
//! answered. No server that answers 250 only for what is durable can do it with much less; it parses nothing, and knows neither
//! recipients nor queues.

use super::{Cell, Subject};
use crate::process::Guarded;
use bridgehead_load::Pipelining;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const DOOR: Token = Token(usize::MAX);
const LOG_OCTETS: u64 = 64 << 20;

/// The floor as a process of its own.
pub struct Floor {
    address: SocketAddr,
    process: Guarded,
    _folder: TempDir,
}

impl Floor {
    /// Starts the program that [`serve`]s: this one's own executable, with a word that makes it do so.
    pub fn start(executable: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(executable)
            .arg("floor")
            .arg(folder.path().join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        Self {
            address: line.trim().parse().unwrap(),
            process: Guarded::new(child),
            _folder: folder,
        }
    }
}

impl Subject for Floor {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process_id(&self) -> u32 {
        self.process.id()
    }
}

/// It doesn't read commands behind content.
pub fn can(cell: &Cell) -> bool {
    cell.pipelining != Pipelining::Through
}

struct Guest {
    stream: TcpStream,
    in_content: bool,
    /// The last octets that came: a line or the end of a message may be cut.
    tail: Vec<u8>,
}

/// Serves until it is killed; says where on standard output.
pub fn serve(path: &Path) {
    let mut poll = Poll::new().unwrap();
    let mut door = TcpListener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    poll.registry()
        .register(&mut door, DOOR, Interest::READABLE)
        .unwrap();
    println!("{}", door.local_addr().unwrap());
    let mut log = Log::create(path);
    let mut guests: Vec<Option<Guest>> = Vec::new();
    let mut free = Vec::new();
    let mut events = Events::with_capacity(1024);
    let mut input = vec![0; 128 * 1024];
    let mut waiting = Vec::new();
    loop {
        poll.poll(&mut events, None).unwrap();
        for event in &events {
            if event.token() == DOOR {
                while let Ok((stream, _)) = door.accept() {
                    admit(&poll, stream, &mut guests, &mut free);
                }
                continue;
            }
            let number = event.token().0;
            let Some(guest) = &mut guests[number] else {
                continue;
            };
            match guest.hear(&mut input, &mut log.batch) {
                Heard::Message => waiting.push(number),
                Heard::Nothing => {}
                Heard::End => {
                    guests[number] = None;
                    free.push(number);
                }
            }
        }
        if !waiting.is_empty() {
            log.commit();
            for number in waiting.drain(..) {
                if let Some(guest) = &mut guests[number] {
                    let _ = guest.stream.write_all(b"250 2.0.0 OK\r\n");
                }
            }
        }
    }
}

fn admit(
    poll: &Poll,
    mut stream: TcpStream,
    guests: &mut Vec<Option<Guest>>,
    free: &mut Vec<usize>,
) {
    let number = free.pop().unwrap_or_else(|| {
        guests.push(None);
        guests.len() - 1
    });
    stream.set_nodelay(true).unwrap();
    let token = Token(number);
    poll.registry()
        .register(&mut stream, token, Interest::READABLE)
        .unwrap();
    stream.write_all(b"220 floor ESMTP\r\n").unwrap();
    guests[number] = Some(Guest {
        stream,
        in_content: false,
        tail: Vec::new(),
    });
}

enum Heard {
    Nothing,
    Message,
    End,
}

impl Guest {
    /// One read, and the replies to all commands in it in one write.
    fn hear(&mut self, input: &mut [u8], batch: &mut Vec<u8>) -> Heard {
        let count = match self.stream.read(input) {
            Ok(0) => return Heard::End,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Nothing,
            Err(_) => return Heard::End,
        };
        if self.in_content {
            batch.extend_from_slice(&input[..count]);
            self.tail
                .extend_from_slice(&input[count.saturating_sub(5)..count]);
            let more = self.tail.len().saturating_sub(5);
            self.tail.drain(..more);
            let ended = self.tail == b"\r\n.\r\n";
            self.in_content = !ended;
            if ended {
                self.tail.clear();
                return Heard::Message;
            }
            return Heard::Nothing;
        }
        self.tail.extend_from_slice(&input[..count]);
        let mut replies = Vec::new();
        let mut over = false;
        while let Some(end) = self.tail.iter().position(|octet| *octet == b'\n') {
            match self.tail[0] {
                b'E' => replies.extend_from_slice(b"250-floor\r\n250 PIPELINING\r\n"),
                b'D' => {
                    replies.extend_from_slice(b"354 go\r\n");
                    self.in_content = true;
                }
                b'Q' => {
                    replies.extend_from_slice(b"221 bye\r\n");
                    over = true;
                }
                _ => replies.extend_from_slice(b"250 2.0.0 OK\r\n"),
            }
            self.tail.drain(..=end);
        }
        let sent = self.stream.write_all(&replies);
        if over || sent.is_err() {
            return Heard::End;
        }
        Heard::Nothing
    }
}

/// A file that is written over and over again.
struct Log {
    file: File,
    position: u64,
    batch: Vec<u8>,
}

impl Log {
    fn create(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        // Blocks that are there already sync faster, as in the product.
        let zeros = vec![0; 1 << 20];
        for number in 0..LOG_OCTETS >> 20 {
            file.write_all_at(&zeros, number << 20).unwrap();
        }
        file.sync_all().unwrap();
        Self {
            file,
            position: 0,
            batch: Vec::new(),
        }
    }

    fn commit(&mut self) {
        if self.position + self.batch.len() as u64 > LOG_OCTETS {
            self.position = 0;
        }
        self.file.write_all_at(&self.batch, self.position).unwrap();
        self.file.sync_data().unwrap();
        self.position += self.batch.len() as u64;
        self.batch.clear();
    }
}
