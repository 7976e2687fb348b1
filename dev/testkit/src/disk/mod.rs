//! A disk in memory that forgets and fails as real ones do, by a seed.
//!
//! What it keeps: for every file what is durable and what is only written; for every name the same. What it injects: errors on
//! writes (with a part written all the same), full disks, syncs that fail (after which the pages count as clean, as on
//! Linux: a second sync would "succeed"), and the end of the power at any call. [`FaultDisk::power_loss`] gives the disk as
//! the next start finds it: any part of what wasn't synced is there, in any order. [`FaultDisk::kill`] gives it as after `kill
//! -9`: everything written is there, nothing more is durable.
//!
//! Where it is kinder than a real disk: a sector of 512 octets is written whole or not at all; a rename is one step; names that
//! a failed sync of a folder left are made durable by a later one.

mod file;
mod platter;
#[cfg(test)]
mod tests;

use file::FaultFile;
use parking_lot::Mutex;
use platter::{NameOp, Platter};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bridgehead_disk::{Disk, DiskFile, Entry, Lock};

/// How often what fails, in thousandths of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A write fails with EIO or ENOSPC; a part of it is written.
    pub write: u32,
    /// A read fails.
    pub read: u32,
    /// A sync of a file fails: some of the dirty sectors are on the platter, and none counts as dirty any more.
    pub sync: u32,
    /// A sync of a folder fails.
    pub sync_dir: u32,
    /// Making, renaming, linking or removing fails, and does nothing.
    pub name: u32,
}

type Hook = Box<dyn FnMut() + Send>;

/// The disk. Copies are the same disk.
#[derive(Clone)]
pub struct FaultDisk {
    inner: Arc<Mutex<Inner>>,
}

pub(crate) struct Inner {
    platter: Platter,
    random: StdRng,
    faults: Faults,
    /// Calls until the power goes.
    fuse: Option<u64>,
    off: bool,
    free: u64,
    calls: u64,
    /// The folder of each sync that failed.
    sync_failures: Vec<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// What no program may do, but this one did.
    sins: Vec<String>,
    hook: Option<Hook>,
}

/// What a call that changes something finds.
pub(crate) enum Fate {
    /// It works.
    Works,
    /// The power goes in the middle of it.
    Interrupted,
}

impl FaultDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::holding(Platter::default(), StdRng::seed_from_u64(seed), u64::MAX)
    }

    fn holding(platter: Platter, random: StdRng, free: u64) -> Self {
        Self {
            inner: Arc::new(Mutex::new(Inner {
                platter,
                random,
                faults: Faults::default(),
                fuse: None,
                off: false,
                free,
                calls: 0,
                sync_failures: Vec::new(),
                locks: BTreeSet::new(),
                sins: Vec::new(),
                hook: None,
            })),
        }
    }

    /// How often what fails from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.lock().faults = faults;
    }

    /// What a look at the free space says.
    pub fn set_free_space(&self, octets: u64) {
        self.inner.lock().free = octets;
    }

    /// The power goes at the so-manyth call from now on; 0 is the next one.
    pub fn cut_power_after(&self, calls: u64) {
        self.inner.lock().fuse = Some(calls);
    }

    /// Whether the power is gone: every call fails.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.inner.lock().off
    }

    /// Calls so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.lock().calls
    }

    /// Syncs that failed so far in these folders, of files and of the folders themselves.
    #[must_use]
    pub fn sync_failures(&self, folders: &[&Path]) -> u64 {
        let inner = self.inner.lock();
        let failures = inner.sync_failures.iter();
        failures
            .filter(|folder| folders.contains(&folder.as_path()))
            .count() as u64
    }

    /// What the program did that it must never do: write or sync a file whose sync had failed.
    #[must_use]
    pub fn sins(&self) -> Vec<String> {
        self.inner.lock().sins.clone()
    }

    /// Run at the start of every sync of a file from now on: what other threads do meanwhile.
    pub fn set_hook(&self, hook: Option<Hook>) {
        let before = std::mem::replace(&mut self.inner.lock().hook, hook);
        // Outside of the lock: it may own handles of this disk.
        drop(before);
    }

    /// Names and sizes of all files, as the program sees them.
    #[must_use]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        self.inner.lock().platter.files()
    }

    /// The disk as the next start finds it after the power was lost. This one is off.
    #[must_use]
    pub fn power_loss(&self) -> Self {
        let mut inner = self.inner.lock();
        inner.off = true;
        let mut random = StdRng::seed_from_u64(inner.random.random());
        let platter = inner.platter.after_power_loss(&mut random);
        Self::holding(platter, random, inner.free)
    }

    /// The disk as the next start finds it after the process was killed. This one is off.
    #[must_use]
    pub fn kill(&self) -> Self {
        let mut inner = self.inner.lock();
        inner.off = true;
        let random = StdRng::seed_from_u64(inner.random.random());
        let platter = inner.platter.after_kill();
        Self::holding(platter, random, inner.free)
    }
}

