//! Messages as octets. Described octet by octet in `docs/formats/linkstate.md`.
//!
//! Guards: reading never panics, and nothing is reserved for what a length or a count claims; lists grow as their elements are
//! read. There is one way to write each message, and only that is read. Refuses everything else with the reason.

mod reader;

use crate::record::{Entry, Record, Statement, Subject, Version};
use crate::topology::{COST_MAX, NAME_OCTETS_MAX};
use reader::Reader;

/// A message has at most this many octets.
pub const MESSAGE_OCTETS_MAX: usize = 128 * 1024;
/// The sealed part of a record has at most this many octets.
pub const RECORD_OCTETS_MAX: usize = 64 * 1024;
/// A seal has at most this many octets.
pub const SEAL_OCTETS_MAX: usize = 255;
/// A record has at most this many entries.
pub const ENTRIES_MAX: usize = 1024;
/// Digests are kept for this many parts of the table, so that only the parts that differ are listed.
pub const BUCKETS: usize = 16;
/// Octets before the body of a message.
pub const HEAD_OCTETS: usize = 32;

const MAGIC: &[u8; 4] = b"BHLS";
const FORMAT: u8 = 1;
/// Age, length of the sealed part, length of the seal.
pub(crate) const RECORD_HEAD_OCTETS: usize = 4 + 4 + 1;

/// What neighbours send each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The number that the sending process drew for itself.
    pub instance: u64,
    /// The fingerprint of the sender's topology.
    pub fingerprint: u64,
    /// The number of the message; of an acknowledgement or a listing, that of the message it answers.
    pub number: u32,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// What the sender's table comes to.
    Digest {
        /// How many records it holds.
        count: u32,
        /// The sum of each part.
        buckets: [u64; BUCKETS],
    },
    /// Which versions the sender has in some parts of its table.
    Listing {
        /// The parts, one bit each.
        parts: u16,
        /// There are more than are listed.
        partial: bool,
        /// Origins and versions, in order of names.
        versions: Vec<(Box<str>, Version)>,
    },
    /// Origins whose records the sender wants, in order of names.
    Want(Vec<Box<str>>),
    /// Records, in order of origins, with their ages in milliseconds.
    Update(Vec<(u32, Record)>),
    /// A digest or update has arrived.
    Acknowledgement,
}

/// Why octets aren't a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecFault {
    /// They end too early.
    #[error("the message is cut off")]
    Short,
    /// There are more than a message may have, or more than it says.
    #[error("the message is longer than it may be or says it is")]
    Long,
    /// They don't begin like a message.
    #[error("this is no link-state message")]
    Magic,
    /// A version of the format that isn't known.
    #[error("version {0} of the link-state format isn't known here")]
    Format(u8),
    /// A kind of message that isn't known.
    #[error("link-state messages of kind {0} aren't known here")]
    Kind(u8),
    /// A value that can't be.
    #[error("a wrong value: {0}")]
    Value(&'static str),
    /// A list that isn't in order, or names something twice.
    #[error("a list isn't in order")]
    Order,
}

impl Message {
    /// As octets.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let kind = write_body(&mut body, &self.body);
        let mut octets = Vec::with_capacity(HEAD_OCTETS + body.len());
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&[FORMAT, kind, 0, 0]);
        octets.extend_from_slice(&self.instance.to_le_bytes());
        octets.extend_from_slice(&self.fingerprint.to_le_bytes());
        octets.extend_from_slice(&self.number.to_le_bytes());
        octets.extend_from_slice(&length(body.len()).to_le_bytes());
        octets.extend_from_slice(&body);
        octets
    }

    /// From octets.
    ///
    /// # Errors
    /// If they aren't exactly one message.
    pub fn read(octets: &[u8]) -> Result<Self, CodecFault> {
        if octets.len() > MESSAGE_OCTETS_MAX {
            return Err(CodecFault::Long);
        }
        let mut reader = Reader::new(octets);
        if reader.take(4)? != MAGIC {
            return Err(CodecFault::Magic);
        }
        let format = reader.u8()?;
        if format != FORMAT {
            return Err(CodecFault::Format(format));
        }
        let kind = reader.u8()?;
        if reader.u16()? != 0 {
            return Err(CodecFault::Value("reserved octets"));
        }
        let (instance, fingerprint) = (reader.u64()?, reader.u64()?);
        let number = reader.u32()?;
        match (reader.u32()? as usize).cmp(&reader.left()) {
            std::cmp::Ordering::Less => return Err(CodecFault::Long),
            std::cmp::Ordering::Greater => return Err(CodecFault::Short),
            std::cmp::Ordering::Equal => {}
        }
        let body = read_body(kind, &mut reader)?;
        reader.end()?;
        Ok(Self {
            instance,
            fingerprint,
            number,
            body,
        })
    }
}

fn write_body(octets: &mut Vec<u8>, body: &Body) -> u8 {
    match body {
        Body::Digest { count, buckets } => {
            octets.extend_from_slice(&count.to_le_bytes());
            for bucket in buckets {
                octets.extend_from_slice(&bucket.to_le_bytes());
            }
            1
        }
        Body::Listing {
            parts,
            partial,
            versions,
        } => {
            octets.extend_from_slice(&parts.to_le_bytes());
            octets.push(u8::from(*partial));
            octets.extend_from_slice(&length(versions.len()).to_le_bytes());
            for (name, version) in versions {
                write_name(octets, name);
                write_version(octets, *version);
            }
            2
        }
        Body::Want(names) => {
            octets.extend_from_slice(&length(names.len()).to_le_bytes());
            for name in names {
                write_name(octets, name);
            }
            3
        }
        Body::Update(records) => {
            octets.extend_from_slice(&length(records.len()).to_le_bytes());
            for (age, record) in records {
                octets.extend_from_slice(&age.to_le_bytes());
                octets.extend_from_slice(&length(record.body().len()).to_le_bytes());
                octets.extend_from_slice(record.body());
                octets.push(short_length(record.sealed_by().len()));
                octets.extend_from_slice(record.sealed_by());
            }
            4
        }
        Body::Acknowledgement => 5,
    }
}

