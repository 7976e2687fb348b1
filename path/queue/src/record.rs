//! Records of the spool: what is written, and how it is found again (docs/formats/spool.md, "Frames").
//!
//! Guards: a frame is taken only if its checksum fits; reading never panics and never goes past the end. Refuses:
//! frames larger than [`FRAME_OCTETS_MAX`].

use crate::codec::{Malformed, Reader, Writer};
use crate::control::{Adoption, Control, Steering};
use crate::control_codec::{
    read_adoption, read_control, read_steering, write_adoption, write_control, write_steering,
};
use crate::envelope_codec::{
    read_addressee, read_envelope, read_failure, read_handling, read_journey, write_addressee,
    write_envelope, write_failure, write_handling, write_journey,
};
use bridgehead_mail::{Addressee, Envelope, Failure, MessageId, Timestamp};

/// Marks the start of a frame: `BHR1`.
pub(crate) const FRAME_MAGIC: [u8; 4] = *b"BHR1";
/// The kind of an accepted message.
const ACCEPTED: u8 = 8;
/// The kind of a message that was accepted by another server, whose spool is taken over.
const ADOPTED: u8 = 11;
/// The same in version 1 of the format, which knew of no handling.
const ACCEPTED_ONCE: u8 = 1;
/// In the place of a content's place: the way inside the organisation comes before it.
const JOURNEY: u8 = 2;
/// What operators have decided.
const CONTROLLED: u8 = 10;
/// The same in version 2 of the format, which knew of no adoptions.
const CONTROLLED_BEFORE: u8 = 6;
/// Magic, length, checksum.
pub(crate) const FRAME_HEAD: usize = 12;
/// Batch, kind, message id: the least that a frame's body holds.
const BODY_MIN: usize = 8 + 1 + 16;
/// No frame is larger than this; 5,000 recipients of 500 octets and a large inline content fit four times.
pub const FRAME_OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Where an accepted content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContentRecord<'a> {
    /// In the frame.
    Inline(&'a [u8]),
    /// In a file of its own, named by the message's id.
    File {
        /// Its octets.
        size: u64,
    },
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The server took responsibility.
    Accepted {
        /// The envelope.
        envelope: Box<Envelope>,
        /// The content.
        content: ContentRecord<'a>,
        /// The spool from which it was copied: until that is finished it stands still.
        adoption: Option<Box<Adoption>>,
    },
    /// The categorizer found out who the recipients are. Replaces an earlier one.
    Resolved {
        /// When what is left is given up.
        expires: Timestamp,
        /// When the sender is told of the delay.
        delay_notice: Timestamp,
        /// The addressees; the others speak of them by number, from 0.
        addressees: Vec<Addressee>,
        /// Those for whom nothing is left to do: a record that is copied forward says all of it in one frame, so that no
        /// tear comes between.
        settled: Vec<u32>,
    },
    /// Nothing is left to do for these addressees.
    Settled {
        /// Their numbers.
        numbers: Vec<u32>,
    },
    /// These addressees are tried again later.
    Deferred {
        /// Their numbers.
        numbers: Vec<u32>,
        /// When.
        until: Timestamp,
        /// Attempts so far.
        attempts: u32,
        /// Whether the sender was told of the delay.
        delay_reported: bool,
        /// Why.
        failure: Box<Failure>,
    },
    /// Nothing is left to do for the message.
    Done,
    /// Nothing is left to do for the message, whose accept record lies in this segment.
    Ended {
        /// The number of the segment.
        segment: u64,
    },
    /// What operators have decided about the message, all of it; replaces an earlier one.
    Controlled(Box<Control>),
    /// What operators hold on the whole server. In a file of its own, never in a segment.
    Steering(Box<Steering>),
}

/// A frame as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The batch in which it was written; one batch, one sync.
    pub batch: u64,
    /// The message it is about.
    pub message: MessageId,
    /// What it says.
    pub record: Record<'a>,
    /// Its octets in all.
    pub length: usize,
}

/// Appends a frame. The batch is stamped later, by [`stamp`], when it is known. Returns its octets.
pub(crate) fn append(to: &mut Vec<u8>, message: MessageId, record: &Record<'_>) -> usize {
    let start = to.len();
    to.extend_from_slice(&FRAME_MAGIC);
    to.extend_from_slice(&[0; FRAME_HEAD - 4 + 8]);
    let mut writer = Writer(to);
    writer.u8(kind(record));
    let id = message.as_u128();
    writer.u64((id >> 64) as u64);
    writer.u64(id as u64);
    payload(&mut writer, record);
    to.len() - start
}

fn kind(record: &Record<'_>) -> u8 {
    match record {
        Record::Accepted { adoption: None, .. } => ACCEPTED,
        Record::Accepted { .. } => ADOPTED,
        Record::Resolved { .. } => 2,
        Record::Settled { .. } => 3,
        Record::Deferred { .. } => 4,
        Record::Done => 5,
        Record::Controlled(_) => CONTROLLED,
        Record::Steering(_) => 7,
        Record::Ended { .. } => 9,
    }
}

