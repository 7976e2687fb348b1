//! Reads tables of a TOML text by the keys of their kind, noting every fault with its line.
//!
//! Guards: unknown keys are faults (a slip in a key must not become a silent default); texts are bounded in size.

use crate::{Key, Report, Schema, Value};
use std::collections::HashMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A text of more octets is refused.
const TEXT_OCTETS_MAX: usize = 64 * 1024 * 1024;

/// Where an object and its keys stand in the file.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The object, as `mailbox alice`.
    pub label: String,
    /// The line of its header.
    pub line: u64,
    keys: HashMap<&'static str, Lines>,
}

#[derive(Clone, Debug, Default)]
struct Lines {
    key: u64,
    items: Vec<u64>,
}

impl Place {
    /// An object that stands in no file.
    pub(crate) fn at(label: String, line: u64) -> Self {
        Self {
            label,
            line,
            keys: HashMap::new(),
        }
    }

    /// The line of a key, else of the object.
    #[must_use]
    pub fn key(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(self.line, |lines| lines.key)
    }

    /// The line of an item of an array, else of its key, else of the object.
    #[must_use]
    pub fn item(&self, key: &str, index: usize) -> u64 {
        let line = self.keys.get(key).and_then(|lines| lines.items.get(index));
        line.copied().unwrap_or_else(|| self.key(key))
    }

    /// The object and one of its keys, as faults name them.
    #[must_use]
    pub fn name(&self, key: &str) -> String {
        format!("{}: {key}", self.label)
    }
}

/// Parses a TOML text; syntax faults go into the report.
pub fn read_document<'t>(text: &'t str, report: &mut Report) -> Option<DeTable<'t>> {
    if text.len() > TEXT_OCTETS_MAX {
        report.fault(0, "", "the file is larger than 64 MiB");
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    for error in errors {
        let line = error.span().map_or(0, |span| report.line(span.start));
        let reason = error.message().replace(['\r', '\n'], " ");
        report.fault(line, "", format!("not TOML: {reason}"));
    }
    None
}

/// One table being read: takes keys by name and kind, and notes faults.
#[derive(Debug)]
pub struct Fields<'a, 't> {
    table: &'a DeTable<'t>,
    keys: &'static [Key],
    kind: &'static str,
    place: Place,
    report: &'a mut Report,
    failed: bool,
}

impl<'a, 't> Fields<'a, 't> {
    /// Reads one object of this kind from a table whose header is at `line`. `ordinal` (from 1) names it in faults
    /// as long as it has no name of its own; `None` for kinds there is only one of.
    ///
    /// Returns the name it would have, even when it is faulty, so that references to it aren't faults too.
    pub fn read<S: Schema>(
        table: &'a DeTable<'t>,
        line: u64,
        ordinal: Option<usize>,
        report: &'a mut Report,
    ) -> (Option<S>, Place, Option<String>) {
        let has_name = S::KEYS.first().is_some_and(|key| key.name == "name");
        let name = find(table, "name").and_then(|(_, value)| value.get_ref().as_str());
        let name = name.filter(|_| has_name).map(printable);
        let label = match (ordinal, &name) {
            (None, _) => S::KIND.to_owned(),
            (Some(_), Some(name)) => format!("{} {name}", S::KIND),
            (Some(ordinal), None) => format!("{} #{ordinal}", S::KIND),
        };
        let place = Place {
            label,
            line,
            keys: HashMap::new(),
        };
        let mut fields = Self {
            table,
            keys: S::KEYS,
            kind: S::KIND,
            place,
            report,
            failed: false,
        };
        let object = S::read(&mut fields);
        fields.refuse_unknown();
        let object = object.filter(|_| !fields.failed);
        (object, fields.place, name)
    }

    /// A key that must be there.
    pub fn required<T: Value>(&mut self, key: &'static str) -> Option<T> {
        if find(self.table, key).is_none() {
            let reason = format!("is missing; {} is expected", T::SHAPE);
            self.fail(self.place.line, key, reason);
            return None;
        }
        self.optional(key)
    }

