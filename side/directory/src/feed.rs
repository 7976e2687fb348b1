//! What a back-end that isn't embedded tells: objects that are there, that changed, that are gone.
//!
//! Guards: an object keeps its identity when its name or place changes; one that can't be used is told with the reason,
//! and stands alone with it.

use crate::{
    AcceptedDomain, AddressPolicy, Administrator, Connector, Contact, DynamicGroup, Group,
    JournalRule, Mailbox, Organization, RoutingGroup, Server, VirtualServer,
};

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
    /// An entry is gone.
    Gone(EntryId),
    /// All since the last commit belongs together. The octets say where to go on from; only the back-end reads them.
    Commit(Vec<u8>),
    /// Connected, and nothing is new.
    Alive,
    /// Something is wrong, in words for the operator that name the server. The copy stays in force.
    Trouble(String),
}
