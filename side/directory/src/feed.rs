//! What a back-end that isn't embedded tells: objects that are there, that changed, that are gone.
//!
//! Guards: an object keeps its identity when its name or place changes; one that can't be used is told with the reason,
//! and stands alone with it.

use crate::StoredPart;
use crate::organisation::parse_objects;
use crate::shared::Part;
use crate::{
    AcceptedDomain, AddressPolicy, Administrator, Connector, Contact, DynamicGroup, Fault, Group,
    JournalRule, Mailbox, Organization, RoutingGroup, Schema, Server, TableWriter, VirtualServer,
};
use std::collections::BTreeSet;

/// The identity of an entry in its back-end, which outlives renames and moves: objectGUID or entryUUID as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub Box<str>);

/// An object of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its kind")]
pub enum Object {
    Organization(Organization),
    AcceptedDomain(AcceptedDomain),
    RoutingGroup(RoutingGroup),
    Server(Server),
    VirtualServer(VirtualServer),
    Connector(Connector),
    Mailbox(Mailbox),
    Group(Group),
    DynamicGroup(DynamicGroup),
    Contact(Contact),
    AddressPolicy(AddressPolicy),
    JournalRule(JournalRule),
    Administrator(Administrator),
}

impl Object {
    /// Its kind, as `virtual-server`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => Organization::KIND,
            Self::AcceptedDomain(_) => AcceptedDomain::KIND,
            Self::RoutingGroup(_) => RoutingGroup::KIND,
            Self::Server(_) => Server::KIND,
            Self::VirtualServer(_) => VirtualServer::KIND,
            Self::Connector(_) => Connector::KIND,
            Self::Mailbox(_) => Mailbox::KIND,
            Self::Group(_) => Group::KIND,
            Self::DynamicGroup(_) => DynamicGroup::KIND,
            Self::Contact(_) => Contact::KIND,
            Self::AddressPolicy(_) => AddressPolicy::KIND,
            Self::JournalRule(_) => JournalRule::KIND,
            Self::Administrator(_) => Administrator::KIND,
        }
    }

    /// Its name; that of a domain for an accepted domain, of the organisation for itself.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Organization(object) => &object.name.0,
            Self::AcceptedDomain(object) => object.name.as_str(),
            Self::RoutingGroup(object) => object.name.as_str(),
            Self::Server(object) => object.name.as_str(),
            Self::VirtualServer(object) => object.name.as_str(),
            Self::Connector(object) => object.name.as_str(),
            Self::Mailbox(object) => object.name.as_str(),
            Self::Group(object) => object.name.as_str(),
            Self::DynamicGroup(object) => object.name.as_str(),
            Self::Contact(object) => object.name.as_str(),
            Self::AddressPolicy(object) => object.name.as_str(),
            Self::JournalRule(object) => object.name.as_str(),
            Self::Administrator(object) => object.name.as_str(),
        }
    }

    /// Whether it is somebody who gets mail.
    #[must_use]
    pub fn is_recipient(&self) -> bool {
        matches!(
            self,
            Self::Mailbox(_) | Self::Group(_) | Self::DynamicGroup(_) | Self::Contact(_)
        )
    }

    /// Its canonical text, as in the organisation's file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = TableWriter::default();
        match self {
            Self::Organization(object) => {
                out.header("[organization]");
                object.write(&mut out);
            }
            Self::AcceptedDomain(object) => write(object, &mut out),
            Self::RoutingGroup(object) => write(object, &mut out),
            Self::Server(object) => write(object, &mut out),
            Self::VirtualServer(object) => write(object, &mut out),
            Self::Connector(object) => write(object, &mut out),
            Self::Mailbox(object) => write(object, &mut out),
            Self::Group(object) => write(object, &mut out),
            Self::DynamicGroup(object) => write(object, &mut out),
            Self::Contact(object) => write(object, &mut out),
            Self::AddressPolicy(object) => write(object, &mut out),
            Self::JournalRule(object) => write(object, &mut out),
            Self::Administrator(object) => write(object, &mut out),
        }
        out.finish()
    }

    /// The object that a text of [`Self::to_text`] is; none if it isn't exactly one. Its references aren't checked.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, "").ok()
    }

    /// The same, from a text that others may have written.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn read(text: &str, file: &str) -> Result<Self, String> {
        let organisation = parse_objects(text, file).map_err(|faults| {
            let words: Vec<String> = faults.iter().map(Fault::reason_with_key).collect();
            words.join("; ")
        })?;
        let mut objects = organisation.into_objects();
        match (objects.pop(), objects.pop()) {
            (Some(object), None) => Ok(object),
            _ => Err("exactly one object is expected".to_owned()),
        }
    }
}

fn write<S: Schema>(object: &S, out: &mut TableWriter) {
    out.header(&format!("[[{}]]", S::KIND));
    object.write(out);
}

impl StoredPart {
    /// Whether a text is that of a part of the shared organisation, and not of an object.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        Part::is_one(text)
    }
}

/// An entry of a back-end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: EntryId,
    /// Where it stands: its DN.
    pub place: Box<str>,
    /// The object it is; or why it can't be used.
    pub content: Result<Object, String>,
}

/// One piece of news of a back-end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A full picture begins: what isn't put until the next commit is gone.
    Full,
    /// An entry is there, new or changed.
    Put(Box<Entry>),
    /// A part of the organisation that several servers share is there, new or changed.
    Part(EntryId, StoredPart),
    /// An entry is gone.
    Gone(EntryId),
    /// Of all entries only these are there; the others are gone.
    Only(BTreeSet<EntryId>),
    /// All since the last commit belongs together. The octets say where to go on from; only the back-end reads them.
    Commit(Vec<u8>),
    /// Connected, and nothing is new.
    Alive,
    /// Something is wrong, in words for the operator that name the server. The copy stays in force.
    Trouble(String),
}
