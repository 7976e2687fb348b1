//! Bringing contents out of folders that are being emptied, and giving up a folder in which nothing is left.
//!
//! Guards: a content is whole and durable in the new folder before the message refers to it there, and only then the old one goes;
//! what is being handed over, or categorized, stays where it is until that has ended. After a crash in between there are two, and
//! a start takes one of them.

use crate::folders::{Folder, Folders, unmark};
use crate::shared::Shared;
use bridgehead_mail::MessageId;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

/// Messages that are looked at under one lock.
const LOOKED_AT: usize = 256;
/// Octets that are copied before others have a turn.
const OCTETS_AT_ONCE: u64 = 32 * 1024 * 1024;
/// Octets in memory while a content is copied.
const WINDOW: usize = 256 * 1024;
/// Besides the list of folders and the copy of it that is looked at, nobody refers to a folder in which nothing lies.
const UNUSED: usize = 2;

/// A content that is to be moved.
struct Stray {
    id: MessageId,
    from: Arc<Folder>,
    size: u64,
}

impl Shared {
    /// Moves some contents, or looks whether a folder can be given up. Returns whether there is more to do at once.
    pub(crate) fn relocate(&self) -> bool {
        let folders = self.folders.lock().clone();
        let left = folders.left();
        if left.is_empty() || !self.is_whole() || self.failing() {
            return false;
        }
        let mut copied = 0;
        while copied < OCTETS_AT_ONCE {
            let Some(strays) = self.some_strays(&left) else {
                self.give_up_folders(folders, &left);
                return false;
            };
            for stray in strays {
                copied += stray.size;
                let path = stray.from.content(stray.id);
                if let Err(error) = self.bring(&stray, folders.present()) {
                    tracing::error!(id = %stray.id, path = %path.display(), %error, "a content can't be moved now");
                    return false;
                }
            }
        }
        true
    }

    /// Some contents that lie in folders that are left; none if there are no more.
    fn some_strays(&self, left: &[Arc<Folder>]) -> Option<Vec<Stray>> {
        let mut waiting = self.relocating.lock();
        let fresh = waiting.is_empty();
        if fresh {
            *waiting = self.state.lock().strays(left);
            // Nothing but what is busy: the next look may find it idle.
            if waiting.is_empty() {
                return None;
            }
        }
        let count = waiting.len().saturating_sub(LOOKED_AT);
        let some = waiting.split_off(count);
        drop(waiting);
        let state = self.state.lock();
        let strays = some.into_iter().filter_map(|id| {
            let entry = state.entries.get(&id)?;
            let from = entry.folder.as_ref().filter(|_| !entry.is_busy())?;
            let stray = left.iter().any(|folder| Arc::ptr_eq(folder, from));
            stray.then(|| Stray {
                id,
                from: Arc::clone(from),
                size: entry.size,
            })
        });
        Some(strays.collect())
    }

    /// Moves one content.
    fn bring(&self, stray: &Stray, to: &Arc<Folder>) -> io::Result<()> {
        let old = stray.from.content(stray.id);
        let new = to.content(stray.id);
        let half = new.with_extension("moving");
        // What an earlier try left must be gone for good, or else the renaming could be of that after a loss of power.
        if self.disk.remove(&half).is_ok() {
            self.in_sync(&to.path, self.disk.sync_dir(&to.path))?;
        }
        let moved = self
            .copy(&old, &half, stray.size)
            .and_then(|()| self.disk.rename(&half, &new))
            .and_then(|()| self.in_sync(&to.path, self.disk.sync_dir(&to.path)));
        if let Err(error) = moved {
            let _ = self.disk.remove(&half);
            let _ = self.disk.remove(&new);
            return Err(error);
        }
        let mut state = self.state.lock();
        let entry = state.entries.get_mut(&stray.id);
        let needless = match entry.filter(|entry| !entry.is_busy()) {
            Some(mut entry) => {
                entry.folder = Some(Arc::clone(to));
                old
            }
            // It is being read from the old place, or it has ended.
            None => new,
        };
        drop(state);
        self.disk.remove(&needless)
    }

    pub(crate) fn copy(&self, from: &Path, to: &Path, size: u64) -> io::Result<()> {
        let source = self.disk.open(from)?;
        let target = self.disk.create(to)?;
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        while at < size {
            let wanted = usize::try_from(size - at).unwrap_or(usize::MAX);
            let wanted = wanted.min(window.len());
            let part = window.get_mut(..wanted).unwrap_or_default();
            if source.read_at(at, part)? != wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            target.write_at(at, &[IoSlice::new(part)])?;
            at += wanted as u64;
        }
        self.in_sync(to, target.sync_data())
    }

    /// New mail goes to the disk of this file as well: if it can't be synced, none is taken any more.
    fn in_sync(&self, path: &Path, synced: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &synced {
            let path = path.display();
            self.refuse(&format!(
                "a sync of {path} failed ({error}); mend the disk, then resume"
            ));
        }
        synced
    }

    /// Removes what a removal that failed has left in a folder to which nothing refers; what was removed from it stays removed.
    fn clear(&self, folder: &Folder) -> io::Result<()> {
        for entry in self.disk.list(&folder.path)? {
            if entry.name.ends_with(".content") || entry.name.ends_with(".moving") {
                self.disk.remove(&folder.path.join(&entry.name))?;
            }
        }
        self.disk.sync_dir(&folder.path)
    }

    /// Folders in which nothing is left belong to the spool no longer.
    fn give_up_folders(&self, folders: Folders, left: &[Arc<Folder>]) {
        let used = |folder: &Folder| {
            let state = self.state.lock();
            let mut segments = state.segments.values();
            segments.any(|known| known.segment.path.parent() == Some(&*folder.path))
        };
        drop(folders);
        for folder in left {
            // The home stays: what is held lies there, and the list of the folders.
            if folder.is_home() || Arc::strong_count(folder) > UNUSED || used(folder) {
                continue;
            }
            let _one_at_a_time = self.steering.lock();
            let before = self.folders.lock().clone();
            if before.present().path == folder.path {
                continue;
            }
            if let Err(error) = self.clear(folder) {
                tracing::error!(%error, folder = %folder.path.display(), "an old folder can't be given up now");
                continue;
            }
            let after = before.without(folder);
            match self.save_folders(&after) {
                Ok(()) => {
                    *self.folders.lock() = after;
                    unmark(&*self.disk, folder);
                    tracing::info!(folder = %folder.path.display(), "nothing of the queue is left in an old folder");
                }
                Err(fault) => tracing::error!(%fault, "an old folder can't be given up now"),
            }
        }
    }
}
