//! The store driver: a message for mailboxes of this server.

use crate::handover::Handover;
use bridgehead_mail::{Addressee, Destination, Failure, Outcome, StatusCode};
use bridgehead_store::{Delivery, Store, StoreError};

/// Delivers into all mailboxes in one call of the store.
pub(super) async fn deliver(store: &Store, handover: &Handover) -> Vec<Outcome> {
    let mailboxes: Vec<Box<str>> = handover.addressees.iter().filter_map(mailbox).collect();
    let delivery = Delivery {
        id: handover.id,
        mailboxes: mailboxes.clone(),
        prefix: handover.prefix.clone(),
        content: handover.content.clone(),
        at: handover.at,
    };
    let results = store.deliver(delivery).await;
    let mut results = mailboxes.into_iter().zip(results);
    let outcomes = handover.addressees.iter().map(|addressee| {
        if mailbox(addressee).is_none() {
            let text = "A remote recipient came to the store";
            return Outcome::Deferred(Failure::new(StatusCode::transient(3, 5), text));
        }
        match results.next() {
            Some((mailbox, Ok(()))) => Outcome::Delivered { mailbox },
            Some((_, Err(error))) => Outcome::Deferred(failure(&error)),
            None => Outcome::Deferred(failure(&StoreError::Closed)),
        }
    });
    outcomes.collect()
}

fn mailbox(addressee: &Addressee) -> Option<Box<str>> {
    match &addressee.destination {
        Destination::Mailbox(name) => Some(name.clone()),
        Destination::Remote => None,
    }
}

/// Trouble of the store is never the sender's fault.
fn failure(error: &StoreError) -> Failure {
    let (status, text) = match error {
        StoreError::Full { .. } => (StatusCode::transient(3, 1), "The mail store is full"),
        _ => (
            StatusCode::transient(3, 0),
            "The mail store can't take the message now",
        ),
    };
    Failure::new(status, text).because(error)
}
