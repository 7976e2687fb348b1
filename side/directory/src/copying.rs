//! What another directory tells becomes the copy: entry by entry into a picture of its own, and in force as a whole.
//!
//! Guards: the copy in force changes only at a commit, after the file has it; an entry that can't be used keeps its last
//! good form and is named with its DN and the reason. Memory is bounded: a full picture is built packed.

use crate::assemble::Rejected;
use crate::feed::{Entry, EntryId, News, Object};
use crate::metabase::{Kept, Metabase, Placed, Writing};
use crate::recipients::{Key, Recipients, record};
use crate::{Found, Name, StoredPart};
use bridgehead_mail::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Records that are written to the file at once.
const RECORDS_AT_ONCE: usize = 1000;
/// Faults of entries that are kept with their reasons; of more only the newest.
const FAULTS_MAX: usize = 10_000;

/// The copy of another directory.
#[derive(Debug)]
pub(crate) struct Copy {
    metabase: Metabase,
    pub(crate) kept: Kept,
}

/// What has been told since the last commit.
pub(crate) struct Batch {
    full: bool,
    kept: Kept,
    writing: Writing,
    /// Records that the file doesn't have yet; none for those that are gone.
    unwritten: BTreeMap<Box<str>, Option<Vec<u8>>>,
    changes: usize,
    configuration_changed: bool,
}

impl Copy {
    pub(crate) fn of((metabase, kept): (Metabase, Kept)) -> Self {
        Self { metabase, kept }
    }

    /// Begins to take news.
    pub(crate) fn begin(&self) -> Result<Batch, redb::Error> {
        Ok(Batch {
            full: false,
            kept: self.kept.clone(),
            writing: self.metabase.write()?,
            unwritten: BTreeMap::new(),
            changes: 0,
            configuration_changed: false,
        })
    }

    /// Notes when the directory was heard of last.
    pub(crate) fn note_heard(&mut self, now: Timestamp) -> Result<(), redb::Error> {
        self.metabase.note_heard(now.as_millis())
    }

    /// Takes one piece of news that isn't a commit.
    pub(crate) fn take(&self, batch: &mut Batch, news: News) -> Result<(), redb::Error> {
        match news {
            News::Full => batch.restart(&self.kept)?,
            News::Put(entry) => batch.put(*entry, &self.kept)?,
            News::Part(id, part) => batch.part(id, part)?,
            News::Gone(id) => batch.gone(&id)?,
            News::Only(there) => batch.only(&there)?,
            News::Commit(_) | News::Alive | News::Trouble(_) => {}
        }
        batch.flush(RECORDS_AT_ONCE)
    }

    /// Puts a batch in force. `in_force` are the forms of configuration objects that will be. Tells whether anything has
    /// changed.
    pub(crate) fn commit(
        &mut self,
        mut batch: Batch,
        cursor: Vec<u8>,
        in_force: BTreeMap<Box<str>, String>,
    ) -> Result<bool, redb::Error> {
        let changed = batch.changes > 0 || batch.full || in_force != self.kept.in_force;
        if !changed && self.kept.cursor.as_ref() == Some(&cursor) {
            return Ok(false);
        }
        batch.flush(1)?;
        batch.writing.in_force(&in_force)?;
        batch.kept.in_force = in_force;
        batch.kept.revision = batch.kept.revision.saturating_add(u64::from(changed));
        batch.writing.commit(&cursor, batch.kept.revision)?;
        batch.kept.cursor = Some(cursor);
        self.kept = batch.kept;
        Ok(changed)
    }
}

impl Batch {
    /// The objects that aren't recipients, as they will be, with identity and DN.
    pub(crate) fn configuration(&self) -> Vec<(Box<str>, Box<str>, Object)> {
        objects(&self.kept)
    }

    /// Whether one of them has changed.
    pub(crate) const fn configuration_changed(&self) -> bool {
        self.configuration_changed || self.full
    }

    /// A full picture begins.
    fn restart(&mut self, before: &Kept) -> Result<(), redb::Error> {
        self.writing.clear()?;
        self.full = true;
        self.unwritten.clear();
        self.kept = Kept {
            in_force: before.in_force.clone(),
            revision: before.revision,
            ..Kept::default()
        };
        Ok(())
    }

    fn put(&mut self, entry: Entry, before: &Kept) -> Result<(), redb::Error> {
        let Entry { id, place, content } = entry;
        match content {
            Ok(object) => {
                self.fault(&id, None)?;
                self.object(&id, place, object, before)
            }
            Err(reason) => {
                self.keep_last(&id, before)?;
                let text = reason;
                self.fault(&id, Some(Placed { place, text }))
            }
        }
    }

    fn object(
        &mut self,
        id: &EntryId,
        place: Box<str>,
        object: Object,
        before: &Kept,
    ) -> Result<(), redb::Error> {
        if object.is_recipient() {
            self.forget_configuration(id)?;
            if let Some(found) = Found::of(object) {
                self.recipient(id, &place, &found, before);
            }
            return Ok(());
        }
        self.forget_recipient(id);
        let text = object.to_text();
        let placed = Placed { place, text };
        if self.kept.configuration.get(&id.0) != Some(&placed) {
            self.writing.configuration(&id.0, Some(&placed))?;
            self.kept.configuration.insert(id.0.clone(), placed);
            self.changes += 1;
            self.configuration_changed = true;
        }
        Ok(())
    }

