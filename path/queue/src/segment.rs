//! Segments: the files of the log (docs/formats/spool.md, "Segments").
//!
//! Guards: a segment that failed a sync is never synced or written again. Refuses: segments of a later format.

use crate::error::OpenError;
use crate::scan::{Scan, scan};
use bridgehead_disk::{Disk, DiskFile};
use bridgehead_mail::Content;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the format that this server writes.
pub(crate) const FORMAT_VERSION: u32 = 4;
const SEGMENT_MAGIC: [u8; 8] = *b"BHSPOOL\n";
/// Octets before the first frame.
pub(crate) const SEGMENT_HEAD: usize = 40;
/// A flag in the head: the segment with the number before this one was left whole, with every batch in it synced.
const AFTER_WHOLE: u32 = 1;

/// An open segment.
pub(crate) struct Segment {
    /// Segments are numbered from 1 and never share a number.
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Box<dyn DiskFile>,
}

/// What a new segment's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) sequence: u64,
    /// The number of the first batch in it.
    pub(crate) first_batch: u64,
    /// Whether the segment with the number before this one was left whole, with every batch in it synced.
    pub(crate) after_whole: bool,
}

/// Why a segment can't be made.
pub(crate) enum CreateFault {
    /// A write failed; the file is gone again.
    Write(io::Error),
    /// A sync failed.
    Sync(io::Error),
}

/// The path of a segment.
pub(crate) fn segment_path(directory: &Path, sequence: u64) -> PathBuf {
    directory.join(format!("segment-{sequence:016x}.log"))
}

/// The sequence in a segment's name.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    let exact = digits.len() == 16;
    exact.then(|| u64::from_str_radix(digits, 16).ok())?
}

impl Segment {
    /// Makes a new segment, durable with its name. One that can't be finished is removed.
    pub(crate) fn create(
        disk: &dyn Disk,
        directory: &Path,
        head: Head,
        octets: u64,
    ) -> Result<Self, CreateFault> {
        let path = segment_path(directory, head.sequence);
        let file = disk.create(&path).map_err(CreateFault::Write)?;
        let made = file
            .allocate(octets)
            .and_then(|()| file.write_at(0, &[IoSlice::new(&head.octets())]))
            .map_err(CreateFault::Write)
            .and_then(|()| file.sync_data().map_err(CreateFault::Sync))
            .and_then(|()| disk.sync_dir(directory).map_err(CreateFault::Sync));
        if let Err(fault) = made {
            // It holds nothing; if it can't be removed, the next start finds it empty.
            let _ = disk.remove(&path);
            return Err(fault);
        }
        Ok(Self {
            sequence: head.sequence,
            path,
            file,
        })
    }

    /// Opens an existing one without reading more than its head.
    pub(crate) fn open_head(disk: &dyn Disk, path: &Path) -> Result<Self, OpenError> {
        let failed = |doing, source| OpenError::Disk {
            doing,
            path: path.to_owned(),
            source,
        };
        let file = disk.open(path).map_err(|e| failed("open", e))?;
        let mut head = [0; SEGMENT_HEAD];
        let count = file.read_at(0, &mut head).map_err(|e| failed("read", e))?;
        check_version(path, head.get(..count).unwrap_or_default())?;
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(Self {
            sequence: name.and_then(sequence_of).unwrap_or(0),
            path: path.to_owned(),
            file,
        })
    }

    /// Opens an existing one with its octets.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> Result<(Self, Vec<u8>), OpenError> {
        let failed = |doing, source| OpenError::Disk {
            doing,
            path: path.to_owned(),
            source,
        };
        let file = disk.open(path).map_err(|e| failed("open", e))?;
        let octets = read_all(&*file).map_err(|e| failed("read", e))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let segment = Self {
            sequence: name.and_then(sequence_of).unwrap_or(0),
            path: path.to_owned(),
            file,
        };
        check_version(path, &octets)?;
        Ok((segment, octets))
    }
}

fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let length = file.length()?;
    let mut octets = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let count = file.read_at(0, &mut octets)?;
    octets.truncate(count);
    Ok(octets)
}

/// What is in a segment with its head. `last_batch` is the latest batch that was read before it, which may lack those just before
/// this one.
pub(crate) fn scan_segment(octets: &[u8], last_batch: u64) -> Scan<'_> {
    scan(octets, SEGMENT_HEAD, batch_before(octets, last_batch))
}

/// The latest batch that may be in the segments before it.
pub(crate) fn batch_before(octets: &[u8], last_batch: u64) -> u64 {
    Head::read(octets).map_or(last_batch, |head| {
        last_batch.max(head.first_batch.saturating_sub(1))
    })
}

impl Head {
    /// Magic, version, flags, sequence, first batch, checksum of these, reserved.
    fn octets(self) -> [u8; SEGMENT_HEAD] {
        let flags = if self.after_whole { AFTER_WHOLE } else { 0 };
        let mut head = Vec::with_capacity(SEGMENT_HEAD);
        head.extend_from_slice(&SEGMENT_MAGIC);
        head.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        head.extend_from_slice(&flags.to_le_bytes());
        head.extend_from_slice(&self.sequence.to_le_bytes());
        head.extend_from_slice(&self.first_batch.to_le_bytes());
        let checksum = crc32c::crc32c(&head);
        head.extend_from_slice(&checksum.to_le_bytes());
        let mut octets = [0; SEGMENT_HEAD];
        for (to, from) in octets.iter_mut().zip(head) {
            *to = from;
        }
        octets
    }

    /// The head of a segment, unless it is torn or damaged.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        if !has_head(octets) {
            return None;
        }
        let flags = u32::from_le_bytes(octets.get(12..16)?.try_into().ok()?);
        Some(Self {
            sequence: u64::from_le_bytes(octets.get(16..24)?.try_into().ok()?),
            first_batch: u64::from_le_bytes(octets.get(24..32)?.try_into().ok()?),
            after_whole: flags & AFTER_WHOLE != 0,
        })
    }
}

/// Whether the octets start with a whole segment head.
fn has_head(octets: &[u8]) -> bool {
    let Some(checksum) = octets.get(32..36) else {
        return false;
    };
    let fits = crc32c::crc32c(octets.get(..32).unwrap_or_default()).to_le_bytes();
    octets.starts_with(&SEGMENT_MAGIC) && checksum == fits
}

/// A later version is refused; a torn head is left to recovery.
fn check_version(path: &Path, octets: &[u8]) -> Result<(), OpenError> {
    let version = octets.get(8..12).and_then(|v| v.try_into().ok());
    match version.map(u32::from_le_bytes) {
        Some(found) if has_head(octets) && found > FORMAT_VERSION => Err(OpenError::Version {
            path: path.to_owned(),
            found,
            known: FORMAT_VERSION,
        }),
        _ => Ok(()),
    }
}

/// Content inside a segment.
pub(crate) struct InlineContent {
    pub(crate) segment: Arc<Segment>,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl Content for InlineContent {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..count) else {
            return Ok(0);
        };
        let at = self.offset.saturating_add(offset);
        match self.segment.file.read_at(at, window)? {
            read if read == count => Ok(count),
            // The segment is shorter than its frame says: never pass this on as the end of the content.
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Content in a file of its own.
pub(crate) struct FileContent {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

impl Content for FileContent {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(window) = buffer.get_mut(..count) else {
            return Ok(0);
        };
        match self.file.read_at(offset, window)? {
            read if read == count => Ok(count),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }
}
