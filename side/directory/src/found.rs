//! Somebody who gets mail: a mailbox, a group, a contact.

use crate::{
    Attribute, Attributes, Contact, DynamicGroup, Filter, Group, Mailbox, Name, Object, Words,
};
use bridgehead_mail::Address;
use std::sync::Arc;

/// An object that stands for recipients. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A mailbox.
    Mailbox(Arc<Mailbox>),
    /// A group.
    Group(Arc<Group>),
    /// A contact.
    Contact(Arc<Contact>),
    /// A group whose members are found by a filter.
    DynamicGroup(Arc<DynamicGroup>),
}

impl Found {
    /// The recipient that an object is, if it is one.
    pub(crate) fn of(object: Object) -> Option<Self> {
        match object {
            Object::Mailbox(object) => Some(Self::Mailbox(Arc::new(object))),
            Object::Group(object) => Some(Self::Group(Arc::new(object))),
            Object::Contact(object) => Some(Self::Contact(Arc::new(object))),
            Object::DynamicGroup(object) => Some(Self::DynamicGroup(Arc::new(object))),
            _ => None,
        }
    }

    /// The same with another name.
    pub(crate) fn renamed(mut self, name: Name) -> Self {
        match &mut self {
            Self::Mailbox(object) => Arc::make_mut(object).name = name,
            Self::Group(object) => Arc::make_mut(object).name = name,
            Self::Contact(object) => Arc::make_mut(object).name = name,
            Self::DynamicGroup(object) => Arc::make_mut(object).name = name,
        }
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &Name {
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
    pub fn addresses(&self) -> &[Address] {
        match self {
            Self::Mailbox(mailbox) => &mailbox.addresses,
            Self::Group(group) => &group.addresses,
            Self::Contact(contact) => &contact.addresses,
            Self::DynamicGroup(group) => &group.addresses,
        }
    }

    /// Its first address.
    #[must_use]
    pub fn primary(&self) -> Option<&Address> {
        self.addresses().first()
    }
}

impl Attributes for Found {
    fn tell(&self, attribute: Attribute, to: &mut dyn FnMut(&str)) {
        let mailbox = match self {
            Self::Mailbox(mailbox) => Some(&**mailbox),
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
