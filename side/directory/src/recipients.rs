//! All recipients of one directory in little memory: a table that is cheap to copy and to change while others read it.
//!
//! What it is: recipients as packed records in [`SHARDS`] shards, and an index of their keys (identity, DN, name,
//! addresses) by hash in as many. A copy shares all shards; a change copies the few that it touches. What it guards: an
//! answer is checked against the record itself, so that two keys of one hash can't be mistaken for each other.

pub(crate) mod packed;

use crate::Found;
use crate::feed::EntryId;
use bridgehead_mail::Address;
use hashbrown::{DefaultHashBuilder, HashTable};
use packed::Octets;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

/// A power of two. With a million recipients a shard has a thousand: some ten microseconds to copy.
const SHARDS: usize = 1024;
const SHARD_BITS: u32 = SHARDS.trailing_zeros();
/// A record of more octets is kept as the object it is: a large group isn't unpacked for each lookup.
const PACKED_OCTETS_MAX: usize = 4096;

/// What a recipient is looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key<'a> {
    Id(&'a str),
    /// Folded by [`fold_place`].
    Place(&'a str),
    /// In lower case.
    Name(&'a str),
    /// Folded by [`fold`].
    Address(&'a str),
}

/// A recipient as the table keeps it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    record: Record,
    pub(crate) found: Found,
}

impl Stored {
    fn of(record: &Record) -> Option<Self> {
        let found = match record {
            Record::Packed(octets) => packed::unpack(Octets(head(octets)?.rest))?,
            Record::Whole(whole) => whole.found.clone(),
        };
        let record = record.clone();
        Some(Self { record, found })
    }

    fn head(&self) -> Option<Head<'_>> {
        self.record.head()
    }

    /// Its identity in its back-end.
    pub(crate) fn id(&self) -> Box<str> {
        self.head().map(|head| head.id.text()).unwrap_or_default()
    }

    /// Its DN; empty in the embedded directory.
    pub(crate) fn place(&self) -> &str {
        self.head().map_or("", |head| head.place)
    }

    /// Whether it had its name before others wanted it.
    pub(crate) fn holds_name(&self) -> bool {
        self.head().is_some_and(|head| head.holds_name)
    }
}

#[derive(Clone, Debug)]
enum Record {
    Packed(Arc<[u8]>),
    Whole(Arc<Whole>),
}

#[derive(Debug)]
struct Whole {
    /// The octets without the object.
    head: Box<[u8]>,
    found: Found,
}

impl Record {
    fn head(&self) -> Option<Head<'_>> {
        match self {
            Self::Packed(octets) => head(octets),
            Self::Whole(whole) => head(&whole.head),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Packed(one), Self::Packed(other)) => Arc::ptr_eq(one, other) || one == other,
            (Self::Whole(one), Self::Whole(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether it has a key. A packed record is looked at as it is.
    fn has(&self, key: Key<'_>) -> bool {
        let Some(head) = self.head() else {
            return false;
        };
        match (key, self) {
            (Key::Id(id), _) => head.id.is(id),
            (Key::Place(place), _) => *fold_place(head.place) == *place,
            (Key::Name(name), Self::Packed(_)) => {
                packed::name(head.rest).is_some_and(|one| is_folded(one, name))
            }
            (Key::Name(name), Self::Whole(whole)) => *whole.found.name().folded() == *name,
            (Key::Address(address), Self::Packed(_)) => {
                packed::any_address(head.rest, |local, domain| {
                    is_address(local, domain, address)
                })
            }
            (Key::Address(address), Self::Whole(whole)) => whole
                .found
                .addresses()
                .iter()
                .any(|one| fold(one) == address),
        }
    }
}

/// Whether a text in lower case is this one.
fn is_folded(text: &str, folded: &str) -> bool {
    match text.is_ascii() {
        true => text.eq_ignore_ascii_case(folded),
        false => text.to_lowercase() == folded,
    }
}

/// Whether a folded address is this one.
fn is_address(local: &str, domain: &str, folded: &str) -> bool {
    let rest = folded.strip_suffix(domain);
    let rest = rest.and_then(|rest| rest.strip_suffix('@'));
    rest.is_some_and(|rest| is_folded(local, rest))
}

/// What stands before the object in a record.
struct Head<'a> {
    holds_name: bool,
    id: packed::Id<'a>,
    place: &'a str,
    rest: &'a [u8],
}

fn head(octets: &[u8]) -> Option<Head<'_>> {
    let mut octets = Octets(octets);
    if octets.octet()? != packed::VERSION {
        return None;
    }
    Some(Head {
        holds_name: octets.octet()? == 1,
        id: packed::read_id(&mut octets)?,
        place: octets.text()?,
        rest: octets.0,
    })
}

/// The octets of a record, as the metabase's file keeps them as well.
pub(crate) fn record(id: &EntryId, place: &str, holds_name: bool, found: &Found) -> Vec<u8> {
    let mut octets = vec![packed::VERSION, u8::from(holds_name)];
    packed::write_id(&id.0, &mut octets);
    packed::text(place, &mut octets);
    packed::pack(found, &mut octets);
    octets
}

/// Records with their number in the shard.
#[derive(Clone, Debug, Default)]
struct Records {
    slots: Vec<Option<Record>>,
    free: Vec<u32>,
}

/// A part of a key's hash, and which record has the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    print: u32,
    at: u32,
}

