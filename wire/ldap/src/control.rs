//! Controls: paging (RFC 2696), content synchronization (RFC 4533), and two of Active Directory (MS-ADTS §3.1.1.3.4.1).

use crate::ber::{self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, Writer};
use crate::{Message, Response};

const PAGED: &str = "1.2.840.113556.1.4.319";
const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";

/// A control of a request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it is.
    pub oid: String,
    /// Whether the request must fail where it isn't known.
    pub critical: bool,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

fn of(oid: &str, critical: bool, value: Option<Vec<u8>>) -> Control {
    Control {
        oid: oid.to_owned(),
        critical,
        value,
    }
}

fn sequence(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    out.inside(SEQUENCE, write);
    out.out
}

/// So many entries, from where the cookie says on (RFC 2696).
#[must_use]
pub fn paged(size: u16, cookie: &[u8]) -> Control {
    let value = sequence(|inner| {
        inner.integer(INTEGER, i64::from(size));
        inner.octets(cookie);
    });
    of(PAGED, true, Some(value))
}

/// Follow all changes from where the cookie says on: first what has changed, then what changes (RFC 4533 §2.2).
#[must_use]
pub fn sync_request(cookie: Option<&[u8]>) -> Control {
    const REFRESH_AND_PERSIST: i64 = 3;
    let value = sequence(|inner| {
        inner.integer(ENUMERATED, REFRESH_AND_PERSIST);
        if let Some(cookie) = cookie {
            inner.octets(cookie);
        }
    });
    of(SYNC_REQUEST, true, Some(value))
}

/// What has changed since the cookie, for somebody who may read it (MS-ADTS §3.1.1.3.4.1.3).
#[must_use]
pub fn dir_sync(cookie: &[u8]) -> Control {
    /// Only what the user may read, for users without the right to replicate.
    const OBJECT_SECURITY: i64 = 1;
    const OCTETS_MAX: i64 = 1024 * 1024;
    let value = sequence(|inner| {
        inner.integer(INTEGER, OBJECT_SECURITY);
        inner.integer(INTEGER, OCTETS_MAX);
        inner.octets(cookie);
    });
    of(DIR_SYNC, true, Some(value))
}

/// Also what is deleted (MS-ADTS §3.1.1.3.4.1.14).
#[must_use]
pub fn show_deleted() -> Control {
    of(SHOW_DELETED, true, None)
}

fn value<'a>(controls: &'a [Control], oid: &str) -> Option<&'a [u8]> {
    let control = controls.iter().find(|control| control.oid == oid)?;
    Some(control.value.as_deref().unwrap_or_default())
}

/// Where the next page begins; none at the end (RFC 2696 §3).
///
/// # Errors
/// If the control isn't one.
pub fn paged_cookie(controls: &[Control]) -> Result<Option<Vec<u8>>, BerError> {
    let Some(value) = value(controls, PAGED) else {
        return Ok(None);
    };
    let mut inner = Reader::new(value).inside(SEQUENCE)?;
    inner.integer(INTEGER)?;
    let cookie = inner.octets()?;
    Ok((!cookie.is_empty()).then_some(cookie))
}

/// What DirSync answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirSync {
    /// Whether there is more at once.
    pub more: bool,
    /// Where to go on from.
    pub cookie: Vec<u8>,
}

impl DirSync {
    /// From the controls of the end of a search.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(controls: &[Control]) -> Result<Option<Self>, BerError> {
        let Some(value) = value(controls, DIR_SYNC) else {
            return Ok(None);
        };
        let mut inner = Reader::new(value).inside(SEQUENCE)?;
        let more = inner.integer(INTEGER)? != 0;
        inner.integer(INTEGER)?;
        let cookie = inner.octets()?;
        Ok(Some(Self { more, cookie }))
    }
}

/// What happened to an entry (RFC 4533 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPhase {
    /// It is there, unchanged.
    Present,
    /// It is new.
    Add,
    /// It has changed.
    Modify,
    /// It is gone.
    Delete,
}

