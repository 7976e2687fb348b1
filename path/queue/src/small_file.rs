//! Small files that are replaced as a whole.
//!
//! Guards: whoever reads one finds the old or the new, whatever crash came between.

use bridgehead_disk::Disk;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

/// Far more than any of them has.
const OCTETS_MAX: usize = 4 * 1024 * 1024;

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderFault {
    /// The disk says no.
    #[error("can't {doing} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the disk says.
        #[source]
        source: io::Error,
        /// Whether it was a sync: then nothing is known about what was written.
        of_sync: bool,
    },
    /// It holds something that isn't of this spool.
    #[error("{}: {why}", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

pub(crate) fn failed<'p>(
    doing: &'static str,
    path: &'p Path,
) -> impl Fn(io::Error) -> FolderFault + 'p {
    move |source| FolderFault::Disk {
        doing,
        path: path.to_owned(),
        source,
        of_sync: false,
    }
}

fn sync_failed(path: &Path) -> impl Fn(io::Error) -> FolderFault + '_ {
    move |source| FolderFault::Disk {
        doing: "sync",
        path: path.to_owned(),
        source,
        of_sync: true,
    }
}

/// All of a small file; what is longer than one ever is isn't read.
pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path)?;
    let length = usize::try_from(file.length()?).unwrap_or(usize::MAX);
    let mut octets = vec![0; length.min(OCTETS_MAX)];
    let count = file.read_at(0, &mut octets)?;
    octets.truncate(count);
    Ok(octets)
}

/// Replaces a small file as a whole; durable when this returns.
pub(crate) fn replace(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    octets: &[u8],
) -> Result<(), FolderFault> {
    let new = directory.join(format!("{name}.new"));
    // What an earlier try left must be gone for good, or else the renaming could be of that after a loss of power.
    match disk.remove(&new) {
        Ok(()) => disk.sync_dir(directory).map_err(sync_failed(directory))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("remove", &new)(error)),
    }
    let file = disk.create(&new).map_err(failed("make", &new))?;
    file.write_at(0, &[IoSlice::new(octets)])
        .map_err(failed("write", &new))?;
    file.sync_data().map_err(sync_failed(&new))?;
    let path = directory.join(name);
    disk.rename(&new, &path).map_err(failed("rename", &new))?;
    disk.sync_dir(directory).map_err(sync_failed(directory))
}