    fn recipient(&mut self, id: &EntryId, place: &str, found: &Found, before: &Kept) {
        let holds_name = self.holds_name(id, found.name(), before);
        let octets = record(id, place, holds_name, found);
        let same = |stored: &crate::recipients::Stored| {
            stored.found == *found && stored.place() == place && stored.holds_name() == holds_name
        };
        let there = self.kept.recipients.find(Key::Id(&id.0)).next();
        if there.as_ref().is_some_and(same) {
            return;
        }
        if self.kept.recipients.put(octets.clone()).is_some() {
            self.unwritten.insert(id.0.clone(), Some(octets));
            self.changes += 1;
        }
    }

    /// Whether a recipient had its name before others wanted it, so that a mailbox doesn't change hands because a
    /// namesake appears.
    fn holds_name(&self, id: &EntryId, name: &Name, before: &Kept) -> bool {
        let folded = name.folded();
        let holder = |recipients: &Recipients| {
            let mut those = recipients.find(Key::Name(&folded));
            those.find(crate::recipients::Stored::holds_name)
        };
        let now = holder(&self.kept.recipients);
        let holder = now.or_else(|| holder(&before.recipients));
        holder.is_none_or(|holder| *holder.id() == *id.0)
    }

    fn part(&mut self, id: EntryId, part: StoredPart) -> Result<(), redb::Error> {
        if self.kept.parts.get(&id.0) != Some(&part) {
            self.writing.part(&id.0, Some(&part))?;
            self.kept.parts.insert(id.0, part);
            self.changes += 1;
        }
        Ok(())
    }

    fn gone(&mut self, id: &EntryId) -> Result<(), redb::Error> {
        if self.kept.parts.remove(&id.0).is_some() {
            self.writing.part(&id.0, None)?;
            self.changes += 1;
        }
        self.forget_recipient(id);
        self.forget_configuration(id)?;
        self.fault(id, None)
    }

    /// All others are gone.
    fn only(&mut self, there: &BTreeSet<EntryId>) -> Result<(), redb::Error> {
        let recipients = self.kept.recipients.iter();
        let mut all: BTreeSet<EntryId> = recipients.map(|stored| EntryId(stored.id())).collect();
        all.extend(self.kept.configuration.keys().cloned().map(EntryId));
        all.extend(self.kept.faults.keys().cloned().map(EntryId));
        all.extend(self.kept.parts.keys().cloned().map(EntryId));
        let gone: Vec<EntryId> = all.difference(there).cloned().collect();
        gone.iter().try_for_each(|id| self.gone(id))
    }

    fn forget_recipient(&mut self, id: &EntryId) {
        if self.kept.recipients.remove(&id.0).is_some() {
            self.unwritten.insert(id.0.clone(), None);
            self.changes += 1;
        }
    }

    fn forget_configuration(&mut self, id: &EntryId) -> Result<(), redb::Error> {
        if self.kept.configuration.remove(&id.0).is_some() {
            self.writing.configuration(&id.0, None)?;
            self.changes += 1;
            self.configuration_changed = true;
        }
        Ok(())
    }

    /// In a full picture, what can't be used any more keeps its form of the copy in force.
    fn keep_last(&mut self, id: &EntryId, before: &Kept) -> Result<(), redb::Error> {
        if !self.full {
            return Ok(());
        }
        if let Some(stored) = before.recipients.find(Key::Id(&id.0)).next() {
            self.recipient(id, stored.place(), &stored.found, before);
        }
        if let Some(placed) = before.configuration.get(&id.0) {
            self.writing.configuration(&id.0, Some(placed))?;
            self.kept.configuration.insert(id.0.clone(), placed.clone());
        }
        Ok(())
    }

    fn fault(&mut self, id: &EntryId, fault: Option<Placed>) -> Result<(), redb::Error> {
        if self.kept.faults.get(&id.0) == fault.as_ref() {
            return Ok(());
        }
        self.changes += 1;
        self.writing.fault(&id.0, fault.as_ref())?;
        match fault {
            Some(fault) if self.kept.faults.len() < FAULTS_MAX => {
                self.kept.faults.insert(id.0.clone(), fault);
            }
            _ => drop(self.kept.faults.remove(&id.0)),
        }
        Ok(())
    }

    /// Writes the records to the file, if there are so many.
    fn flush(&mut self, least: usize) -> Result<(), redb::Error> {
        if self.unwritten.len() < least {
            return Ok(());
        }
        let unwritten = std::mem::take(&mut self.unwritten);
        let records = unwritten
            .iter()
            .map(|(id, octets)| (&**id, octets.as_deref()));
        self.writing.recipients(records)
    }
}

/// The objects of a copy that aren't recipients, with identity and DN.
pub(crate) fn objects(kept: &Kept) -> Vec<(Box<str>, Box<str>, Object)> {
    let all = kept.configuration.iter();
    all.filter_map(|(id, placed)| {
        let object = Object::parse(&placed.text)?;
        Some((id.clone(), placed.place.clone(), object))
    })
    .collect()
}

/// What can't be used in its newest form.
pub(crate) fn rejected(kept: &Kept) -> Vec<Rejected> {
    let faults = kept.faults.values();
    faults
        .map(|placed| Rejected {
            place: placed.place.clone(),
            reason: placed.text.clone(),
        })
        .collect()
}