    /// A key that may be absent.
    pub fn optional<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let (line, value) = self.take(key)?;
        self.value(key, line, value)
    }

    /// An array of at least one.
    pub fn several<T: Value>(&mut self, key: &'static str) -> Vec<T> {
        let list = self.list(key);
        if list.is_empty() && !self.failed {
            let reason = format!(
                "is missing or empty; an array is expected, each item {}",
                T::SHAPE
            );
            self.fail(self.place.key(key), key, reason);
        }
        list
    }

    /// An array that may be empty or absent.
    pub fn list<T: Value>(&mut self, key: &'static str) -> Vec<T> {
        let Some((line, value)) = self.take(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            let found = crate::value::kind(value.get_ref());
            let reason = format!("an array is expected, each item {}, not {found}", T::SHAPE);
            self.fail(line, key, reason);
            return Vec::new();
        };
        let lines: Vec<u64> = items
            .iter()
            .map(|item| self.report.line(item.span().start))
            .collect();
        let values = items.iter().zip(&lines);
        let values: Vec<T> = values
            .filter_map(|(item, line)| self.value(key, *line, item))
            .collect();
        self.place.keys.entry(key).or_default().items = lines;
        values
    }

    fn take(&mut self, key: &'static str) -> Option<(u64, &'a Spanned<DeValue<'t>>)> {
        let (offset, value) = find(self.table, key)?;
        let line = self.report.line(offset);
        self.place.keys.entry(key).or_default().key = line;
        Some((line, value))
    }

    fn value<T: Value>(
        &mut self,
        key: &'static str,
        line: u64,
        value: &Spanned<DeValue<'t>>,
    ) -> Option<T> {
        let schema = self.keys.iter().find(|known| known.name == key)?;
        match T::read(value.get_ref(), schema) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fail(line, key, reason);
                None
            }
        }
    }

    fn fail(&mut self, line: u64, key: &str, reason: String) {
        self.failed = true;
        self.report.fault(line, self.place.name(key), reason);
    }

    fn refuse_unknown(&mut self) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if self.keys.iter().any(|known| known.name == name) {
                continue;
            }
            let names = self.keys.iter().map(|known| known.name);
            let reason = unknown(name, names, &format!("a {} has", self.kind));
            let line = self.report.line(key.span().start);
            self.fail(line, &printable(name), reason);
        }
    }
}

/// The offset of a key and its value.
pub(crate) fn find<'a, 't>(
    table: &'a DeTable<'t>,
    key: &str,
) -> Option<(usize, &'a Spanned<DeValue<'t>>)> {
    let found = table.iter().find(|(name, _)| name.get_ref() == key);
    found.map(|(name, value)| (name.span().start, value))
}

/// What to say about an unknown key: the nearest one, or all there are.
pub(crate) fn unknown<'k>(
    name: &str,
    known: impl Iterator<Item = &'k str> + Clone,
    who_has: &str,
) -> String {
    let near = known.clone().map(|key| (distance(name, key), key));
    match near.min() {
        Some((1..=2, key)) => format!("unknown key; did you mean `{key}`?"),
        _ => {
            let all: Vec<&str> = known.collect();
            format!("unknown key; {who_has} {}", all.join(", "))
        }
    }
}

/// Without control characters and not endless, so that it can stand in a fault.
fn printable(text: &str) -> String {
    let letters = text.chars().filter(|letter| !letter.is_control());
    letters.take(80).collect()
}

/// How many letters must be put in, taken out or changed to make one of the other (Levenshtein), for short words.
fn distance(one: &str, other: &str) -> usize {
    if one.len() > 40 {
        return usize::MAX;
    }
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        let mut left = above + 1;
        let mut next = vec![left];
        for (place, against) in other.iter().enumerate() {
            let up = row.get(place + 1).copied().unwrap_or(usize::MAX);
            let change = diagonal + usize::from(letter != *against);
            left = change.min(left + 1).min(up.saturating_add(1));
            diagonal = up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
