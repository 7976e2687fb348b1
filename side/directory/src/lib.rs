//! Objects of the organisation, lookups, snapshots; the embedded directory behind the seam where AD and LDAP will stand.
//!
//! What it is: the object model with its text form (`text -> checked objects -> canonical text`), immutable
//! [`Snapshot`]s with fast lookups, and the embedded [`Directory`] that keeps objects and their history. What it
//! guards: a snapshot is always a whole organisation without a fault; a change applies as a whole or not at all;
//! clear-text passwords are never stored. What it may refuse: a text, with every fault named by file, line, key and
//! reason.

mod assemble;
mod bind;
mod change;
mod check;
mod copying;
mod drive;
mod effect;
mod embedded;
mod error;
mod fault;
mod feed;
mod fetching;
mod filter;
mod follower;
mod found;
mod homes;
mod key;
mod language;
mod lookup;
mod member_key;
mod metabase;
mod objects;
mod organisation;
mod pacing;
mod password;
mod permission;
mod reader;
mod recipients;
mod shared;
mod snapshot;
mod stamp;
mod template;
mod units;
mod value;
mod view;
mod words;
mod writer;

pub use assemble::Rejected;
pub use bind::{Bind, BindError, Bound};
pub use bridgehead_mail::{Hours, Rate, Size, Wait};
pub use change::{Change, HistoryEntry, ObjectChange};
pub use drive::{Directory, Wish};
pub use error::{HistoryError, OpenError};
pub use fault::{Fault, Report};
pub use feed::{Entry, EntryId, News, Object};
pub use fetching::{Fetch, FetchBy};
pub use filter::{Attribute, Attributes, Filter};
pub use follower::{FollowError, Follower};
pub use found::Found;
pub use homes::Moves;
pub use key::{Key, Presence, Schema};
pub use language::Language;
pub use member_key::MemberKey;
pub use objects::{
    AcceptedDomain, AddressPolicy, Administrator, Connector, Contact, DynamicGroup, Group,
    JournalRule, Mailbox, Organization, RoutingGroup, Server, VirtualServer,
};
pub use organisation::{Organisation, parse_organisation, reference};
pub use pacing::{DomainLimit, Zone};
pub use password::{Password, verify_password};
pub use permission::{Restriction, Sender, Standing};
pub use reader::{Fields, Place, read_document};
pub use shared::{Later, SharedDirectory, SharedError, Step, StoredPart};
pub use snapshot::{Acceptance, How, Login, Proof, Resolution, Snapshot};
pub use template::{AddressTemplate, Person};
pub use value::{RawValue, Value, quote, string};
pub use view::{Copied, Shared, Trial, View};
pub use words::{
    AddressSpace, BareLineEnds, ConnectorTls, DomainKind, EightBit, Member, Name, NameServer,
    NextHopKind, Pattern, ReportTo, Role, Scope, Secret, SmartHost, Urgency, Words,
};
pub use writer::TableWriter;
