//! Whom to tell: the rules of flooding.
//!
//! Guards: a record goes over each adjacency at most once in each direction, and over those inside a group only from whoever brought
//! it into the group: its servers all reach each other, and where one doesn't, the comparison of digests makes up for it.

use crate::settings::Settings;
use crate::time::Time;
use crate::topology::{ServerId, Topology};
use std::collections::BTreeMap;

/// Whether a neighbour is to be told of a record that came from `from` (none: this server made it).
pub(crate) fn is_told(
    topology: &Topology,
    own: ServerId,
    neighbour: ServerId,
    from: Option<ServerId>,
) -> bool {
    // The origin itself is told, too, if it comes from somebody else: so it hears what is said in its name.
    if Some(neighbour) == from {
        return false;
    }
    let came_from_a_peer = from.is_some_and(|from| topology.are_peers(own, from));
    !(came_from_a_peer && topology.are_peers(own, neighbour))
}

/// Origins that say something so often that it is passed on later.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    /// When each was last passed on, and from whom what waits came.
    last: BTreeMap<ServerId, (Time, Option<Waiting>)>,
}

/// A record that waits to be passed on.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    from: Option<ServerId>,
}

impl Pace {
    /// Whether a record of this origin may be passed on at once; otherwise it waits.
    pub(crate) fn may_go(
        &mut self,
        now: Time,
        origin: ServerId,
        from: Option<ServerId>,
        settings: &Settings,
    ) -> bool {
        let Some((last, waiting)) = self.last.get_mut(&origin) else {
            self.last.insert(origin, (now, None));
            return true;
        };
        if waiting.is_none() && now >= last.after(settings.relay_interval) {
            *last = now;
            return true;
        }
        // Of two neighbours neither may be left out: then it counts as if it came from nobody.
        let from = match waiting {
            Some(waiting) if waiting.from != from => None,
            _ => from,
        };
        *waiting = Some(Waiting { from });
        false
    }

    /// The origins whose turn has come, and from whom their records came.
    pub(crate) fn take_due(
        &mut self,
        now: Time,
        settings: &Settings,
    ) -> Vec<(ServerId, Option<ServerId>)> {
        let mut due = Vec::new();
        self.last.retain(|origin, (last, waiting)| {
            if now < last.after(settings.relay_interval) {
                return true;
            }
            match waiting.take() {
                Some(waiting) => {
                    due.push((*origin, waiting.from));
                    *last = now;
                    true
                }
                None => false,
            }
        });
        due
    }

    /// When the next one's turn comes.
    pub(crate) fn deadline(&self, settings: &Settings) -> Time {
        let waiting = self.last.values().filter(|(_, waiting)| waiting.is_some());
        waiting
            .map(|(last, _)| last.after(settings.relay_interval))
            .min()
            .unwrap_or(Time::NEVER)
    }

    pub(crate) fn clear(&mut self) {
        self.last.clear();
    }
}
