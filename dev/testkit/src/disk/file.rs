//! An open file of the fault-injecting disk.

use super::platter::SECTOR;
use super::{Fate, Inner, power};
use bridgehead_disk::DiskFile;
use parking_lot::Mutex;
use rand::Rng;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct FaultFile {
    inner: Arc<Mutex<Inner>>,
    node: usize,
    path: PathBuf,
}

impl FaultFile {
    pub(crate) fn new(inner: Arc<Mutex<Inner>>, node: usize, path: &Path) -> Self {
        Self {
            inner,
            node,
            path: path.to_owned(),
        }
    }

    /// Notes what must never be done to a file whose sync has failed.
    fn watch(&self, inner: &mut Inner, doing: &str) -> io::Result<()> {
        if inner.platter.node(self.node)?.poisoned {
            let sin = format!(
                "{} was {doing} after its sync had failed",
                self.path.display()
            );
            inner.sins.push(sin);
        }
        Ok(())
    }
}

impl DiskFile for FaultFile {
    fn write_at(&self, offset: u64, pieces: &[IoSlice<'_>]) -> io::Result<()> {
        let mut octets: Vec<u8> = Vec::new();
        for piece in pieces {
            octets.extend_from_slice(piece);
        }
        let at = index(offset)?;
        let mut inner = self.inner.lock();
        let fate = inner.call()?;
        self.watch(&mut inner, "written")?;
        let fails = inner.chance(|faults| faults.write);
        if let (Fate::Works, false) = (&fate, fails) {
            inner.platter.node_mut(self.node)?.write(at, &octets);
            return Ok(());
        }
        // A part is written, up to the end of a sector.
        let count = inner.random.random_range(0..=octets.len());
        let end = ((at + count) / SECTOR * SECTOR).clamp(at, at + octets.len());
        let part = octets.get(..end - at).unwrap_or_default();
        inner.platter.node_mut(self.node)?.write(at, part);
        if let Fate::Interrupted = fate {
            return Err(power());
        }
        Err(if inner.random.random() {
            io::ErrorKind::StorageFull.into()
        } else {
            io::Error::other("injected: a write failed")
        })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut inner = self.inner.lock();
        inner.call()?;
        if inner.chance(|faults| faults.read) {
            return Err(io::Error::other("injected: a read failed"));
        }
        let written = &inner.platter.node(self.node)?.written;
        let rest = written.get(index(offset)?..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        let (to, _) = buffer.split_at_mut(count);
        to.copy_from_slice(rest.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut hook = self.inner.lock().hook.take();
        if let Some(run) = &mut hook {
            run();
            let mut inner = self.inner.lock();
            if inner.hook.is_none() {
                inner.hook = hook;
            }
        }
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let fate = inner.call()?;
        self.watch(inner, "synced")?;
        if inner.chance(|faults| faults.sync) {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            inner.sync_failures.push(folder.to_owned());
            let node = inner.platter.node_mut(self.node)?;
            node.fail_sync(&mut inner.random);
            return Err(io::Error::other("injected: a sync failed"));
        }
        match fate {
            Fate::Works => {
                inner.platter.node_mut(self.node)?.sync();
                Ok(())
            }
            Fate::Interrupted => Err(power()),
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let length = index(length)?;
        let mut inner = self.inner.lock();
        let fate = inner.call()?;
        self.watch(&mut inner, "extended")?;
        if inner.chance(|faults| faults.write) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let node = inner.platter.node_mut(self.node)?;
        if node.written.len() < length {
            node.resize(length);
        }
        match fate {
            Fate::Works => Ok(()),
            Fate::Interrupted => Err(power()),
        }
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        let length = index(length)?;
        let mut inner = self.inner.lock();
        let fate = inner.call()?;
        self.watch(&mut inner, "cut")?;
        if inner.chance(|faults| faults.write) {
            return Err(io::Error::other("injected: a file can't be cut"));
        }
        inner.platter.node_mut(self.node)?.resize(length);
        match fate {
            Fate::Works => Ok(()),
            Fate::Interrupted => Err(power()),
        }
    }

    fn length(&self) -> io::Result<u64> {
        let mut inner = self.inner.lock();
        inner.call()?;
        Ok(inner.platter.node(self.node)?.written.len() as u64)
    }
}

fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput.into())
}
