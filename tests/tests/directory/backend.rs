//! The same people in each back-end, written the way of each.

use crate::followed::{CONFIGURATION, Followed, apply};
use bridgehead_directory::Directory;
use bridgehead_ldap_directory::{LdapSettings, ServerUrl};
use bridgehead_tests::slapd::{ADMIN, BASE, SECRET, Slapd};
use std::time::Duration;

/// Somebody, or something, that gets mail.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    /// The first is the primary one.
    pub(crate) addresses: Vec<&'static str>,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Mailbox,
    Forwarding { to: &'static str },
    Group { members: Vec<&'static str> },
    Contact { target: &'static str },
}

impl Person {
    pub(crate) fn new(name: &'static str, addresses: &[&'static str], what: What) -> Self {
        Self {
            name,
            addresses: addresses.to_vec(),
            what,
        }
    }
}

/// A directory in which people are put by its own means.
pub(crate) trait Backend {
    fn directory(&self) -> &Directory;
    fn add(&mut self, person: &Person);
    fn change(&mut self, person: &Person);
    fn remove(&mut self, name: &str);
}

/// The embedded directory.
pub(crate) struct Embedded {
    directory: Directory,
    people: Vec<Person>,
    _folder: tempfile::TempDir,
}

impl Embedded {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            directory: Directory::open_embedded(folder.path()).unwrap(),
            people: Vec::new(),
            _folder: folder,
        }
    }

    fn write(&self) {
        let mut text = CONFIGURATION.to_owned();
        text.push_str("[[mailbox]]\nname = \"post\"\naddresses = [\"postmaster@lab.test\"]\n");
        let list = |items: &[&str]| {
            let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
            format!("[{}]", items.join(", "))
        };
        for person in &self.people {
            let (kind, more) = match &person.what {
                What::Mailbox => ("mailbox", String::new()),
                What::Forwarding { to } => ("mailbox", format!("forward-to = [\"{to}\"]\n")),
                What::Group { members } => ("group", format!("members = {}\n", list(members))),
                What::Contact { target } => ("contact", format!("target = \"{target}\"\n")),
            };
            text.push_str(&format!(
                "[[{kind}]]\nname = \"{}\"\naddresses = {}\n{more}",
                person.name,
                list(&person.addresses)
            ));
        }
        apply(&self.directory, &text);
    }
}

impl Backend for Embedded {
    fn directory(&self) -> &Directory {
        &self.directory
    }

    fn add(&mut self, person: &Person) {
        self.people.push(person.clone());
        self.write();
    }

    fn change(&mut self, person: &Person) {
        self.people.retain(|known| known.name != person.name);
        self.add(person);
    }

    fn remove(&mut self, name: &str) {
        self.people.retain(|known| known.name != name);
        self.write();
    }
}

/// The settings for a slapd.
pub(crate) fn settings(slapd: &Slapd) -> LdapSettings {
    let servers = vec![ServerUrl::parse(&slapd.url()).unwrap()];
    LdapSettings {
        ca_file: Some(slapd.ca_file()),
        poll: Duration::from_millis(200),
        ..LdapSettings::new(servers, BASE, ADMIN, SECRET)
    }
}

pub(crate) fn place(name: &str) -> String {
    format!("cn={name},ou=people,{BASE}")
}

/// The attributes of a person in OpenLDAP.
pub(crate) fn ldif(person: &Person) -> Vec<(String, Vec<String>)> {
    let text = |text: &str| vec![text.to_owned()];
    let mut all = vec![("cn".to_owned(), text(person.name))];
    let mut set = |name: &str, values: Vec<String>| all.push((name.to_owned(), values));
    set("mail", text(person.addresses[0]));
    let more: Vec<String> = person.addresses[1..]
        .iter()
        .map(|a| (*a).to_owned())
        .collect();
    set("bridgeheadAddress", more);
    let of_person = ["inetOrgPerson", "bridgeheadRecipient"];
    let of_group = ["groupOfNames", "bridgeheadRecipient"];
    let classes = match &person.what {
        What::Group { .. } => of_group,
        _ => of_person,
    };
    set(
        "objectClass",
        classes.iter().map(|c| (*c).to_owned()).collect(),
    );
    match &person.what {
        What::Group { members } => {
            set("member", members.iter().map(|name| place(name)).collect());
        }
        What::Mailbox => {
            set("sn", text(person.name));
            set("userPassword", text(SECRET));
        }
        What::Forwarding { to } => {
            set("sn", text(person.name));
            set(
                "bridgeheadSetting",
                vec![format!("forward-to = [\"{}\"]", place(to))],
            );
        }
        What::Contact { target } => {
            set("sn", text(person.name));
            set("bridgeheadKind", text("contact"));
            set("bridgeheadSetting", vec![format!("target = \"{target}\"")]);
        }
    }
    all.retain(|(_, values)| !values.is_empty());
    all
}

/// A new entry as LDIF.
pub(crate) fn added(person: &Person) -> String {
    let mut text = format!("dn: {}\n", place(person.name));
    for (attribute, values) in ldif(person) {
        for value in values {
            text.push_str(&format!("{attribute}: {value}\n"));
        }
    }
    text.push('\n');
    text
}

/// OpenLDAP, followed.
pub(crate) struct OpenLdap {
    pub(crate) slapd: Slapd,
    pub(crate) followed: Followed,
}

impl OpenLdap {
    pub(crate) fn new(slapd: Slapd) -> Self {
        let followed = Followed::new(settings(&slapd));
        Self { slapd, followed }
    }
}

impl Backend for OpenLdap {
    fn directory(&self) -> &Directory {
        &self.followed.directory
    }

    fn add(&mut self, person: &Person) {
        let entry = added(person);
        let entry = entry.replacen('\n', "\nchangetype: add\n", 1);
        self.slapd.change(&entry);
    }

    fn change(&mut self, person: &Person) {
        let mut text = format!("dn: {}\nchangetype: modify\n", place(person.name));
        for (attribute, values) in ldif(person) {
            if attribute == "cn" || attribute == "objectClass" {
                continue;
            }
            text.push_str(&format!("replace: {attribute}\n"));
            for value in values {
                text.push_str(&format!("{attribute}: {value}\n"));
            }
            text.push_str("-\n");
        }
        self.slapd.change(&text);
    }

    fn remove(&mut self, name: &str) {
        let text = format!("dn: {}\nchangetype: delete\n", place(name));
        self.slapd.change(&text);
    }
}
