//! The membership of this server: its own key, whether the directory names it, and how it gets there.

use super::now;
use bridgehead_delivery::settings::Member;
use bridgehead_directory::{Directory, MemberKey, Server, Snapshot, Wish};
use bridgehead_membership::{OwnKey, Roster};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// When a key that couldn't be put into the directory is put there again; the wait doubles.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10 * 60);

/// The folder of the key in the data directory.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("member")
}

/// The keys of the other servers.
pub(super) fn roster(members: &HashMap<Box<str>, Member>) -> Roster {
    Roster::new(
        members
            .iter()
            .map(|(name, member)| (&**name, &*member.keys)),
    )
}

/// Whether the others can know this server by its key.
pub(super) enum Standing {
    /// They can, or there are no others.
    Known,
    /// The directory has no key of this server at all.
    Keyless,
    /// The directory has others.
    OtherKeys,
}

pub(super) fn standing(snapshot: &Snapshot, server: &str, own: &OwnKey) -> Standing {
    let servers = &snapshot.configuration().servers;
    match servers.iter().find(|known| is_called(known, server)) {
        Some(known) if known.member_keys.is_empty() => Standing::Keyless,
        Some(known) if !known.member_keys.contains(&MemberKey(own.public())) => Standing::OtherKeys,
        // Without its object the server does nothing at all, and says so.
        _ => Standing::Known,
    }
}

fn is_called(server: &Server, name: &str) -> bool {
    *server.name.folded() == *name.to_lowercase()
}

/// Whether there is anybody who would have to know it.
pub(super) fn has_others(snapshot: &Snapshot) -> bool {
    snapshot.configuration().servers.len() > 1
}

/// Says that the others can't know this server, with what helps.
pub(super) fn warn(server: &str, own: &OwnKey) {
    let key = MemberKey(own.public());
    tracing::warn!(
        server,
        %key,
        "the directory doesn't name this server's key, so that the other servers take nothing from it: put it into member-keys of its \
         server object (`bridgehead member key` prints it) and apply that"
    );
}

/// Sees to it that the key gets into the directory, however often that fails.
#[derive(Default)]
pub(super) struct Publishing {
    task: Mutex<Option<JoinHandle<()>>>,
    /// It was said that it fails.
    said: Arc<AtomicBool>,
}

impl Publishing {
    /// Puts it there now, and tries again later where that can't be. What was begun before is given up.
    pub(super) fn begin(&self, directory: &Directory, server: &str, own: &OwnKey) {
        let (directory, server, own) = (directory.clone(), server.to_owned(), own.clone());
        let publishing = publish_at_last(directory, server, own, Arc::clone(&self.said));
        self.turn_to(Some(tokio::spawn(publishing)));
    }

    /// There is nothing to put there.
    pub(super) fn end(&self) {
        self.turn_to(None);
    }

    fn turn_to(&self, task: Option<JoinHandle<()>>) {
        if let Some(before) = std::mem::replace(&mut *self.task.lock(), task) {
            before.abort();
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.end();
    }
}

async fn publish_at_last(directory: Directory, server: String, own: OwnKey, said: Arc<AtomicBool>) {
    let mut wait = AGAIN_AFTER;
    loop {
        let (to, whose, key) = (directory.clone(), server.clone(), own.clone());
        let published = tokio::task::spawn_blocking(move || publish(&to, &whose, &key)).await;
        let why = match published {
            Ok(Ok(())) => {
                tracing::info!("this server's key is in the directory now");
                said.store(false, Ordering::Relaxed);
                return;
            }
            Ok(Err(why)) => why,
            Err(error) => error.to_string(),
        };
        if said.swap(true, Ordering::Relaxed) {
            tracing::debug!(why, "this server's key can't be put into the directory");
        } else {
            tracing::warn!(
                why,
                "this server's key can't be put into the directory; it is tried again, at longer and longer intervals"
            );
            warn(&server, &own);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(AGAIN_AFTER_MAX);
    }
}

/// Writes the key into this server's own object: a change like any other. Blocks. Returns why not, if it can't.
fn publish(directory: &Directory, server: &str, own: &OwnKey) -> Result<(), String> {
    let (version, mut organisation) = directory
        .organisation()
        .map_err(|error| crate::chain(&error))?;
    let mut servers = organisation.servers.iter_mut();
    let Some(object) = servers.find(|known| is_called(known, server)) else {
        return Err("the server's object isn't part of the shared organisation".to_owned());
    };
    if !object.member_keys.is_empty() {
        return Ok(());
    }
    object.member_keys.push(MemberKey(own.public()));
    let who = format!("server {server}");
    let wish = Wish {
        text: &organisation.to_text(),
        file: "the shared organisation with this server's key",
        who: &who,
        why: "its key, by which the other servers know it",
        now: now(),
        expected: Some(version),
        dry_run: false,
        trial_on: &[],
    };
    match directory.apply(&wish) {
        Ok(_) => Ok(()),
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(faults.join("; "))
        }
    }
}
