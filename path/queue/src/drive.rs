//! The only file of this room with threads and waiting in it: the committer, and the asynchronous ways to wait for it.
//!
//! While one sync runs, the next batch gathers: that is the group commit. Where many clients come at once, a commit waits a moment
//! for those who were just answered, which saves most syncs; the slower the disk, the longer it waits, because clients that miss a
//! commit wait for two. Few clients aren't made to wait for company. Settlements, for which nobody waits, are gathered for a
//! bounded time.

use crate::compact::Compacted;
use crate::error::{OpenError, Refused};
use crate::gather::{Committed, Gather};
use crate::recovery::{Recovery, Unread, begin};
use crate::settings::Settings;
use crate::shared::Shared;
use crate::{Draft, Queue};
use bridgehead_disk::Disk;
use bridgehead_mail::{Envelope, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long the committer pauses after a commit failed before it tries what must not be lost again.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How long a commit waits for company, and with how many clients it doesn't wait any longer: on a quick disk more of either leaves
/// the processors idle, which costs more than the syncs it saves.
const COMPANY_WAIT: Duration = Duration::from_micros(500);
const COMPANY_ENOUGH: usize = 48;
/// Where a commit takes longer than this, who misses it waits for two: then it is worth half the time of the last one to have all
/// who were there lately.
const SLOW: Duration = Duration::from_millis(3);
const SLOW_WAIT_MAX: Duration = Duration::from_millis(10);
const SLOW_ENOUGH_MAX: usize = 1_024;
/// With fewer clients the wait wasn't worth it.
const COMPANY_WORTH: usize = 6;
/// Commits without a wait after one that wasn't worth it, and after many.
const PAUSE_MIN: u32 = 64;
const PAUSE_MAX: u32 = 8_192;

/// How often somebody looks for segments to empty, and how long he waits at the most after one that can't be finished.
const TIDY_EVERY: Duration = Duration::from_millis(250);
const TIDY_PAUSE_MAX: Duration = Duration::from_secs(3600);
/// How often somebody looks for contents that lie in a folder that is being emptied.
const CONTENTS_EVERY: Duration = Duration::from_secs(2);

/// The committer's thread, if it has one.
#[derive(Default)]
pub(crate) struct Committer {
    thread: Mutex<Option<JoinHandle<()>>>,
    tidier: Mutex<Option<JoinHandle<()>>>,
}

impl Queue {
    /// Opens a spool, reads all that lies in it, and starts the committer.
    ///
    /// # Errors
    /// If the spool is in use, can't be read or was written by a later version.
    pub fn open(
        settings: Settings,
        disk: Arc<dyn Disk>,
        now: Timestamp,
    ) -> Result<(Self, Recovery), OpenError> {
        let (queue, unread) = Self::begin(settings, disk, now)?;
        match unread.read() {
            Ok(recovery) => Ok((queue, recovery)),
            Err(error) => {
                queue.close();
                Err(error)
            }
        }
    }

    /// Opens a spool so that new mail can be taken at once; what lies in it is known once [`Unread::read`] has ended. Starts the
    /// committer.
    ///
    /// # Errors
    /// If the spool is in use or was written by a later version, or one of its folders isn't there.
    pub fn begin(
        settings: Settings,
        disk: Arc<dyn Disk>,
        now: Timestamp,
    ) -> Result<(Self, Unread), OpenError> {
        let (queue, unread) = Self::begin_without_committer(settings, disk, now)?;
        let shared = Arc::clone(&queue.shared);
        let started = |name: &str, run: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name(name.to_owned());
            let started = thread.spawn(move || run(&shared));
            started.map_err(|source| OpenError::Disk {
                doing: "start a thread for",
                path: queue.shared.settings.directory.clone(),
                source,
            })
        };
        *queue.committer.thread.lock() = Some(started("queue-committer", run)?);
        *queue.committer.tidier.lock() = Some(started("queue-tidier", tidy)?);
        Ok((queue, unread))
    }

    /// Opens a spool without a committer: [`Self::commit_now`] takes its place. For deterministic tests.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_without_committer(
        settings: Settings,
        disk: Arc<dyn Disk>,
        now: Timestamp,
    ) -> Result<(Self, Recovery), OpenError> {
        let (queue, unread) = Self::begin_without_committer(settings, disk, now)?;
        let recovery = unread.read()?;
        Ok((queue, recovery))
    }

    /// [`Self::begin`] without a committer.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_without_committer(
        settings: Settings,
        disk: Arc<dyn Disk>,
        now: Timestamp,
    ) -> Result<(Self, Unread), OpenError> {
        let (shared, unread) = begin(settings, disk, now)?;
        let committer = Arc::default();
        Ok((Self { shared, committer }, unread))
    }

    /// Does once what the threads do all the time, in the caller's: commits what was gathered, then looks whether a segment is to
    /// be emptied. Returns whether what was gathered is durable.
    pub fn commit_now(&self) -> bool {
        let committed = self.shared.commit_once();
        if committed {
            self.shared.compact();
            self.shared.relocate();
        }
        committed
    }

    /// Resolves when something may have become ready.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Takes nothing more, makes durable what was gathered, and ends the committer.
    pub fn close(&self) {
        self.shared.gather.lock().closed = true;
        self.shared.wake.notify_all();
        self.shared.tidy.notify_all();
        if let Some(tidier) = self.committer.tidier.lock().take() {
            let _ = tidier.join();
        }
        if let Some(thread) = self.committer.thread.lock().take() {
            // It ends by itself; if it panicked, there is nothing to add here.
            let _ = thread.join();
        } else {
            self.shared.commit_once();
        }
    }
}

