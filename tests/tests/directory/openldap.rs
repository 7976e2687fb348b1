//! OpenLDAP: certificates, passwords, two providers, restarts, entries that can't be used.

use crate::backend::{Person, What, added, place, settings};
use crate::followed::{Followed, found};
use crate::sharing;
use bridgehead_directory::{Acceptance, Proof};
use bridgehead_ldap_directory::{LdapSettings, ServerUrl};
use bridgehead_testkit::dns::{Answer, DnsServer};
use bridgehead_tests::slapd::{BASE, SECRET, Slapd};
use bridgehead_tests::{skip, tools};
use std::path::PathBuf;

fn possible(test: &str) -> bool {
    let possible = Slapd::is_possible();
    if let Err(reason) = possible {
        skip::skip(test, reason);
    }
    possible.is_ok()
}

fn bob() -> Person {
    Person::new("bob", &["bob@lab.test"], What::Mailbox)
}

fn eve() -> Person {
    Person::new("eve", &["eve@lab.test"], What::Mailbox)
}

#[test]
fn with_the_directory_away_the_copy_stays_in_force_and_says_so() {
    if !possible("with_the_directory_away_the_copy_stays_in_force_and_says_so") {
        return;
    }
    let mut slapd = Slapd::start(&added(&bob()));
    let followed = Followed::new(settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Recipient);
    slapd.stop();
    let trouble = followed.trouble();
    assert!(trouble.contains("ldap://localhost:"), "{trouble}");
    assert_eq!(followed.accept("bob@lab.test"), Acceptance::Recipient);
    assert_eq!(followed.accept("eve@lab.test"), Acceptance::Unknown);

    // Started again without the directory, the server knows what it knew.
    let folder = followed.stop();
    let followed = Followed::in_folder(folder, settings(&slapd));
    assert_eq!(followed.accept("bob@lab.test"), Acceptance::Recipient);
    assert!(!followed.directory.view().copied.unwrap().connected);

    // What changed meanwhile comes when it is back: somebody new, somebody gone.
    slapd.run();
    let gone = format!("dn: {}\nchangetype: delete\n", place("bob"));
    let new = added(&eve()).replacen('\n', "\nchangetype: add\n", 1);
    slapd.change(&format!("{gone}\n{new}"));
    followed.until("eve@lab.test", Acceptance::Recipient);
    followed.until("bob@lab.test", Acceptance::Unknown);
}

#[test]
fn a_new_server_without_the_directory_is_unsure() {
    if !possible("a_new_server_without_the_directory_is_unsure") {
        return;
    }
    let mut slapd = Slapd::start(&added(&bob()));
    slapd.stop();
    let followed = Followed::new(settings(&slapd));
    followed.trouble();
    assert_eq!(followed.accept("bob@lab.test"), Acceptance::Unsure);
    slapd.run();
    followed.until("bob@lab.test", Acceptance::Recipient);
}

#[test]
fn what_is_deleted_while_nobody_follows_is_gone_afterwards() {
    if !possible("what_is_deleted_while_nobody_follows_is_gone_afterwards") {
        return;
    }
    let slapd = Slapd::start(&(added(&bob()) + &added(&eve())));
    let followed = Followed::new(settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Recipient);
    let folder = followed.stop();
    slapd.change(&format!("dn: {}\nchangetype: delete\n", place("bob")));
    let followed = Followed::in_folder(folder, settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Unknown);
    assert_eq!(followed.accept("eve@lab.test"), Acceptance::Recipient);
}

#[test]
fn a_certificate_that_isnt_trusted_is_refused_and_named() {
    if !possible("a_certificate_that_isnt_trusted_is_refused_and_named") {
        return;
    }
    let slapd = Slapd::start(&added(&bob()));
    let (other, tls) = (
        Slapd::start(""),
        ServerUrl::parse(&slapd.tls_url()).unwrap(),
    );
    for ca_file in [None, Some(other.ca_file())] {
        let refused = LdapSettings {
            servers: vec![tls.clone()],
            ca_file,
            ..settings(&slapd)
        };
        let followed = Followed::new(refused);
        let trouble = followed.trouble();
        assert!(trouble.to_lowercase().contains("certificate"), "{trouble}");
        assert_eq!(followed.accept("bob@lab.test"), Acceptance::Unsure);
    }
    let trusted = LdapSettings {
        servers: vec![tls],
        ..settings(&slapd)
    };
    Followed::new(trusted).until("bob@lab.test", Acceptance::Recipient);
}

#[test]
fn a_password_never_goes_without_tls_unless_that_is_allowed_on_loopback() {
    if !possible("a_password_never_goes_without_tls_unless_that_is_allowed_on_loopback") {
        return;
    }
    let slapd = Slapd::start(&added(&bob()));
    let clear = LdapSettings {
        start_tls: false,
        ..settings(&slapd)
    };
    let trouble = Followed::new(clear.clone()).trouble();
    assert!(
        trouble.contains("without TLS no password is sent"),
        "{trouble}"
    );
    let allowed = LdapSettings {
        clear_text_on_loopback: true,
        ..clear
    };
    Followed::new(allowed).until("bob@lab.test", Acceptance::Recipient);
}

