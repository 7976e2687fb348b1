//! A recipient after categorization: the one who really gets it.

use crate::{Address, Notify, Orcpt, Recipient};

/// Where an addressee is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A mailbox of this organisation, by its name in the directory.
    Mailbox(Box<str>),
    /// Somewhere else: routing says which way.
    Remote,
}

/// A recipient as the categorizer resolved it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addressee {
    /// The address that is handed over: for a mailbox the one the message was addressed to (with its
    /// plus-part), for a contact or a forwarding the target.
    pub address: Address,
    /// Where it is.
    pub destination: Destination,
    /// When the sender wants to be told. Never more than the sender asked for the original recipient.
    pub notify: Notify,
    /// The recipient as the sender named it; filled from the forward-path where it was replaced
    /// (RFC 3461 §5.2.2 and §5.2.7).
    pub orcpt: Option<Orcpt>,
}

impl From<&Addressee> for Recipient {
    /// The addressee in the words of an envelope, as for a report about him.
    fn from(addressee: &Addressee) -> Self {
        Self {
            address: addressee.address.clone(),
            notify: addressee.notify,
            orcpt: addressee.orcpt.clone(),
        }
    }
}
