//! The embedded directory as the local copy of the shared organisation: its changes one by one, with their history.
//!
//! Guards: one transaction; the objects end as the chain says, whatever was here before. Where the chain isn't the one that
//! led here, the history is gone back to before it began, and told anew.

use super::{CHANGES, Embedded, HISTORY, META, OBJECTS, REASONS, SHARED};
use crate::organisation::reference;
use crate::shared::Link;
use redb::{ReadableDatabase, ReadableTable, WriteTransaction};
use std::collections::BTreeMap;

/// Row to text.
type Rows = BTreeMap<String, String>;

/// Changes that are told as one.
struct Told<'a> {
    links: &'a [Link<'a>],
    /// Nothing from before stays.
    whole: bool,
}

impl Embedded {
    /// The change of the shared organisation that led here; none if none did.
    pub(crate) fn shared_change(&self) -> Result<Option<String>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let change = transaction.open_table(SHARED)?.get("change")?;
        Ok(change.map(|change| change.value().to_owned()))
    }

    /// Becomes what these changes lead to, the oldest first.
    pub(crate) fn adopt(&self, chain: &[Link<'_>]) -> Result<(), redb::Error> {
        let (Some(first), Some(last)) = (chain.first(), chain.last()) else {
            return Ok(());
        };
        let here = self.shared_change()?;
        let id_of = |link: &Link<'_>| link.note.part.id.0.to_string();
        let known = chain.iter().position(|link| here == Some(id_of(link)));
        let transaction = self.database.begin_write()?;
        if known.is_none() {
            go_back(&transaction, first.note.part.version)?;
        }
        for told in to_tell(chain, known) {
            tell(&transaction, &told)?;
        }
        let change = id_of(last);
        transaction
            .open_table(SHARED)?
            .insert("change", change.as_str())?;
        transaction
            .open_table(META)?
            .insert("version", last.note.part.version)?;
        transaction.commit()?;
        Ok(())
    }
}

/// What comes after the change at `known`; all, if none is. Changes that aren't whole any more are told as one.
fn to_tell<'a>(chain: &'a [Link<'a>], known: Option<usize>) -> Vec<Told<'a>> {
    let begin = known.map_or(0, |at| at + 1);
    let is_floor = |link: &Link<'_>| link.note.part.floor == Some(true);
    let floor = chain.iter().rposition(is_floor).map_or(0, |at| at + 1);
    let mut cuts: Vec<usize> = vec![begin];
    if begin < floor {
        cuts.push(floor);
    }
    let from = cuts.last().copied().unwrap_or(begin);
    cuts.extend(from + 1..=chain.len());
    let pairs = cuts.iter().zip(cuts.iter().skip(1));
    pairs
        .filter_map(|(from, to)| {
            Some(Told {
                links: chain.get(*from..*to)?,
                whole: known.is_none() && *from == 0,
            })
        })
        .collect()
}

/// Takes back everything from this version on.
fn go_back(transaction: &WriteTransaction, version: u64) -> Result<(), redb::Error> {
    let mut objects = transaction.open_table(OBJECTS)?;
    let mut changes = transaction.open_table(CHANGES)?;
    let mut undone = Vec::new();
    for row in changes.range((version, "")..)?.rev() {
        let (key, value) = row?;
        undone.push((key.value().1.to_owned(), value.value().0.to_owned()));
    }
    for (row, before) in undone {
        if before.is_empty() {
            objects.remove(row.as_str())?;
        } else {
            objects.insert(row.as_str(), before.as_str())?;
        }
    }
    changes.retain_in((version, "").., |_, _| false)?;
    let mut history = transaction.open_table(HISTORY)?;
    history.retain_in(version.., |_, _| false)?;
    let mut reasons = transaction.open_table(REASONS)?;
    reasons.retain_in(version.., |_, _| false)?;
    Ok(())
}

fn tell(transaction: &WriteTransaction, told: &Told<'_>) -> Result<(), redb::Error> {
    let Some(last) = told.links.last() else {
        return Ok(());
    };
    let note = &last.note.part;
    let mut objects = transaction.open_table(OBJECTS)?;
    let before = rows(&objects)?;
    let mut after = if told.whole {
        Rows::new()
    } else {
        before.clone()
    };
    for form in told.links.iter().flat_map(|link| link.forms) {
        let (form, body) = &form.part;
        let Some(row) = row(&form.object.0) else {
            continue;
        };
        if body.is_empty() {
            after.remove(&row);
        } else {
            after.insert(row, body.clone());
        }
    }
    let mut changes = transaction.open_table(CHANGES)?;
    for row in before.keys().chain(after.keys()) {
        let text = |rows: &Rows| rows.get(row).cloned().unwrap_or_default();
        let (old, new) = (text(&before), text(&after));
        if old == new {
            continue;
        }
        changes.insert((note.version, row.as_str()), (old.as_str(), new.as_str()))?;
        if new.is_empty() {
            objects.remove(row.as_str())?;
        } else {
            objects.insert(row.as_str(), new.as_str())?;
        }
    }
    let mut history = transaction.open_table(HISTORY)?;
    history.insert(note.version, (&*note.who.0, note.at, &*note.summary.0))?;
    let mut reasons = transaction.open_table(REASONS)?;
    let why = note.why.as_ref().map_or("", |why| &why.0);
    reasons.insert(note.version, why)?;
    Ok(())
}

fn rows(objects: &impl ReadableTable<&'static str, &'static str>) -> Result<Rows, redb::Error> {
    let mut rows = Rows::new();
    for object in objects.iter()? {
        let (row, text) = object?;
        rows.insert(row.value().to_owned(), text.value().to_owned());
    }
    Ok(rows)
}

/// The row of an object that a form names; none if this software doesn't know its kind.
fn row(object: &str) -> Option<String> {
    let (kind, name) = object.split_once(' ').unwrap_or((object, ""));
    let rank = reference().iter().position(|(known, ..)| *known == kind)?;
    Some(format!("{rank}/{kind}/{name}"))
}
