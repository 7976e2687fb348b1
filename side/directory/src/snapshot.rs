//! An immutable picture of the organisation with fast lookups: same question, same version, same answer.
//!
//! Guards: no network, no lock, no file behind any question. Addresses are looked up without regard to case
//! (RFC 5321 §2.4 leaves the local part to its owner: us). Recipients come from two tables: those of the embedded
//! directory, and those copied from another; what the first has wins.

use crate::homes;
use crate::lookup::Domains;
use crate::recipients::{Key, Recipients, Stored, fold, fold_parts, fold_place};
use crate::{DomainKind, Filter, Found, Member, Name, Organisation, Password};
use bridgehead_mail::{Address, Domain};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Whether mail for an address is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// Somebody here has it.
    Recipient,
    /// The domain is ours and nobody has it: 550 5.1.1.
    Unknown,
    /// Two objects have it: 550 5.1.4.
    Ambiguous,
    /// This server has no copy of the directory yet, or too old a one: 451 4.4.3.
    Unsure,
    /// The domain is one we pass mail on for.
    RelayDomain,
    /// The domain is none of ours: only for those who may relay.
    NotOurs,
}

/// Who may log in, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The mailbox's name.
    pub mailbox: Name,
    /// What its password is held against: one of these.
    pub proofs: Vec<Proof>,
    /// Its addresses.
    pub addresses: Vec<Address>,
}

/// What a password is held against.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// Its hash.
    Hash(Box<str>),
    /// The answer of another directory, where this DN is the user's.
    Bind(Box<str>),
}

impl Proof {
    /// The hash or DN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hash(text) | Self::Bind(text) => text,
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash(_) => f.write_str("Hash(..)"),
            Self::Bind(place) => f.debug_tuple("Bind").field(place).finish(),
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution<'a> {
    /// An object has it.
    Object(Found, How),
    /// postmaster or abuse of a domain of ours: the organisation's postmaster, whose address this is.
    Role(&'a Address),
    /// Two objects have it, in another directory that doesn't prevent it.
    Ambiguous(Found, Found),
    /// The domain is ours and nobody has it.
    Unknown,
    /// The domain is ours, but who is in it isn't known: this server has no copy of the directory, or too old a one.
    Unsure,
    /// The domain is one we pass mail on for.
    Relay(DomainKind),
    /// The domain is none of ours.
    NotOurs,
}

/// The organisation at one version.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) version: u64,
    pub(crate) revision: u64,
    pub(crate) configuration_revision: u64,
    pub(crate) complete: bool,
    pub(crate) configuration: Arc<Organisation>,
    pub(crate) domains: Arc<Domains>,
    pub(crate) embedded: Recipients,
    pub(crate) copy: Recipients,
    default_domain: Option<Domain>,
    /// The connectors that don't take everybody's messages, by name: each one's place.
    pub(crate) choosy: Arc<HashMap<Box<str>, usize>>,
    /// The servers, by all names that a mailbox may have for them: each one's place.
    pub(crate) servers: Arc<HashMap<Box<str>, usize>>,
}

impl Snapshot {
    /// A picture of a checked organisation.
    #[must_use]
    pub fn build(version: u64, organisation: Organisation) -> Self {
        let (configuration, recipients) = organisation.split();
        let mut embedded = Recipients::default();
        for found in &recipients {
            embedded.put_embedded(found);
        }
        Self::of(version, configuration, embedded)
    }

    /// A picture of a configuration with the recipients of the embedded directory.
    pub(crate) fn of(version: u64, configuration: Organisation, embedded: Recipients) -> Self {
        Self {
            version,
            revision: version,
            configuration_revision: version,
            complete: true,
            embedded,
            copy: Recipients::default(),
            default_domain: default_domain(&configuration),
            domains: Arc::new(Domains::of(&configuration)),
            choosy: Arc::new(choosy(&configuration)),
            servers: Arc::new(homes::servers(&configuration)),
            configuration: Arc::new(configuration),
        }
    }

    /// The same with another configuration.
    pub(crate) fn with_configuration(mut self, configuration: Organisation) -> Self {
        if configuration != *self.configuration {
            self.default_domain = default_domain(&configuration);
            self.domains = Arc::new(Domains::of(&configuration));
            self.choosy = Arc::new(choosy(&configuration));
            self.servers = Arc::new(homes::servers(&configuration));
            self.configuration = Arc::new(configuration);
            self.configuration_revision = self.configuration_revision.saturating_add(1);
        }
        self
    }

    /// Which version of the organisation this is; 0 before the first apply.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Grows with every change, also of the recipients of another directory.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Grows with every change of something else than recipients.
    #[must_use]
    pub const fn configuration_revision(&self) -> u64 {
        self.configuration_revision
    }

