//! What was found for messages that something bars from the best way: kept for the next ones of their kind.
//!
//! Guards: one kind, one answer; what is kept is bounded in number.

use crate::choose::{Chosen, NoWay};
use crate::facts::Bar;
use crate::net::Choice;
use crate::paths::Paths;
use crate::restricted::Kind;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// So many kinds of messages are kept.
const KINDS_MAX: usize = 64;
/// So many address spaces are kept of each.
const SPACES_MAX: usize = 1024;

/// What messages of one kind have in common.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// The paths that they may take: first without those that are closed now, then, if that differs, with them. None without
    /// groups.
    pub(crate) sets: Vec<Arc<Paths>>,
    /// The paths that lead into no group that they have left, whatever bars them.
    pub(crate) unrestricted: OnceLock<Option<Arc<Paths>>>,
    spaces: Mutex<HashMap<usize, Arc<Space>>>,
}

/// What an address space holds for messages of one kind.
#[derive(Debug)]
pub(crate) enum Space {
    /// These share the load, over these paths.
    Shared(Vec<Choice>, Option<Arc<Paths>>),
    /// Every way to it is cut: this is where it waits.
    Cut(Chosen),
    /// Nothing.
    Nothing {
        /// What bars the message, if something does.
        barred: Option<(usize, Bar)>,
        /// Why no way leads there, if none does.
        lost: Option<NoWay>,
    },
}

impl Common {
    pub(crate) fn new(sets: Vec<Arc<Paths>>) -> Self {
        Self {
            sets,
            ..Self::default()
        }
    }

    /// What the address space of this list of choices holds.
    pub(crate) fn space(&self, list: usize, find: impl FnOnce() -> Space) -> Arc<Space> {
        let known = lock(&self.spaces).get(&list).cloned();
        known.unwrap_or_else(|| {
            let found = Arc::new(find());
            let mut spaces = lock(&self.spaces);
            if spaces.len() >= SPACES_MAX {
                spaces.clear();
            }
            spaces.insert(list, Arc::clone(&found));
            found
        })
    }
}

/// The kinds of messages that were met.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_kind: HashMap<Kind, Arc<Common>>,
    /// The first to go is the first that came.
    in_turn: VecDeque<Kind>,
}

impl Kinds {
    /// What messages of a kind have in common.
    pub(crate) fn common(&self, kind: Kind, find: impl FnOnce() -> Common) -> Arc<Common> {
        let known = lock(&self.known).by_kind.get(&kind).cloned();
        known.unwrap_or_else(|| {
            let found = Arc::new(find());
            let mut known = lock(&self.known);
            let before = known.by_kind.insert(kind.clone(), Arc::clone(&found));
            if before.is_none() {
                known.in_turn.push_back(kind);
            }
            if known.in_turn.len() > KINDS_MAX
                && let Some(first) = known.in_turn.pop_front()
            {
                known.by_kind.remove(&first);
            }
            found
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
