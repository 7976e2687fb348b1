//! An immutable picture of the organisation with fast lookups: same question, same version, same answer.
//!
//! Guards: no network, no lock, no file behind any question. Addresses are looked up without regard to case
//! (RFC 5321 §2.4 leaves the local part to its owner: us).

use crate::{
    Attribute, Attributes, Contact, DomainKind, DynamicGroup, Filter, Group, Mailbox, Member, Name,
    Organisation, Password, Words,
};
use bridgehead_mail::{Address, Domain};
use std::collections::HashMap;

/// Whether mail for an address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// Somebody here has it.
    Recipient,
    /// The domain is ours and nobody has it: 550 5.1.1.
    Unknown,
    /// The domain is one we pass mail on for.
    RelayDomain,
    /// The domain is none of ours: only for those who may relay.
    NotOurs,
}

/// Who may log in, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Login<'a> {
    /// The mailbox's name.
    pub mailbox: &'a str,
    /// The hash of its password.
    pub hash: &'a str,
    /// Its addresses.
    pub addresses: &'a [Address],
}

/// An object that stands for recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A mailbox.
    Mailbox(&'a Mailbox),
    /// A group.
    Group(&'a Group),
    /// A contact.
    Contact(&'a Contact),
    /// A group whose members are found by a filter.
    DynamicGroup(&'a DynamicGroup),
}

impl<'a> Found<'a> {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'a Name {
        match self {
            Self::Mailbox(mailbox) => &mailbox.name,
            Self::Group(group) => &group.name,
            Self::Contact(contact) => &contact.name,
            Self::DynamicGroup(group) => &group.name,
        }
    }

    /// Its kind, as `mailbox`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mailbox(_) => "mailbox",
            Self::Group(_) => "group",
            Self::Contact(_) => "contact",
            Self::DynamicGroup(_) => "dynamic-group",
        }
    }

    /// Whether a filter holds for it. Dynamic groups are nobody's members: they would have to ask themselves.
    #[must_use]
    pub fn matches(&self, filter: &Filter) -> bool {
        if matches!(self, Self::DynamicGroup(_)) {
            return false;
        }
        filter.holds(self)
    }

    /// All its addresses, the primary one first.
    #[must_use]
    pub fn addresses(&self) -> &'a [Address] {
        match self {
            Self::Mailbox(mailbox) => &mailbox.addresses,
            Self::Group(group) => &group.addresses,
            Self::Contact(contact) => &contact.addresses,
            Self::DynamicGroup(group) => &group.addresses,
        }
    }

    /// Its first address.
    #[must_use]
    pub fn primary(&self) -> Option<&'a Address> {
        self.addresses().first()
    }
}

impl Attributes for Found<'_> {
    fn tell(&self, attribute: Attribute, to: &mut dyn FnMut(&str)) {
        let mailbox = match self {
            Self::Mailbox(mailbox) => Some(*mailbox),
            _ => None,
        };
        let words = |of: fn(&Mailbox) -> &Option<Words>| mailbox.and_then(|m| of(m).as_ref());
        let value = match attribute {
            Attribute::ObjectClass => return to(self.kind()),
            Attribute::Name => return to(self.name().as_str()),
            Attribute::Mail => {
                let addresses = self.addresses().iter();
                return addresses.for_each(|address| to(&address.to_string()));
            }
            Attribute::DisplayName => words(|m| &m.display_name),
            Attribute::GivenName => words(|m| &m.given_name),
            Attribute::Surname => words(|m| &m.surname),
            Attribute::Department => words(|m| &m.department),
            Attribute::Company => words(|m| &m.company),
            Attribute::Office => words(|m| &m.office),
            Attribute::Title => words(|m| &m.title),
        };
        if let Some(value) = value {
            to(&value.0);
        }
    }
}

/// How an address led to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// The object has this address.
    Exact,
    /// It has the address without what stands after the plus (RFC 5233).
    Plus,
}

/// Who an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// An object has it.
    Object(Found<'a>, How),
    /// postmaster or abuse of a domain of ours: the organisation's postmaster, whose address this is.
    Role(&'a Address),
    /// The domain is ours and nobody has it.
    Unknown,
    /// The domain is one we pass mail on for.
    Relay(DomainKind),
    /// The domain is none of ours.
    NotOurs,
}

/// Which object, by its index in the organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    Mailbox(usize),
    Group(usize),
    Contact(usize),
    DynamicGroup(usize),
}

impl Index {
    pub(crate) fn is_mailbox(self, index: usize) -> bool {
        self == Self::Mailbox(index)
    }

    pub(crate) fn is_contact(self, index: usize) -> bool {
        self == Self::Contact(index)
    }
}