impl Inner {
    /// Counts a call; fails it if the power is gone.
    fn call(&mut self) -> io::Result<Fate> {
        self.calls += 1;
        if self.off {
            return Err(power());
        }
        match &mut self.fuse {
            Some(0) => {
                self.off = true;
                Ok(Fate::Interrupted)
            }
            Some(left) => {
                *left -= 1;
                Ok(Fate::Works)
            }
            None => Ok(Fate::Works),
        }
    }

    fn chance(&mut self, of: impl FnOnce(&Faults) -> u32) -> bool {
        let thousandths = of(&self.faults);
        thousandths > 0 && self.random.random_range(0..1000) < thousandths
    }

    /// A change of names: whole or not at all.
    fn change_names(
        &mut self,
        change: impl FnOnce(&mut Platter) -> io::Result<()>,
    ) -> io::Result<()> {
        let fate = self.call()?;
        if self.chance(|faults| faults.name) {
            return Err(io::Error::other("injected: a name can't be changed"));
        }
        match fate {
            Fate::Works => change(&mut self.platter),
            Fate::Interrupted => {
                if self.random.random() {
                    let _ = change(&mut self.platter);
                }
                Err(power())
            }
        }
    }
}

fn power() -> io::Error {
    io::Error::other("the power is gone")
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut node = None;
        self.inner.lock().change_names(|platter| {
            node = Some(platter.create(path)?);
            Ok(())
        })?;
        let node = node.ok_or_else(power)?;
        Ok(Box::new(FaultFile::new(self.inner.clone(), node, path)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut inner = self.inner.lock();
        inner.call()?;
        let node = inner.platter.find(path)?;
        drop(inner);
        Ok(Box::new(FaultFile::new(self.inner.clone(), node, path)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let mut inner = self.inner.lock();
        inner.call()?;
        if inner.chance(|faults| faults.read) {
            return Err(io::Error::other("injected: a folder can't be read"));
        }
        inner.platter.list(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner
            .lock()
            .change_names(|platter| platter.create_dir(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let op = NameOp::Rename(from.to_owned(), to.to_owned());
        self.inner.lock().change_names(|platter| platter.apply(op))
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner
            .lock()
            .change_names(|platter| platter.link(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let op = NameOp::Remove(path.to_owned());
        self.inner.lock().change_names(|platter| platter.apply(op))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.inner.lock();
        let fate = inner.call()?;
        if inner.chance(|faults| faults.sync_dir) {
            inner.sync_failures.push(dir.to_owned());
            return Err(io::Error::other("injected: a folder can't be synced"));
        }
        match fate {
            Fate::Works => {
                inner.platter.sync_dir(dir);
                Ok(())
            }
            // Whatever was made durable of it, `power_loss` chooses.
            Fate::Interrupted => Err(power()),
        }
    }

    fn free_space(&self, _dir: &Path) -> io::Result<u64> {
        let mut inner = self.inner.lock();
        inner.call()?;
        Ok(inner.free)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut inner = self.inner.lock();
        inner.call()?;
        if !inner.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held {
            inner: self.inner.clone(),
            path: path.to_owned(),
        }))
    }
}

struct Held {
    inner: Arc<Mutex<Inner>>,
    path: PathBuf,
}

impl Lock for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.inner.lock().locks.remove(&self.path);
    }
}
