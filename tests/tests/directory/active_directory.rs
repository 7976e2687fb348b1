//! Active Directory, by a domain controller of Samba.

use crate::backend::{Backend, Person, What};
use crate::conformance;
use crate::followed::{Followed, found};
use crate::sharing;
use bridgehead_directory::{Acceptance, Directory, Found, Proof};
use bridgehead_ldap_directory::{LdapSettings, ServerUrl};
use bridgehead_tests::samba::{ADMIN, BASE, READER, SECRET, Samba};
use bridgehead_tests::{skip, wait};
use std::time::Duration;

fn possible(test: &str) -> bool {
    let possible = Samba::is_possible();
    if let Err(reason) = possible {
        skip::skip(test, reason);
    }
    possible.is_ok()
}

fn settings(samba: &Samba) -> LdapSettings {
    let servers = vec![ServerUrl::parse(samba.url()).unwrap()];
    LdapSettings {
        ca_file: Some(samba.ca_file()),
        poll: Duration::from_millis(300),
        compare: Duration::from_secs(1),
        ..LdapSettings::new(servers, BASE, READER, SECRET)
    }
}

fn place(name: &str) -> String {
    format!("CN={name},CN=Users,{BASE}")
}

fn attributes(person: &Person) -> Vec<(&'static str, Vec<String>)> {
    let primary = format!("SMTP:{}", person.addresses[0]);
    let others = person.addresses[1..]
        .iter()
        .map(|one| format!("smtp:{one}"));
    let proxies = std::iter::once(primary).chain(others).collect();
    let mut all = vec![
        ("mail", vec![person.addresses[0].to_owned()]),
        ("proxyAddresses", proxies),
    ];
    match &person.what {
        What::Mailbox => {}
        What::Forwarding { to } => all.push(("altRecipient", vec![place(to)])),
        What::Group { members } => {
            all.push(("member", members.iter().map(|name| place(name)).collect()));
        }
        What::Contact { target } => all.push(("targetAddress", vec![format!("SMTP:{target}")])),
    }
    all
}

fn added(person: &Person) -> String {
    let name = person.name;
    let class = match person.what {
        What::Group { .. } => format!("objectClass: group\nsAMAccountName: {name}\n"),
        What::Contact { .. } => "objectClass: contact\n".to_owned(),
        _ => format!("objectClass: user\nsAMAccountName: {name}\nuserAccountControl: 544\n"),
    };
    let mut text = format!("dn: {}\nchangetype: add\n{class}", place(name));
    for (attribute, values) in attributes(person) {
        for value in values {
            text.push_str(&format!("{attribute}: {value}\n"));
        }
    }
    text.push('\n');
    text
}

/// Active Directory, followed.
struct ActiveDirectory {
    followed: Followed,
    samba: Samba,
}

impl ActiveDirectory {
    fn new(adjust: impl FnOnce(LdapSettings) -> LdapSettings) -> Self {
        let samba = Samba::start();
        let settings = adjust(settings(&samba));
        let followed = Followed::inside(samba.namespace(), settings);
        Self { followed, samba }
    }
}

impl Backend for ActiveDirectory {
    fn directory(&self) -> &Directory {
        &self.followed.directory
    }

    fn add(&mut self, person: &Person) {
        self.samba.change(&added(person));
    }

    fn change(&mut self, person: &Person) {
        let mut text = format!("dn: {}\nchangetype: modify\n", place(person.name));
        for (attribute, values) in attributes(person) {
            text.push_str(&format!("replace: {attribute}\n"));
            for value in values {
                text.push_str(&format!("{attribute}: {value}\n"));
            }
            text.push_str("-\n");
        }
        self.samba.change(&text);
    }

    fn remove(&mut self, name: &str) {
        let text = format!("dn: {}\nchangetype: delete\n", place(name));
        self.samba.change(&text);
    }
}

fn bob() -> Person {
    Person::new("bob", &["bob@lab.test"], What::Mailbox)
}

#[test]
fn active_directory_conforms() {
    if possible("active_directory_conforms") {
        conformance::suite(&mut ActiveDirectory::new(|settings| settings));
    }
}

#[test]
fn active_directory_without_dir_sync_conforms() {
    if possible("active_directory_without_dir_sync_conforms") {
        conformance::suite(&mut ActiveDirectory::new(|settings| LdapSettings {
            dir_sync: false,
            ..settings
        }));
    }
}

