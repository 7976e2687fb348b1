//! All messages, and what the picture tells of them, counted whenever one of them changes.
//!
//! Guards: the counts are those of the messages. Whoever changes a message has it by [`Changing`], which counts it out before
//! and in afterwards; there is no other way to change one.

use crate::entry::Entry;
use crate::grouped::Grouped;
use bridgehead_mail::MessageId;
use hashbrown::HashMap;
use std::ops::{Deref, DerefMut};

/// The messages of a queue.
#[derive(Default)]
pub(crate) struct Entries {
    /// Boxed: a table that grows is half empty.
    known: HashMap<MessageId, Box<Entry>>,
    pub(crate) grouped: Grouped,
}

/// A message that may be changed: counted out with the first change, and in again when it is let go.
pub(crate) struct Changing<'q> {
    entry: &'q mut Entry,
    grouped: &'q mut Grouped,
    changed: bool,
}

impl Deref for Changing<'_> {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        self.entry
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut Entry {
        if !self.changed {
            self.changed = true;
            self.grouped.count_out(self.entry);
        }
        self.entry
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        if self.changed {
            self.grouped.count_in(self.entry);
        }
    }
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// So many more are about to come.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.known.reserve(more);
    }

    pub(crate) fn contains_key(&self, message: &MessageId) -> bool {
        self.known.contains_key(message)
    }

    pub(crate) fn get(&self, message: &MessageId) -> Option<&Entry> {
        self.known.get(message).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, message: &MessageId) -> Option<Changing<'_>> {
        Some(Changing {
            entry: self.known.get_mut(message)?,
            grouped: &mut self.grouped,
            changed: false,
        })
    }

    pub(crate) fn insert(&mut self, message: MessageId, entry: Box<Entry>) {
        self.grouped.count_in(&entry);
        if let Some(before) = self.known.insert(message, entry) {
            self.grouped.count_out(&before);
        }
    }

    pub(crate) fn remove(&mut self, message: &MessageId) -> Option<Box<Entry>> {
        let entry = self.known.remove(message)?;
        self.grouped.count_out(&entry);
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&MessageId, &Entry)> {
        self.known.iter().map(|(id, entry)| (id, &**entry))
    }

    /// All of them, to be changed.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&MessageId, &mut Changing<'_>)) {
        for (message, entry) in &mut self.known {
            let mut changing = Changing {
                entry,
                grouped: &mut self.grouped,
                changed: false,
            };
            change(message, &mut changing);
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &MessageId> {
        self.known.keys()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &Entry> {
        self.known.values().map(Box::as_ref)
    }
}
