//! Lookups in an organisation as written, for the checks: by address, name and domain.

use crate::recipients::{fold, fold_parts};
use crate::{DomainKind, Member, Name, Organisation};
use bridgehead_mail::{Address, Domain};
use hashbrown::HashMap;

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

/// The accepted domains and what concerns all addresses in them.
#[derive(Clone, Debug)]
pub(crate) struct Domains {
    kinds: HashMap<Domain, DomainKind>,
    plus: bool,
}

impl Domains {
    pub(crate) fn of(organisation: &Organisation) -> Self {
        let domains = organisation.accepted_domains.iter();
        Self {
            kinds: domains
                .map(|domain| (domain.name.clone(), domain.kind.unwrap_or_default()))
                .collect(),
            plus: organisation
                .organization
                .as_ref()
                .and_then(|organization| organization.plus_addressing)
                .unwrap_or(true),
        }
    }

    pub(crate) fn kind(&self, domain: &Domain) -> Option<DomainKind> {
        self.kinds.get(domain).copied()
    }

    /// What stands before the first plus, if that is something.
    pub(crate) fn base<'a>(&self, address: &'a Address) -> Option<&'a str> {
        let (base, _) = address.local().as_str().split_once('+')?;
        (self.plus && !base.is_empty()).then_some(base)
    }

    /// Whether it is postmaster or abuse (RFC 5321 §4.5.1, RFC 2142 §2) of a domain that has recipients here.
    pub(crate) fn is_role(&self, address: &Address) -> bool {
        let ours = self.kind(address.domain());
        let ours = ours.is_some_and(|kind| kind != DomainKind::ExternalRelay);
        let local = self.base(address).unwrap_or(address.local().as_str());
        ours && ["postmaster", "abuse"]
            .iter()
            .any(|role| local.eq_ignore_ascii_case(role))
    }
}

/// Lookups by address, name and domain.
#[derive(Debug)]
pub(crate) struct Table {
    domains: Domains,
    addresses: HashMap<String, Index>,
    names: HashMap<Box<str>, Index>,
}

impl Table {
    pub(crate) fn build(organisation: &Organisation) -> Self {
        let mut table = Self {
            domains: Domains::of(organisation),
            addresses: HashMap::new(),
            names: HashMap::new(),
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
        self.domains.kind(domain)
    }

    pub(crate) fn is_role(&self, address: &Address) -> bool {
        self.domains.is_role(address)
    }

    /// The object that has this address, or has it without what stands after the plus.
    pub(crate) fn find(&self, address: &Address) -> Option<Index> {
        if let Some(index) = self.addresses.get(&fold(address)) {
            return Some(*index);
        }
        let base = self.domains.base(address)?;
        let key = fold_parts(base, address.domain().as_str());
        self.addresses.get(&key).copied()
    }

    /// The object that is named, by name or address.
    pub(crate) fn member(&self, member: &Member) -> Option<Index> {
        match member {
            Member::Address(address) => self.find(address),
            Member::Name(name) => self.names.get(&name.folded()).copied(),
            // An entry of another directory: not in this text.
            Member::Entry(_) => None,
        }
    }
}