#[test]
fn a_ca_file_that_cant_be_used_is_named() {
    let broken = LdapSettings {
        ca_file: Some(PathBuf::from("/nonexistent/ca.pem")),
        ..LdapSettings::new(Vec::new(), BASE, "", "")
    };
    let error = bridgehead_ldap_directory::LdapDirectory::new(broken).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
}

#[test]
fn passwords_are_checked_by_a_bind() {
    if !possible("passwords_are_checked_by_a_bind") {
        return;
    }
    let mut slapd = Slapd::start(&added(&bob()));
    let followed = Followed::new(settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Recipient);
    let login = followed.snapshot().login("bob").unwrap();
    let [Proof::Bind(dn)] = &login.proofs[..] else {
        panic!("checked by the directory");
    };
    assert_eq!(followed.check_password(dn, SECRET), Ok(true));
    assert_eq!(followed.check_password(dn, "wrong"), Ok(false));
    // RFC 4513 §5.1.2: these binds succeed, and say nothing.
    assert_eq!(followed.check_password(dn, ""), Ok(false));
    assert_eq!(followed.check_password("", "anything"), Ok(false));
    assert_eq!(followed.check_password(&place("nobody"), SECRET), Ok(false));
    slapd.stop();
    assert!(followed.check_password(dn, SECRET).is_err());
}

#[test]
fn with_two_providers_one_may_be_stopped() {
    if !possible("with_two_providers_one_may_be_stopped") {
        return;
    }
    let [mut one, two] = Slapd::pair(&added(&bob()));
    let server = |slapd: &Slapd| ServerUrl::parse(&slapd.url()).unwrap();
    // Both have the certificate of their own; for this test they are asked in clear text on loopback.
    let both = LdapSettings {
        servers: vec![server(&one), server(&two)],
        start_tls: false,
        clear_text_on_loopback: true,
        ..settings(&one)
    };
    let followed = Followed::new(both);
    followed.until("bob@lab.test", Acceptance::Recipient);
    two.change(&added(&eve()).replacen('\n', "\nchangetype: add\n", 1));
    followed.until("eve@lab.test", Acceptance::Recipient);
    one.stop();
    two.change(&format!("dn: {}\nchangetype: delete\n", place("bob")));
    followed.until("bob@lab.test", Acceptance::Unknown);
    assert_eq!(followed.accept("eve@lab.test"), Acceptance::Recipient);
    let dn = place("eve");
    assert_eq!(followed.check_password(&dn, SECRET), Ok(true));
}

#[test]
fn an_entry_that_cant_be_used_is_refused_alone_and_named() {
    if !possible("an_entry_that_cant_be_used_is_refused_alone_and_named") {
        return;
    }
    let slapd = Slapd::start(&(added(&bob()) + &added(&eve())));
    let followed = Followed::new(settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Recipient);
    slapd.change(&format!(
        "dn: {}\nchangetype: modify\nadd: bridgeheadAddress\nbridgeheadAddress: not an address\n",
        place("bob")
    ));
    slapd.change(
        &added(&Person::new("zoe", &["zoe@lab.test"], What::Mailbox)).replacen(
            '\n',
            "\nchangetype: add\n",
            1,
        ),
    );
    followed.until("zoe@lab.test", Acceptance::Recipient);
    assert_eq!(followed.accept("bob@lab.test"), Acceptance::Recipient);
    let rejected = followed.directory.view().rejected;
    assert_eq!(rejected.len(), 1, "{rejected:?}");
    assert_eq!(&*rejected[0].place, place("bob"));
    assert!(rejected[0].reason.contains("not an address"));
}

#[test]
fn configuration_objects_are_in_force_as_soon_as_they_are_written() {
    if !possible("configuration_objects_are_in_force_as_soon_as_they_are_written") {
        return;
    }
    let slapd = Slapd::start(&added(&bob()));
    let followed = Followed::new(settings(&slapd));
    followed.until("bob@lab.test", Acceptance::Recipient);
    let object = |kind: &str| format!("dn: cn=more,ou=bridgehead,{BASE}\nchangetype: {kind}\n",);
    let text = "[[accepted-domain]]\n name = \"more.test\"\n kind = \"authoritative\"";
    let encoded = base64(text.as_bytes());
    slapd.change(&format!(
        "{}objectClass: bridgeheadObject\ncn: more\nbridgeheadText:: {encoded}\n",
        object("add")
    ));
    followed.until("x@more.test", Acceptance::Unknown);
    let broken = base64(b"[[accepted-domain]]\nname = \"more.test\"\nkind = \"odd\"");
    slapd.change(&format!(
        "{}replace: bridgeheadText\nbridgeheadText:: {broken}\n",
        object("modify")
    ));
    bridgehead_tests::wait::until("the fault is named", || {
        let rejected = followed.directory.view().rejected;
        rejected
            .first()
            .filter(|one| one.reason.contains("kind"))
            .map(|_| ())
    });
    assert_eq!(followed.accept("x@more.test"), Acceptance::Unknown);
    slapd.change(&object("delete"));
    followed.until("x@more.test", Acceptance::NotOurs);
}

