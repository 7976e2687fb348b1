//! Takes the news of another directory, one piece at a time, and puts the copy in force at each commit.
//!
//! Guards: with the directory away the copy stays in force, as long as the operator allows; who uses it is told.

use crate::copying::{Batch, Copy};
use crate::{Directory, Name, News, SharedDirectory};
use bridgehead_mail::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How often the file is told that the directory was heard of.
const NOTE_EVERY: Duration = Duration::from_secs(300);

/// The copy couldn't be stored: what was told since the last commit must be told again from [`Follower::cursor`].
#[derive(Debug, thiserror::Error)]
#[error("the copy of the directory can't be stored: {0}")]
pub struct FollowError(#[source] pub redb::Error);

/// What follows another directory.
pub struct Follower {
    directory: Directory,
    copy: Copy,
    batch: Option<Batch>,
    stale_after: Option<Duration>,
    heard: Timestamp,
    noted: Timestamp,
}

impl Follower {
    pub(crate) fn new(directory: Directory, copy: Copy, stale_after: Option<Duration>) -> Self {
        let heard = Timestamp::from_millis(copy.kept.heard);
        Self {
            directory,
            copy,
            batch: None,
            stale_after,
            heard,
            noted: heard,
        }
    }

    /// From now on the organisation is the one that several servers share there; this one has this name in it. Puts what
    /// the copy has of it in force. Blocks.
    pub fn share(&self, store: Arc<dyn SharedDirectory>, server: Name) {
        self.directory.share(store, server);
        self.directory.adopt(self.copy.kept.parts.values());
    }

    /// Where the back-end goes on from; none if it must begin with a full picture.
    #[must_use]
    pub fn cursor(&self) -> Option<Vec<u8>> {
        self.copy.kept.cursor.clone()
    }

    /// Forgets what was told since the last commit: the back-end begins again from the cursor.
    pub fn restart(&mut self) {
        self.batch = None;
    }

    /// Takes one piece of news. Blocks while it is stored.
    ///
    /// # Errors
    /// If it can't be stored; then nothing since the last commit is.
    pub fn take(&mut self, news: News, now: Timestamp) -> Result<(), FollowError> {
        match news {
            News::Trouble(words) => {
                // What was told before it is told again.
                self.batch = None;
                self.directory.note(|copied| copied.trouble(words, now));
            }
            News::Alive => self.heard(now)?,
            News::Commit(cursor) => {
                self.commit(cursor, now)?;
                self.heard(now)?;
            }
            News::Full | News::Put(_) | News::Part(..) | News::Gone(_) | News::Only(_) => {
                self.add(news)?
            }
        }
        self.check_age(now);
        Ok(())
    }

    fn add(&mut self, news: News) -> Result<(), FollowError> {
        let mut batch = match self.batch.take() {
            Some(batch) => batch,
            None => self.copy.begin().map_err(FollowError)?,
        };
        self.copy.take(&mut batch, news).map_err(FollowError)?;
        self.batch = Some(batch);
        Ok(())
    }

    fn commit(&mut self, cursor: Vec<u8>, now: Timestamp) -> Result<(), FollowError> {
        let batch = match self.batch.take() {
            Some(batch) => batch,
            None if self.copy.kept.cursor.as_ref() == Some(&cursor) => return Ok(()),
            None => self.copy.begin().map_err(FollowError)?,
        };
        let in_force = if batch.configuration_changed() {
            self.directory.assembled(batch.configuration()).in_force
        } else {
            self.copy.kept.in_force.clone()
        };
        let changed = self.copy.commit(batch, cursor, in_force);
        if changed.map_err(FollowError)? {
            self.directory.follow(&self.copy);
            self.directory.adopt(self.copy.kept.parts.values());
        }
        self.directory
            .note(|copied| copied.committed(&self.copy.kept, now));
        Ok(())
    }

    fn heard(&mut self, now: Timestamp) -> Result<(), FollowError> {
        self.heard = now;
        self.directory.note(|copied| copied.heard(now));
        if self.directory.waits_for().is_some() {
            self.directory.adopt(self.copy.kept.parts.values());
        }
        if self.batch.is_none() && now.since(self.noted) > NOTE_EVERY {
            self.copy.note_heard(now).map_err(FollowError)?;
            self.noted = now;
        }
        Ok(())
    }

    /// A copy that is older than the operator allows doesn't count.
    fn check_age(&self, now: Timestamp) {
        let stale = self
            .stale_after
            .is_some_and(|most| now.since(self.heard) > most);
        let complete = self.copy.kept.cursor.is_some() && !stale;
        self.directory.trust_copy(complete);
        self.directory.note(|copied| copied.stale = stale);
    }
}