impl Draft {
    /// Commits the message; resolves when it is on stable storage.
    ///
    /// # Errors
    /// If it can't be stored: then it never was.
    pub async fn commit(mut self, envelope: Envelope) -> Result<Committed, Refused> {
        let ended = || Refused::Storage("the committer has ended".to_owned());
        if self.is_large() {
            let synced = tokio::task::spawn_blocking(move || {
                let outcome = self.sync_content();
                (self, outcome)
            });
            let (draft, outcome) = synced.await.map_err(|_| ended())?;
            outcome?;
            self = draft;
        }
        let shared = Arc::clone(&self.shared);
        let answer = self.submit(envelope)?.await.map_err(|_| ended())?;
        // Told from here and not by the committer: the next task of this thread takes the message up, and no other
        // thread has to be woken for it.
        shared.changed.notify_one();
        answer
    }
}

fn run(shared: &Shared) {
    let mut pace = Pace::default();
    loop {
        let closed = wait(shared, &mut pace);
        let begun = Instant::now();
        let committed = shared.commit_once();
        pace.took = begun.elapsed();
        pace.came = shared.came.load(Ordering::Relaxed);
        if closed {
            return;
        }
        if !committed {
            // Whoever comes meanwhile is refused at once or waits for the next try.
            std::thread::sleep(PAUSE_AFTER_FAILURE);
        }
    }
}

/// Empties segments, one after the other, whenever there are some to be emptied. One that can't be finished is tried again ever
/// more seldom: each try writes to the log.
fn tidy(shared: &Shared) {
    let mut pause = TIDY_EVERY;
    let mut look_at_contents = Instant::now();
    loop {
        let compacted = shared.compact();
        // Each look goes through all messages, while a folder is being emptied.
        if Instant::now() >= look_at_contents && !shared.relocate() {
            look_at_contents = Instant::now() + CONTENTS_EVERY;
        }
        let wait = match compacted {
            Compacted::Unfinished => {
                pause = (pause * 2).min(TIDY_PAUSE_MAX);
                pause
            }
            Compacted::Emptied | Compacted::More => {
                pause = TIDY_EVERY;
                pause
            }
            Compacted::Nothing => TIDY_EVERY,
        };
        let end = Instant::now() + wait;
        let mut gather = shared.gather.lock();
        // A segment that is gone makes way for the next one, but doesn't end the wait after one that stays.
        while !gather.closed {
            let timed_out = shared.tidy.wait_until(&mut gather, end).timed_out();
            if timed_out || compacted != Compacted::Unfinished {
                break;
            }
        }
        if gather.closed {
            return;
        }
    }
}