#[test]
fn restrictions_and_limits_are_taken_from_exchange_attributes() {
    if !possible("restrictions_and_limits_are_taken_from_exchange_attributes") {
        return;
    }
    let mut domain = ActiveDirectory::new(|settings| settings);
    domain.add(&bob());
    let group = Person::new(
        "staff",
        &["staff@lab.test"],
        What::Group {
            members: vec!["bob"],
        },
    );
    domain.add(&group);
    domain.samba.change(&format!(
        "dn: {}\nchangetype: modify\nadd: authOrig\nauthOrig: {bob}\n-\nadd: dLMemRejectPerms\n\
         dLMemRejectPerms: {staff}\n-\nadd: hideDLMembership\nhideDLMembership: TRUE\n-\n\
         add: delivContLength\ndelivContLength: 100\n-\nadd: managedBy\nmanagedBy: {bob}\n-\n\
         add: reportToOriginator\nreportToOriginator: FALSE\n-\nadd: reportToOwner\n\
         reportToOwner: TRUE\n",
        place("staff"),
        bob = place("bob"),
        staff = place("staff")
    ));
    wait::until("the restrictions", || {
        let snapshot = domain.followed.snapshot();
        if domain.followed.accept("staff@lab.test") != Acceptance::Recipient {
            return None;
        }
        let Found::Group(staff) = found(&snapshot, "staff@lab.test") else {
            panic!("a group");
        };
        let owner = staff
            .owner
            .as_ref()
            .and_then(|owner| snapshot.member(owner));
        let all = staff.accept_from.len() == 1
            && staff.reject_from.len() == 1
            && staff.hidden_members == Some(true)
            && staff
                .max_receive_size
                .is_some_and(|size| size.0 == 100 * 1024)
            && owner.is_some_and(|owner| owner.name().as_str() == "bob");
        all.then_some(())
    });
}

#[test]
fn passwords_are_checked_by_the_domain_and_disabled_accounts_are_refused() {
    if !possible("passwords_are_checked_by_the_domain_and_disabled_accounts_are_refused") {
        return;
    }
    let domain = ActiveDirectory::new(|settings| settings);
    domain.samba.change(&format!(
        "dn: {}\nchangetype: modify\nreplace: mail\nmail: alice@lab.test\n",
        place("alice")
    ));
    domain
        .followed
        .until("alice@lab.test", Acceptance::Recipient);
    let login = domain.followed.snapshot().login("alice@lab.test").unwrap();
    let [Proof::Bind(dn)] = &login.proofs[..] else {
        panic!("checked by the directory");
    };
    assert_eq!(domain.followed.check_password(dn, SECRET), Ok(true));
    assert_eq!(domain.followed.check_password(dn, "Wrong-1"), Ok(false));
    assert_eq!(domain.followed.check_password(dn, ""), Ok(false));
    domain.samba.change(&format!(
        "dn: {}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n",
        place("alice")
    ));
    wait::until("alice can't log in any more", || {
        domain
            .followed
            .snapshot()
            .login("alice")
            .is_none()
            .then_some(())
    });
    assert_eq!(domain.followed.check_password(dn, SECRET), Ok(false));
    assert_eq!(
        domain.followed.accept("alice@lab.test"),
        Acceptance::Recipient
    );
}

#[test]
fn a_domain_that_was_set_back_is_read_anew() {
    if !possible("a_domain_that_was_set_back_is_read_anew") {
        return;
    }
    let mut domain = ActiveDirectory::new(|settings| settings);
    domain.add(&bob());
    domain.followed.until("bob@lab.test", Acceptance::Recipient);
    domain.samba.stop();
    let backup = domain.samba.backup();
    domain.samba.run();
    for name in ["eve", "zoe", "kim"] {
        let address: &'static str = Box::leak(format!("{name}@lab.test").into_boxed_str());
        domain.add(&Person::new(name, &[address], What::Mailbox));
    }
    domain.remove("bob");
    domain.followed.until("kim@lab.test", Acceptance::Recipient);
    domain.followed.until("bob@lab.test", Acceptance::Unknown);
    domain.samba.stop();
    domain.samba.restore(&backup);
    domain.samba.run();
    domain.followed.until("bob@lab.test", Acceptance::Recipient);
    domain.followed.until("kim@lab.test", Acceptance::Unknown);
}

