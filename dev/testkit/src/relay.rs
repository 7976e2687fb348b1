//! Stands on a line between two sites: takes each TCP connection that comes along and leads it on, after the delay of the line.
//!
//! In a direction in which nothing is passed on, octets are taken and acknowledged, and come out nowhere: the black hole that a kernel
//! can't notice. A connection that has lost octets is broken off when the line is whole again, as nothing may come behind a gap.
//! Guards: a bounded number of connections, a bounded window of each. Threads begin where it is started, so that it may stand in a
//! network namespace.

use parking_lot::Mutex;
use socket2::SockRef;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// More connections at once than this are closed at once.
const CONNECTIONS_MAX: usize = 512;
/// Pieces under way in one direction of a connection, and octets of each.
const PIECES: usize = 64;
const PIECE_OCTETS: usize = 16 * 1024;
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// An end of the line, from where a connection comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first one.
    One,
    /// The other one.
    Other,
}

/// Where a connection leads, and from which end it comes.
pub type Find = dyn Fn(&TcpStream) -> io::Result<(SocketAddr, End)> + Send + Sync;

/// The relay; dropping it closes it and all connections.
pub struct Relay {
    shared: Arc<Shared>,
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    delay: Duration,
    find: Box<Find>,
    /// Whether what the first end sends is swallowed, and what the other sends.
    swallows: [AtomicBool; 2],
    connections: Mutex<Vec<Arc<Connection>>>,
}

/// A connection that was taken, and the one that it leads to.
struct Connection {
    streams: Mutex<Vec<TcpStream>>,
    /// Octets of it were swallowed.
    broken: AtomicBool,
    /// Directions that haven't ended.
    open: AtomicUsize,
}

impl Connection {
    fn cut(&self) {
        for stream in &*self.streams.lock() {
            // It may be over already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Relay {
    /// Begins to take connections.
    ///
    /// # Errors
    /// If the thread can't be started.
    pub fn start(
        listener: TcpListener,
        delay: Duration,
        find: impl Fn(&TcpStream) -> io::Result<(SocketAddr, End)> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            delay,
            find: Box::new(find),
            swallows: Default::default(),
            connections: Mutex::default(),
        });
        let listener = Arc::new(listener);
        let (taking, from) = (Arc::clone(&shared), Arc::clone(&listener));
        let thread = thread::Builder::new().spawn(move || take(&taking, &from))?;
        Ok(Self {
            shared,
            listener,
            thread: Some(thread),
        })
    }

    /// Whether what comes from the first end is swallowed from now on, and what comes from the other.
    pub fn swallow(&self, one: bool, other: bool) {
        for (direction, swallows) in self.shared.swallows.iter().zip([one, other]) {
            direction.store(swallows, Ordering::SeqCst);
        }
        if !one && !other {
            for connection in &*self.shared.connections.lock() {
                if connection.broken.load(Ordering::SeqCst) {
                    connection.cut();
                }
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // This wakes who waits for connections.
        let _ = SockRef::from(&*self.listener).shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for connection in &*self.shared.connections.lock() {
            connection.cut();
        }
    }
}

fn take(shared: &Arc<Shared>, listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        let connection = {
            let mut all = shared.connections.lock();
            all.retain(|one| one.open.load(Ordering::SeqCst) > 0);
            let Ok(known) = stream.try_clone() else {
                continue;
            };
            if all.len() >= CONNECTIONS_MAX {
                continue;
            }
            let connection = Arc::new(Connection {
                streams: Mutex::new(vec![known]),
                broken: AtomicBool::new(false),
                open: AtomicUsize::new(2),
            });
            all.push(Arc::clone(&connection));
            connection
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            if lead_on(&shared, &connection, stream).is_err() {
                connection.cut();
                connection.open.store(0, Ordering::SeqCst);
            }
        });
    }
}

