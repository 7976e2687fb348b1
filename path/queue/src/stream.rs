//! A segment read from its beginning to its end without having all of it in memory.
//!
//! Guards: what is read of a segment at once is a window, or the largest frame. Only what stands behind the first octets that can't
//! be read is read as a whole, unless it is nothing but zeros.

use crate::record::{FRAME_HEAD, FRAME_OCTETS_MAX, Frame, parse};
use crate::scan::{Scan, scan};
use crate::segment::{Head, SEGMENT_HEAD, batch_before};
use bridgehead_disk::DiskFile;
use std::io;

/// So much is read at once.
const WINDOW: usize = 1024 * 1024;

/// A segment that is being read.
pub(crate) struct Stream<'f> {
    file: &'f dyn DiskFile,
    end: u64,
    window: Vec<u8>,
    /// Where the window starts, and where the next frame.
    start: u64,
    at: u64,
    last_batch: u64,
    pub(crate) head: Option<Head>,
}

/// What stands behind the frames that were read one after the other.
pub(crate) struct Rest {
    octets: Vec<u8>,
    at: usize,
    last_batch: u64,
}

impl<'f> Stream<'f> {
    /// `last_batch` is the latest batch that was read before it.
    pub(crate) fn new(file: &'f dyn DiskFile, last_batch: u64) -> io::Result<Self> {
        let mut stream = Self {
            file,
            end: file.length()?,
            window: Vec::new(),
            start: 0,
            at: SEGMENT_HEAD as u64,
            last_batch,
            head: None,
        };
        stream.fill(0, WINDOW)?;
        stream.head = Head::read(&stream.window);
        stream.last_batch = batch_before(&stream.window, last_batch);
        Ok(stream)
    }

    /// The window starts here, and has so many octets if there are as many.
    fn fill(&mut self, start: u64, octets: usize) -> io::Result<()> {
        let left = usize::try_from(self.end.saturating_sub(start)).unwrap_or(usize::MAX);
        self.window.resize(octets.min(left), 0);
        let count = self.file.read_at(start, &mut self.window)?;
        self.window.truncate(count);
        self.start = start;
        Ok(())
    }

    /// The window from the next frame on.
    fn here(&self) -> &[u8] {
        let skipped = usize::try_from(self.at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.window.get(skipped..).unwrap_or_default()
    }

    /// Gives each frame with where it starts, up to the first octets that aren't one.
    pub(crate) fn each(&mut self, mut take: impl FnMut(usize, Frame<'_>)) -> io::Result<()> {
        loop {
            if self.here().len() < FRAME_HEAD {
                self.fill(self.at, WINDOW)?;
            }
            let wanted = match frame_octets(self.here()) {
                Some(wanted) if wanted <= FRAME_OCTETS_MAX + FRAME_HEAD => wanted,
                _ => return Ok(()),
            };
            if self.here().len() < wanted {
                self.fill(self.at, wanted.max(WINDOW))?;
            }
            let Ok(frame) = parse(self.here()) else {
                return Ok(());
            };
            let (batch, length) = (frame.batch, frame.length as u64);
            take(usize::try_from(self.at).unwrap_or(usize::MAX), frame);
            self.last_batch = self.last_batch.max(batch);
            self.at = self.at.saturating_add(length);
        }
    }

    /// What stands from there on.
    pub(crate) fn rest(mut self) -> io::Result<Rest> {
        let mut start = self.at;
        let mut written = false;
        while start < self.end && !written {
            self.fill(start, WINDOW)?;
            written = self.window.iter().any(|octet| *octet != 0);
            start = start.saturating_add(self.window.len().max(1) as u64);
        }
        self.window.clear();
        if written {
            self.fill(self.at, usize::MAX)?;
        }
        Ok(Rest {
            octets: self.window,
            at: usize::try_from(self.at).unwrap_or(usize::MAX),
            last_batch: self.last_batch,
        })
    }
}

impl Rest {
    /// What is in it: nothing, unless something can't be read. Its latest batch is that of the segment.
    pub(crate) fn scan(&self) -> Scan<'_> {
        let mut scan = scan(&self.octets, 0, self.last_batch);
        for kept in &mut scan.kept {
            kept.offset += self.at;
        }
        for gap in scan.damage.iter_mut().chain(&mut scan.torn) {
            gap.offset += self.at;
        }
        scan
    }
}

/// How long the frame is that starts here, if its head is there.
fn frame_octets(octets: &[u8]) -> Option<usize> {
    let length = octets.get(4..8)?.try_into().ok()?;
    let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
    length.checked_add(FRAME_HEAD)
}
