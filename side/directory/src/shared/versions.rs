//! The parts of the shared organisation as chains of changes, and which of them count.
//!
//! Guards: a chain counts only when all its changes and all their forms are here, so that a directory which replicates
//! one entry after the other never shows half a change. What is in no chain counts for nothing.

use super::part::{Form, Head, Note, Part};
use crate::StoredPart;
use crate::assemble::Rejected;
use std::collections::{BTreeMap, BTreeSet};

/// Changes in a chain; a longer one is refused.
const CHAIN_MAX: usize = 1_000_000;

/// A part that was read, with its DN and text.
#[derive(Clone, Debug)]
pub(crate) struct Read<T> {
    pub(crate) place: Box<str>,
    pub(crate) text: String,
    pub(crate) part: T,
}

/// A form and the object's text.
pub(crate) type FormBody = (Form, String);

/// One change of a chain with its forms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'a> {
    pub(crate) note: &'a Read<Note>,
    pub(crate) forms: &'a [Read<FormBody>],
}

/// All parts there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    heads: Vec<Read<Head>>,
    notes: BTreeMap<Box<str>, Read<Note>>,
    forms: BTreeMap<Box<str>, Vec<Read<FormBody>>>,
    /// What can't be read.
    pub(crate) rejected: Vec<Rejected>,
}

impl Versions {
    pub(crate) fn of<'a>(parts: impl Iterator<Item = &'a StoredPart>) -> Self {
        let mut versions = Self::default();
        for StoredPart { place, text } in parts {
            let (place, text) = (place.clone(), text.clone());
            match Part::read(&text) {
                Ok(Part::Form(form, body)) => {
                    let change = form.change.0.clone();
                    let part = (form, body);
                    let forms = versions.forms.entry(change).or_default();
                    forms.push(Read { place, text, part });
                }
                Ok(Part::Note(part)) => {
                    let id = part.id.0.clone();
                    versions.notes.insert(id, Read { place, text, part });
                }
                Ok(Part::Head(part)) => versions.heads.push(Read { place, text, part }),
                Err(reason) => versions.rejected.push(Rejected { place, reason }),
            }
        }
        versions.order_heads();
        versions
    }

    /// A directory with several masters may have made two heads of one name: all servers take the same.
    fn order_heads(&mut self) {
        let mut heads = std::mem::take(&mut self.heads);
        heads.sort_by_key(|head| {
            let id = head.part.change.0.clone();
            std::cmp::Reverse((self.version(&id), id))
        });
        for head in heads.iter().skip(1) {
            self.rejected.push(Rejected {
                place: head.place.clone(),
                reason: "there is another head; delete this one".to_owned(),
            });
        }
        self.heads = heads;
    }

    /// What says which change is in force; none before the first.
    pub(crate) fn head(&self) -> Option<&Read<Head>> {
        self.heads.first()
    }

    /// The change that is in force on a server of this name.
    pub(crate) fn wanted(&self, server: &str) -> Option<&str> {
        let head = &self.head()?.part;
        let server = server.to_lowercase();
        let tries = |head: &Head| {
            let mut on = head.trial_on.iter();
            on.any(|name| *name.folded() == *server)
        };
        match &head.trial {
            Some(trial) if tries(head) => Some(&trial.0),
            _ => Some(&head.change.0),
        }
    }

    /// The version that a change leads to; 0 if it isn't known.
    pub(crate) fn version(&self, id: &str) -> u64 {
        self.notes.get(id).map_or(0, |note| note.part.version)
    }

    /// A version that no change has.
    pub(crate) fn next_version(&self) -> u64 {
        let notes = self.notes.values().map(|note| note.part.version);
        notes.max().unwrap_or(0).saturating_add(1)
    }

    /// Whether this change is in force everywhere.
    pub(crate) fn is_in_force(&self, id: &str) -> bool {
        self.head().is_some_and(|head| *head.part.change.0 == *id)
    }

    /// Whether this change is on trial.
    pub(crate) fn tries(&self, id: &str) -> bool {
        let trial = self.head().and_then(|head| head.part.trial.as_ref());
        trial.is_some_and(|trial| *trial.0 == *id)
    }

    /// Where the parts of a change are, its note first.
    pub(crate) fn parts_of(&self, id: &str) -> Vec<String> {
        let note = self.notes.get(id).map(|note| note.place.to_string());
        let forms = self.forms.get(id).into_iter().flatten();
        let forms = forms.map(|form| form.place.to_string());
        note.into_iter().chain(forms).collect()
    }

    /// Where the parts are that are neither in the chain nor on trial, and from before this time.
    pub(crate) fn left_over(&self, chain: &[Link<'_>], before: u64) -> Vec<String> {
        let ids: BTreeSet<&str> = chain.iter().map(|link| &*link.note.part.id.0).collect();
        let of_time = |id: &str| u64::from_str_radix(id.split('-').next()?, 16).ok();
        let others = self.notes.keys().chain(self.forms.keys()).filter(|id| {
            let old = of_time(id).is_some_and(|at| at < before);
            old && !ids.contains(&***id) && !self.tries(id)
        });
        let others: BTreeSet<&str> = others.map(|id| &**id).collect();
        others
            .into_iter()
            .flat_map(|id| self.parts_of(id))
            .collect()
    }

    /// The changes that lead to this one, the oldest first.
    ///
    /// # Errors
    /// What of them isn't here, or contradicts itself.
    pub(crate) fn chain(&self, id: &str) -> Result<Vec<Link<'_>>, String> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        let mut above = u64::MAX;
        while let Some(id) = next {
            let note = self.notes.get(id);
            let note = note.ok_or_else(|| format!("change {id} isn't here"))?;
            let Note {
                version,
                forms: expected,
                after,
                ..
            } = &note.part;
            let forms = self.forms.get(id).map_or(&[][..], Vec::as_slice);
            if u32::try_from(forms.len()).unwrap_or(u32::MAX) < *expected {
                return Err(format!(
                    "of version {version} {} of {expected} object(s) are here",
                    forms.len()
                ));
            }
            // So that no chain leads back into itself.
            if *version >= above || chain.len() >= CHAIN_MAX {
                return Err(format!("version {version} can't follow a later one"));
            }
            above = *version;
            chain.push(Link { note, forms });
            next = after.as_ref().map(|after| &*after.0);
        }
        chain.reverse();
        Ok(chain)
    }
}

/// Each object's form after these changes, by kind and name; none of those that were removed.
pub(crate) fn objects<'a>(chain: &[Link<'a>]) -> BTreeMap<&'a str, &'a Read<FormBody>> {
    let mut objects = BTreeMap::new();
    for form in chain.iter().flat_map(|link| link.forms) {
        let key = &*form.part.0.object.0;
        if form.part.1.is_empty() {
            objects.remove(key);
        } else {
            objects.insert(key, form);
        }
    }
    objects
}
