//! When to stop: SIGTERM or Ctrl-C. A second one doesn't wait any longer.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the operator asks the server to stop, with the name of the signal.
///
/// # Errors
/// If the signals can't be watched.
pub(crate) async fn asked() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}
