//! The organisation as one text: read with all faults at once, written in canonical form.

use crate::check::check;
use crate::feed::Object;
use crate::reader::{find, read_document, unknown};
use crate::recipients::Recipients;
use crate::{
    AcceptedDomain, AddressPolicy, Administrator, Connector, Contact, DynamicGroup, Fault, Fields,
    Found, Group, JournalRule, Key, Mailbox, Organization, Place, Report, RoutingGroup, Schema,
    Server, TableWriter, VirtualServer,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::mem::take;
use toml::de::DeTable;

/// All objects of an organisation, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Organisation {
    /// The organisation itself; none before the first apply.
    pub organization: Option<Organization>,
    /// The domains for which mail is taken.
    pub accepted_domains: Vec<AcceptedDomain>,
    /// The sites.
    pub routing_groups: Vec<RoutingGroup>,
    /// The machines.
    pub servers: Vec<Server>,
    /// Their addresses and ports.
    pub virtual_servers: Vec<VirtualServer>,
    /// The ways out.
    pub connectors: Vec<Connector>,
    /// The mailboxes.
    pub mailboxes: Vec<Mailbox>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The contacts.
    pub contacts: Vec<Contact>,
    /// The groups whose members are found by a filter.
    pub dynamic_groups: Vec<DynamicGroup>,
    /// How recipients get their addresses.
    pub address_policies: Vec<AddressPolicy>,
    /// What is copied to an archive.
    pub journal_rules: Vec<JournalRule>,
    /// Who may administer it.
    pub administrators: Vec<Administrator>,
}

/// Where everything stands in the file, and which names belong to faulty objects.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: HashMap<(&'static str, usize), Place>,
    /// Kind and lower-case name of objects that couldn't be read: references to them aren't faults too.
    pub(crate) broken: HashSet<(&'static str, String)>,
    unknown: Place,
}

impl Places {
    /// Where the object of this kind with this index is.
    pub(crate) fn of<S: Schema>(&self, index: usize) -> &Place {
        self.places.get(&(S::KIND, index)).unwrap_or(&self.unknown)
    }
}

impl Places {
    /// Notes that the object that was added last is the so-manyth of a list: lines stand for places in it, from 1.
    pub(crate) fn number(&mut self, whole: &Organisation, object: &Object, at: usize) {
        let index = match object {
            Object::Organization(_) => 1,
            Object::AcceptedDomain(_) => whole.accepted_domains.len(),
            Object::RoutingGroup(_) => whole.routing_groups.len(),
            Object::Server(_) => whole.servers.len(),
            Object::VirtualServer(_) => whole.virtual_servers.len(),
            Object::Connector(_) => whole.connectors.len(),
            Object::AddressPolicy(_) => whole.address_policies.len(),
            Object::JournalRule(_) => whole.journal_rules.len(),
            Object::Administrator(_) => whole.administrators.len(),
            Object::Mailbox(_)
            | Object::Group(_)
            | Object::DynamicGroup(_)
            | Object::Contact(_) => return,
        };
        let label = match object {
            Object::Organization(_) => Organization::KIND.to_owned(),
            other => format!("{} {}", other.kind(), other.name()),
        };
        let line = u64::try_from(at).map_or(0, |at| at.saturating_add(1));
        let place = Place::at(label, line);
        self.places
            .insert((object.kind(), index.saturating_sub(1)), place);
    }
}

/// An object of any kind with a name of its own.
pub(crate) trait Named: Schema {
    /// Its name.
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($kind:ident),+) => {
        $( impl Named for $kind { fn name(&self) -> &str { self.name.as_str() } } )+
    };
}

named!(
    AcceptedDomain,
    RoutingGroup,
    Server,
    VirtualServer,
    Connector,
    Mailbox,
    Group,
    Contact,
    DynamicGroup,
    AddressPolicy,
    JournalRule,
    Administrator
);

/// Reads an organisation file. On success also what can be lived with.
///
/// # Errors
/// All faults, by line.
pub fn parse_organisation(
    text: &str,
    file: &str,
) -> Result<(Organisation, Vec<Fault>), Vec<Fault>> {
    parse_knowing(text, file, Knowledge::Everything)
}

/// What the checks can rely on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Knowledge<'c> {
    /// The text has all objects.
    Everything,
    /// Other objects are in another directory, and who is there isn't known.
    Configuration,
    /// Other objects are in another directory, of which this is the copy. It may be a moment behind, so who isn't in it
    /// is a warning.
    Copy(&'c Recipients),
}

/// The same, where other objects may be in another directory.
pub(crate) fn parse_knowing(
    text: &str,
    file: &str,
    knowledge: Knowledge<'_>,
) -> Result<(Organisation, Vec<Fault>), Vec<Fault>> {
    let mut report = Report::new(file, text);
    if let Some(document) = read_document(text, &mut report) {
        require_organization(&document, &mut report);
        let (organisation, places) = read(&document, &mut report);
        check(&organisation, &places, &mut report, knowledge);
        return Ok((organisation, report.finish()?));
    }
    report
        .finish()
        .map(|warnings| (Organisation::default(), warnings))
}

