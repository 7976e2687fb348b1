//! Who may send to whom, in random directories with groups in groups, against the plain meaning of the words.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use bridgehead_directory::{Restriction, Sender, Snapshot, parse_organisation};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PEOPLE: usize = 4;
const GROUPS: usize = 6;

/// Indices below [`PEOPLE`] are people, the others groups.
type Members = Vec<usize>;

#[derive(Clone, Debug)]
struct World {
    groups: Vec<Members>,
    /// For each person whom it takes mail from, and whom not.
    rules: Vec<(Members, Members)>,
}

fn members() -> impl Strategy<Value = Members> {
    prop::collection::vec(0..PEOPLE + GROUPS, 0..4)
}

fn world() -> impl Strategy<Value = World> {
    let groups = prop::collection::vec(members(), GROUPS);
    let rules = prop::collection::vec((members(), members()), PEOPLE);
    (groups, rules).prop_map(|(groups, rules)| World { groups, rules })
}

fn name(index: usize) -> String {
    match index.checked_sub(PEOPLE) {
        None => format!("p{index}"),
        Some(group) => format!("g{group}"),
    }
}

fn list(members: &Members) -> String {
    let distinct: BTreeSet<&usize> = members.iter().collect();
    let names = distinct
        .into_iter()
        .map(|index| format!("\"{}\"", name(*index)));
    format!("[{}]", names.collect::<Vec<_>>().join(", "))
}

fn snapshot(world: &World) -> Snapshot {
    let mut text = "[organization]\nname = \"Lab\"\npostmaster = \"p0@lab.test\"\n\
        [[accepted-domain]]\nname = \"lab.test\"\n"
        .to_owned();
    for (person, (accept, reject)) in world.rules.iter().enumerate() {
        text.push_str(&format!(
            "[[mailbox]]\nname = \"p{person}\"\naddresses = [\"p{person}@lab.test\"]\n\
             accept-from = {}\nreject-from = {}\n",
            list(accept),
            list(reject)
        ));
    }
    for (group, members) in world.groups.iter().enumerate() {
        text.push_str(&format!(
            "[[group]]\nname = \"g{group}\"\naddresses = [\"g{group}@lab.test\"]\nmembers = {}\n",
            list(members)
        ));
    }
    let (organisation, _) = parse_organisation(&text, "").unwrap();
    Snapshot::build(1, organisation)
}

/// Who is in these, directly or through groups.
fn people(world: &World, members: &Members) -> BTreeSet<usize> {
    let mut all: BTreeSet<usize> = members.iter().copied().collect();
    loop {
        let groups = all.iter().filter_map(|index| index.checked_sub(PEOPLE));
        let more: BTreeSet<usize> = groups
            .flat_map(|group| world.groups[group].clone())
            .collect();
        if more.is_subset(&all) {
            return all.into_iter().filter(|index| *index < PEOPLE).collect();
        }
        all.extend(more);
    }
}

fn expected(world: &World, from: usize, to: usize) -> Option<Restriction> {
    let (accept, reject) = &world.rules[to];
    if !accept.is_empty() && !people(world, accept).contains(&from) {
        return Some(Restriction::NotAmong);
    }
    let among = people(world, reject).contains(&from);
    among.then_some(Restriction::Among)
}

proptest! {
    #[test]
    fn membership_means_what_it_says(world in world()) {
        let snapshot = snapshot(&world);
        for from in 0..PEOPLE {
            let user = name(from);
            let sender = Sender { user: Some(&user), ..Sender::default() };
            // One standing for all objects: what it remembers must stay right.
            let mut standing = snapshot.standing(sender, 100_000);
            for to in (0..PEOPLE).chain(0..PEOPLE) {
                let found = snapshot.by_name(&name(to)).unwrap();
                prop_assert_eq!(standing.restriction(&found), expected(&world, from, to));
            }
        }
    }

    #[test]
    fn with_little_work_nobody_is_let_through_or_kept_out_wrongly(
        world in world(),
        work in 0..12_u32,
    ) {
        let snapshot = snapshot(&world);
        for (from, to) in (0..PEOPLE).flat_map(|from| (0..PEOPLE).map(move |to| (from, to))) {
            let user = name(from);
            let sender = Sender { user: Some(&user), ..Sender::default() };
            let found = snapshot.by_name(&name(to)).unwrap();
            let said = snapshot.standing(sender, work).restriction(&found);
            let right = expected(&world, from, to);
            prop_assert!(said == right || said == Some(Restriction::Work), "{:?} {:?}", said, right);
        }
    }
}