fn payload(to: &mut Writer<'_>, record: &Record<'_>) {
    match record {
        Record::Accepted {
            envelope,
            content,
            adoption,
        } => {
            if let Some(adoption) = adoption {
                write_adoption(to, adoption);
            }
            write_envelope(to, envelope);
            write_handling(to, &envelope.handling);
            if let Some(journey) = &envelope.journey {
                to.u8(JOURNEY);
                write_journey(to, journey);
            }
            match content {
                ContentRecord::Inline(octets) => {
                    to.u8(0);
                    to.0.extend_from_slice(octets);
                }
                ContentRecord::File { size } => {
                    to.u8(1);
                    to.u64(*size);
                }
            }
        }
        Record::Resolved {
            expires,
            delay_notice,
            addressees,
            settled,
        } => {
            to.u64(expires.as_millis());
            to.u64(delay_notice.as_millis());
            to.count(addressees.len());
            for addressee in addressees {
                write_addressee(to, addressee);
            }
            write_numbers(to, settled);
        }
        Record::Settled { numbers } => write_numbers(to, numbers),
        Record::Deferred {
            numbers,
            until,
            attempts,
            delay_reported,
            failure,
        } => {
            write_numbers(to, numbers);
            to.u64(until.as_millis());
            to.u32(*attempts);
            to.bool(*delay_reported);
            write_failure(to, failure);
        }
        Record::Done => {}
        Record::Ended { segment } => to.u64(*segment),
        Record::Controlled(control) => write_control(to, control),
        Record::Steering(steering) => write_steering(to, steering),
    }
}

fn write_numbers(to: &mut Writer<'_>, numbers: &[u32]) {
    to.count(numbers.len());
    for number in numbers {
        to.u32(*number);
    }
}

/// Fills in length, batch and checksum of the frame at the start of `frame`, which must be exactly one frame.
pub(crate) fn stamp(frame: &mut [u8], batch: u64) {
    let length = u32::try_from(frame.len().saturating_sub(FRAME_HEAD)).unwrap_or(u32::MAX);
    if let Some(place) = frame.get_mut(FRAME_HEAD..FRAME_HEAD + 8) {
        place.copy_from_slice(&batch.to_le_bytes());
    }
    let checksum = crc32c::crc32c(frame.get(FRAME_HEAD..).unwrap_or_default());
    if let Some(place) = frame.get_mut(4..8) {
        place.copy_from_slice(&length.to_le_bytes());
    }
    if let Some(place) = frame.get_mut(8..12) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// The frame at the start of `octets`.
///
/// # Errors
/// If there is none, its checksum doesn't fit, or it isn't of this format.
pub fn parse(octets: &[u8]) -> Result<Frame<'_>, Malformed> {
    if octets.get(..4) != Some(&FRAME_MAGIC) {
        return Err(Malformed("no frame starts here"));
    }
    let mut head = Reader::new(octets.get(4..).unwrap_or_default());
    let length = usize::try_from(head.u32()?).unwrap_or(usize::MAX);
    let checksum = head.u32()?;
    if !(BODY_MIN..=FRAME_OCTETS_MAX).contains(&length) {
        return Err(Malformed("a frame of an impossible length"));
    }
    let body = head
        .rest()
        .get(..length)
        .ok_or(Malformed("a frame ends too early"))?;
    if crc32c::crc32c(body) != checksum {
        return Err(Malformed("a checksum doesn't fit"));
    }
    let mut body = Reader::new(body);
    let batch = body.u64()?;
    let kind = body.u8()?;
    let high = u128::from(body.u64()?);
    let low = u128::from(body.u64()?);
    Ok(Frame {
        batch,
        message: MessageId::from_u128((high << 64) | low),
        record: parse_record(kind, &mut body)?,
        length: FRAME_HEAD + length,
    })
}

fn accepted<'a>(kind: u8, from: &mut Reader<'a>) -> Result<Record<'a>, Malformed> {
    let adoption = match kind {
        ADOPTED => Some(Box::new(read_adoption(from)?)),
        _ => None,
    };
    let mut envelope = Box::new(read_envelope(from)?);
    if kind != ACCEPTED_ONCE {
        envelope.handling = read_handling(from)?;
    }
    let mut place = from.u8()?;
    if place == JOURNEY {
        envelope.journey = Some(Box::new(read_journey(from)?));
        place = from.u8()?;
    }
    let content = match place {
        0 => ContentRecord::Inline(from.rest()),
        1 => ContentRecord::File { size: from.u64()? },
        _ => return Err(Malformed("an unknown place of content")),
    };
    Ok(Record::Accepted {
        envelope,
        content,
        adoption,
    })
}

fn parse_record<'a>(kind: u8, from: &mut Reader<'a>) -> Result<Record<'a>, Malformed> {
    Ok(match kind {
        ACCEPTED_ONCE | ACCEPTED | ADOPTED => accepted(kind, from)?,
        2 => {
            let expires = Timestamp::from_millis(from.u64()?);
            let delay_notice = Timestamp::from_millis(from.u64()?);
            let count = from.count(11)?;
            let mut addressees = Vec::with_capacity(count);
            for _ in 0..count {
                addressees.push(read_addressee(from)?);
            }
            Record::Resolved {
                expires,
                delay_notice,
                addressees,
                settled: read_numbers(from)?,
            }
        }
        3 => Record::Settled {
            numbers: read_numbers(from)?,
        },
        4 => Record::Deferred {
            numbers: read_numbers(from)?,
            until: Timestamp::from_millis(from.u64()?),
            attempts: from.u32()?,
            delay_reported: from.bool()?,
            failure: Box::new(read_failure(from)?),
        },
        5 => Record::Done,
        CONTROLLED_BEFORE => Record::Controlled(Box::new(read_control(from, false)?)),
        CONTROLLED => Record::Controlled(Box::new(read_control(from, true)?)),
        7 => Record::Steering(Box::new(read_steering(from)?)),
        9 => Record::Ended {
            segment: from.u64()?,
        },
        _ => return Err(Malformed("an unknown kind of record")),
    })
}

fn read_numbers(from: &mut Reader<'_>) -> Result<Vec<u32>, Malformed> {
    let count = from.count(4)?;
    (0..count).map(|_| from.u32()).collect()
}