type Marks = HashTable<Mark>;

/// The table. A copy is cheap and independent.
#[derive(Clone)]
pub(crate) struct Recipients {
    hasher: DefaultHashBuilder,
    records: Vec<Arc<Records>>,
    marks: Vec<Arc<Marks>>,
    count: usize,
}

impl Default for Recipients {
    fn default() -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            records: vec![Arc::default(); SHARDS],
            marks: vec![Arc::default(); SHARDS],
            count: 0,
        }
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipients")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// The hash of a mark in its shard's table. Its print is a part of a good hash, and the table wants the bits at both ends.
fn spread(mark: &Mark) -> u64 {
    u64::from(mark.print).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Recipients {
    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Puts a record of [`record`] in the place of the one with the same identity. None if the octets aren't one.
    pub(crate) fn put(&mut self, octets: Vec<u8>) -> Option<()> {
        let before = head(&octets)?;
        let (id, head_octets) = (before.id.text(), octets.len() - before.rest.len());
        let found = packed::unpack(Octets(before.rest))?;
        let record = if octets.len() > PACKED_OCTETS_MAX {
            let head = octets.get(..head_octets)?.into();
            Record::Whole(Arc::new(Whole { head, found }))
        } else {
            Record::Packed(octets.into())
        };
        let stored = Stored::of(&record)?;
        self.remove(&id);
        let at = self.keep(&id, record)?;
        for (shard, print) in self.keys(&stored) {
            let shard = self.marks.get_mut(shard).map(Arc::make_mut)?;
            let mark = Mark { print, at };
            shard.insert_unique(spread(&mark), mark, spread);
        }
        self.count += 1;
        Some(())
    }

    /// Puts an object of the embedded directory, where the name is the identity.
    pub(crate) fn put_embedded(&mut self, found: &Found) {
        let id = EntryId(found.name().folded());
        let put = self.put(record(&id, "", true, found));
        debug_assert!(put.is_some(), "what is packed can be unpacked");
    }

    /// Takes the record with this identity out, and tells what it was.
    pub(crate) fn remove(&mut self, id: &str) -> Option<Stored> {
        let (at, stored) = self.numbered(Key::Id(id)).next()?;
        for (shard, print) in self.keys(&stored) {
            let shard = self.marks.get_mut(shard).map(Arc::make_mut)?;
            let mark = Mark { print, at };
            if let Ok(there) = shard.find_entry(spread(&mark), |other| *other == mark) {
                there.remove();
            }
        }
        let (shard, slot) = split(at);
        let records = self.records.get_mut(shard).map(Arc::make_mut)?;
        *records.slots.get_mut(slot)? = None;
        records.free.push(u32::try_from(slot).ok()?);
        self.count = self.count.saturating_sub(1);
        Some(stored)
    }

    /// Puts a record into a free slot and tells its number.
    fn keep(&mut self, id: &str, record: Record) -> Option<u32> {
        let (shard, _) = self.place_of(Key::Id(id));
        let records = self.records.get_mut(shard).map(Arc::make_mut)?;
        let slot = match records.free.pop() {
            Some(slot) => usize::try_from(slot).ok()?,
            None => {
                records.slots.push(None);
                records.slots.len() - 1
            }
        };
        *records.slots.get_mut(slot)? = Some(record);
        let number = u32::try_from(slot).ok()?.checked_shl(SHARD_BITS)?;
        Some(number | u32::try_from(shard).ok()?)
    }

    /// Shard and print of a key.
    fn place_of(&self, key: Key<'_>) -> (usize, u32) {
        let hash = self.hasher.hash_one(key);
        let shard = usize::try_from(hash & (SHARDS as u64 - 1)).unwrap_or_default();
        (shard, u32::try_from(hash >> 32).unwrap_or_default())
    }

    /// Shards and prints of all keys of a recipient, each once.
    fn keys(&self, stored: &Stored) -> Vec<(usize, u32)> {
        let mut keys = Vec::with_capacity(8);
        keys.push(self.place_of(Key::Id(&stored.id())));
        if !stored.place().is_empty() {
            keys.push(self.place_of(Key::Place(&fold_place(stored.place()))));
        }
        keys.push(self.place_of(Key::Name(&stored.found.name().folded())));
        for address in stored.found.addresses() {
            keys.push(self.place_of(Key::Address(&fold(address))));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    fn numbered<'a>(&'a self, key: Key<'a>) -> impl Iterator<Item = (u32, Stored)> + 'a {
        let records = self.records_with(key);
        records.filter_map(|(at, record)| Some((at, Stored::of(record)?)))
    }

    /// How many have a key.
    pub(crate) fn count(&self, key: Key<'_>) -> usize {
        self.records_with(key).count()
    }

    fn records_with<'a>(&'a self, key: Key<'a>) -> impl Iterator<Item = (u32, &'a Record)> + 'a {
        // Often one of the two tables is empty, and then nothing is hashed.
        let (shard, print) = match self.count {
            0 => (SHARDS, 0),
            _ => self.place_of(key),
        };
        let hash = spread(&Mark { print, at: 0 });
        let marks = self.marks.get(shard).into_iter();
        marks
            .flat_map(move |marks| marks.iter_hash(hash))
            .filter(move |mark| mark.print == print)
            .filter_map(|mark| Some((mark.at, self.record(mark.at)?)))
            .filter(move |(_, record)| record.has(key))
    }

    fn record(&self, at: u32) -> Option<&Record> {
        let (shard, slot) = split(at);
        self.records.get(shard)?.slots.get(slot)?.as_ref()
    }

    /// All that have a key: one, or none, or several where a directory doesn't prevent it.
    pub(crate) fn find<'a>(&'a self, key: Key<'a>) -> impl Iterator<Item = Stored> + 'a {
        self.numbered(key).map(|(_, stored)| stored)
    }

    /// Whether more than one may have a key: exact when it says no.
    pub(crate) fn may_be_several(&self, key: Key<'_>) -> bool {
        let (shard, print) = self.place_of(key);
        let hash = spread(&Mark { print, at: 0 });
        let Some(marks) = self.marks.get(shard) else {
            return false;
        };
        let of_print = marks.iter_hash(hash).filter(|mark| mark.print == print);
        of_print.count() > 1
    }

    /// Those that were in `before` and aren't the same any more: as they were, and as they are if they are there. What the two
    /// tables share isn't looked at.
    pub(crate) fn changed_since<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (Stored, Option<Stored>)> + 'a {
        let shards = before.records.iter().zip(&self.records);
        let shards = shards.filter(|(was, is)| !Arc::ptr_eq(was, is));
        let records = shards.flat_map(|(was, is)| {
            let slots = was.slots.iter().enumerate();
            slots.filter_map(|(slot, was)| {
                let is = is.slots.get(slot).and_then(Option::as_ref);
                Some((was.as_ref()?, is))
            })
        });
        let other = records.filter(|(was, is)| !is.is_some_and(|is| is.is_same(was)));
        other.filter_map(|(was, _)| {
            let id = was.head()?.id.text();
            // A full picture has everybody elsewhere.
            let is = self.records_with(Key::Id(&id)).next();
            let is = is.map(|(_, record)| record);
            match is.is_some_and(|is| is.is_same(was)) {
                true => None,
                false => Some((Stored::of(was)?, is.and_then(Stored::of))),
            }
        })
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Stored> {
        let records = self.records.iter().flat_map(|records| &records.slots);
        records.flatten().filter_map(Stored::of)
    }
}

fn split(at: u32) -> (usize, usize) {
    let shard = at & (SHARDS as u32 - 1);
    let slot = at >> SHARD_BITS;
    (
        usize::try_from(shard).unwrap_or_default(),
        usize::try_from(slot).unwrap_or_default(),
    )
}

/// A DN as a key (RFC 4514 leaves spaces around separators and case to who writes it).
pub(crate) fn fold_place(place: &str) -> String {
    let mut folded = String::with_capacity(place.len());
    for letter in place.chars() {
        let separates = matches!(letter, ',' | '=' | '+');
        if separates {
            folded.truncate(folded.trim_end_matches(' ').len());
        }
        if letter != ' ' || !folded.ends_with([',', '=', '+']) {
            folded.extend(letter.to_lowercase());
        }
    }
    folded
}

/// An address as a key: in lower case.
pub(crate) fn fold(address: &Address) -> String {
    fold_parts(address.local().as_str(), address.domain().as_str())
}

/// The same of a local part and a domain.
pub(crate) fn fold_parts(local: &str, domain: &str) -> String {
    let mut key = String::with_capacity(local.len() + 1 + domain.len());
    if local.is_ascii() {
        key.push_str(local);
        key.make_ascii_lowercase();
    } else {
        key.push_str(&local.to_lowercase());
    }
    key.push('@');
    key.push_str(domain);
    key
}

#[cfg(test)]
mod tests;
