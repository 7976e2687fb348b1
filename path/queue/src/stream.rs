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
            if self.window.is_empty() {
                break;
            }
            written = self.window.iter().any(|octet| *octet != 0);
            start = start.saturating_add(self.window.len() as u64);
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::record::{Record, append, stamp};
    use bridgehead_mail::{MessageId, Timestamp};
    use bridgehead_testkit::disk::FaultDisk;
    use std::io::IoSlice;
    use std::path::Path;

    /// Frames of such lengths behind a head that is torn, then so many octets.
    fn segment(lengths: &[usize], behind: &[u8]) -> (Box<dyn DiskFile>, Vec<(usize, usize)>) {
        use bridgehead_disk::Disk;
        let mut octets = vec![0; SEGMENT_HEAD];
        let mut places = Vec::new();
        for (number, length) in (1u64..).zip(lengths) {
            let start = octets.len();
            let failure = bridgehead_mail::Failure::new(
                bridgehead_mail::StatusCode::transient(4, 1),
                &"x".repeat(*length),
            );
            let record = Record::Deferred {
                numbers: Vec::new(),
                until: Timestamp::EPOCH,
                attempts: 1,
                delay_reported: false,
                failure: Box::new(failure),
            };
            let id = MessageId::from_u128(u128::from(number));
            append(&mut octets, id, &record);
            stamp(octets.get_mut(start..).unwrap(), number * 2);
            places.push((start, octets.len() - start));
        }
        octets.extend_from_slice(behind);
        let disk = FaultDisk::new(1);
        disk.create_dir(Path::new("/spool")).unwrap();
        let file = disk.create(Path::new("/spool/segment")).unwrap();
        file.write_at(0, &[IoSlice::new(&octets)]).unwrap();
        (file, places)
    }

    fn read(file: &dyn DiskFile) -> (Vec<(usize, usize)>, Rest) {
        let mut stream = Stream::new(file, 0).unwrap();
        let mut found = Vec::new();
        let each = stream.each(|offset, frame| found.push((offset, frame.length)));
        each.unwrap();
        (found, stream.rest().unwrap())
    }

    #[test]
    fn frames_are_found_wherever_they_lie_in_the_windows() {
        let lengths = [10, WINDOW - 300, 700, 3 * WINDOW, 5, WINDOW, 9];
        let (file, places) = segment(&lengths, &[0; 3 * WINDOW]);
        let (found, rest) = read(&*file);
        assert_eq!(found, places);
        // Zeros aren't kept, and aren't a tear.
        assert!(rest.octets.is_empty());
        assert_eq!((rest.scan().torn, rest.scan().last_batch), (None, 14));
    }

    #[test]
    fn damage_and_what_stands_behind_it_are_found_where_they_lie() {
        let (whole, places) = segment(&[20, 2 * WINDOW, 30], &[]);
        let mut octets = vec![0; usize::try_from(whole.length().unwrap()).unwrap()];
        whole.read_at(0, &mut octets).unwrap();
        let [first, hit, last] = places.as_slice() else {
            unreachable!()
        };
        *octets.get_mut(hit.0 + WINDOW).unwrap() ^= 1;
        whole.write_at(0, &[IoSlice::new(&octets)]).unwrap();
        let (found, rest) = read(&*whole);
        assert_eq!(found, [*first]);
        let scan = rest.scan();
        let gaps = scan.damage.iter().map(|gap| gap.offset);
        assert_eq!(gaps.collect::<Vec<_>>(), [hit.0]);
        let kept = scan
            .kept
            .iter()
            .map(|kept| (kept.offset, kept.frame.length));
        assert_eq!(kept.collect::<Vec<_>>(), [*last]);
        assert_eq!(scan.last_batch, 6);
    }
}
