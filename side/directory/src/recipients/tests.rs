//! The table against a plain map, and its records.

use super::*;
use crate::{Group, Mailbox, Member, Name, Object};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn mailbox(name: &str, addresses: &[String]) -> Found {
    let mut text = format!("[[mailbox]]\nname = \"{name}\"\naddresses = [");
    for address in addresses {
        text.push_str(&format!("\"{address}\","));
    }
    text.push(']');
    Found::of(Object::parse(&text).unwrap()).unwrap()
}

fn put(table: &mut Recipients, id: &str, place: &str, found: &Found) {
    let id = EntryId(id.into());
    table.put(record(&id, place, false, found)).unwrap();
}

#[test]
fn a_recipient_is_found_by_each_of_its_keys_until_it_is_gone() {
    let mut table = Recipients::default();
    let bob = mailbox(
        "Bob",
        &["bob@a.test".to_owned(), "Robert@a.test".to_owned()],
    );
    put(&mut table, "id-1", "CN=Bob, OU=x,DC=test", &bob);
    let keys = [
        Key::Id("id-1"),
        Key::Place("cn=bob,ou=x,dc=test"),
        Key::Name("bob"),
        Key::Address("bob@a.test"),
        Key::Address("robert@a.test"),
    ];
    let copy = table.clone();
    for key in keys {
        assert_eq!(table.find(key).count(), 1, "{key:?}");
    }
    assert!(table.remove("id-1").is_some());
    assert!(table.remove("id-1").is_none());
    for key in keys {
        assert_eq!(table.find(key).count(), 0, "{key:?}");
        assert_eq!(copy.find(key).next().unwrap().found, bob, "{key:?}");
    }
    assert_eq!((table.len(), copy.len()), (0, 1));
}

#[test]
fn a_large_group_is_kept_as_it_is() {
    let name = |number| Member::Name(Name::parse(&format!("member-{number}")).unwrap());
    let mut group: Group = match Object::parse(
        "[[group]]\nname = \"all\"\naddresses = [\"all@a.test\"]\nmembers = []\n",
    ) {
        Some(Object::Group(group)) => group,
        other => panic!("{other:?}"),
    };
    group.members = (0..10_000).map(name).collect();
    let group = Found::Group(Arc::new(group));
    let mut table = Recipients::default();
    put(&mut table, "g", "", &group);
    let one = table.find(Key::Name("all")).next().unwrap().found;
    let other = table.find(Key::Address("all@a.test")).next().unwrap().found;
    assert_eq!(one, group);
    let (Found::Group(one), Found::Group(other)) = (one, other) else {
        panic!("groups");
    };
    assert!(Arc::ptr_eq(&one, &other));
}

/// Every kind with every key set comes back from its octets.
#[test]
fn what_is_packed_is_unpacked_the_same_and_cut_octets_are_nothing() {
    let (organisation, _) =
        crate::parse_organisation(include_str!("../../tests/every_key.toml"), "x").unwrap();
    let (_, recipients) = organisation.split();
    assert_eq!(recipients.len(), 4);
    for found in recipients {
        let mut octets = Vec::new();
        packed::pack(&found, &mut octets);
        assert_eq!(packed::unpack(Octets(&octets)), Some(found));
        for cut in 0..octets.len() {
            assert_eq!(packed::unpack(Octets(&octets[..cut])), None, "{cut}");
        }
        octets.push(0);
        assert_eq!(packed::unpack(Octets(&octets)), None);
    }
}

proptest! {
    /// The table answers as a plain map does, whatever is put and removed.
    #[test]
    fn it_is_a_map(steps in prop::collection::vec((0_u8..20, 0_u8..30, any::<bool>()), 0..200)) {
        let mut table = Recipients::default();
        let mut map: BTreeMap<String, Found> = BTreeMap::new();
        for (id, address, there) in steps {
            let id = format!("id-{id}");
            if there {
                let found = mailbox(&format!("n{address}"), &[format!("a{address}@x.test")]);
                put(&mut table, &id, "", &found);
                map.insert(id, found);
            } else {
                let gone = table.remove(&id).map(|stored| stored.found);
                prop_assert_eq!(gone, map.remove(&id));
            }
        }
        prop_assert_eq!(table.len(), map.len());
        for address in 0..30 {
            let address = format!("a{address}@x.test");
            let owners: Vec<String> = table
                .find(Key::Address(&address))
                .map(|stored| String::from(stored.id()))
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect();
            let has = |found: &Found| found.addresses().iter().any(|one| fold(one) == address);
            let expected: Vec<String> = map
                .iter()
                .filter(|(_, found)| has(found))
                .map(|(id, _)| id.clone())
                .collect();
            prop_assert_eq!(owners, expected);
        }
    }

    /// No octets make it panic.
    #[test]
    fn any_octets_are_a_record_or_nothing(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut with_version = vec![packed::VERSION];
        with_version.extend(&octets);
        let _ = Recipients::default().put(octets);
        let _ = Recipients::default().put(with_version);
    }
}

#[test]
fn mailboxes_have_all_keys_in_the_example_of_every_key() {
    let text = include_str!("../../tests/every_key.toml");
    for key in <Mailbox as crate::Schema>::KEYS {
        assert!(text.contains(key.name), "{}", key.name);
    }
}

#[test]
fn what_has_changed_since_is_found_in_a_copy_and_in_a_table_built_anew() {
    let of = |number: u32| mailbox(&format!("m{number}"), &[format!("m{number}@a.test")]);
    let build = |skipped: u32| {
        let mut table = Recipients::default();
        for number in (0..3000).rev().filter(|number| *number != skipped) {
            put(&mut table, &format!("id-{number}"), "", &of(number));
        }
        table
    };
    let before = build(3000);
    let mut changed = before.clone();
    assert_eq!(changed.changed_since(&before).count(), 0);
    let mut anew = build(8);
    for table in [&mut changed, &mut anew] {
        put(
            table,
            "id-7",
            "",
            &mailbox("m7", &["seven@a.test".to_owned()]),
        );
        put(table, "id-new", "", &of(5000));
        table.remove("id-8");
    }
    for table in [&changed, &anew] {
        let found = table.changed_since(&before);
        let mut found: Vec<(String, Option<usize>)> = found
            .map(|(was, is)| {
                let is = is.map(|is| is.found.addresses().len());
                (was.found.name().to_string(), is)
            })
            .collect();
        found.sort();
        assert_eq!(found, [("m7".to_owned(), Some(1)), ("m8".to_owned(), None)]);
    }
}