/// The state that comes with an entry (RFC 4533 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncState {
    /// What happened to it.
    pub phase: SyncPhase,
    /// Its entryUUID.
    pub uuid: [u8; 16],
    /// Where to go on from.
    pub cookie: Option<Vec<u8>>,
}

impl SyncState {
    /// From the controls of an entry.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(controls: &[Control]) -> Result<Option<Self>, BerError> {
        let Some(value) = value(controls, SYNC_STATE) else {
            return Ok(None);
        };
        let mut inner = Reader::new(value).inside(SEQUENCE)?;
        let phase = match inner.integer(ENUMERATED)? {
            0 => SyncPhase::Present,
            1 => SyncPhase::Add,
            2 => SyncPhase::Modify,
            3 => SyncPhase::Delete,
            _ => return Err(BerError::Value),
        };
        Ok(Some(Self {
            phase,
            uuid: uuid(inner.expect(OCTETS)?)?,
            cookie: inner.optional(OCTETS)?.map(<[u8]>::to_vec),
        }))
    }
}

fn uuid(octets: &[u8]) -> Result<[u8; 16], BerError> {
    octets.try_into().map_err(|_| BerError::Value)
}

/// The end of a refresh without persistence (RFC 4533 §2.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncDone {
    /// Where to go on from.
    pub cookie: Option<Vec<u8>>,
    /// Whether what wasn't named is unchanged; else it is gone.
    pub deletes: bool,
}

impl SyncDone {
    /// From the controls of the end of a search.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(controls: &[Control]) -> Result<Option<Self>, BerError> {
        let Some(value) = value(controls, SYNC_DONE) else {
            return Ok(None);
        };
        let mut inner = Reader::new(value).inside(SEQUENCE)?;
        Ok(Some(Self {
            cookie: inner.optional(OCTETS)?.map(<[u8]>::to_vec),
            deletes: flag(inner.optional(BOOLEAN)?, false),
        }))
    }
}

fn flag(octets: Option<&[u8]>, default: bool) -> bool {
    octets.map_or(default, |octets| octets != [0])
}

/// What is told between entries (RFC 4533 §2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncInfo {
    /// Where to go on from.
    Cookie(Vec<u8>),
    /// A phase is over that named what is gone.
    Deleted {
        /// Where to go on from.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over.
        done: bool,
    },
    /// A phase is over that named what is there: the rest is gone.
    Present {
        /// Where to go on from.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over.
        done: bool,
    },
    /// Many entries at once.
    Set {
        /// Where to go on from.
        cookie: Option<Vec<u8>>,
        /// Whether they are gone; else they are there.
        deletes: bool,
        /// Their entryUUIDs.
        uuids: Vec<[u8; 16]>,
    },
}

impl SyncInfo {
    /// From an intermediate answer; none if it is another one.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn read(message: &Message) -> Result<Option<Self>, BerError> {
        let Response::Intermediate { name, value } = &message.response else {
            return Ok(None);
        };
        if name != SYNC_INFO {
            return Ok(None);
        }
        let (tag, content) = Reader::new(value).element()?;
        let mut inner = Reader::new(content);
        let mut cookie = || -> Result<Option<Vec<u8>>, BerError> {
            Ok(inner.optional(OCTETS)?.map(<[u8]>::to_vec))
        };
        Ok(Some(match tag {
            0x80 => Self::Cookie(content.to_vec()),
            0xa1 => Self::Deleted {
                cookie: cookie()?,
                done: flag(inner.optional(BOOLEAN)?, true),
            },
            0xa2 => Self::Present {
                cookie: cookie()?,
                done: flag(inner.optional(BOOLEAN)?, true),
            },
            0xa3 => {
                let cookie = cookie()?;
                let deletes = flag(inner.optional(BOOLEAN)?, false);
                let mut set = inner.inside(ber::SET)?;
                let mut uuids = Vec::new();
                while !set.is_empty() {
                    uuids.push(uuid(set.expect(OCTETS)?)?);
                }
                Self::Set {
                    cookie,
                    deletes,
                    uuids,
                }
            }
            found => return Err(BerError::Tag { found }),
        }))
    }
}
