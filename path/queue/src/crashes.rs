//! What follows for a message over which workers or the process ended: it is watched, and set aside with the second time. No disk, no
//! clock, no thread.

use crate::in_hand::Suspects;
use crate::state::{State, WHOLE};
use bridgehead_mail::MessageId;

/// A message whose processing has ended so many workers, or the process so often, is set aside.
const CRASHES_MAX: u32 = 2;

impl State {
    /// The processing of a message has ended a worker. Returns whether it is set aside from now on.
    pub(crate) fn note_crash(&mut self, message: MessageId, how: &str) -> bool {
        let Some(mut entry) = self.entries.get_mut(&message) else {
            return false;
        };
        let crashes = self.crashes.entry(message).or_default();
        *crashes += 1;
        if *crashes < CRASHES_MAX {
            return false;
        }
        self.crashes.remove(&message);
        entry.returned = None;
        entry.control.get_or_insert_default().poison = Some(how.into());
        true
    }

    /// These were in hand when the process was aborted, so often. Gives back those that are set aside because of that, with why.
    pub(crate) fn suspect(&mut self, suspects: &Suspects) -> Vec<(MessageId, Box<str>)> {
        let mut set_aside = Vec::new();
        for (message, times) in suspects {
            let Some(mut entry) = self.entries.get_mut(message) else {
                continue;
            };
            if *times < CRASHES_MAX {
                self.crashes.insert(*message, *times);
                self.suspects.add(*message);
                continue;
            }
            let how = format!("it was in hand when the server was aborted, {times} times");
            let how: Box<str> = how.into();
            entry.control.get_or_insert_default().poison = Some(how.clone());
            set_aside.push((*message, how));
        }
        set_aside
    }

    /// How often the suspects were in hand when the process was aborted.
    pub(crate) fn suspicions(&self) -> Suspects {
        let suspects = self.suspects.iter();
        suspects
            .filter_map(|message| Some((message, *self.crashes.get(&message)?)))
            .collect()
    }

    /// A message was worked on to an end: whatever aborted the process, it wasn't this. Returns whether it was a suspect.
    pub(crate) fn acquit(&mut self, message: MessageId) -> bool {
        let was = self.suspects.clear(message);
        if was {
            self.crashes.remove(&message);
        }
        was
    }

    /// A message is in nobody's hands any more: the next suspect has its turn.
    pub(crate) fn let_go(&mut self, message: MessageId) {
        for (waiting, number) in self.suspects.let_go(message) {
            match number {
                WHOLE => self.submission.push_back(waiting),
                number => self.queue_up(waiting, number),
            }
        }
    }
}
