//! Passwords are checked off the network's threads, few at a time, and wrong ones are answered late.

use crate::verified::Verified;
use bridgehead_directory::{Snapshot, verify_password};
use bridgehead_mail::Refusal;
use bridgehead_smtp::server::Credentials;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Checks at once; each takes a core for tens of milliseconds and 19 MiB.
const CHECKS_MAX: usize = 2;
/// How long a check waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How late a wrong password is answered, so that guessing is slow.
const DELAY_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Checks passwords.
pub(crate) struct Passwords {
    turns: Semaphore,
    verified: Mutex<Verified>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(CHECKS_MAX),
            verified: Mutex::default(),
        }
    }
}

impl Passwords {
    /// The mailbox these credentials are for.
    pub(crate) async fn check(
        &self,
        snapshot: Arc<Snapshot>,
        credentials: Credentials,
    ) -> Result<Box<str>, Refusal> {
        let login = snapshot.login(&credentials.user);
        if let Some(login) = login {
            let (verified, now) = (self.verified.lock(), Instant::now());
            if verified.holds(login.mailbox, login.hash, &credentials.password, now) {
                return Ok(login.mailbox.into());
            }
        }
        let known: Option<(Box<str>, Box<str>)> =
            login.map(|login| (login.mailbox.into(), login.hash.into()));
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(Refusal::AuthUnavailable);
        };
        let checked = tokio::task::spawn_blocking(move || {
            let hash = known.as_ref().map(|(_, hash)| &**hash);
            // Takes the same time for a name that doesn't exist.
            let right = verify_password(hash, &credentials.password);
            known.filter(|_| right).map(|known| (known, credentials))
        });
        let checked = checked.await.map_err(|_| Refusal::AuthUnavailable)?;
        drop(turn);
        let Some(((mailbox, hash), credentials)) = checked else {
            tokio::time::sleep(DELAY_AFTER_FAILURE).await;
            return Err(Refusal::AuthFailed);
        };
        let mut verified = self.verified.lock();
        verified.remember(&mailbox, &hash, &credentials.password, Instant::now());
        Ok(mailbox)
    }
}
