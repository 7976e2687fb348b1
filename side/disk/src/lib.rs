//! The handful of file operations that queue and store stand on.
//!
//! What it is: two small object-safe traits, [`Disk`] and [`DiskFile`], and the real one, [`RealDisk`]. What it guards:
//! nothing else in the project that must survive a crash touches files in any other way, so the fault-injecting
//! double can tear, reorder and fail at every single call. What it may refuse: whatever the operating system refuses, with its
//! error unchanged. Deliberately absent: paths of its own, retries, caches.

mod real;

pub use real::RealDisk;

use std::io::{self, IoSlice};
use std::path::Path;

/// One thing in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// Octets, if it is a file.
    pub size: u64,
    /// Whether it is a folder.
    pub is_dir: bool,
}

/// Held as long as the lock is.
pub trait Lock: Send + Sync {}

/// A place where files are.
pub trait Disk: Send + Sync {
    /// Makes a new file, readable by its owner only. Its name survives a crash only after [`Self::sync_dir`].
    ///
    /// # Errors
    /// If it is there already, or the system says no.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    /// If it isn't there, or the system says no.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// What is in a folder, by name.
    ///
    /// # Errors
    /// If it can't be read.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a folder and those above it, for its owner only; no error if it is there. What was made is durable.
    ///
    /// # Errors
    /// If the system says no.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames within one file system, replacing what is there.
    ///
    /// # Errors
    /// If the system says no.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name in the same file system.
    ///
    /// # Errors
    /// If the name is taken, the file systems differ, or the system says no.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file's name.
    ///
    /// # Errors
    /// If it isn't there, or the system says no.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// If the system says no: then nothing is known about the names.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Octets that may still be written in the file system of a folder.
    ///
    /// # Errors
    /// If the system says no.
    fn free_space(&self, dir: &Path) -> io::Result<u64>;

    /// Takes the lock of a file, made if need be, until the value is dropped or the process ends.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Writes all of the pieces, one after the other, at an offset; or fails, and then any part of them may have been written.
    ///
    /// # Errors
    /// If the system says no.
    fn write_at(&self, offset: u64, pieces: &[IoSlice<'_>]) -> io::Result<()>;

    /// Reads at an offset; fewer octets than asked for only at the end.
    ///
    /// # Errors
    /// If the system says no.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes the content and the length durable (fdatasync). After an error nothing is known about what was written since the
    /// last success, and a later success says nothing about it either.
    ///
    /// # Errors
    /// If the system says no.
    fn sync_data(&self) -> io::Result<()>;

    /// Takes space up to a length, so that later writes inside it change no metadata.
    ///
    /// # Errors
    /// If there isn't that much, or the system says no.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Cuts or extends the file to a length.
    ///
    /// # Errors
    /// If the system says no.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// Its length in octets.
    ///
    /// # Errors
    /// If the system says no.
    fn length(&self) -> io::Result<u64>;
}
