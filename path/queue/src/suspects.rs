//! Messages that were in hand when the process was aborted: they are worked on one at a time, so that the next abort, if there
//! is one, has one suspect. Other mail goes on beside them.

use bridgehead_mail::MessageId;
use std::collections::BTreeSet;

/// A part of a message, or all of it.
type Waiter = (MessageId, u32);

/// Suspects, and whose turn it is.
#[derive(Default)]
pub(crate) struct SuspectRow {
    all: BTreeSet<MessageId>,
    /// The one that is in hand, and how many parts of it are.
    in_hand: Option<(MessageId, u32)>,
    waiting: Vec<Waiter>,
}

impl SuspectRow {
    pub(crate) fn add(&mut self, message: MessageId) {
        self.all.insert(message);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = MessageId> {
        self.all.iter().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.in_hand.is_none()
    }

    /// It is none any more. Returns whether it was one.
    pub(crate) fn clear(&mut self, message: MessageId) -> bool {
        self.all.remove(&message)
    }

    /// Whether it may be taken in hand now, which it is then. A suspect that may not waits for its turn.
    pub(crate) fn may_have(&mut self, message: MessageId, number: u32) -> bool {
        if !self.all.contains(&message) {
            return true;
        }
        match &mut self.in_hand {
            None => {
                self.in_hand = Some((message, 1));
                true
            }
            Some((here, parts)) if *here == message => {
                *parts += 1;
                true
            }
            Some(_) => {
                self.waiting.push((message, number));
                false
            }
        }
    }

    /// One that was in hand isn't any more. Gives back who waited for that.
    pub(crate) fn let_go(&mut self, message: MessageId) -> Vec<Waiter> {
        match &mut self.in_hand {
            Some((here, parts)) if *here == message => {
                *parts = parts.saturating_sub(1);
                if *parts > 0 {
                    return Vec::new();
                }
                self.in_hand = None;
                std::mem::take(&mut self.waiting)
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_suspect_is_in_hand_at_a_time_and_others_dont_wait() {
        let id = MessageId::from_u128;
        let mut row = SuspectRow::default();
        row.add(id(1));
        row.add(id(2));
        assert!(row.may_have(id(1), 0));
        assert!(row.may_have(id(1), 1), "another part of it");
        assert!(!row.may_have(id(2), 7));
        assert!(row.may_have(id(3), 0), "no suspect");
        assert!(row.let_go(id(1)).is_empty());
        assert!(row.let_go(id(3)).is_empty());
        assert!(row.clear(id(1)));
        assert_eq!(row.let_go(id(1)), [(id(2), 7)]);
        assert!(row.may_have(id(2), 7));
        assert!(row.may_have(id(1), 0), "it is none any more");
        row.clear(id(2));
        row.let_go(id(2));
        assert!(row.is_empty());
    }
}
