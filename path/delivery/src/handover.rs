//! What is handed over: one message for the recipients that share a next hop.

use bridgehead_mail::{
    Addressee, BodyKind, Content, DeliverBy, DsnText, Failure, Journey, MessageId, Ret,
    ReversePath, StatusCode, Timestamp,
};
use std::fmt::Display;
use std::sync::Arc;

const WINDOW: usize = 64 * 1024;

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
    /// Its way inside the organisation, which goes along to another server of it.
    pub journey: Option<Journey>,
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

    /// A piece of the content; it is never empty.
    pub(crate) fn read<'a>(&self, at: u64, window: &'a mut [u8]) -> Result<&'a [u8], Failure> {
        let failed = |why: &dyn Display| {
            let text = "The queued content can't be read";
            Failure::new(StatusCode::transient(3, 0), text).because(&why)
        };
        match self.content.read_at(at, window) {
            Ok(0) => Err(failed(&"it ends too early")),
            Ok(count) => Ok(window.get(..count).unwrap_or_default()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Whether there is no octet above 127. What can't be read counts as if there were one.
    pub(crate) fn is_ascii(&self) -> bool {
        let mut window = vec![0; WINDOW];
        let mut at = 0;
        while at < self.content.size() {
            match self.read(at, &mut window) {
                Ok(piece) if piece.is_ascii() => at += piece.len() as u64,
                _ => return false,
            }
        }
        self.prefix.is_ascii()
    }

    /// Whether the content ends without a line end.
    pub(crate) fn is_unfinished(&self) -> bool {
        let size = self.content.size();
        let mut end = [0; 2];
        let read = self.content.read_at(size.saturating_sub(2), &mut end);
        // What can't be read is found out when all of it is.
        size > 0 && read.is_ok() && end != *b"\r\n"
    }
}
