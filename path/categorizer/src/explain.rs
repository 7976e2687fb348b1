//! How the categorizer finds out who an address is, step by step, for the operator.

use crate::merge::Addressees;
use crate::trace::Trace;
use crate::walk::Categorizer;
use crate::{Categorized, Sender, Snapshot};
use bridgehead_mail::{Address, Recipient};

/// One step: an address was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The address.
    pub address: Address,
    /// The object that was found, as `group staff`; empty if none.
    pub object: String,
    /// What followed from it.
    pub text: String,
}

/// Who an address is, and how that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The steps in order; the first 1,000 of them.
    pub steps: Vec<Step>,
    /// The result.
    pub categorized: Categorized,
}

/// Explains what would become of a message of this sender to this address.
#[must_use]
pub fn explain(snapshot: &Snapshot, address: &Address, sender: Sender<'_>) -> Explained {
    let mut categorized = Categorized {
        directory: snapshot.version(),
        ..Categorized::default()
    };
    let mut addressees = Addressees::with_capacity(1);
    let mut categorizer = Categorizer::new(snapshot, sender, Trace::kept());
    let recipient = Recipient::plain(address.clone());
    categorizer.recipient(&recipient, &mut addressees, &mut categorized);
    categorized.take(addressees, categorizer.take_lists());
    Explained {
        steps: categorizer.into_steps(),
        categorized,
    }
}
