//! Restrictions of connectors are part of the choice, and of what is told about it.

use super::*;

fn restricted(
    settings: &mut Settings,
    name: &str,
    with: impl Fn(&mut bridgehead_routing::settings::Restrictions),
) {
    let mut connectors = settings.connectors.iter_mut();
    let found = connectors.find(|known| &*known.name == name).unwrap();
    with(&mut found.restrictions);
}

#[test]
fn size_priority_and_sender_are_part_of_the_choice() {
    let mut settings = square("a1");
    restricted(&mut settings, "b-c", |one| one.size_max = Some(1000));
    let table = calm(&settings);
    assert_eq!(link(&table, "c1", &any()), "a-b b1+b2");
    let large = Facts {
        size: 1001,
        ..any()
    };
    assert_eq!(link(&table, "c1", &large), "a-d d1+d2");
    restricted(&mut settings, "a-d", |one| {
        one.priorities = vec![Priority::High]
    });
    let table = calm(&settings);
    let told = link(&table, "c1", &large);
    assert_eq!(
        told,
        "5.3.4 Connector b-c takes messages of up to 1000 octets"
    );
    let urgent = Facts {
        priority: Priority::High,
        ..large
    };
    assert_eq!(link(&table, "c1", &urgent), "a-d d1+d2");
    restricted(&mut settings, "a-b", |one| one.senders = Some(0));
    restricted(&mut settings, "a-d", |one| one.senders = Some(0));
    let table = calm(&settings);
    let stranger = Facts {
        sender_may: &|_| false,
        ..any()
    };
    let told = link(&table, "b1", &stranger);
    assert_eq!(
        told,
        "5.7.1 Connector a-b doesn't take messages of this sender"
    );
    let only = Facts {
        sender_may: &|name| name == "a-b",
        ..any()
    };
    assert_eq!(link(&table, "b1", &only), "a-b b1+b2");
}

#[test]
fn an_address_space_that_bars_the_message_leaves_it_to_the_next() {
    let mut settings = square("a1");
    settings
        .connectors
        .push(space("small", "a", "example.net", 1));
    settings.connectors.push(space("large", "a", "*", 50));
    restricted(&mut settings, "small", |one| one.size_max = Some(10));
    let table = calm(&settings);
    let facts = Facts { size: 11, ..any() };
    assert_eq!(link(&table, "x@example.net", &any()), "small/example.net");
    assert_eq!(link(&table, "x@example.net", &facts), "large/example.net");
    restricted(&mut settings, "large", |one| one.size_max = Some(5));
    let told = link(&calm(&settings), "x@example.net", &facts);
    assert!(told.starts_with("5.3.4"), "{told}");
}

#[test]
fn what_is_closed_now_is_gone_around_and_waited_for_only_where_nothing_else_leads() {
    // 1970-01-01 was a Thursday.
    let night = Hours::parse("Mon-Sun 22:00-06:00").unwrap();
    let noon = Facts::at(Timestamp::from_millis(12 * 3_600_000));
    let midnight = Facts::at(Timestamp::from_millis(3_600_000));
    let mut settings = square("a1");
    restricted(&mut settings, "b-c", |one| one.hours = vec![night]);
    let table = calm(&settings);
    assert_eq!(link(&table, "c1", &midnight), "a-b b1+b2");
    assert_eq!(link(&table, "c1", &noon), "a-d d1+d2");
    let table = Table::build(&settings, &out(&settings, &["a-d"]));
    assert_eq!(link(&table, "c1", &noon), "a-b b1+b2");

    let mut settings = square("a1");
    settings.connectors.push(space("cheap", "a", "*", 1));
    settings.connectors.push(space("dear", "a", "*", 2));
    restricted(&mut settings, "cheap", |one| one.hours = vec![night]);
    let table = calm(&settings);
    assert_eq!(
        link(&table, "x@example.net", &midnight),
        "cheap/example.net"
    );
    assert_eq!(link(&table, "x@example.net", &noon), "dear/example.net");
    restricted(&mut settings, "dear", |one| one.hours = vec![night]);
    assert_eq!(
        link(&calm(&settings), "x@example.net", &noon),
        "cheap/example.net"
    );
}

#[test]
fn where_restrictions_leave_no_way_each_that_could_have_been_is_told_with_what_bars_it() {
    let mut settings = square("a1");
    restricted(&mut settings, "b-c", |one| one.size_max = Some(1000));
    restricted(&mut settings, "a-d", |one| {
        one.priorities = vec![Priority::High]
    });
    settings.connectors.push(space("gate", "c", "*", 5));
    settings.connectors.push(space("door", "a", "*", 5));
    restricted(&mut settings, "door", |one| one.size_max = Some(10));
    let table = calm(&settings);
    let large = Facts {
        size: 1001,
        ..any()
    };
    let said = |goal: Goal<'_>| {
        let explained = table.explain(goal, &large);
        assert!(explained.result.is_err() && explained.path.is_empty());
        let names = |path: &[bridgehead_routing::Step]| {
            let names: Vec<&str> = path.iter().map(|step| &*step.connector).collect();
            names.join("+")
        };
        let candidates = explained.candidates.iter();
        let candidates = candidates
            .map(|row| format!("{} [{}] {}", row.connector, names(&row.path), row.verdict));
        let others = explained.runners_up.iter();
        let others = others.map(|row| format!("{} {:?} {}", names(&row.path), row.cost, row.why));
        candidates.chain(others).collect::<Vec<_>>()
    };
    assert_eq!(
        said(Goal::Server("c1")),
        [
            "a-d+d-c Some(40) lost: it doesn't take messages of this priority",
            "a-b+b-c Some(20) lost: connector b-c on it takes messages of up to 1000 octets",
        ]
    );
    let address = Address::parse("x@example.net").unwrap();
    assert_eq!(
        said(Goal::Address(&address)),
        [
            "door [] lost: it takes messages of up to 10 octets",
            "gate [a-b+b-c] lost: on the way to it connector b-c takes messages of up to 1000 octets",
        ]
    );
}