/// Waits until there is something to commit; returns whether the queue was closed. After a commit it dozes first: what nobody
/// waits for is found at the end of the doze, and nobody had to wake it for that.
fn wait(shared: &Shared, pace: &mut Pace) -> bool {
    let mut gather = shared.gather.lock();
    doze(shared, &mut gather);
    if gather.is_empty() && !gather.closed {
        gather.asleep = true;
        while gather.is_empty() && !gather.closed {
            shared.wake.wait(&mut gather);
        }
        gather.asleep = false;
        doze(shared, &mut gather);
    }
    if gather.company > 0 && pace.is_worth_a_try() {
        keep_company(shared, &mut gather, pace);
        pace.learn(gather.company);
    }
    pace.answered = gather.company;
    gather.closed
}

/// Waits a moment for more clients: one sync for many of them costs each less.
fn keep_company(shared: &Shared, gather: &mut MutexGuard<'_, Gather>, pace: &Pace) {
    let end = Instant::now() + pace.patience();
    let enough = pace.enough();
    gather.wanted = enough;
    while gather.company < enough && !gather.closed {
        if shared.wake.wait_until(gather, end).timed_out() {
            break;
        }
    }
    gather.wanted = 0;
}

/// Whether it is worth waiting for company: tried now and then, and kept up while others come. With few clients, who would only
/// wait for themselves, it is tried ever more seldom.
#[derive(Default)]
struct Pace {
    /// Commits until the next try.
    skip: u32,
    pause: u32,
    /// How long the last commit took, and how many clients were in it.
    took: Duration,
    answered: usize,
    /// How many came while it ran.
    came: usize,
}

impl Pace {
    fn patience(&self) -> Duration {
        if self.took < SLOW {
            return COMPANY_WAIT;
        }
        (self.took / 2).min(SLOW_WAIT_MAX)
    }

    /// Those who were answered last may come again, beside those who came meanwhile.
    fn enough(&self) -> usize {
        if self.took < SLOW {
            return COMPANY_ENOUGH;
        }
        self.answered.saturating_add(self.came).min(SLOW_ENOUGH_MAX)
    }

    fn is_worth_a_try(&mut self) -> bool {
        self.skip = self.skip.saturating_sub(1);
        self.skip == 0
    }

    /// Many may have missed this commit and been in the one before.
    fn learn(&mut self, company: usize) {
        if company.max(self.answered) >= COMPANY_WORTH {
            self.pause = 0;
        } else {
            self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
            self.skip = self.pause;
        }
    }
}

/// Waits a bounded time for somebody who is in a hurry.
fn doze(shared: &Shared, gather: &mut MutexGuard<'_, Gather>) {
    let end = Instant::now() + shared.settings.ride_along;
    while !gather.urgent && !gather.closed {
        if shared.wake.wait_until(gather, end).timed_out() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_worth_a_longer_wait_for_all_who_were_there() {
        let mut pace = Pace::default();
        (pace.answered, pace.came) = (300, 100);
        assert_eq!(pace.patience(), COMPANY_WAIT);
        assert_eq!(pace.enough(), COMPANY_ENOUGH);
        pace.took = Duration::from_millis(10);
        assert_eq!(pace.patience(), Duration::from_millis(5));
        assert_eq!(pace.enough(), 400);
        pace.took = Duration::from_secs(10);
        pace.answered = usize::MAX;
        assert_eq!(pace.patience(), SLOW_WAIT_MAX);
        assert_eq!(pace.enough(), SLOW_ENOUGH_MAX);
    }

    #[test]
    fn few_clients_wait_ever_more_seldom_and_many_keep_it_up() {
        let mut pace = Pace::default();
        let mut tries = 0;
        for _ in 0..100_000 {
            if pace.is_worth_a_try() {
                tries += 1;
                pace.learn(2);
            }
        }
        assert!((2..40).contains(&tries), "{tries}");
        while !pace.is_worth_a_try() {}
        pace.learn(20);
        for _ in 0..100 {
            assert!(pace.is_worth_a_try());
            pace.learn(20);
        }
    }
}