fn read_body(kind: u8, reader: &mut Reader<'_>) -> Result<Body, CodecFault> {
    match kind {
        1 => {
            let count = reader.u32()?;
            let mut buckets = [0; BUCKETS];
            for bucket in &mut buckets {
                *bucket = reader.u64()?;
            }
            Ok(Body::Digest { count, buckets })
        }
        2 => {
            let parts = reader.u16()?;
            let partial = reader.truth()?;
            let versions = reader.list(|reader| Ok((reader.name()?, read_version(reader)?)))?;
            ascending(&versions, |(name, _)| name)?;
            Ok(Body::Listing {
                parts,
                partial,
                versions,
            })
        }
        3 => {
            let names = reader.list(Reader::name)?;
            ascending(&names, |name| name)?;
            Ok(Body::Want(names))
        }
        4 => {
            let records = reader.list(read_record)?;
            ascending(&records, |(_, record)| &record.statement().origin)?;
            Ok(Body::Update(records))
        }
        5 => Ok(Body::Acknowledgement),
        kind => Err(CodecFault::Kind(kind)),
    }
}

fn read_record(reader: &mut Reader<'_>) -> Result<(u32, Record), CodecFault> {
    let age = reader.u32()?;
    let octets = reader.u32()? as usize;
    if octets > RECORD_OCTETS_MAX {
        return Err(CodecFault::Long);
    }
    let body = reader.take(octets)?;
    let seal_octets = reader.u8()?;
    let seal = reader.take(usize::from(seal_octets))?;
    Ok((age, Record::read(body, seal)?))
}

/// The part of a record that is sealed.
pub(crate) fn write_statement(statement: &Statement) -> Vec<u8> {
    let mut octets = Vec::new();
    write_name(&mut octets, &statement.origin);
    octets.extend_from_slice(&statement.instance.to_le_bytes());
    write_version(&mut octets, statement.version);
    octets.extend_from_slice(&length(statement.entries.len()).to_le_bytes());
    for entry in &statement.entries {
        octets.push(match entry.subject {
            Subject::Connector => 1,
            Subject::Peer => 2,
        });
        write_name(&mut octets, &entry.name);
        octets.push(u8::from(entry.down));
        octets.push(entry.surcharge);
        octets.extend_from_slice(&entry.queued.to_le_bytes());
        octets.extend_from_slice(&entry.delay.to_le_bytes());
    }
    octets
}

/// Reads the part of a record that is sealed.
pub(crate) fn read_statement(octets: &[u8]) -> Result<Statement, CodecFault> {
    let mut reader = Reader::new(octets);
    let statement = Statement {
        origin: reader.name()?,
        instance: reader.u64()?,
        version: read_version(&mut reader)?,
        entries: reader.list(read_entry)?,
    };
    reader.end()?;
    if statement.entries.len() > ENTRIES_MAX {
        return Err(CodecFault::Value("too many entries"));
    }
    ascending(&statement.entries, |entry| (entry.subject, &entry.name))?;
    Ok(statement)
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, CodecFault> {
    let subject = match reader.u8()? {
        1 => Subject::Connector,
        2 => Subject::Peer,
        _ => return Err(CodecFault::Value("kind of a link")),
    };
    let entry = Entry {
        subject,
        name: reader.name()?,
        down: reader.truth()?,
        surcharge: reader.u8()?,
        queued: reader.u32()?,
        delay: reader.u32()?,
    };
    if u32::from(entry.surcharge) > COST_MAX {
        return Err(CodecFault::Value("surcharge"));
    }
    Ok(entry)
}

/// Lists are in order, so that nothing is there twice and there is one way to write them.
fn ascending<'a, T, K: Ord + 'a>(
    list: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Result<(), CodecFault> {
    let mut pairs = list.iter().zip(list.iter().skip(1));
    if pairs.all(|(one, next)| key(one) < key(next)) {
        Ok(())
    } else {
        Err(CodecFault::Order)
    }
}

/// A name, cut to what may travel; names of a topology always fit.
fn write_name(octets: &mut Vec<u8>, name: &str) {
    let name = name
        .as_bytes()
        .get(..NAME_OCTETS_MAX)
        .unwrap_or(name.as_bytes());
    octets.push(short_length(name.len()));
    octets.extend_from_slice(name);
}

fn write_version(octets: &mut Vec<u8>, version: Version) {
    octets.extend_from_slice(&version.epoch.to_le_bytes());
    octets.extend_from_slice(&version.sequence.to_le_bytes());
}

fn read_version(reader: &mut Reader<'_>) -> Result<Version, CodecFault> {
    Ok(Version {
        epoch: reader.u64()?,
        sequence: reader.u32()?,
    })
}

fn length(octets: usize) -> u32 {
    u32::try_from(octets).unwrap_or(u32::MAX)
}

fn short_length(octets: usize) -> u8 {
    u8::try_from(octets).unwrap_or(u8::MAX)
}
