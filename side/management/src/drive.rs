//! The admin socket: a Unix socket in the data directory that only the server's own user and root may use.
//!
//! Guards: the socket's mode is 0600 before anybody can connect, and the peer's user is asked of the kernel as well. A
//! socket left behind by a killed server is replaced; one that answers is not.

use crate::Rooms;
use crate::error::StartError;
use crate::router::{No, router};
use axum::serve::Listener;
use bridgehead_queue::Queue;
use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

/// How long an order waits for the queue to be read after a start, and how often it looks.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(10);
const READ_ROUND: Duration = Duration::from_millis(10);

/// Serves the management interface on a Unix socket until `stop` resolves.
///
/// # Errors
/// If another server answers there, or the socket can't be made.
pub async fn serve(
    path: PathBuf,
    rooms: Rooms,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<impl Future<Output = ()> + Send, StartError> {
    let listener = bind(&path).await?;
    let served =
        axum::serve(AdminListener { listener }, router(rooms)).with_graceful_shutdown(stop);
    Ok(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "the management interface stopped");
        }
        // Gone already, or not ours to mind: the next start replaces it.
        let _ = std::fs::remove_file(&path);
    })
}

/// Does work that may wait for a disk, or take long, where it holds nobody else up.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, No> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| No::broken(&error))
}

/// What comes of it, if it comes in time.
/// Waits until the queue is read after a start, not longer than this; for threads that may block.
pub(crate) fn await_read(queue: &Queue, patience: Duration) {
    let end = Instant::now() + patience;
    while queue.reading().is_some() && Instant::now() < end {
        std::thread::sleep(READ_ROUND);
    }
}

pub(crate) async fn within<F: Future>(limit: Duration, work: F) -> Option<F::Output> {
    tokio::time::timeout(limit, work).await.ok()
}

async fn bind(path: &Path) -> Result<UnixListener, StartError> {
    if UnixStream::connect(path).await.is_ok() {
        return Err(StartError::InUse {
            path: path.to_owned(),
        });
    }
    let failed = |source| StartError::Socket {
        path: path.to_owned(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Bound under another name first, so that it is never there with a mode that lets others in.
    let private = path.with_extension("new");
    let _ = std::fs::remove_file(&private);
    let listener = UnixListener::bind(&private).map_err(failed)?;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&private, owner_only).map_err(failed)?;
    std::fs::rename(&private, path).map_err(failed)?;
    Ok(listener)
}

/// Takes connections of the own user and of root only.
struct AdminListener {
    listener: UnixListener,
}

impl Listener for AdminListener {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) if may_enter(&stream) => return (stream, address),
                Ok(_) => tracing::warn!("a stranger was turned away from the admin socket"),
                Err(error) => {
                    // Out of descriptors, most likely: pause instead of spinning.
                    tracing::warn!(%error, "the admin socket can't accept");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn may_enter(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    match stream.peer_cred() {
        Ok(peer) => peer.uid() == own || peer.uid() == 0,
        Err(_) => false,
    }
}
