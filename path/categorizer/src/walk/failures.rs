//! Recipients who can't get it, each with the reason that its sender is told.

use super::Walk;
use crate::wishes::Wishes;
use bridgehead_directory::Found;
use bridgehead_mail::{Address, Failure, Recipient, StatusCode};

impl Walk<'_, '_> {
    pub(super) fn unknown(&mut self, address: &Address, wishes: Wishes) {
        let failure = Failure::new(StatusCode::permanent(1, 1), "no such recipient here");
        let text = format_args!("nobody has this address: {failure}");
        self.trace.step(address, format_args!(""), text);
        self.fail(address, failure, wishes);
    }

    /// RFC 3463 §3.2: X.1.4, destination mailbox address ambiguous. Whose it is is for the operator, not for the sender.
    pub(super) fn ambiguous(
        &mut self,
        address: &Address,
        one: &Found,
        other: &Found,
        wishes: Wishes,
    ) {
        let failure = Failure::new(
            StatusCode::permanent(1, 4),
            "this address is not unique here",
        );
        let (kind, name) = (other.kind(), other.name());
        let object = format_args!("{} {}", one.kind(), one.name());
        let text = format_args!("{kind} {name} has this address as well: {failure}");
        self.trace.step(address, object, text);
        self.fail(address, failure, wishes);
    }

    /// Mail isn't categorized while this server has no copy of the directory; so this is only ever shown.
    pub(super) fn unsure(&mut self, address: &Address, wishes: Wishes) {
        let words = "this server has no copy of the directory yet, or too old a one";
        let failure = Failure::new(StatusCode::transient(4, 3), words);
        let text = format_args!("who this is isn't known: {failure}");
        self.trace.step(address, format_args!(""), text);
        self.fail(address, failure, wishes);
    }

    pub(super) fn fail(&mut self, address: &Address, failure: Failure, wishes: Wishes) {
        let recipient = Recipient {
            address: address.clone(),
            notify: wishes.notify,
            orcpt: self.orcpt(address),
        };
        self.failed.push((recipient, failure));
    }
}