fn lead_on(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    client: TcpStream,
) -> io::Result<()> {
    let (target, end) = (shared.find)(&client)?;
    if shared
        .swallows
        .iter()
        .all(|swallows| swallows.load(Ordering::SeqCst))
    {
        // It never gets to the other side; what it says is taken as long as it is there.
        connection.broken.store(true, Ordering::SeqCst);
        io::copy(&mut &client, &mut io::sink())?;
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let server = TcpStream::connect_timeout(&target, CONNECT_PATIENCE)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    connection.streams.lock().push(server.try_clone()?);
    let (there, back) = match end {
        End::One => (0, 1),
        End::Other => (1, 0),
    };
    let ways = [
        (client.try_clone()?, server.try_clone()?, there),
        (server, client, back),
    ];
    for (from, to, direction) in ways {
        let (sender, pieces) = sync_channel(PIECES);
        let (delay, reading) = (shared.delay, Arc::clone(connection));
        thread::spawn(move || {
            if read(from, delay, &sender).is_err() {
                reading.cut();
            }
        });
        let (shared, connection) = (Arc::clone(shared), Arc::clone(connection));
        thread::spawn(move || {
            if write(to, &pieces, (&shared, direction), &connection).is_err() {
                connection.cut();
            }
            connection.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
    Ok(())
}

/// What was read, and when it has come to the other end; nothing: that was the end.
type Piece = (Instant, Vec<u8>);

fn read(mut from: TcpStream, delay: Duration, to: &SyncSender<Piece>) -> io::Result<()> {
    let mut window = vec![0; PIECE_OCTETS];
    loop {
        let read = from.read(&mut window)?;
        let piece = window.get(..read).unwrap_or_default().to_vec();
        let sent = to.send((Instant::now() + delay, piece));
        if read == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

fn write(
    mut to: TcpStream,
    pieces: &Receiver<Piece>,
    (shared, direction): (&Shared, usize),
    connection: &Connection,
) -> io::Result<()> {
    let swallows = shared.swallows.get(direction);
    let mut gap = false;
    for (due, octets) in pieces {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if swallows.is_some_and(|swallows| swallows.load(Ordering::SeqCst)) {
            gap = true;
            connection.broken.store(true, Ordering::SeqCst);
        } else if gap {
            // Nothing comes behind it.
            return Err(io::ErrorKind::ConnectionAborted.into());
        } else if octets.is_empty() {
            return to.shutdown(Shutdown::Write);
        } else {
            to.write_all(&octets)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(delay: Duration) -> (Relay, SocketAddr, TcpListener) {
        let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let target = server.local_addr().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let relay = Relay::start(listener, delay, move |_| Ok((target, End::One))).unwrap();
        (relay, address, server)
    }

    fn pair(address: SocketAddr, server: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = server.accept().unwrap();
        for stream in [&client, &server] {
            stream
                .set_read_timeout(Some(Duration::from_secs(30)))
                .unwrap();
        }
        (client, server)
    }

    fn say(from: &mut TcpStream, to: &mut TcpStream) {
        from.write_all(b"words").unwrap();
        let mut heard = [0; 5];
        to.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"words");
    }

    #[test]
    fn what_comes_goes_on_after_the_delay_and_so_does_the_end() {
        let delay = Duration::from_millis(50);
        let (_relay, address, server) = relay(delay);
        let (mut client, mut server) = pair(address, &server);
        let begun = Instant::now();
        say(&mut client, &mut server);
        say(&mut server, &mut client);
        assert!(begun.elapsed() >= 2 * delay, "sooner than the line allows");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        say(&mut server, &mut client);
    }

    #[test]
    fn what_is_swallowed_in_one_direction_is_taken_and_breaks_the_connection_in_the_end() {
        let (relay, address, server) = relay(Duration::ZERO);
        let (mut client, mut other) = pair(address, &server);
        let (mut before, mut beside) = pair(address, &server);
        relay.swallow(true, false);
        for _ in 0..100 {
            client.write_all(&[b'x'; 10_000]).unwrap();
        }
        let wait = Some(Duration::from_millis(100));
        other.set_read_timeout(wait).unwrap();
        assert!(other.read(&mut [0]).is_err(), "nothing comes through");
        relay.swallow(false, false);
        other
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        assert!(matches!(other.read(&mut [0]), Ok(0) | Err(_)));
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        say(&mut before, &mut beside);
    }

    #[test]
    fn in_a_black_hole_connections_are_made_and_lead_nowhere() {
        let (relay, address, server) = relay(Duration::ZERO);
        relay.swallow(true, true);
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(b"words").unwrap();
        server.set_nonblocking(true).unwrap();
        thread::sleep(Duration::from_millis(100));
        assert!(server.accept().is_err(), "nobody comes");
        relay.swallow(false, false);
        let wait = Some(Duration::from_secs(30));
        client.set_read_timeout(wait).unwrap();
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
    }
}
