//! The sink as it runs: one epoll over its socket and all its sessions.
//!
//! Guards: a client that doesn't read its replies is left, and never holds the others up.

use crate::sink::{Counts, Guest};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const DOOR: Token = Token(usize::MAX);
const READ_OCTETS: usize = 128 * 1024;
const EVENTS: usize = 1024;
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// Sessions at once; more wait at the door.
const SESSIONS_MAX: usize = 20_000;

/// Takes messages, counts them and forgets them.
pub struct Sink {
    poll: Poll,
    door: TcpListener,
    address: SocketAddr,
    counts: Arc<Counts>,
    guests: Vec<Option<(TcpStream, Guest)>>,
    free: Vec<usize>,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Sink {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// If it can't.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut door = TcpListener::bind(address)?;
        poll.registry()
            .register(&mut door, DOOR, Interest::READABLE)?;
        Ok(Self {
            poll,
            address: door.local_addr()?,
            door,
            counts: Arc::default(),
            guests: Vec::new(),
            free: Vec::new(),
            input: vec![0; READ_OCTETS],
            output: Vec::new(),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen, also while it runs.
    #[must_use]
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Takes messages until it is told to stop.
    ///
    /// # Errors
    /// If sockets can't be waited for any longer.
    pub fn run(&mut self, stop: &AtomicBool) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !stop.load(Ordering::Acquire) {
            match self.poll.poll(&mut events, Some(LOOK)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    DOOR => self.admit(),
                    Token(number) => {
                        let closed = event.is_read_closed() || event.is_error();
                        self.serve(number, closed);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes all that wait at the door. Whoever went away meanwhile, or finds no room, is nobody's loss.
    fn admit(&mut self) {
        while let Ok((mut stream, _)) = self.door.accept() {
            if self.guests.len() - self.free.len() >= SESSIONS_MAX {
                continue;
            }
            let number = self.free.pop().unwrap_or(self.guests.len());
            let interest = Interest::READABLE;
            let registered = self
                .poll
                .registry()
                .register(&mut stream, Token(number), interest);
            let _ = stream.set_nodelay(true);
            self.output.clear();
            let guest = Guest::new(&mut self.output);
            let well = registered.is_ok() && stream.write_all(&self.output).is_ok();
            let place = well.then_some((stream, guest));
            if number == self.guests.len() {
                self.guests.push(place);
            } else if let Some(old) = self.guests.get_mut(number) {
                *old = place;
            }
            if well {
                self.counts.session();
            } else {
                self.free.push(number);
            }
        }
    }

    fn serve(&mut self, number: usize, closed: bool) {
        let Some(place) = self.guests.get_mut(number) else {
            return;
        };
        let Some((stream, guest)) = place else {
            return;
        };
        let (input, output) = (&mut self.input, &mut self.output);
        if converse(stream, guest, input, output, &self.counts, closed).is_err() {
            *place = None;
            self.free.push(number);
        }
    }
}

/// Reads what there is and answers; an error is the end of the session.
fn converse(
    stream: &mut TcpStream,
    guest: &mut Guest,
    input: &mut [u8],
    output: &mut Vec<u8>,
    counts: &Counts,
    closed: bool,
) -> io::Result<()> {
    loop {
        let count = match stream.read(input) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        output.clear();
        guest.receive(input.get(..count).unwrap_or_default(), output, counts);
        if !output.is_empty() {
            // Replies are short: a client whose window is full of them doesn't read, and is left.
            stream.write_all(output)?;
        }
        if guest.is_over() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        if count < input.len() && !closed {
            return Ok(());
        }
    }
}
