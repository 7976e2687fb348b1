//! The store: mailboxes, folders, single-instance bodies.
//!
//! What it is: the embedded store behind the store driver. What it guards: a delivery that resolved is durable; a message is in a
//! mailbox once, however often it is delivered; the octets come out as they went in. What it may refuse: deliveries while the
//! disk is nearly full or a sync has failed; the mail then waits in the queue.
//!
//! A delivery writes its body once, for all its mailboxes: small bodies into shared files, large ones linked from the
//! spool. The index is a transactional file; one commit serves all deliveries that came while the one before ran.
//!
//! Here `access` (IMAP, POP3, the file view) will stand, on [`Store::mailboxes`], [`Store::messages`] and [`Store::read`]; folders and uids
//! are in the index's keys already.

mod bodies;
mod drive;
mod error;
mod index;
pub mod settings;
pub mod view;

pub use error::StoreError;
pub use settings::Settings;

use bridgehead_mail::{Content, MessageId, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A message for one or more mailboxes.
#[derive(Clone)]
pub struct Delivery {
    /// Its id: the same message is delivered into a mailbox once.
    pub id: MessageId,
    /// The mailboxes' names in the directory. They never become file names.
    pub mailboxes: Vec<Box<str>>,
    /// Trace fields that stand before the content.
    pub prefix: Vec<u8>,
    /// The content.
    pub content: Arc<dyn Content>,
    /// When.
    pub at: Timestamp,
}

/// A message as delivered: the prefix, then the content.
#[derive(Clone)]
pub struct StoredMessage {
    /// The id under which it was transported.
    pub id: MessageId,
    /// Trace fields.
    pub prefix: Vec<u8>,
    /// The content, octet for octet as its client sent it.
    pub content: Arc<dyn Content>,
}

/// The embedded store. Cheap to copy; all copies are the same store.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

struct Shared {
    settings: Settings,
    index: index::Index,
    bodies: bodies::Bodies,
    waiting: Mutex<drive::Waiting>,
    wake: Condvar,
}

/// A small content in memory.
fn read_all(content: &dyn Content) -> Result<Vec<u8>, StoreError> {
    let mut octets = vec![0; usize::try_from(content.size()).unwrap_or(usize::MAX)];
    match content.read_at(0, &mut octets) {
        Ok(count) if count == octets.len() => Ok(octets),
        Ok(_) => Err(StoreError::Damaged("a content".to_owned())),
        Err(error) => Err(StoreError::Index(error.to_string())),
    }
}
