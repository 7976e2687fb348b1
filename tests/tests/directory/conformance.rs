//! What every back-end must do.

use crate::backend::{Backend, Embedded, OpenLdap, Person, What};
use crate::followed::{address, found};
use bridgehead_directory::{Acceptance, Found, Snapshot};
use bridgehead_tests::slapd::Slapd;
use bridgehead_tests::{skip, wait};

fn until(backend: &dyn Backend, what: &str, holds: impl Fn(&Snapshot) -> bool) {
    wait::until(what, || {
        holds(&backend.directory().snapshot()).then_some(())
    });
}

fn takes(address_text: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| snapshot.accept(&address(address_text)) == Acceptance::Recipient
}

fn refuses(address_text: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| snapshot.accept(&address(address_text)) == Acceptance::Unknown
}

/// People come, are found by all their addresses, change, and go.
pub(crate) fn suite(backend: &mut dyn Backend) {
    let bob = Person::new("bob", &["bob@lab.test", "robert@lab.test"], What::Mailbox);
    let eve = Person::new("eve", &["eve@lab.test"], What::Forwarding { to: "bob" });
    let zoe = Person::new(
        "zoe",
        &["zoe@lab.test"],
        What::Contact {
            target: "zoe@elsewhere.test",
        },
    );
    let staff = Person::new(
        "staff",
        &["staff@lab.test"],
        What::Group {
            members: vec!["bob", "zoe"],
        },
    );
    for person in [&bob, &eve, &zoe, &staff] {
        backend.add(person);
    }
    until(backend, "everybody is there", |snapshot| {
        let all = [
            "robert@lab.test",
            "eve@lab.test",
            "zoe@lab.test",
            "staff@lab.test",
        ];
        all.iter().all(|one| takes(one)(snapshot))
    });
    people_are_what_they_are(&backend.directory().snapshot());

    let renamed = Person::new("bob", &["bobby@lab.test", "bob@lab.test"], What::Mailbox);
    backend.change(&renamed);
    until(backend, "a new address", takes("bobby@lab.test"));
    until(backend, "an old address", refuses("robert@lab.test"));
    let snapshot = backend.directory().snapshot();
    let primary = found(&snapshot, "bob@lab.test")
        .primary()
        .unwrap()
        .to_string();
    assert_eq!(primary, "bobby@lab.test");

    let smaller = Person::new(
        "staff",
        &["staff@lab.test"],
        What::Group {
            members: vec!["eve"],
        },
    );
    backend.change(&smaller);
    until(backend, "a smaller group", |snapshot| {
        members(snapshot, "staff@lab.test") == ["eve"]
    });
    backend.remove("zoe");
    until(backend, "somebody is gone", refuses("zoe@lab.test"));
    let snapshot = backend.directory().snapshot();
    assert!(takes("bobby@lab.test")(&snapshot) && takes("eve@lab.test")(&snapshot));
}

fn people_are_what_they_are(snapshot: &Snapshot) {
    let bob = found(snapshot, "BOB@lab.test");
    assert_eq!((bob.kind(), bob.name().as_str()), ("mailbox", "bob"));
    assert_eq!(bob.primary().unwrap().to_string(), "bob@lab.test");
    let Found::Mailbox(eve) = found(snapshot, "eve+tag@lab.test") else {
        panic!("eve is a mailbox");
    };
    let to = snapshot.member(&eve.forward_to[0]).unwrap();
    assert_eq!(to.name().as_str(), "bob");
    let Found::Contact(zoe) = found(snapshot, "zoe@lab.test") else {
        panic!("zoe is a contact");
    };
    assert_eq!(zoe.target.to_string(), "zoe@elsewhere.test");
    assert_eq!(members(snapshot, "staff@lab.test"), ["bob", "zoe"]);
    assert!(refuses("nobody@lab.test")(snapshot));
}

/// The names of a group's members.
fn members(snapshot: &Snapshot, group: &str) -> Vec<String> {
    let Found::Group(group) = found(snapshot, group) else {
        panic!("a group");
    };
    let members = group.members.iter().filter_map(|one| snapshot.member(one));
    let mut names: Vec<String> = members.map(|one| one.name().to_string()).collect();
    names.sort();
    names
}

#[test]
fn the_embedded_directory_conforms() {
    suite(&mut Embedded::new());
}

#[test]
fn openldap_that_tells_of_changes_conforms() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("openldap_that_tells_of_changes_conforms", reason);
    }
    suite(&mut OpenLdap::new(Slapd::start("")));
}

#[test]
fn ldap_that_must_be_polled_conforms() {
    if let Err(reason) = Slapd::is_possible() {
        return skip::skip("ldap_that_must_be_polled_conforms", reason);
    }
    suite(&mut OpenLdap::new(Slapd::without_synchronization("")));
}
