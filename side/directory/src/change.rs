//! The difference between two organisations, object by object.

use crate::Fault;
use crate::organisation::ObjectKey;
use bridgehead_mail::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What an apply did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Objects made, as `mailbox alice`.
    pub created: Vec<String>,
    /// Objects changed.
    pub changed: Vec<String>,
    /// Objects removed.
    pub deleted: Vec<String>,
    /// How many stayed as they were.
    pub unchanged: u64,
    /// The version after it.
    pub version: u64,
    /// What can be lived with.
    pub warnings: Vec<Fault>,
    /// The servers that try it before the others; none if it is for all.
    pub trial_on: Vec<String>,
    /// Whether it comes into force on other servers only.
    pub elsewhere: bool,
    /// Of a dry run: each object's text before and after; empty where it isn't there.
    pub differences: Vec<(String, String)>,
    /// Of a dry run: what it would mean for mail, in lines.
    pub effects: Vec<String>,
}

/// One change that was made, as the directory remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The version it led to.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub who: String,
    /// Why; may be empty.
    pub why: String,
    /// What it did.
    pub summary: String,
}

/// What one change did to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectChange {
    /// The version the change led to.
    pub version: u64,
    /// Where the directory keeps the object.
    pub(crate) row: String,
    /// Its text before; empty if it wasn't there.
    pub before: String,
    /// Its text after; empty if it was deleted.
    pub after: String,
}

/// Each object's name and canonical text by its key.
pub(crate) type Texts = BTreeMap<ObjectKey, (String, String)>;

impl Change {
    pub(crate) fn between(old: &Texts, new: &Texts) -> Self {
        let mut change = Self::default();
        for (key, (name, text)) in new {
            let label = label(key, name);
            match old.get(key) {
                None => change.created.push(label),
                Some((_, before)) if before != text => change.changed.push(label),
                Some(_) => change.unchanged = change.unchanged.saturating_add(1),
            }
        }
        let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
        change.deleted = gone.map(|(key, (name, _))| label(key, name)).collect();
        change
    }

    /// Each changed object's text before and after.
    pub(crate) fn differences(old: &Texts, new: &Texts) -> Vec<(String, String)> {
        let keys: BTreeSet<&ObjectKey> = old.keys().chain(new.keys()).collect();
        let text = |texts: &Texts, key| -> String {
            let text = texts.get(key).map(|(_, text)| text.clone());
            text.unwrap_or_default()
        };
        keys.into_iter()
            .map(|key| (text(old, key), text(new, key)))
            .filter(|(before, after)| before != after)
            .collect()
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.created.is_empty() && self.changed.is_empty() && self.deleted.is_empty()
    }

    pub(crate) fn summary(&self) -> String {
        let parts = [
            ("created", &self.created),
            ("changed", &self.changed),
            ("deleted", &self.deleted),
        ];
        let parts = parts.into_iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<String> = parts
            .map(|(verb, names)| format!("{verb} {}", shortened(names)))
            .collect();
        parts.join("; ")
    }
}

/// As `mailbox alice`; the organisation itself as `organization`.
fn label((_, kind, folded): &ObjectKey, name: &str) -> String {
    if folded.is_empty() {
        return (*kind).to_owned();
    }
    format!("{kind} {name}")
}

fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 50;
    let mut text = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    text
}
