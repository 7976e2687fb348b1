//! Passwords are checked off the network's threads, few at a time, and wrong ones are answered late.

use crate::guesses::{Guesses, Network};
use crate::verified::Verified;
use bridgehead_directory::{Directory, Proof, verify_password};
use bridgehead_mail::Refusal;
use bridgehead_smtp::server::Credentials;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Checks at once; each takes a core for tens of milliseconds and 19 MiB.
const CHECKS_MAX: usize = 2;
/// How long a check waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// How late a wrong password is answered, so that guessing is slow.
const DELAY_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Questions at once to a directory that is followed.
const BINDS_MAX: usize = 16;
/// How long a password that was found right holds without another check: where another directory checks it, a change
/// there counts after this time at the latest.
const HASH_HOLDS: Duration = Duration::from_secs(600);
const BIND_HOLDS: Duration = Duration::from_secs(120);

/// Checks passwords.
pub(crate) struct Passwords {
    turns: Semaphore,
    binds: Semaphore,
    verified: Mutex<Verified>,
    guesses: Mutex<Guesses>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(CHECKS_MAX),
            binds: Semaphore::new(BINDS_MAX),
            verified: Mutex::default(),
            guesses: Mutex::default(),
        }
    }
}

const fn holding(proof: &Proof) -> Duration {
    match proof {
        Proof::Hash(_) => HASH_HOLDS,
        Proof::Bind(_) => BIND_HOLDS,
    }
}

async fn turn(turns: &Semaphore) -> Result<SemaphorePermit<'_>, Refusal> {
    match tokio::time::timeout(PATIENCE, turns.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Refusal::AuthUnavailable),
    }
}

impl Passwords {
    /// The mailbox these credentials are for.
    pub(crate) async fn check(
        &self,
        directory: &Directory,
        client: IpAddr,
        credentials: Credentials,
    ) -> Result<Box<str>, Refusal> {
        let network = Network::of(client);
        let login = directory.snapshot().login(&credentials.user);
        // A user is the same by name and by address; who isn't known is called by what was said.
        let user: Box<str> = match &login {
            Some(login) => login.mailbox.as_str().into(),
            None => credentials.user.clone(),
        };
        // Before anything else: what was found right a moment ago must not be guessed either.
        if !self.guesses.lock().may_try(network, &user, Instant::now()) {
            return Err(Refusal::TooManyGuesses);
        }
        for proof in login.iter().flat_map(|login| &login.proofs) {
            let holds = holding(proof);
            let (verified, now) = (self.verified.lock(), Instant::now());
            if verified.holds(&user, proof.as_str(), &credentials.password, now, holds) {
                return Ok(user);
            }
        }
        let proofs = login.map(|login| login.proofs).unwrap_or_default();
        let Some(proof) = self.right_one(directory, proofs, &credentials).await? else {
            self.guesses.lock().wrong(network, &user, Instant::now());
            tokio::time::sleep(DELAY_AFTER_FAILURE).await;
            return Err(Refusal::AuthFailed);
        };
        let now = Instant::now();
        self.guesses.lock().right(network, &user, now);
        let mut verified = self.verified.lock();
        verified.remember(&user, proof.as_str(), &credentials.password, now);
        Ok(user)
    }

    /// What the password is right for. Takes time also for a name that doesn't exist.
    async fn right_one(
        &self,
        directory: &Directory,
        proofs: Vec<Proof>,
        credentials: &Credentials,
    ) -> Result<Option<Proof>, Refusal> {
        if proofs.is_empty() {
            self.hash(None, credentials).await?;
        }
        for proof in proofs {
            let right = match &proof {
                Proof::Bind(place) => self.bind(directory, place, credentials).await?,
                Proof::Hash(hash) => self.hash(Some(hash.clone()), credentials).await?,
            };
            if right {
                return Ok(Some(proof));
            }
        }
        Ok(None)
    }

    /// Holds a password against its hash; takes the same time for a name that doesn't exist.
    async fn hash(
        &self,
        hash: Option<Box<str>>,
        credentials: &Credentials,
    ) -> Result<bool, Refusal> {
        let _turn = turn(&self.turns).await?;
        let password = credentials.password.clone();
        let check = move || verify_password(hash.as_deref(), &password);
        let checked = tokio::task::spawn_blocking(check).await;
        checked.map_err(|_| Refusal::AuthUnavailable)
    }

    /// Asks the directory that is followed.
    async fn bind(
        &self,
        directory: &Directory,
        place: &str,
        credentials: &Credentials,
    ) -> Result<bool, Refusal> {
        let _turn = turn(&self.binds).await?;
        // RFC 4513 §5.1.2: an empty password would be a bind without authentication, which succeeds.
        let password = str::from_utf8(&credentials.password).unwrap_or_default();
        if password.is_empty() {
            return Ok(false);
        }
        directory.bind(place, password).await.map_err(|error| {
            tracing::warn!(place, %error, "a password can't be checked");
            Refusal::AuthUnavailable
        })
    }
}