/// Reads without the checks across objects: for texts this room wrote itself.
pub(crate) fn parse_unchecked(text: &str, file: &str) -> Result<Organisation, Vec<Fault>> {
    let mut report = Report::new(file, text);
    let Some(document) = read_document(text, &mut report) else {
        return report.finish().map(|_| Organisation::default());
    };
    require_organization(&document, &mut report);
    let (organisation, _) = read(&document, &mut report);
    report.finish().map(|_| organisation)
}

/// Reads any objects, also without an organisation, and without the checks across objects.
pub(crate) fn parse_objects(text: &str, file: &str) -> Result<Organisation, Vec<Fault>> {
    let mut report = Report::new(file, text);
    let document = read_document(text, &mut report);
    let organisation = document.map(|document| read(&document, &mut report).0);
    report.finish().map(|_| organisation.unwrap_or_default())
}

fn require_organization(document: &DeTable<'_>, report: &mut Report) {
    if find(document, Organization::KIND).is_none() {
        let reason = "is missing; [organization] with name and postmaster is expected";
        report.fault(0, Organization::KIND, reason);
    }
}

fn read(document: &DeTable<'_>, report: &mut Report) -> (Organisation, Places) {
    let mut places = Places::default();
    refuse_unknown_tables(document, report);
    let organisation = Organisation {
        organization: read_organization(document, &mut places, report),
        accepted_domains: read_all(document, &mut places, report),
        routing_groups: read_all(document, &mut places, report),
        servers: read_all(document, &mut places, report),
        virtual_servers: read_all(document, &mut places, report),
        connectors: read_all(document, &mut places, report),
        mailboxes: read_all(document, &mut places, report),
        groups: read_all(document, &mut places, report),
        contacts: read_all(document, &mut places, report),
        dynamic_groups: read_all(document, &mut places, report),
        address_policies: read_all(document, &mut places, report),
        journal_rules: read_all(document, &mut places, report),
        administrators: read_all(document, &mut places, report),
    };
    (organisation, places)
}

fn refuse_unknown_tables(document: &DeTable<'_>, report: &mut Report) {
    let known = reference().map(|(kind, ..)| kind);
    for (key, _) in document {
        let name: &str = key.get_ref();
        if !known.contains(&name) {
            let reason = unknown(name, known.into_iter(), "a file has");
            let line = report.line(key.span().start);
            report.fault(line, name.escape_debug().to_string(), reason);
        }
    }
}

fn read_organization(
    document: &DeTable<'_>,
    places: &mut Places,
    report: &mut Report,
) -> Option<Organization> {
    let (offset, value) = find(document, Organization::KIND)?;
    let line = report.line(offset);
    let Some(table) = value.get_ref().as_table() else {
        report.fault(
            line,
            Organization::KIND,
            "one table [organization] is expected",
        );
        return None;
    };
    let (organization, place, _) = Fields::read(table, line, None, report);
    places.places.insert((Organization::KIND, 0), place);
    organization
}

fn read_all<S: Schema>(document: &DeTable<'_>, places: &mut Places, report: &mut Report) -> Vec<S> {
    let Some((offset, value)) = find(document, S::KIND) else {
        return Vec::new();
    };
    let Some(items) = value.get_ref().as_array() else {
        let line = report.line(offset);
        report.fault(
            line,
            S::KIND,
            format!("is written as [[{}]], with two brackets", S::KIND),
        );
        return Vec::new();
    };
    let mut objects = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let line = report.line(item.span().start);
        let Some(table) = item.get_ref().as_table() else {
            report.fault(line, S::KIND, "a table is expected");
            continue;
        };
        let (object, place, name) = Fields::read::<S>(table, line, Some(index + 1), report);
        match (object, name) {
            (Some(object), _) => {
                places.places.insert((S::KIND, objects.len()), place);
                objects.push(object);
            }
            (None, Some(name)) => {
                places.broken.insert((S::KIND, name.to_lowercase()));
            }
            (None, None) => {}
        }
    }
    objects
}