#[test]
fn a_thousand_entries_come_at_once_and_in_pages() {
    if !possible("a_thousand_entries_come_at_once_and_in_pages") {
        return;
    }
    let mut entries = String::new();
    for number in 0..1200 {
        entries.push_str(&format!(
            "dn: cn=u{number},ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: u{number}\n\
             sn: u\nmail: u{number}@lab.test\n\n"
        ));
    }
    for slapd in [
        Slapd::start(&entries),
        Slapd::without_synchronization(&entries),
    ] {
        let followed = Followed::new(settings(&slapd));
        followed.until("u1199@lab.test", Acceptance::Recipient);
        assert_eq!(followed.directory.view().mailboxes, 1200);
        let found = found(&followed.snapshot(), "u7@lab.test");
        assert_eq!(found.name().as_str(), "u7");
    }
}

/// LDIF's form of values with line ends.
fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in octets.chunks(3) {
        let mut bits = [0_u8; 3];
        bits[..piece.len()].copy_from_slice(piece);
        let all = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for number in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * number) & 63) as usize];
            text.push(if number <= piece.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[test]
fn servers_are_found_by_what_dns_says_of_the_domain() {
    if !possible("servers_are_found_by_what_dns_says_of_the_domain") {
        return;
    }
    let slapd = Slapd::start(&added(&bob()));
    let dns = DnsServer::start().unwrap();
    let listed = settings(&slapd).servers;
    let found_by_dns = LdapSettings {
        servers: Vec::new(),
        domain: Some("lab.test".parse().unwrap()),
        nameservers: vec![dns.address()],
        ..settings(&slapd)
    };
    let followed = Followed::new(found_by_dns);
    let trouble = followed.trouble();
    assert!(trouble.contains("_ldap._tcp.lab.test"), "{trouble}");
    // One that is away comes first, by its weight; of least priority is one that must not be asked.
    let nobody = tools::nobody().port();
    let live = listed[0].port;
    let server = |priority, weight, port| (priority, weight, port, "localhost".to_owned());
    dns.know(
        "_ldap._tcp.lab.test",
        Answer::Srv(vec![
            server(0, 1, live),
            server(0, 9, nobody),
            server(1, 99, 1),
        ]),
    );
    dns.a("localhost", std::net::Ipv4Addr::LOCALHOST);
    followed.until("bob@lab.test", Acceptance::Recipient);
    let asked = dns.asked();
    assert!(
        asked.contains(&"_ldap._tcp.lab.test SRV".to_owned()),
        "{asked:?}"
    );
}

/// Servers that share an organisation in this slapd.
fn joining(slapd: &Slapd) -> impl Fn(&str) -> Followed {
    let settings = LdapSettings {
        configuration_base: Some(CONTAINER.to_owned()),
        ..settings(slapd)
    };
    move |name| Followed::sharing(name, settings.clone(), None)
}

/// Not there at first.
const CONTAINER: &str = "cn=mail,ou=bridgehead,dc=lab,dc=test";

#[test]
fn a_change_reaches_all_servers() {
    if possible("a_change_reaches_all_servers") {
        sharing::a_change_reaches_all_servers(&joining(&Slapd::start("")));
    }
}

#[test]
fn of_two_who_write_at_once_one_is_told() {
    if possible("of_two_who_write_at_once_one_is_told") {
        sharing::of_two_who_write_at_once_one_is_told(&joining(&Slapd::start("")));
    }
}

#[test]
fn a_change_is_tried_on_some_servers_first() {
    if possible("a_change_is_tried_on_some_servers_first") {
        sharing::a_change_is_tried_on_some_servers_first(&joining(&Slapd::start("")));
    }
}

#[test]
fn what_others_break_isnt_in_force() {
    if !possible("what_others_break_isnt_in_force") {
        return;
    }
    let slapd = Slapd::start("");
    let head = format!(
        "dn: cn=head,{CONTAINER}\nchangetype: modify\nreplace: bridgeheadText\n\
         bridgeheadText:: W2hlYWRdCmNoYW5nZSA9ICJub25zZW5zZSIK\n"
    );
    let meddle = |ldif: &str| slapd.change(ldif);
    sharing::what_others_break_isnt_in_force(&joining(&slapd), &meddle, &head, CONTAINER);
}
