//! What entries of many kinds become.

use super::*;
use bridgehead_directory::{Member, ReportTo};

fn entry(attributes: &[(&str, &str)]) -> Entry {
    let mut entry = Entry {
        name: "CN=x,DC=lab,DC=test".to_owned(),
        attributes: Vec::new(),
    };
    for (name, value) in attributes {
        let value = value.as_bytes().to_vec();
        match entry.attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => entry.attributes.push(((*name).to_owned(), vec![value])),
        }
    }
    entry
}

fn mapped(attributes: &[(&str, &str)]) -> Object {
    match map(&entry(attributes), "id-1") {
        Mapped::Object(object) => *object,
        other => panic!("{other:?}"),
    }
}

fn texts_of(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn a_user_of_a_plain_directory_is_a_mailbox() {
    let Object::Mailbox(mailbox) = mapped(&[
        ("objectClass", "top"),
        ("objectClass", "person"),
        ("objectClass", "user"),
        ("sAMAccountName", "alice"),
        ("mail", "Alice@lab.test"),
        ("userAccountControl", "514"),
        ("displayName", "Alice\tA."),
        ("sn", "A."),
    ]) else {
        panic!("a mailbox");
    };
    assert_eq!(mailbox.name.as_str(), "alice");
    assert_eq!(texts_of(&mailbox.addresses), ["Alice@lab.test"]);
    assert_eq!(mailbox.disabled, Some(true));
    assert_eq!(&*mailbox.display_name.unwrap().0, "AliceA.");
    assert_eq!(mailbox.password, None);
}

#[test]
fn proxy_addresses_count_with_the_primary_one_first() {
    let Object::Mailbox(mailbox) = mapped(&[
        ("objectClass", "user"),
        ("sAMAccountName", "bob"),
        ("mail", "old@lab.test"),
        ("proxyAddresses", "smtp:bob2@lab.test"),
        ("proxyAddresses", "SMTP:Bob@lab.test"),
        ("proxyAddresses", "X400:c=US;a= ;p=x;"),
        ("proxyAddresses", "sip:bob@lab.test"),
        ("altRecipient", "CN=Eve,OU=x,DC=lab,DC=test"),
        ("deliverAndRedirect", "TRUE"),
        ("submissionContLength", "100"),
        ("delivContLength", "10240"),
        ("msExchRecipLimit", "50"),
        ("authOrig", "CN=A,DC=lab,DC=test"),
        ("dLMemSubmitPerms", "CN=G,DC=lab,DC=test"),
        ("unauthOrig", "CN=B,DC=lab,DC=test"),
        ("msExchRequireAuthToSendTo", "TRUE"),
    ]) else {
        panic!("a mailbox");
    };
    let addresses = ["Bob@lab.test", "old@lab.test", "bob2@lab.test"];
    assert_eq!(texts_of(&mailbox.addresses), addresses);
    let eve = Member::Entry("CN=Eve,OU=x,DC=lab,DC=test".into());
    assert_eq!(mailbox.forward_to, [eve]);
    assert_eq!(mailbox.keep_copy, Some(true));
    assert_eq!(mailbox.max_send_size.unwrap().0, 100 * 1024);
    assert_eq!(mailbox.max_receive_size.unwrap().0, 10240 * 1024);
    assert_eq!(mailbox.max_send_recipients, Some(50));
    assert_eq!(
        (mailbox.accept_from.len(), mailbox.reject_from.len()),
        (2, 1)
    );
    assert_eq!(mailbox.authenticated_senders_only, Some(true));
}

#[test]
fn a_group_has_members_by_dn_also_of_a_range() {
    let Object::Group(group) = mapped(&[
        ("objectClass", "group"),
        ("sAMAccountName", "All Staff (Berlin)"),
        ("mail", "all@lab.test"),
        ("member;range=0-1", "CN=A,DC=lab,DC=test"),
        ("member;range=0-1", "CN=\"B, C\",DC=lab,DC=test"),
        ("hideDLMembership", "TRUE"),
        ("reportToOriginator", "FALSE"),
        ("reportToOwner", "TRUE"),
        ("managedBy", "CN=A,DC=lab,DC=test"),
    ]) else {
        panic!("a group");
    };
    assert_eq!(group.name.as_str(), "All-Staff--Berlin-");
    assert_eq!(group.members.len(), 2);
    assert_eq!(group.hidden_members, Some(true));
    assert_eq!(group.report_to, Some(ReportTo::Owner));
    assert_eq!(
        group.owner,
        Some(Member::Entry("CN=A,DC=lab,DC=test".into()))
    );
}

#[test]
fn a_user_or_contact_with_a_target_is_a_contact() {
    for class in ["user", "contact"] {
        let Object::Contact(contact) = mapped(&[
            ("objectClass", class),
            ("cn", "Zoë Zöll"),
            ("mail", "zoe@lab.test"),
            ("targetAddress", "SMTP:zoe@elsewhere.test"),
        ]) else {
            panic!("a contact");
        };
        assert_eq!(contact.name.as_str(), "Zoë-Zöll");
        assert_eq!(contact.target.to_string(), "zoe@elsewhere.test");
    }
}

#[test]
fn who_has_no_address_is_nobody_and_a_bad_address_is_told() {
    let plain = entry(&[("objectClass", "user"), ("sAMAccountName", "svc")]);
    assert_eq!(map(&plain, "id"), Mapped::Nobody);
    let bad = entry(&[
        ("objectClass", "user"),
        ("sAMAccountName", "svc"),
        ("proxyAddresses", "SMTP:a b@lab.test"),
    ]);
    let Mapped::Fault(reason) = map(&bad, "id") else {
        panic!("a fault");
    };
    assert!(
        reason.starts_with("proxyAddresses: \"a b@lab.test\""),
        "{reason}"
    );
}

#[test]
fn a_person_of_an_ldap_directory_has_settings_of_ours() {
    let Object::Mailbox(mailbox) = mapped(&[
        ("objectClass", "inetOrgPerson"),
        ("uid", "carol"),
        ("mail", "carol@lab.test"),
        ("mailAlternateAddress", "c@lab.test"),
        ("bridgeheadSetting", "max-receive-size = \"1 MiB\""),
    ]) else {
        panic!("a mailbox");
    };
    assert_eq!(mailbox.name.as_str(), "carol");
    assert_eq!(mailbox.addresses.len(), 2);
    assert_eq!(mailbox.max_receive_size.unwrap().0, 1 << 20);
    let evil = entry(&[
        ("objectClass", "inetOrgPerson"),
        ("uid", "eve"),
        ("mail", "eve@lab.test"),
        ("bridgeheadSetting", "[[administrator]]\nname = \"eve\""),
    ]);
    assert!(matches!(map(&evil, "id"), Mapped::Fault(_)));
}

#[test]
fn configuration_stands_in_objects_of_ours_or_in_connection_points() {
    let text = "[[accepted-domain]]\nname = \"lab.test\"\n";
    let ours = mapped(&[
        ("objectClass", "bridgeheadObject"),
        ("bridgeheadText", text),
    ]);
    let point = mapped(&[
        ("objectClass", "serviceConnectionPoint"),
        ("serviceClassName", "bridgehead"),
        ("serviceBindingInformation", "2:name = \"lab.test\""),
        ("serviceBindingInformation", "1:[[accepted-domain]]"),
    ]);
    assert_eq!(ours, point);
    let other = entry(&[
        ("objectClass", "serviceConnectionPoint"),
        ("serviceClassName", "ldap"),
    ]);
    assert_eq!(map(&other, "id"), Mapped::Nobody);
}

#[test]
fn identities_are_written_as_usual() {
    let octets: Vec<u8> = (0..16).collect();
    let text = "03020100-0504-0706-0809-0a0b0c0d0e0f";
    assert_eq!(guid_text(&octets).as_deref(), Some(text));
    assert_eq!(guid_text(&octets[..15]), None);
    let octets: [u8; 16] = octets.try_into().unwrap();
    assert_eq!(&*uuid_text(&octets), "00010203-0405-0607-0809-0a0b0c0d0e0f");
}

#[test]
fn the_server_of_a_mailbox_is_found_in_what_each_directory_has() {
    let home = |more: &[(&str, &str)]| {
        let mut all = vec![
            ("objectClass", "user"),
            ("sAMAccountName", "bob"),
            ("mail", "bob@lab.test"),
        ];
        all.extend_from_slice(more);
        let Object::Mailbox(mailbox) = mapped(&all) else {
            panic!("a mailbox");
        };
        mailbox.server.map(|name| name.to_string())
    };
    let exchange = (
        "msExchHomeServerName",
        "/o=Lab/ou=First/cn=Configuration/cn=Servers/cn=EX1",
    );
    assert_eq!(home(&[]), None);
    assert_eq!(home(&[exchange]).as_deref(), Some("EX1"));
    let host = ("mailHost", "mail2.lab.test");
    assert_eq!(home(&[host]).as_deref(), Some("mail2.lab.test"));
    assert_eq!(home(&[host, exchange]).as_deref(), Some("EX1"));
    let own = ("bridgeheadServer", "mail3");
    assert_eq!(home(&[host, exchange, own]).as_deref(), Some("mail3"));
    // Nobody loses mail by a value that is no name, or by saying it twice.
    assert_eq!(home(&[("msExchHomeServerName", "/o=Lab/cn=a b")]), None);
    assert_eq!(home(&[("mailHost", "-")]), None);
    let setting = ("bridgeheadSetting", "server = \"mail4\"");
    assert_eq!(home(&[own, setting]).as_deref(), Some("mail4"));
}
