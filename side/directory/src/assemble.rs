//! One configuration out of the embedded directory's and the copy's: names are unique, faulty objects stand aside.
//!
//! Guards: an object that contradicts others is left out alone, with its place and the reason; its last form that was in
//! force stays. What the embedded directory has wins.

use crate::check::check_configuration;
use crate::feed::Object;
use crate::organisation::Places;
use crate::{Organisation, Report};
use std::collections::{BTreeMap, HashSet};

/// Rounds in which faulty objects are left out; each takes at least one.
const ROUNDS_MAX: usize = 32;

/// An object of another directory that isn't in force, or not in its newest form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its DN.
    pub place: Box<str>,
    /// Why.
    pub reason: String,
}

/// The whole, with what was left out.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) configuration: Organisation,
    /// The forms that are in force by identity.
    pub(crate) in_force: BTreeMap<Box<str>, String>,
    pub(crate) rejected: Vec<Rejected>,
}

/// An object of the copy that isn't left out so far.
struct Chosen {
    id: Box<str>,
    place: Box<str>,
    object: Object,
}

/// Puts both together. `in_force` has the form of each object of the copy that was in force last.
pub(crate) fn assemble(
    embedded: &Organisation,
    objects: Vec<(Box<str>, Box<str>, Object)>,
    in_force: &BTreeMap<Box<str>, String>,
) -> Assembled {
    let mut result = Assembled::default();
    let mut chosen = unique(embedded, objects, &mut result.rejected);
    for _ in 0..ROUNDS_MAX {
        let faults = faults(embedded, &chosen);
        if faults.is_empty() {
            break;
        }
        // From the last on, so that places stay right.
        for (at, reason) in faults.into_iter().rev() {
            let Some(one) = chosen.get_mut(at) else {
                continue;
            };
            let place = one.place.clone();
            result.rejected.push(Rejected { place, reason });
            let before = in_force.get(&one.id).and_then(|text| Object::parse(text));
            match before.filter(|before| *before != one.object) {
                Some(before) => one.object = before,
                None => drop(chosen.remove(at)),
            }
        }
    }
    result.configuration = embedded.clone();
    for one in chosen {
        result.in_force.insert(one.id, one.object.to_text());
        result.configuration.add(one.object);
    }
    result
}

/// The objects whose names nobody has before them.
fn unique(
    embedded: &Organisation,
    objects: Vec<(Box<str>, Box<str>, Object)>,
    rejected: &mut Vec<Rejected>,
) -> Vec<Chosen> {
    let own = embedded.clone().into_objects();
    let mut names: HashSet<(&'static str, String)> = own.iter().map(key).collect();
    let mut chosen = Vec::new();
    for (id, place, object) in objects {
        if names.insert(key(&object)) {
            chosen.push(Chosen { id, place, object });
        } else {
            let reason = format!("there is another {} of this name", object.kind());
            rejected.push(Rejected { place, reason });
        }
    }
    chosen
}

fn key(object: &Object) -> (&'static str, String) {
    match object {
        Object::Organization(_) => ("organization", String::new()),
        other => (other.kind(), other.name().to_lowercase()),
    }
}

/// Which of the chosen objects are faulty beside the others, and why; each once.
fn faults(embedded: &Organisation, chosen: &[Chosen]) -> BTreeMap<usize, String> {
    let mut whole = embedded.clone();
    let mut places = Places::default();
    for (at, one) in chosen.iter().enumerate() {
        whole.add(one.object.clone());
        places.number(&whole, &one.object, at);
    }
    let mut report = Report::new("", "");
    check_configuration(&whole, &places, &mut report);
    let mut all = BTreeMap::new();
    for fault in report.finish().err().unwrap_or_default() {
        // Lines stand for the objects, from 1; 0 is one of the embedded directory, which was checked when it was applied.
        let at = usize::try_from(fault.line).unwrap_or(0).checked_sub(1);
        if let Some(at) = at {
            all.entry(at).or_insert_with(|| fault.reason_with_key());
        }
    }
    all
}
