//! Reading what lies on the disk of a message, without holding the state's lock.
//!
//! Guards: what is read is checked again; a frame that isn't what it should be is damage, never something else.

use crate::Work;
use crate::entry::{Carried, Entry, Place};
use crate::folders::Folder;
use crate::lease::Returned;
use crate::numbers::Numbers;
use crate::record::{Record, parse};
use crate::segment::{FileContent, InlineContent};
use crate::shared::Shared;
use bridgehead_mail::{Addressee, Content, Envelope, MessageId, Priority, Recipient};
use std::io;
use std::sync::Arc;

impl Shared {
    /// Reads envelope, content and addressees of a message.
    pub(crate) fn load(&self, id: MessageId, snapshot: &Snapshot) -> io::Result<Taken> {
        let envelope = match &snapshot.envelope {
            Some(envelope) => Arc::clone(envelope),
            None => Arc::new(read_envelope(&snapshot.place)?),
        };
        let content: Arc<dyn Content> = match &snapshot.folder {
            None => Arc::new(InlineContent {
                segment: Arc::clone(&snapshot.place.segment),
                offset: snapshot.content_offset,
                size: snapshot.size,
            }),
            Some(folder) => {
                let path = folder.content(id);
                Arc::new(FileContent {
                    file: Arc::from(self.disk.open(&path)?),
                    path,
                    size: snapshot.size,
                })
            }
        };
        let addressees = match (&snapshot.addressees, &snapshot.resolved) {
            (Some(addressees), _) => Some(Arc::clone(addressees)),
            (None, Some(place)) => Some(read_addressees(place)?.into()),
            (None, None) => None,
        };
        let work = match &addressees {
            None => Work::Categorize,
            Some(all) => Work::Route(all_but(all, snapshot.settled())),
        };
        Ok(Taken {
            envelope,
            content,
            addressees,
            work,
            priority: Priority::Normal,
            redirect: None,
        })
    }
}

/// What was read of a message that was taken.
pub(crate) struct Taken {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) content: Arc<dyn Content>,
    pub(crate) addressees: Option<Arc<[Addressee]>>,
    pub(crate) work: Work,
    pub(crate) priority: Priority,
    pub(crate) redirect: Option<Box<str>>,
}

impl Taken {
    /// What operators and the clock make of the work.
    pub(crate) fn change_work(&mut self, returned: Option<Returned>, resubmitted: bool) {
        if returned.is_none() && !resubmitted {
            return;
        }
        let left = match (&mut self.work, returned) {
            (Work::Route(left), Some(_)) => left.iter().map(Recipient::from).collect(),
            (Work::Route(left), None) => {
                let left = std::mem::take(left);
                let all = self.addressees.iter().flat_map(|all| all.iter());
                let done = all.filter(|one| !left.contains(one)).cloned().collect();
                self.work = Work::Again { left, done };
                return;
            }
            _ => self.envelope.recipients.clone(),
        };
        if let Some(returned) = returned {
            self.work = Work::Return(left, returned);
        }
    }
}

/// What must be known to read a message without holding the lock.
pub(crate) struct Snapshot {
    place: Place,
    folder: Option<Arc<Folder>>,
    size: u64,
    content_offset: u64,
    resolved: Option<Place>,
    settled: Numbers,
    envelope: Option<Arc<Envelope>>,
    addressees: Option<Arc<[Addressee]>>,
}

impl Snapshot {
    /// Numbers of those for whom nothing is left to do.
    pub(crate) fn settled(&self) -> &[u32] {
        self.settled.as_slice()
    }

    pub(crate) fn of(entry: &Entry) -> Self {
        let hot = entry.hot.as_deref();
        Self {
            place: entry.place.clone(),
            folder: entry.folder.clone(),
            size: entry.size,
            content_offset: entry.content_offset(),
            resolved: entry.resolved.clone(),
            settled: entry.settled.clone(),
            envelope: hot.map(|hot| Arc::clone(&hot.envelope)),
            addressees: hot.and_then(|hot| hot.addressees.clone()),
        }
    }
}

/// The addressees whose numbers aren't in the list.
pub(crate) fn all_but(all: &[Addressee], settled: &[u32]) -> Vec<Addressee> {
    let numbered = (0u32..).zip(all);
    numbered
        .filter(|(number, _)| !settled.contains(number))
        .map(|(_, addressee)| addressee.clone())
        .collect()
}

/// The octets of a frame.
pub(crate) fn read_frame(place: &Place) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(place.length).unwrap_or(0)];
    match place
        .segment
        .file
        .read_at(u64::from(place.offset), &mut octets)?
    {
        count if count == octets.len() => Ok(octets),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(crate) fn damaged(place: &Place) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!(
            "{} is damaged at octet {}",
            place.segment.path.display(),
            place.offset
        ),
    )
}

pub(crate) fn read_envelope(place: &Place) -> io::Result<Envelope> {
    let octets = read_frame(place)?;
    match parse(&octets).map(|frame| frame.record) {
        Ok(Record::Accepted { envelope, .. }) => Ok(*envelope),
        _ => Err(damaged(place)),
    }
}

pub(crate) fn read_addressees(place: &Place) -> io::Result<Vec<Addressee>> {
    let octets = read_frame(place)?;
    match parse(&octets).map(|frame| frame.record) {
        Ok(Record::Resolved { addressees, .. }) => Ok(addressees),
        _ => Err(damaged(place)),
    }
}

/// The record for what is carried over of a part.
pub(crate) fn deferred_record(numbers: &[u32], carried: &Carried) -> Option<Record<'static>> {
    let failure = carried.failure.as_ref()?;
    Some(Record::Deferred {
        numbers: numbers.to_vec(),
        until: carried.until,
        attempts: carried.attempts,
        delay_reported: carried.delay_reported,
        failure: Box::new((**failure).clone()),
    })
}
