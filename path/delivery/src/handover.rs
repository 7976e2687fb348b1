//! What is handed over: one message for the recipients that share a next hop.

use bridgehead_mail::{
    Addressee, BodyKind, Content, DeliverBy, DsnText, MessageId, Ret, ReversePath, Timestamp,
};
use std::sync::Arc;

/// A message on its way out of the queue.
#[derive(Clone)]
pub struct Handover {
    /// Its id.
    pub id: MessageId,
    /// The sender.
    pub reverse_path: ReversePath,
    /// What the content is declared to be.
    pub body: BodyKind,
    /// Whether SMTPUTF8 was asked for.
    pub smtputf8: bool,
    /// How much comes back with a failure.
    pub ret: Option<Ret>,
    /// The sender's own name for the transaction.
    pub envid: Option<DsnText>,
    /// How urgent it is.
    pub level: i8,
    /// By when it should be delivered, in seconds from now.
    pub deliver_by: Option<DeliverBy>,
    /// The recipients; at least one.
    pub addressees: Vec<Addressee>,
    /// Trace fields that stand before the content.
    pub prefix: Vec<u8>,
    /// The content.
    pub content: Arc<dyn Content>,
    /// Now.
    pub at: Timestamp,
}

impl Handover {
    /// Octets of prefix and content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.content.size().saturating_add(self.prefix.len() as u64)
    }
}
