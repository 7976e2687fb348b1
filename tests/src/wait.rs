//! Waiting for something that happens in another process: asked again and again until it is there or hope is lost.

use std::time::{Duration, Instant};

/// Far longer than anything takes on a busy machine; no test proves anything by it.
pub const LONG: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; panics with `what` when it takes too long.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    try_until(LONG, ask).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Asks until there is an answer or the time is over.
pub fn try_until<T>(time: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + time;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(PAUSE);
    }
}
