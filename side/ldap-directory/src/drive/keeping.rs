//! From the connection to the copy: news are taken on a thread of their own, since storing them blocks.

use super::LdapDirectory;
use bridgehead_directory::{FollowError, Follower, News};
use bridgehead_mail::Timestamp;
use std::time::Duration;
use tokio::sync::mpsc;

/// News between the connection and the copy: when the disk is slow, the server waits.
const NEWS_AHEAD: usize = 256;
/// After the copy couldn't be stored.
const PAUSE: Duration = Duration::from_secs(5);

impl LdapDirectory {
    /// Keeps the copy up to date, for as long as this future lives. `clock` tells the time of day.
    pub async fn keep_up(&self, mut follower: Follower, clock: fn() -> Timestamp) {
        loop {
            follower.restart();
            let cursor = follower.cursor();
            let (sender, receiver) = mpsc::channel(NEWS_AHEAD);
            let taking = move || take_all(follower, receiver, clock);
            let taking = tokio::task::spawn_blocking(taking);
            self.follow(cursor, &sender).await;
            drop(sender);
            let Ok((back, ended)) = taking.await else {
                return;
            };
            follower = back;
            if let Err(error) = ended {
                tracing::error!(%error, "the directory is followed anew in a moment");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Takes news until nobody tells any more, or one can't be stored.
fn take_all(
    mut follower: Follower,
    mut news: mpsc::Receiver<News>,
    clock: fn() -> Timestamp,
) -> (Follower, Result<(), FollowError>) {
    while let Some(one) = news.blocking_recv() {
        if let News::Trouble(words) = &one {
            tracing::warn!(
                words,
                "the directory can't be followed; its copy stays in force"
            );
        }
        if let Err(error) = follower.take(one, clock()) {
            return (follower, Err(error));
        }
    }
    (follower, Ok(()))
}
