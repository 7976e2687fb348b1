//! Whose turn it is on a link: more urgent mail before less urgent, healthy mail before what has failed often, and senders in
//! turn, so that one who sends a great deal doesn't starve the others.
//!
//! Senders share a bounded number of lanes by a hash of their names, as in stochastic fairness queueing (McKenney 1990).

use bridgehead_mail::{MessageId, Priority};
use std::collections::VecDeque;

/// Senders of one class share so many lanes.
const LANES: u32 = 64;
/// Each so-manyth turn goes to the least urgent that waits, so that nothing waits for ever.
const TURN_OF_THE_LAST: u32 = 16;
/// Three priorities, each healthy or not.
const CLASSES: usize = 6;

/// Who waits: a part of a message.
pub(crate) type Waiter = (MessageId, u32);

/// What decides about a waiter's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) priority: Priority,
    /// Whether it has failed so often that it goes behind healthy mail.
    pub(crate) demoted: bool,
    /// A hash of the sender's name.
    pub(crate) sender: u32,
}

/// Everybody who waits on one link.
#[derive(Default)]
pub(crate) struct Turns {
    classes: [Class; CLASSES],
    waiting: usize,
    taken: u32,
}

#[derive(Default)]
struct Class {
    /// Only those that aren't empty.
    lanes: Vec<Lane>,
    next: usize,
}

struct Lane {
    number: u32,
    waiters: VecDeque<Waiter>,
}

impl Standing {
    const fn class(self) -> usize {
        let rank = match self.priority {
            Priority::High => 0,
            Priority::Normal => 2,
            Priority::Low => 4,
        };
        rank + self.demoted as usize
    }
}

impl Turns {
    pub(crate) const fn len(&self) -> usize {
        self.waiting
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    pub(crate) fn push(&mut self, standing: Standing, waiter: Waiter) {
        if let Some(class) = self.classes.get_mut(standing.class()) {
            class.push(standing.sender, waiter, false);
            self.waiting += 1;
        }
    }

    /// It had its turn and gave it back.
    pub(crate) fn push_front(&mut self, standing: Standing, waiter: Waiter) {
        if let Some(class) = self.classes.get_mut(standing.class()) {
            class.push(standing.sender, waiter, true);
            self.waiting += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Waiter> {
        self.taken = self.taken.wrapping_add(1);
        let popped = if self.taken.is_multiple_of(TURN_OF_THE_LAST) {
            self.classes.iter_mut().rev().find_map(Class::pop)
        } else {
            self.classes.iter_mut().find_map(Class::pop)
        };
        self.waiting -= usize::from(popped.is_some());
        popped
    }
}

impl Class {
    fn push(&mut self, sender: u32, waiter: Waiter, front: bool) {
        let number = sender % LANES;
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.number == number) else {
            let waiters = VecDeque::from([waiter]);
            self.lanes.push(Lane { number, waiters });
            return;
        };
        if front {
            lane.waiters.push_front(waiter);
        } else {
            lane.waiters.push_back(waiter);
        }
    }

    fn pop(&mut self) -> Option<Waiter> {
        if self.lanes.is_empty() {
            return None;
        }
        self.next %= self.lanes.len();
        let lane = self.lanes.get_mut(self.next)?;
        let popped = lane.waiters.pop_front();
        if lane.waiters.is_empty() {
            // The one behind it moves here and is next.
            self.lanes.remove(self.next);
        } else {
            self.next += 1;
        }
        popped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(priority: Priority, sender: u32) -> Standing {
        Standing {
            priority,
            demoted: false,
            sender,
        }
    }

    fn waiter(number: u32) -> Waiter {
        (MessageId::from_u128(u128::from(number)), 0)
    }

    fn order(turns: &mut Turns) -> Vec<u128> {
        std::iter::from_fn(|| turns.pop())
            .map(|(message, _)| message.as_u128())
            .collect()
    }

    #[test]
    fn the_urgent_go_first_and_what_fails_often_goes_behind_its_like() {
        let mut turns = Turns::default();
        turns.push(standing(Priority::Low, 1), waiter(1));
        let demoted = Standing {
            demoted: true,
            ..standing(Priority::Normal, 1)
        };
        turns.push(demoted, waiter(2));
        turns.push(standing(Priority::Normal, 1), waiter(3));
        turns.push(standing(Priority::High, 1), waiter(4));
        assert_eq!(turns.len(), 4);
        assert_eq!(order(&mut turns), [4, 3, 2, 1]);
        assert!(turns.is_empty());
    }

    #[test]
    fn one_who_sends_much_shares_turns_with_one_who_sends_little() {
        let mut turns = Turns::default();
        for number in 0..10 {
            turns.push(standing(Priority::Normal, 7), waiter(number));
        }
        turns.push(standing(Priority::Normal, 8), waiter(100));
        turns.push(standing(Priority::Normal, 8), waiter(101));
        let order = order(&mut turns);
        assert_eq!(order.get(..5), Some(&[0, 100, 1, 101, 2][..]));
        assert_eq!(order.len(), 12);
    }

    #[test]
    fn the_least_urgent_has_a_turn_while_urgent_mail_never_ends() {
        let mut turns = Turns::default();
        turns.push(standing(Priority::Low, 1), waiter(1_000));
        for number in 0..100 {
            turns.push(standing(Priority::High, 1), waiter(number));
        }
        let order = order(&mut turns);
        let place = order.iter().position(|number| *number == 1_000).unwrap();
        assert!(place < 16, "{place}");
    }

    #[test]
    fn what_was_given_back_is_next_of_its_sender() {
        let mut turns = Turns::default();
        turns.push(standing(Priority::Normal, 1), waiter(1));
        turns.push(standing(Priority::Normal, 1), waiter(2));
        let first = turns.pop().unwrap();
        turns.push_front(standing(Priority::Normal, 1), first);
        assert_eq!(order(&mut turns), [1, 2]);
    }
}