/// Lookups by address, name and domain.
#[derive(Debug)]
pub(crate) struct Table {
    domains: HashMap<Domain, DomainKind>,
    addresses: HashMap<String, Index>,
    names: HashMap<Box<str>, Index>,
    plus: bool,
}

/// An address as a key: in lower case.
pub(crate) fn fold(address: &Address) -> String {
    key(address.local().as_str(), address.domain())
}

fn key(local: &str, domain: &Domain) -> String {
    let mut key = String::with_capacity(local.len() + 1 + domain.as_str().len());
    if local.is_ascii() {
        key.push_str(local);
        key.make_ascii_lowercase();
    } else {
        key.push_str(&local.to_lowercase());
    }
    key.push('@');
    key.push_str(domain.as_str());
    key
}

impl Table {
    pub(crate) fn build(organisation: &Organisation) -> Self {
        let domains = organisation.accepted_domains.iter();
        let mut table = Self {
            domains: domains
                .map(|domain| (domain.name.clone(), domain.kind.unwrap_or_default()))
                .collect(),
            addresses: HashMap::new(),
            names: HashMap::new(),
            plus: organisation
                .organization
                .as_ref()
                .and_then(|organization| organization.plus_addressing)
                .unwrap_or(true),
        };
        for (index, mailbox) in organisation.mailboxes.iter().enumerate() {
            table.add(&mailbox.name, &mailbox.addresses, Index::Mailbox(index));
        }
        for (index, group) in organisation.groups.iter().enumerate() {
            table.add(&group.name, &group.addresses, Index::Group(index));
        }
        for (index, contact) in organisation.contacts.iter().enumerate() {
            table.add(&contact.name, &contact.addresses, Index::Contact(index));
        }
        for (index, group) in organisation.dynamic_groups.iter().enumerate() {
            table.add(&group.name, &group.addresses, Index::DynamicGroup(index));
        }
        table
    }

    fn add(&mut self, name: &Name, addresses: &[Address], index: Index) {
        self.names.entry(name.folded()).or_insert(index);
        for address in addresses {
            self.addresses.entry(fold(address)).or_insert(index);
        }
    }

    pub(crate) fn domain_kind(&self, domain: &Domain) -> Option<DomainKind> {
        self.domains.get(domain).copied()
    }

    /// The object that has this address, or has it without what stands after the plus.
    pub(crate) fn find(&self, address: &Address) -> Option<Index> {
        self.lookup(address).map(|(index, _)| index)
    }

    /// The object that is named, by name or address.
    pub(crate) fn member(&self, member: &Member) -> Option<Index> {
        match member {
            Member::Address(address) => self.find(address),
            Member::Name(name) => self.names.get(&name.folded()).copied(),
            Member::Entry(_) => None,
        }
    }

    fn lookup(&self, address: &Address) -> Option<(Index, How)> {
        if let Some(index) = self.addresses.get(&fold(address)) {
            return Some((*index, How::Exact));
        }
        let base = self.base(address)?;
        let index = self.addresses.get(&key(base, address.domain()))?;
        Some((*index, How::Plus))
    }

    /// What stands before the first plus, if that is something.
    fn base<'a>(&self, address: &'a Address) -> Option<&'a str> {
        let (base, _) = address.local().as_str().split_once('+')?;
        (self.plus && !base.is_empty()).then_some(base)
    }

    /// Whether it is postmaster or abuse (RFC 5321 §4.5.1, RFC 2142 §2) of a domain that has recipients here.
    pub(crate) fn is_role(&self, address: &Address) -> bool {
        let ours = self.domain_kind(address.domain());
        let ours = ours.is_some_and(|kind| kind != DomainKind::ExternalRelay);
        let local = self.base(address).unwrap_or(address.local().as_str());
        ours && ["postmaster", "abuse"]
            .iter()
            .any(|role| local.eq_ignore_ascii_case(role))
    }
}

/// The organisation at one version.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    organisation: Organisation,
    table: Table,
    default_domain: Option<Domain>,
}

impl Snapshot {
    /// A picture of a checked organisation.
    #[must_use]
    pub fn build(version: u64, organisation: Organisation) -> Self {
        let table = Table::build(&organisation);
        let postmaster = organisation.organization.as_ref();
        let domain = postmaster.map(|organization| organization.postmaster.domain());
        let ours = domain.filter(|domain| table.domains.contains_key(*domain));
        let first = organisation
            .accepted_domains
            .iter()
            .map(|domain| &domain.name)
            .min();
        Self {
            version,
            default_domain: ours.or(first).cloned(),
            table,
            organisation,
        }
    }

    /// Which version of the organisation this is; 0 before the first apply.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All objects as written.
    #[must_use]
    pub const fn organisation(&self) -> &Organisation {
        &self.organisation
    }

