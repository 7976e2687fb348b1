//! Finding the frames in the octets of a segment, and telling a torn tail from damage.
//!
//! A batch is written only after the one before it was synced. So what can't be read is a *torn tail* if nothing behind
//! it belongs to a later batch than the next one: it was never answered for. With a later batch behind it, it had been synced,
//! and is *damage*.

use crate::record::{FRAME_MAGIC, Frame, Record, parse};

/// A frame that counts.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// Where it starts.
    pub offset: usize,
    /// The frame.
    pub frame: Frame<'a>,
    /// Whether something unreadable stands before it.
    pub after_gap: bool,
}

/// Octets that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Where they start.
    pub offset: usize,
    /// How many.
    pub octets: usize,
}

/// What is in a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    /// The frames that count, in order.
    pub kept: Vec<Kept<'a>>,
    /// The tail that was being written, if it is torn.
    pub torn: Option<Gap>,
    /// What had been durable and can't be read.
    pub damage: Vec<Gap>,
    /// The latest batch.
    pub last_batch: u64,
}

/// Reads a segment's octets from `start` on. `batch_before` is the latest batch of the segments before it.
#[must_use]
pub fn scan(octets: &[u8], start: usize, batch_before: u64) -> Scan<'_> {
    let mut result = Scan {
        last_batch: batch_before,
        ..Scan::default()
    };
    // Each with the latest batch before it.
    let mut gaps = Vec::new();
    let mut at = start;
    while at < octets.len() {
        let here = octets.get(at..).unwrap_or_default();
        if let Ok(frame) = parse(here) {
            result.last_batch = result.last_batch.max(frame.batch);
            let length = frame.length;
            let after_gap = !gaps.is_empty();
            result.kept.push(Kept {
                offset: at,
                frame,
                after_gap,
            });
            at += length;
            continue;
        }
        let next = next_frame(octets, at + 1);
        let end = next.unwrap_or(octets.len());
        let gap = octets.get(at..end).unwrap_or_default();
        // Preallocated and never written: not even a gap.
        if next.is_some() || gap.iter().any(|octet| *octet != 0) {
            let gap = Gap {
                offset: at,
                octets: used(gap),
            };
            gaps.push((gap, result.last_batch));
        }
        at = end;
    }
    classify(&mut result, gaps);
    result
}

fn classify(result: &mut Scan<'_>, gaps: Vec<(Gap, u64)>) {
    for (gap, batch_before) in gaps {
        if result.last_batch > batch_before.saturating_add(1) {
            result.damage.push(gap);
        } else if result.torn.is_none() {
            result.torn = Some(gap);
        }
    }
    let Some(torn) = result.torn else {
        return;
    };
    // Behind the tear only what takes responsibility counts, never what gives it up: it may repeat, never lose.
    result.kept.retain(|kept| {
        kept.offset < torn.offset || matches!(kept.frame.record, Record::Accepted { .. })
    });
}

/// Where the next readable frame starts.
fn next_frame(octets: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = octets.get(at..)?;
        let found = at + memchr::memmem::find(rest, &FRAME_MAGIC)?;
        if parse(octets.get(found..)?).is_ok() {
            return Some(found);
        }
        at = found + 1;
    }
}

/// Octets up to the last that isn't zero.
fn used(gap: &[u8]) -> usize {
    let last = gap.iter().rposition(|octet| *octet != 0);
    last.map_or(0, |last| last + 1)
}
