//! What waits to be carried to one neighbour.
//!
//! Guards: a queue of so many messages and octets. When it is full the oldest goes, which the protocol repairs by comparing digests.

use std::collections::VecDeque;

/// So many messages may wait for one neighbour.
const MESSAGES_MAX: usize = 32;
/// So many octets may.
const OCTETS_MAX: usize = 1024 * 1024;

/// What waits for one neighbour, and how carrying went.
#[derive(Debug, Default)]
pub(crate) struct Line {
    waiting: VecDeque<Vec<u8>>,
    octets: usize,
    /// How many went since there was no more room.
    pub(crate) dropped: u64,
    /// How many were carried.
    pub(crate) carried: u64,
    /// How many couldn't be.
    pub(crate) failed: u64,
    /// Why the last one couldn't be, if it couldn't.
    pub(crate) failure: Option<String>,
}

/// A reason is kept up to this many octets.
const FAILURE_OCTETS_MAX: usize = 300;

impl Line {
    /// A message more.
    pub(crate) fn push(&mut self, message: Vec<u8>) {
        self.octets += message.len();
        self.waiting.push_back(message);
        while self.waiting.len() > MESSAGES_MAX || self.octets > OCTETS_MAX {
            if self.pop().is_none() {
                break;
            }
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The oldest message.
    pub(crate) fn pop(&mut self) -> Option<Vec<u8>> {
        let message = self.waiting.pop_front()?;
        self.octets -= message.len();
        Some(message)
    }

    /// How many messages wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How carrying one went.
    pub(crate) fn note(&mut self, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => {
                self.carried = self.carried.saturating_add(1);
                self.failure = None;
            }
            Err(why) => {
                self.failed = self.failed.saturating_add(1);
                let kept = why
                    .char_indices()
                    .take_while(|(at, _)| *at < FAILURE_OCTETS_MAX);
                self.failure = Some(kept.map(|(_, letter)| letter).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let mut line = Line::default();
        for number in 0..100_u8 {
            line.push(vec![number]);
        }
        assert_eq!((line.len(), line.dropped), (MESSAGES_MAX, 68));
        assert_eq!(line.pop(), Some(vec![68]));
        for _ in 0..100 {
            line.push(vec![0; 128 * 1024]);
        }
        assert!(line.octets <= OCTETS_MAX && line.len() == 8);
        while line.pop().is_some() {}
        assert_eq!(line.octets, 0);
        line.note(Err("ä".repeat(1000)));
        assert!(
            line.failure
                .as_ref()
                .is_some_and(|why| why.len() <= FAILURE_OCTETS_MAX + 2)
        );
        line.note(Ok(()));
        assert_eq!((line.failure, line.failed, line.carried), (None, 1, 1));
    }
}
