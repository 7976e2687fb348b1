//! The way from one server to another: a relay of TCP connections that can be cut, slowed and healed while it is in use.
//!
//! Guards: it listens on loopback, takes a bounded number of connections, and keeps a bounded window of each.

use crate::command::Mode;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// So many connections go through one relay at once; others wait to be taken.
const CONNECTIONS_MAX: usize = 256;
const WINDOW_OCTETS: usize = 16 * 1024;
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// A way that is open for connections of one server to another.
pub(crate) struct Relay {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    target: watch::Sender<Option<SocketAddr>>,
    passed: Arc<Passed>,
    task: JoinHandle<()>,
}

/// What has gone through.
#[derive(Debug, Default)]
struct Passed {
    octets: AtomicU64,
    connections: AtomicU64,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Relay {
    /// Opens it at a free port; it leads nowhere yet.
    pub(crate) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let mode = watch::Sender::new(Mode::Through);
        let target = watch::Sender::new(None);
        let passed = Arc::new(Passed::default());
        let way = Way {
            mode: mode.subscribe(),
            target: target.subscribe(),
            passed: Arc::clone(&passed),
        };
        let task = tokio::spawn(listen(listener, way));
        Ok(Self {
            address,
            mode,
            target,
            passed,
            task,
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it leads; none: the server is down.
    pub(crate) fn lead_to(&self, target: Option<SocketAddr>) {
        self.target.send_replace(target);
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    pub(crate) fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// Octets that have gone through, either way.
    pub(crate) fn octets(&self) -> u64 {
        self.passed.octets.load(Ordering::Relaxed)
    }

    /// Connections that were taken.
    #[cfg(test)]
    pub(crate) fn connections(&self) -> u64 {
        self.passed.connections.load(Ordering::Relaxed)
    }
}

#[derive(Clone)]
struct Way {
    mode: watch::Receiver<Mode>,
    target: watch::Receiver<Option<SocketAddr>>,
    passed: Arc<Passed>,
}

async fn listen(listener: TcpListener, way: Way) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(turn) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                way.passed.connections.fetch_add(1, Ordering::Relaxed);
                let way = way.clone();
                connections.spawn(async move {
                    pass(stream, way).await;
                    drop(turn);
                });
            }
            // No more descriptors, or the other side went: it may be better soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The other side sees a reset, as when a line is cut.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn pass(mut client: TcpStream, mut way: Way) {
    // In a black hole the connection is there, and nothing comes of it.
    let opened = way.mode.wait_for(|mode| *mode != Mode::BlackHole).await;
    let is_cut = opened.map_or(true, |mode| *mode == Mode::Cut);
    let target = *way.target.borrow();
    let Some(target) = target.filter(|_| !is_cut) else {
        reset(&client);
        return;
    };
    let connected = tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(target)).await;
    let Ok(Ok(mut server)) = connected else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut cut = way.mode.clone();
    let is_cut = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        tokio::select! {
            _ = cut.wait_for(|mode| *mode == Mode::Cut) => true,
            ((), ()) = async {
                tokio::join!(
                    copy(from_client, to_server, way.clone()),
                    copy(from_server, to_client, way.clone()),
                )
            } => false,
        }
    };
    if is_cut {
        reset(&client);
        reset(&server);
    }
}

