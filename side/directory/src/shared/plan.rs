//! What must be written for a change: its parts first, the head last.
//!
//! Guards: nothing that counts is touched before the head moves; what is pruned afterwards is needed by no version that
//! can be asked for.

use super::part::{Form, Head, Note, Part};
use super::versions::{FormBody, Link, Read};
use crate::change::Texts;
use crate::embedded::Author;
use crate::organisation::ObjectKey;
use crate::{Change, Name, Step, Words};
use std::collections::BTreeMap;

/// Letters of a text of a note.
const WORDS_MAX: usize = 2000;

/// The name of the head's entry.
const HEAD: &str = "head";

/// Kind and name of an object, as a form says them.
pub(crate) fn object_name((_, kind, name): &ObjectKey) -> String {
    match name.is_empty() {
        true => (*kind).to_owned(),
        false => format!("{kind} {name}"),
    }
}

/// The steps that put a change beside the others.
pub(crate) fn new_change(
    id: &str,
    after: Option<&str>,
    (old, new): (&Texts, &Texts),
    change: &Change,
    author: Author<'_>,
) -> Vec<Step> {
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let gone = gone.map(|key| (key, ""));
    let come = new.iter().filter(|(key, (_, text))| {
        let before = old.get(*key).map(|(_, before)| before);
        before != Some(text)
    });
    let come = come.map(|(key, (_, text))| (key, text.as_str()));
    let mut steps: Vec<Step> = Vec::new();
    for (number, (key, body)) in gone.chain(come).enumerate() {
        let form = Form {
            change: Words(id.into()),
            object: Words(object_name(key).into()),
        };
        steps.push(Step::Add {
            name: format!("{id}-{number}"),
            text: Part::Form(form, body.to_owned()).to_text(),
        });
    }
    let note = Note {
        id: Words(id.into()),
        after: after.map(|after| Words(after.into())),
        version: change.version,
        at: author.now.as_millis(),
        who: words(author.who).unwrap_or_else(|| Words("somebody".into())),
        why: words(author.why),
        summary: words(&change.summary()).unwrap_or_else(|| Words("nothing".into())),
        forms: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        floor: None,
    };
    steps.push(Step::Add {
        name: id.to_owned(),
        text: Part::Note(note).to_text(),
    });
    steps
}

/// A text as one line, since that is what a note can hold.
fn words(text: &str) -> Option<Words> {
    let line = text.split(char::is_control).map(str::trim);
    let line: Vec<&str> = line.filter(|words| !words.is_empty()).collect();
    let line: String = line.join(" ").chars().take(WORDS_MAX).collect();
    (!line.is_empty()).then(|| Words(line.into()))
}

/// The step that moves the head.
pub(crate) fn moved_head(
    from: Option<&Read<Head>>,
    change: &str,
    trial: Option<(&str, Vec<Name>)>,
) -> Step {
    let (trial, trial_on) = match trial {
        Some((id, on)) => (Some(Words(id.into())), on),
        None => (None, Vec::new()),
    };
    let head = Head {
        change: Words(change.into()),
        trial,
        trial_on,
    };
    let after = Part::Head(head).to_text();
    match from {
        None => Step::Add {
            name: HEAD.to_owned(),
            text: after,
        },
        Some(head) => Step::Swap {
            place: head.place.to_string(),
            before: head.text.clone(),
            after,
        },
    }
}

/// The steps that take away what is only needed to go back behind the last `kept` changes. The number of forms that a change
/// says it has goes down before the form goes, so that a chain is whole at every moment.
pub(crate) fn parts_to_prune(chain: &[Link<'_>], kept: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let old = chain.len().saturating_sub(kept);
    let mut holders: BTreeMap<&str, (usize, &Read<FormBody>)> = BTreeMap::new();
    let mut notes: Vec<(String, Note)> = chain
        .iter()
        .map(|link| (link.note.text.clone(), link.note.part.clone()))
        .collect();
    for (at, link) in chain.iter().take(old).enumerate() {
        for form in link.forms {
            let before = holders.insert(&form.part.0.object.0, (at, form));
            let Some((holder, form)) = before else {
                continue;
            };
            let edit = |note: &mut Note| note.forms = note.forms.saturating_sub(1);
            steps.extend(edited(chain, &mut notes, holder, edit));
            steps.push(Step::Remove {
                place: form.place.to_string(),
            });
        }
        if link.note.part.floor != Some(true) {
            let edit = |note: &mut Note| note.floor = Some(true);
            steps.extend(edited(chain, &mut notes, at, edit));
        }
    }
    steps
}

/// The step that changes the note of a link.
fn edited(
    chain: &[Link<'_>],
    notes: &mut [(String, Note)],
    at: usize,
    edit: impl FnOnce(&mut Note),
) -> Option<Step> {
    let link = chain.get(at)?;
    let (text, note) = notes.get_mut(at)?;
    edit(note);
    let after = Part::Note(note.clone()).to_text();
    let before = std::mem::replace(text, after.clone());
    Some(Step::Swap {
        place: link.note.place.to_string(),
        before,
        after,
    })
}