#[test]
fn a_domain_controller_that_is_gone_is_passed_over() {
    if !possible("a_domain_controller_that_is_gone_is_passed_over") {
        return;
    }
    let mut domain = ActiveDirectory::new(|settings| LdapSettings {
        servers: vec![
            ServerUrl::parse("ldaps://localhost:1").unwrap(),
            settings.servers[0].clone(),
        ],
        ..settings
    });
    domain.add(&bob());
    domain.followed.until("bob@lab.test", Acceptance::Recipient);
}

#[test]
fn configuration_stands_in_connection_points_of_the_configuration_partition() {
    if !possible("configuration_stands_in_connection_points_of_the_configuration_partition") {
        return;
    }
    let container = format!("CN=Bridgehead,CN=Services,CN=Configuration,{BASE}");
    let with_container = container.clone();
    let domain = ActiveDirectory::new(|settings| LdapSettings {
        configuration_base: Some(with_container),
        ..settings
    });
    domain.samba.change(&format!(
        "dn: {container}\nchangetype: add\nobjectClass: container\n\n\
         dn: CN=more.test,{container}\nchangetype: add\nobjectClass: serviceConnectionPoint\n\
         serviceClassName: bridgehead\nserviceBindingInformation: 1:[[accepted-domain]]\n\
         serviceBindingInformation: 2:name = \"more.test\"\n"
    ));
    domain.followed.until("x@more.test", Acceptance::Unknown);
    domain.samba.change(&format!(
        "dn: CN=more.test,{container}\nchangetype: delete\n"
    ));
    domain.followed.until("x@more.test", Acceptance::NotOurs);
}

/// Who may read deleted objects needs no list.
#[test]
fn an_administrator_sees_deletions_at_once() {
    if !possible("an_administrator_sees_deletions_at_once") {
        return;
    }
    let mut domain = ActiveDirectory::new(|settings| LdapSettings {
        user: ADMIN.to_owned(),
        compare: Duration::from_secs(86_400),
        ..settings
    });
    domain.add(&bob());
    domain.followed.until("bob@lab.test", Acceptance::Recipient);
    domain.remove("bob");
    domain.followed.until("bob@lab.test", Acceptance::Unknown);
}

/// Not there at first.
const CONTAINER: &str = "CN=Bridgehead,CN=Services,CN=Configuration,DC=lab,DC=test";

/// Servers that share an organisation in this domain.
fn joining(samba: &Samba) -> impl Fn(&str) -> Followed {
    let settings = LdapSettings {
        configuration_base: Some(CONTAINER.to_owned()),
        user: ADMIN.to_owned(),
        ..settings(samba)
    };
    move |name| Followed::sharing(name, settings.clone(), Some(samba.namespace()))
}

#[test]
fn a_change_reaches_all_servers() {
    if possible("a_change_reaches_all_servers") {
        sharing::a_change_reaches_all_servers(&joining(&Samba::start()));
    }
}

#[test]
fn of_two_who_write_at_once_one_is_told() {
    if possible("of_two_who_write_at_once_one_is_told") {
        sharing::of_two_who_write_at_once_one_is_told(&joining(&Samba::start()));
    }
}

#[test]
fn a_change_is_tried_on_some_servers_first() {
    if possible("a_change_is_tried_on_some_servers_first") {
        sharing::a_change_is_tried_on_some_servers_first(&joining(&Samba::start()));
    }
}

#[test]
fn what_others_break_isnt_in_force() {
    if !possible("what_others_break_isnt_in_force") {
        return;
    }
    let samba = Samba::start();
    let head = format!(
        "dn: CN=head,{CONTAINER}\nchangetype: modify\nreplace: serviceBindingInformation\n\
         serviceBindingInformation: 1:[head]\nserviceBindingInformation: 2:change = \"nonsense\"\n"
    );
    let meddle = |ldif: &str| samba.change(ldif);
    sharing::what_others_break_isnt_in_force(&joining(&samba), &meddle, &head, CONTAINER);
}

#[test]
fn who_may_only_read_is_told_so() {
    if !possible("who_may_only_read_is_told_so") {
        return;
    }
    let samba = Samba::start();
    let settings = LdapSettings {
        configuration_base: Some(CONTAINER.to_owned()),
        ..settings(&samba)
    };
    let reader = Followed::sharing("one", settings, Some(samba.namespace()));
    sharing::who_may_only_read_is_told_so(&reader);
}
