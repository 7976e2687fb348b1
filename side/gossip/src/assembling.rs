//! Messages that arrive in chunks, one in each session.
//!
//! Guards: only sessions in which a message has begun are kept, of each server a few (the oldest goes), and of all together only so
//! many octets. Refuses chunks that aren't the one that must come, and chunks for which there is no room.

use bridgehead_linkstate::chunk::{Assembler, Chunk, ChunkFault};
use std::collections::BTreeMap;

/// So many messages of one server may have begun.
const BEGUN_PER_SERVER_MAX: usize = 4;
/// So many octets of messages that have begun are kept.
const OCTETS_MAX: usize = 16 * 1024 * 1024;

/// Why a chunk isn't taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It isn't the one that must come.
    Chunk(ChunkFault),
    /// Too much has begun and not ended.
    NoRoom,
}

/// What has begun in the sessions of all servers.
#[derive(Debug, Default)]
pub(crate) struct Assembling {
    begun: BTreeMap<(Box<str>, u64), Begun>,
    octets: usize,
    /// The number of the next message that begins.
    next: u64,
}

#[derive(Debug, Default)]
struct Begun {
    assembler: Assembler,
    octets: usize,
    /// Its place among all that began.
    order: u64,
}

impl Assembling {
    /// Takes a chunk; gives the message when it is whole.
    pub(crate) fn take(
        &mut self,
        from: &str,
        session: u64,
        chunk: &Chunk<'_>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let key = (Box::from(from), session);
        let mut begun = match self.begun.remove(&key) {
            Some(begun) => begun,
            None => {
                self.next += 1;
                Begun {
                    order: self.next,
                    ..Begun::default()
                }
            }
        };
        self.octets -= begun.octets;
        match begun.assembler.take(chunk) {
            Ok(Some(message)) => return Ok(Some(message)),
            Ok(None) => {}
            Err(fault) => return Err(Refusal::Chunk(fault)),
        }
        begun.octets += chunk.octets.len();
        self.make_room(from);
        if self.octets + begun.octets > OCTETS_MAX {
            return Err(Refusal::NoRoom);
        }
        self.octets += begun.octets;
        self.begun.insert(key, begun);
        Ok(None)
    }

    /// A session has ended, and with it what had begun in it.
    pub(crate) fn ended(&mut self, session: u64) {
        self.begun.retain(|(_, of), _| *of != session);
        self.octets = self.begun.values().map(|begun| begun.octets).sum();
    }

    /// Nothing of servers other than these is kept.
    pub(crate) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.begun.retain(|(from, _), _| stays(from));
        self.octets = self.begun.values().map(|begun| begun.octets).sum();
    }

    fn make_room(&mut self, from: &str) {
        let first = (Box::from(from), 0);
        let of_server = self.begun.range(first..);
        let of_server = of_server.take_while(|((server, _), _)| &**server == from);
        let mut of_server: Vec<(u64, u64)> = of_server
            .map(|((_, session), begun)| (begun.order, *session))
            .collect();
        if of_server.len() < BEGUN_PER_SERVER_MAX {
            return;
        }
        of_server.sort_unstable();
        if let Some((_, session)) = of_server.first()
            && let Some(gone) = self.begun.remove(&(Box::from(from), *session))
        {
            self.octets -= gone.octets;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_linkstate::chunk::{CHUNK_OCTETS_MAX, Place, cut};

    const fn first(octets: &[u8]) -> Chunk<'_> {
        Chunk {
            place: Place::First,
            number: 0,
            octets,
        }
    }

    const fn last(octets: &[u8]) -> Chunk<'_> {
        Chunk {
            place: Place::Last,
            number: 1,
            octets,
        }
    }

    #[test]
    fn sessions_dont_disturb_each_other_and_leave_nothing_behind() {
        let mut all = Assembling::default();
        let message = vec![7; 3 * CHUNK_OCTETS_MAX + 5];
        let chunks: Vec<_> = cut(&message, CHUNK_OCTETS_MAX).collect();
        for (place, chunk) in chunks.iter().enumerate() {
            let whole = place + 1 == chunks.len();
            for (from, session) in [("b1", 1), ("b1", 2), ("c1", 1)] {
                let taken = all.take(from, session, chunk).unwrap();
                assert_eq!(taken, whole.then(|| message.clone()));
            }
        }
        assert_eq!((all.begun.len(), all.octets), (0, 0));
        all.take("b1", 5, &first(b"a")).unwrap();
        all.take("c1", 6, &first(b"a")).unwrap();
        all.ended(5);
        assert_eq!((all.begun.len(), all.octets), (1, 1));
        let refused = all.take("b1", 5, &last(b"b"));
        assert_eq!(refused, Err(Refusal::Chunk(ChunkFault::NotBegun)));
        all.retain(|server| server != "c1");
        assert_eq!((all.begun.len(), all.octets), (0, 0));
    }

    #[test]
    fn what_has_begun_is_bounded_for_each_server_and_for_all() {
        let mut all = Assembling::default();
        for session in 0..100 {
            all.take("b1", session, &first(b"a")).unwrap();
        }
        assert_eq!(all.begun.len(), BEGUN_PER_SERVER_MAX);
        let refused = all.take("b1", 0, &last(b"b"));
        assert_eq!(refused, Err(Refusal::Chunk(ChunkFault::NotBegun)));
        assert_eq!(all.take("b1", 99, &last(b"b")), Ok(Some(b"ab".to_vec())));
        let large = vec![0; CHUNK_OCTETS_MAX];
        let refused = (0..2000).find_map(|server| {
            let taken = all.take(&format!("s{server}"), 1, &first(&large));
            taken.err()
        });
        assert_eq!(refused, Some(Refusal::NoRoom));
        assert!(all.octets <= OCTETS_MAX);
    }
}
