//! Chains of changes as a directory would have them after each single step.

use super::*;
use crate::Change;
use crate::change::Texts;
use crate::embedded::Author;
use crate::organisation::parse_unchecked;
use bridgehead_mail::Timestamp;
use std::collections::BTreeMap;

/// Entries by DN.
#[derive(Clone, Debug, Default)]
struct Entries(BTreeMap<String, String>);

impl Entries {
    fn apply(&mut self, step: &Step) {
        match step {
            Step::Add { name, text } => {
                let before = self.0.insert(name.clone(), text.clone());
                assert_eq!(before, None, "{name} is there already");
            }
            Step::Swap {
                place,
                before,
                after,
            } => {
                let there = self.0.insert(place.clone(), after.clone());
                assert_eq!(there.as_ref(), Some(before));
            }
            Step::Remove { place } => assert!(self.0.remove(place).is_some(), "{place}"),
        }
    }

    fn versions(&self) -> Versions {
        let parts: Vec<StoredPart> = self
            .0
            .iter()
            .map(|(place, text)| StoredPart {
                place: place.as_str().into(),
                text: text.clone(),
            })
            .collect();
        Versions::of(parts.iter())
    }
}

fn text_at(versions: &Versions, id: &str) -> Result<String, String> {
    let chain = versions.chain(id)?;
    let bodies = objects(&chain).into_values();
    Ok(bodies.map(|form| form.part.1.clone()).collect())
}

fn in_force(entries: &Entries) -> Option<Result<String, String>> {
    let versions = entries.versions();
    let id = versions.wanted("mail1")?.to_owned();
    Some(text_at(&versions, &id))
}

/// An organisation in which one of a few domains has another kind each time.
fn organisation(round: usize) -> Texts {
    let mut text = "[organization]\nname = \"Lab\"\npostmaster = \"p@lab.test\"\n".to_owned();
    for number in 0..4 {
        let kind = match (round + number) % 3 {
            0 => continue,
            1 => "authoritative",
            _ => "internal-relay",
        };
        text.push_str(&format!(
            "[[accepted-domain]]\nname = \"d{number}.test\"\nkind = \"{kind}\"\n"
        ));
    }
    parse_unchecked(&text, "").unwrap().texts()
}

/// The steps of a change, without the head's.
fn steps(entries: &Entries, round: usize) -> (String, Vec<Step>) {
    let versions = entries.versions();
    let before = versions.wanted("mail1");
    let old = match round {
        0 => Texts::new(),
        _ => organisation(round - 1),
    };
    let new = organisation(round);
    let mut change = Change::between(&old, &new);
    change.version = versions.next_version();
    let author = Author {
        who: "test",
        why: "",
        now: Timestamp::from_millis(1_000_000 + u64::try_from(round).unwrap()),
    };
    let id = format!("{:012x}-{round}", author.now.as_millis());
    let steps = new_change(&id, before, (&old, &new), &change, author);
    (id, steps)
}

fn text_of(texts: Texts) -> String {
    let mut sorted: BTreeMap<String, String> = BTreeMap::new();
    for (key, (_, text)) in texts {
        sorted.insert(plan::object_name(&key), text);
    }
    sorted.into_values().collect()
}

/// Whoever reads in the middle of a change sees the one before as a whole.
#[test]
fn every_step_leaves_a_whole_organisation() {
    let mut entries = Entries::default();
    for round in 0..10 {
        let before = in_force(&entries);
        let (id, steps) = steps(&entries, round);
        for step in &steps {
            entries.apply(step);
            assert_eq!(in_force(&entries), before);
        }
        let versions = entries.versions();
        entries.apply(&moved_head(versions.head(), &id, None));
        let now = in_force(&entries).unwrap();
        assert_eq!(now, Ok(text_of(organisation(round))));
    }
}

/// Where entries arrive one by one and the head first, what isn't whole is told from what is.
#[test]
fn a_change_counts_only_with_all_its_parts() {
    let mut entries = Entries::default();
    for round in 0..3 {
        let (id, steps) = steps(&entries, round);
        steps.iter().for_each(|step| entries.apply(step));
        let versions = entries.versions();
        entries.apply(&moved_head(versions.head(), &id, None));
    }
    let parts: Vec<String> = entries.0.keys().cloned().collect();
    for part in parts.iter().filter(|part| *part != "head") {
        let mut fewer = entries.clone();
        fewer.0.remove(part);
        let reason = in_force(&fewer).unwrap().unwrap_err();
        assert!(reason.contains("here"), "{part}: {reason}");
    }
}

#[test]
fn pruning_keeps_the_last_versions_and_the_whole_at_every_step() {
    const KEPT: usize = 5;
    let mut entries = Entries::default();
    let mut ids = Vec::new();
    for round in 0..40 {
        let (id, steps) = steps(&entries, round);
        steps.iter().for_each(|step| entries.apply(step));
        let versions = entries.versions();
        entries.apply(&moved_head(versions.head(), &id, None));
        ids.push(id.clone());
        let versions = entries.versions();
        let chain = versions.chain(&id).unwrap();
        let expected = text_of(organisation(round));
        for step in parts_to_prune(&chain, KEPT) {
            entries.apply(&step);
            assert_eq!(in_force(&entries), Some(Ok(expected.clone())));
        }
        let versions = entries.versions();
        for back in 0..KEPT.min(round) {
            let text = text_at(&versions, &ids[round - back]);
            assert_eq!(text, Ok(text_of(organisation(round - back))));
        }
        let again = versions.chain(&id).unwrap();
        assert_eq!(parts_to_prune(&again, KEPT), Vec::new());
    }
    // One note a change, the head, and the forms of the last changes and of what stands.
    assert!(
        entries.0.len() < 40 + 1 + (KEPT + 1) * 5,
        "{}",
        entries.0.len()
    );
}

#[test]
fn a_chain_that_leads_into_itself_is_refused() {
    let mut entries = Entries::default();
    for (id, after) in [("a", "b"), ("b", "a")] {
        let text = format!(
            "[change]\nid = \"{id}\"\nafter = \"{after}\"\nversion = 7\nat = 1\nwho = \"x\"\n\
             summary = \"x\"\nforms = 0\n"
        );
        entries.apply(&Step::Add {
            name: id.to_owned(),
            text,
        });
    }
    let fault = entries.versions().chain("a").unwrap_err();
    assert!(fault.contains("can't follow a later one"), "{fault}");
}

#[test]
fn of_two_heads_all_take_the_same() {
    let mut entries = Entries::default();
    for round in 0..2 {
        let (id, steps) = steps(&entries, round);
        steps.iter().for_each(|step| entries.apply(step));
        let Step::Add { text, .. } = moved_head(None, &id, None) else {
            panic!("a new head")
        };
        entries.apply(&Step::Add {
            name: format!("head {}", 2 - round),
            text,
        });
    }
    let versions = entries.versions();
    let wanted = versions.wanted("mail1").unwrap();
    assert_eq!(versions.version(wanted), 2);
    assert_eq!(versions.rejected.len(), 1);
}