    /// Whether all recipients are known; else this server has no copy of the directory yet, or too old a one.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// All objects that aren't recipients.
    #[must_use]
    pub fn configuration(&self) -> &Organisation {
        &self.configuration
    }

    /// Who an address is.
    #[must_use]
    pub fn resolve(&self, address: &Address) -> Resolution<'_> {
        let Some(kind) = self.domains.kind(address.domain()) else {
            return Resolution::NotOurs;
        };
        if kind == DomainKind::ExternalRelay {
            return Resolution::Relay(kind);
        }
        if let Some(resolution) = self.lookup(address) {
            return resolution;
        }
        if let Some(postmaster) = self.postmaster().filter(|_| self.domains.is_role(address)) {
            return Resolution::Role(postmaster);
        }
        match kind {
            _ if !self.complete => Resolution::Unsure,
            DomainKind::Authoritative => Resolution::Unknown,
            DomainKind::InternalRelay | DomainKind::ExternalRelay => Resolution::Relay(kind),
        }
    }

    fn lookup(&self, address: &Address) -> Option<Resolution<'_>> {
        if let Some(resolution) = self.owner(&fold(address), How::Exact) {
            return Some(resolution);
        }
        let base = self.domains.base(address)?;
        self.owner(&fold_parts(base, address.domain().as_str()), How::Plus)
    }

    /// Who has a folded address.
    fn owner(&self, address: &str, how: How) -> Option<Resolution<'_>> {
        let key = Key::Address(address);
        let mut owners = self.embedded.find(key);
        let first = match owners.next() {
            Some(stored) => stored.found,
            None => {
                let mut owners = self.copy.find(key);
                let first = self.named(owners.next()?);
                return Some(match owners.next() {
                    Some(second) => Resolution::Ambiguous(first, self.named(second)),
                    None => Resolution::Object(first, how),
                });
            }
        };
        // The embedded directory checks itself; what the copy has as well is told by both their names.
        Some(match self.copy.find(key).next() {
            Some(second) => Resolution::Ambiguous(first, self.named(second)),
            None => Resolution::Object(first, how),
        })
    }

    /// An object of the copy under the name by which it is known: its own, or its identity where another has the name.
    fn named(&self, stored: Stored) -> Found {
        let free = self.embedded.len() == 0;
        if free && stored.holds_name() && matches!(stored.found, Found::Mailbox(_)) {
            // Nobody comes before a mailbox that had its name first.
            return stored.found;
        }
        let name = stored.found.name().folded();
        let key = Key::Name(&name);
        let alone = !self.copy.may_be_several(key)
            && (self.embedded.len() == 0 || self.embedded.find(key).next().is_none());
        if alone
            || self
                .holder(key)
                .is_some_and(|holder| holder.id() == stored.id())
        {
            return stored.found;
        }
        match Name::parse(&stored.id()) {
            Some(name) => stored.found.renamed(name),
            None => stored.found,
        }
    }

    /// Who has a name: the embedded directory's object; else a mailbox before others, who had it before others, and at
    /// last the lowest identity.
    fn holder(&self, key: Key<'_>) -> Option<Stored> {
        self.embedded.find(key).next().or_else(|| {
            self.copy.find(key).min_by(|one, other| {
                let rank = |stored: &Stored| {
                    let mailbox = matches!(stored.found, Found::Mailbox(_));
                    (!mailbox, !stored.holds_name())
                };
                (rank(one), one.id()).cmp(&(rank(other), other.id()))
            })
        })
    }

    /// Whether mail for this address is taken.
    #[must_use]
    pub fn accept(&self, address: &Address) -> Acceptance {
        if let Some(acceptance) = self.owned(address) {
            return acceptance;
        }
        match self.resolve(address) {
            Resolution::Object(..) | Resolution::Role(_) => Acceptance::Recipient,
            Resolution::Ambiguous(..) => Acceptance::Ambiguous,
            Resolution::Unknown => Acceptance::Unknown,
            Resolution::Unsure => Acceptance::Unsure,
            Resolution::Relay(_) => Acceptance::RelayDomain,
            Resolution::NotOurs => Acceptance::NotOurs,
        }
    }

    /// The answer for an address of ours that somebody has just so; nobody is unpacked for it.
    fn owned(&self, address: &Address) -> Option<Acceptance> {
        let kind = self.domains.kind(address.domain())?;
        if kind == DomainKind::ExternalRelay {
            return None;
        }
        let key = fold(address);
        let key = Key::Address(&key);
        let copied = self.copy.count(key);
        match (self.embedded.count(key), copied) {
            (0, 0) => None,
            (0, 1) | (_, 0) => Some(Acceptance::Recipient),
            _ => Some(Acceptance::Ambiguous),
        }
    }

    /// The mailbox, group or contact of this name, without regard to case.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Found> {
        self.stored_by_name(name).map(|(stored, _)| stored.found)
    }

    /// The same, and whether it is of the copy.
    pub(crate) fn stored_by_name(&self, name: &str) -> Option<(Stored, bool)> {
        let folded = name.to_lowercase();
        if let Some(stored) = self.holder(Key::Name(&folded)) {
            let of_copy = !stored.place().is_empty();
            return Some((stored, of_copy));
        }
        // One whose name another has goes by its identity.
        let mut stored = self.copy.find(Key::Id(&folded)).next()?;
        stored.found = self.named(stored.clone());
        (*stored.found.name().folded() == *folded).then_some((stored, true))
    }

    /// The object behind a member of a group, if there is one of that name.
    #[must_use]
    pub fn member(&self, member: &Member) -> Option<Found> {
        match member {
            Member::Name(name) => self.by_name(name.as_str()),
            Member::Address(address) => match self.resolve(address) {
                Resolution::Object(found, _) => Some(found),
                _ => None,
            },
            Member::Entry(place) => {
                let stored = self.copy.find(Key::Place(&fold_place(place))).next()?;
                Some(self.named(stored))
            }
        }
    }

    /// Who may log in under this name: a mailbox by its name or any of its addresses, if its password is known or can be
    /// asked for and it isn't disabled.
    #[must_use]
    pub fn login(&self, user: &str) -> Option<Login> {
        let (stored, of_copy) = match Address::parse(user) {
            Ok(address) => self.sole_owner(&fold(&address))?,
            Err(_) => self.stored_by_name(user)?,
        };
        let Found::Mailbox(mailbox) = &stored.found else {
            return None;
        };
        if mailbox.disabled == Some(true) {
            return None;
        }
        let hash = |password: &Password| password.hash().map(|hash| Proof::Hash(hash.into()));
        let mut proofs: Vec<Proof> = mailbox.app_passwords.iter().filter_map(hash).collect();
        match mailbox.password.as_ref().and_then(hash) {
            Some(proof) => proofs.insert(0, proof),
            // Asked last: a directory counts wrong passwords.
            None if of_copy => proofs.push(Proof::Bind(stored.place().into())),
            None => {}
        }
        if proofs.is_empty() {
            return None;
        }
        Some(Login {
            mailbox: mailbox.name.clone(),
            proofs,
            addresses: mailbox.addresses.clone(),
        })
    }

    /// The only object with a folded address.
    fn sole_owner(&self, address: &str) -> Option<(Stored, bool)> {
        let key = Key::Address(address);
        let embedded = self.embedded.find(key).map(|stored| (stored, false));
        let mut owners = embedded.chain(self.copy.find(key).map(|mut stored| {
            stored.found = self.named(stored.clone());
            (stored, true)
        }));
        let owner = owners.next()?;
        owners.next().is_none().then_some(owner)
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
        let organization = self.configuration.organization.as_ref();
        organization.map(|organization| &organization.postmaster)
    }

    /// All recipients.
    pub fn recipients(&self) -> impl Iterator<Item = Found> {
        let embedded = self.embedded.iter().map(|stored| stored.found);
        embedded.chain(self.copy.iter().map(|stored| self.named(stored)))
    }

    /// The same, with where they stand, and under the names that they have there.
    pub(crate) fn stored(&self) -> impl Iterator<Item = Stored> {
        self.embedded.iter().chain(self.copy.iter())
    }

    /// All recipients for whom a filter holds.
    pub fn matching(&self, filter: &Filter) -> impl Iterator<Item = Found> {
        self.recipients().filter(|found| found.matches(filter))
    }

    /// The names of all mailboxes, in no order.
    pub fn mailboxes(&self) -> impl Iterator<Item = Name> {
        self.recipients().filter_map(|found| match found {
            Found::Mailbox(mailbox) => Some(mailbox.name.clone()),
            _ => None,
        })
    }
}

/// See [`Snapshot::choosy`].
fn choosy(configuration: &Organisation) -> HashMap<Box<str>, usize> {
    let all = configuration.connectors.iter().enumerate();
    let choosy = all.filter(|(_, one)| !one.accept_from.is_empty() || !one.reject_from.is_empty());
    choosy
        .map(|(place, one)| (one.name.as_str().into(), place))
        .collect()
}

/// The domain of the organisation's postmaster if it is an accepted one, else the first accepted domain by name.
fn default_domain(configuration: &Organisation) -> Option<Domain> {
    let domains = configuration.accepted_domains.iter();
    let mut domains: Vec<&Domain> = domains.map(|domain| &domain.name).collect();
    domains.sort_unstable();
    let postmaster = configuration.organization.as_ref();
    let domain = postmaster.map(|organization| organization.postmaster.domain());
    let ours = domain.filter(|domain| domains.contains(domain));
    ours.or(domains.first().copied()).cloned()
}
