//! Badmail: a folder for what failed and has no sender who could be told: reports that can't be delivered, and other mail
//! from nobody.
//!
//! What it is: for each message a file as `queue import` takes it, and beside it one with the reason. What it guards: what was
//! kept is there after a crash, whole and once; the folder is bounded, and the oldest go first. What it may refuse: what can't be
//! read or written now; then the message stays in the queue. Deliberately absent: any file that isn't its own.

mod folder;
mod reason;
pub mod settings;

pub use folder::{Badmail, Kept, Listed};
pub use settings::Settings;

use bridgehead_mail::{Content, Envelope, Failure, MessageId, Recipient, Timestamp};
use std::sync::Arc;

/// A message that is set aside.
#[derive(Clone)]
pub struct Bad {
    /// Its id.
    pub id: MessageId,
    /// Its envelope.
    pub envelope: Arc<Envelope>,
    /// Its content.
    pub content: Arc<dyn Content>,
    /// The recipients it failed for, and why.
    pub failed: Vec<(Recipient, Failure)>,
    /// When.
    pub at: Timestamp,
}