/// Every kind with what it is and its keys, in the order of the file: what the reference is written from.
#[must_use]
pub const fn reference() -> [(&'static str, &'static str, &'static [Key]); 13] {
    const fn row<S: Schema>() -> (&'static str, &'static str, &'static [Key]) {
        (S::KIND, S::DOC, S::KEYS)
    }
    [
        row::<Organization>(),
        row::<AcceptedDomain>(),
        row::<RoutingGroup>(),
        row::<Server>(),
        row::<VirtualServer>(),
        row::<Connector>(),
        row::<Mailbox>(),
        row::<Group>(),
        row::<Contact>(),
        row::<Administrator>(),
        row::<DynamicGroup>(),
        row::<AddressPolicy>(),
        row::<JournalRule>(),
    ]
}

/// The key of an object in the directory: place of its kind in the file, kind, name in lower case.
pub(crate) type ObjectKey = (u8, &'static str, String);

impl Organisation {
    /// The whole as a text in canonical form: objects by kind, then by name.
    #[must_use]
    pub fn to_text(&self) -> String {
        let texts: Vec<String> = self.texts().into_values().map(|(_, text)| text).collect();
        texts.join("\n")
    }

    /// Each object's name and canonical text by its key.
    pub(crate) fn texts(&self) -> BTreeMap<ObjectKey, (String, String)> {
        let mut texts = BTreeMap::new();
        if let Some(organization) = &self.organization {
            let mut out = TableWriter::default();
            out.header("[organization]");
            organization.write(&mut out);
            let name = organization.name.0.to_string();
            let key = (0, Organization::KIND, String::new());
            texts.insert(key, (name, out.finish()));
        }
        write_all(1, &self.accepted_domains, &mut texts);
        write_all(2, &self.routing_groups, &mut texts);
        write_all(3, &self.servers, &mut texts);
        write_all(4, &self.virtual_servers, &mut texts);
        write_all(5, &self.connectors, &mut texts);
        write_all(6, &self.mailboxes, &mut texts);
        write_all(7, &self.groups, &mut texts);
        write_all(8, &self.contacts, &mut texts);
        write_all(9, &self.administrators, &mut texts);
        write_all(10, &self.dynamic_groups, &mut texts);
        write_all(11, &self.address_policies, &mut texts);
        write_all(12, &self.journal_rules, &mut texts);
        texts
    }
}

impl Organisation {
    /// Adds an object.
    pub(crate) fn add(&mut self, object: Object) {
        match object {
            Object::Organization(object) => self.organization = Some(object),
            Object::AcceptedDomain(object) => self.accepted_domains.push(object),
            Object::RoutingGroup(object) => self.routing_groups.push(object),
            Object::Server(object) => self.servers.push(object),
            Object::VirtualServer(object) => self.virtual_servers.push(object),
            Object::Connector(object) => self.connectors.push(object),
            Object::Mailbox(object) => self.mailboxes.push(object),
            Object::Group(object) => self.groups.push(object),
            Object::DynamicGroup(object) => self.dynamic_groups.push(object),
            Object::Contact(object) => self.contacts.push(object),
            Object::AddressPolicy(object) => self.address_policies.push(object),
            Object::JournalRule(object) => self.journal_rules.push(object),
            Object::Administrator(object) => self.administrators.push(object),
        }
    }

    /// All but the recipients, and the recipients.
    pub(crate) fn split(mut self) -> (Self, Vec<Found>) {
        let recipients = Self {
            mailboxes: take(&mut self.mailboxes),
            groups: take(&mut self.groups),
            dynamic_groups: take(&mut self.dynamic_groups),
            contacts: take(&mut self.contacts),
            ..Self::default()
        };
        let objects = recipients.into_objects();
        let found = objects.into_iter().filter_map(Found::of).collect();
        (self, found)
    }
}

impl Organisation {
    /// All its objects.
    pub(crate) fn into_objects(self) -> Vec<Object> {
        let mut all: Vec<Object> = self
            .organization
            .map(Object::Organization)
            .into_iter()
            .collect();
        all.extend(
            self.accepted_domains
                .into_iter()
                .map(Object::AcceptedDomain),
        );
        all.extend(self.routing_groups.into_iter().map(Object::RoutingGroup));
        all.extend(self.servers.into_iter().map(Object::Server));
        all.extend(self.virtual_servers.into_iter().map(Object::VirtualServer));
        all.extend(self.connectors.into_iter().map(Object::Connector));
        all.extend(self.mailboxes.into_iter().map(Object::Mailbox));
        all.extend(self.groups.into_iter().map(Object::Group));
        all.extend(self.contacts.into_iter().map(Object::Contact));
        all.extend(self.administrators.into_iter().map(Object::Administrator));
        all.extend(self.dynamic_groups.into_iter().map(Object::DynamicGroup));
        all.extend(self.address_policies.into_iter().map(Object::AddressPolicy));
        all.extend(self.journal_rules.into_iter().map(Object::JournalRule));
        all
    }
}

fn write_all<S: Named>(rank: u8, objects: &[S], texts: &mut BTreeMap<ObjectKey, (String, String)>) {
    for object in objects {
        let mut out = TableWriter::default();
        out.header(&format!("[[{}]]", S::KIND));
        object.write(&mut out);
        let name = object.name().to_owned();
        let key = (rank, S::KIND, name.to_lowercase());
        texts.insert(key, (name, out.finish()));
    }
}