    /// Who an address is.
    #[must_use]
    pub fn resolve(&self, address: &Address) -> Resolution<'_> {
        let Some(kind) = self.table.domain_kind(address.domain()) else {
            return Resolution::NotOurs;
        };
        if kind == DomainKind::ExternalRelay {
            return Resolution::Relay(kind);
        }
        let found = self.table.lookup(address);
        if let Some((found, how)) = found.and_then(|(index, how)| Some((self.at(index)?, how))) {
            return Resolution::Object(found, how);
        }
        if let Some(postmaster) = self.postmaster().filter(|_| self.table.is_role(address)) {
            return Resolution::Role(postmaster);
        }
        match kind {
            DomainKind::Authoritative => Resolution::Unknown,
            DomainKind::InternalRelay | DomainKind::ExternalRelay => Resolution::Relay(kind),
        }
    }

    /// Whether mail for this address is taken.
    #[must_use]
    pub fn accept(&self, address: &Address) -> Acceptance {
        match self.resolve(address) {
            Resolution::Object(..) | Resolution::Role(_) => Acceptance::Recipient,
            Resolution::Unknown => Acceptance::Unknown,
            Resolution::Relay(_) => Acceptance::RelayDomain,
            Resolution::NotOurs => Acceptance::NotOurs,
        }
    }

    fn at(&self, index: Index) -> Option<Found<'_>> {
        match index {
            Index::Mailbox(at) => self.organisation.mailboxes.get(at).map(Found::Mailbox),
            Index::Group(at) => self.organisation.groups.get(at).map(Found::Group),
            Index::Contact(at) => self.organisation.contacts.get(at).map(Found::Contact),
            Index::DynamicGroup(at) => {
                let group = self.organisation.dynamic_groups.get(at);
                group.map(Found::DynamicGroup)
            }
        }
    }

    /// The mailbox, group or contact of this name, without regard to case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Found<'_>> {
        let index = self.table.names.get(name.to_lowercase().as_str())?;
        self.at(*index)
    }

    /// The object behind a member of a group, if there is one of that name.
    #[must_use]
    pub fn member<'a>(&'a self, member: &Member) -> Option<Found<'a>> {
        match member {
            Member::Name(name) => self.by_name(name.as_str()),
            Member::Address(address) => match self.resolve(address) {
                Resolution::Object(found, _) => Some(found),
                _ => None,
            },
            // Only a copy of another directory knows places.
            Member::Entry(_) => None,
        }
    }

    /// Who may log in under this name: a mailbox by its name or any of its addresses, if it has a password and
    /// isn't disabled.
    #[must_use]
    pub fn login(&self, user: &str) -> Option<Login<'_>> {
        let found = match Address::parse(user) {
            Ok(address) => {
                let index = self.table.addresses.get(&fold(&address))?;
                self.at(*index)
            }
            Err(_) => self.by_name(user),
        };
        let Some(Found::Mailbox(mailbox)) = found else {
            return None;
        };
        if mailbox.disabled == Some(true) {
            return None;
        }
        Some(Login {
            mailbox: mailbox.name.as_str(),
            hash: mailbox.password.as_ref().and_then(Password::hash)?,
            addresses: &mailbox.addresses,
        })
    }

    /// Whether a mailbox may send in the name of an address: its own ones, with plus-parts, and those of the roles
    /// it fills.
    #[must_use]
    pub fn may_send_as(&self, mailbox: &str, address: &Address) -> bool {
        let owner = match self.resolve(address) {
            Resolution::Role(postmaster) => self.resolve(postmaster),
            other => other,
        };
        let Resolution::Object(Found::Mailbox(owner), _) = owner else {
            return false;
        };
        owner.disabled != Some(true) && *owner.name.folded() == *mailbox.to_lowercase()
    }

    /// The domain of the organisation's postmaster if it is an accepted one, else the first accepted domain by name.
    #[must_use]
    pub const fn default_domain(&self) -> Option<&Domain> {
        self.default_domain.as_ref()
    }

    /// The organisation's postmaster; none before the first apply.
    #[must_use]
    pub fn postmaster(&self) -> Option<&Address> {
        let organization = self.organisation.organization.as_ref();
        organization.map(|organization| &organization.postmaster)
    }

    /// All recipients for whom a filter holds.
    pub fn matching<'s>(&'s self, filter: &'s Filter) -> impl Iterator<Item = Found<'s>> {
        let all = self.organisation.mailboxes.iter().map(Found::Mailbox);
        let all = all.chain(self.organisation.groups.iter().map(Found::Group));
        let all = all.chain(self.organisation.contacts.iter().map(Found::Contact));
        all.filter(|found| found.matches(filter))
    }

    /// The names of all mailboxes.
    pub fn mailboxes(&self) -> impl Iterator<Item = &str> {
        let mailboxes = self.organisation.mailboxes.iter();
        mailboxes.map(|mailbox| mailbox.name.as_str())
    }
}