async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut way: Way) {
    let mut window = vec![0; WINDOW_OCTETS];
    loop {
        let mode = match way.mode.wait_for(|mode| *mode != Mode::BlackHole).await {
            Ok(mode) => *mode,
            Err(_) => return,
        };
        // On a slow way only a tenth of a second's worth is taken at a time.
        let most = match mode {
            Mode::Slow { rate, .. } => (rate / 10).max(1) as usize,
            _ => WINDOW_OCTETS,
        };
        let Some(part) = window.get_mut(..most.min(WINDOW_OCTETS)) else {
            return;
        };
        let Ok(read @ 1..) = from.read(part).await else {
            // Its end is passed on; what comes the other way goes on.
            let _ = to.shutdown().await;
            return;
        };
        if let Mode::Slow { delay, rate } = mode {
            let share = u32::try_from(read).unwrap_or(u32::MAX);
            tokio::time::sleep(delay + Duration::from_secs(1) * share / rate.max(1)).await;
        }
        // What was read before a black hole came waits in it, too.
        if way
            .mode
            .wait_for(|mode| *mode != Mode::BlackHole)
            .await
            .is_err()
        {
            return;
        }
        let Some(part) = window.get(..read) else {
            return;
        };
        if to.write_all(part).await.is_err() {
            return;
        }
        way.passed.octets.fetch_add(read as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that says everything back.
    async fn echo() -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        (address, task)
    }

    async fn said_back(stream: &mut TcpStream, text: &[u8]) -> io::Result<()> {
        stream.write_all(text).await?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, text);
        Ok(())
    }

    async fn in_time<T>(what: impl Future<Output = T>) -> T {
        let patience = Duration::from_secs(30);
        tokio::time::timeout(patience, what).await.expect("in time")
    }

    #[tokio::test]
    async fn a_way_is_cut_and_healed_under_its_connections() {
        let (address, server) = echo().await;
        let relay = Relay::open().await.unwrap();
        let connect = || TcpStream::connect(relay.address());
        // It leads nowhere yet.
        let mut nowhere = connect().await.unwrap();
        assert!(in_time(said_back(&mut nowhere, b"x")).await.is_err());
        relay.lead_to(Some(address));
        let mut stream = connect().await.unwrap();
        in_time(said_back(&mut stream, b"one")).await.unwrap();
        let before = relay.octets();
        assert!(before >= 6);
        relay.set(Mode::Cut);
        assert!(in_time(stream.read(&mut [0])).await.is_err());
        let mut refused = connect().await.unwrap();
        assert!(in_time(said_back(&mut refused, b"two")).await.is_err());
        relay.set(Mode::Through);
        let mut stream = connect().await.unwrap();
        let large = vec![7; 5 * WINDOW_OCTETS];
        in_time(said_back(&mut stream, &large)).await.unwrap();
        // An end is passed on, and the other way stays open for the answer.
        stream.write_all(b"last").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        in_time(stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"last");
        assert_eq!(relay.connections(), 4);
        server.abort();
    }

    #[tokio::test]
    async fn what_is_in_a_black_hole_comes_out_when_it_is_healed() {
        let (address, server) = echo().await;
        let relay = Relay::open().await.unwrap();
        relay.lead_to(Some(address));
        let mut before = TcpStream::connect(relay.address()).await.unwrap();
        in_time(said_back(&mut before, b"one")).await.unwrap();
        relay.set(Mode::BlackHole);
        let mut later = TcpStream::connect(relay.address()).await.unwrap();
        for stream in [&mut before, &mut later] {
            stream.write_all(b"two").await.unwrap();
        }
        // The relay takes turns with this test; it would have passed it on by now.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        assert!(before.try_read(&mut [0]).is_err() && later.try_read(&mut [0]).is_err());
        relay.set(Mode::Through);
        for stream in [&mut before, &mut later] {
            let mut back = [0; 3];
            in_time(stream.read_exact(&mut back)).await.unwrap();
            assert_eq!(&back, b"two");
        }
        server.abort();
    }

    #[tokio::test]
    async fn a_slow_way_passes_everything_in_the_end() {
        let (address, server) = echo().await;
        let relay = Relay::open().await.unwrap();
        relay.lead_to(Some(address));
        let slow = Mode::Slow {
            delay: Duration::from_millis(1),
            rate: 20_000,
        };
        relay.set(slow);
        assert_eq!(relay.mode(), slow);
        let mut stream = TcpStream::connect(relay.address()).await.unwrap();
        in_time(said_back(&mut stream, &[9; 5000])).await.unwrap();
        server.abort();
    }
}
