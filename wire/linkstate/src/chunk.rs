//! Messages in chunks, as a verb of SMTP carries them.
//!
//! A message is ONLY one chunk, or FIRST, any number of NEXT and LAST, numbered from 0. Guards: a chunk that isn't the one that must
//! come now ends the message and is refused; nothing is kept of a message before its FIRST, and never more than a message may have.
//! (The original kept chunks without a keyword in a buffer that nothing had made.) The carrier decides how a chunk looks on the line
//! and only carries them inside sessions of members.

use crate::codec::MESSAGE_OCTETS_MAX;

/// A chunk has at most this many octets.
pub const CHUNK_OCTETS_MAX: usize = 16 * 1024;

/// Where in its message a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The whole message.
    Only,
    /// Its beginning.
    First,
    /// Neither its beginning nor its end.
    Next,
    /// Its end.
    Last,
}

impl Place {
    /// The keyword.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Only => "ONLY",
            Self::First => "FIRST",
            Self::Next => "NEXT",
            Self::Last => "LAST",
        }
    }

    /// From the keyword, in any case.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Only, Self::First, Self::Next, Self::Last];
        all.into_iter()
            .find(|place| word.eq_ignore_ascii_case(place.as_str()))
    }
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Where it stands.
    pub place: Place,
    /// Its number in the message, from 0.
    pub number: u32,
    /// Its octets.
    pub octets: &'a [u8],
}

/// Why a chunk is refused. The message that it belongs to is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// NEXT or LAST, and no message has begun.
    #[error("a chunk before any FIRST")]
    NotBegun,
    /// FIRST or ONLY in the middle of a message.
    #[error("a message begins before the one before it has ended")]
    NotEnded,
    /// Another number than the one that must come.
    #[error("chunk {found} where {expected} must come")]
    Order {
        /// The number it has.
        found: u32,
        /// The number it should have.
        expected: u32,
    },
    /// A chunk without octets.
    #[error("a chunk is empty")]
    Empty,
    /// A chunk that is too large.
    #[error("a chunk of {0} octets: at most {CHUNK_OCTETS_MAX} are taken")]
    ChunkTooLarge(usize),
    /// A message that is too large.
    #[error("a message of more than {MESSAGE_OCTETS_MAX} octets")]
    MessageTooLarge,
}

/// Cuts a message into chunks of at most `octets` (at least 1, at most [`CHUNK_OCTETS_MAX`]).
pub fn cut(message: &[u8], octets: usize) -> impl Iterator<Item = Chunk<'_>> {
    let octets = octets.clamp(1, CHUNK_OCTETS_MAX);
    let count = message.len().div_ceil(octets);
    let chunks = message.chunks(octets).enumerate();
    chunks.map(move |(number, octets)| Chunk {
        place: match (number, count) {
            (_, 1) => Place::Only,
            (0, _) => Place::First,
            (number, count) if number + 1 == count => Place::Last,
            _ => Place::Next,
        },
        number: u32::try_from(number).unwrap_or(u32::MAX),
        octets,
    })
}

/// Puts chunks together again.
#[derive(Clone, Debug, Default)]
pub struct Assembler {
    /// The message that has begun, and the number of its next chunk.
    begun: Option<(Vec<u8>, u32)>,
}

impl Assembler {
    /// Takes a chunk; gives the message when it is whole.
    ///
    /// # Errors
    /// If it isn't the chunk that must come now. What came of the message is dropped; the next must be FIRST or ONLY.
    pub fn take(&mut self, chunk: &Chunk<'_>) -> Result<Option<Vec<u8>>, ChunkFault> {
        // Whatever fails below leaves nothing behind.
        let begun = self.begun.take();
        match chunk.octets.len() {
            0 => return Err(ChunkFault::Empty),
            octets if octets > CHUNK_OCTETS_MAX => return Err(ChunkFault::ChunkTooLarge(octets)),
            _ => {}
        }
        let begins = matches!(chunk.place, Place::Only | Place::First);
        let (mut message, expected) = match (begins, begun) {
            (true, None) => (Vec::new(), 0),
            (true, Some(_)) => return Err(ChunkFault::NotEnded),
            (false, None) => return Err(ChunkFault::NotBegun),
            (false, Some(begun)) => begun,
        };
        if chunk.number != expected {
            return Err(ChunkFault::Order {
                found: chunk.number,
                expected,
            });
        }
        if message.len() + chunk.octets.len() > MESSAGE_OCTETS_MAX {
            return Err(ChunkFault::MessageTooLarge);
        }
        message.extend_from_slice(chunk.octets);
        if matches!(chunk.place, Place::Only | Place::Last) {
            return Ok(Some(message));
        }
        self.begun = Some((message, expected.saturating_add(1)));
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn chunk(place: Place, number: u32, octets: &[u8]) -> Chunk<'_> {
        Chunk {
            place,
            number,
            octets,
        }
    }

    #[test]
    fn what_was_cut_comes_together_again() {
        for size in [1, 2, 999, 1000, 1001, 5000, MESSAGE_OCTETS_MAX] {
            let message: Vec<u8> = (0..size).map(|at| at.to_le_bytes()[0]).collect();
            let mut assembler = Assembler::default();
            let mut whole = None;
            for chunk in cut(&message, 1000) {
                assert_eq!(whole, None);
                whole = assembler.take(&chunk).unwrap();
            }
            assert_eq!(whole, Some(message));
        }
    }

    #[test]
    fn a_chunk_before_any_first_is_refused_and_not_kept() {
        let large = [0x41; 521];
        for place in [Place::Next, Place::Last] {
            let mut assembler = Assembler::default();
            let refused = assembler.take(&chunk(place, 0, &large));
            assert_eq!(refused, Err(ChunkFault::NotBegun));
            assert!(assembler.begun.is_none());
        }
        // There is no such thing as a chunk without a keyword.
        assert_eq!(Place::parse(""), None);
        assert_eq!(Place::parse("CHUNK"), None);
        assert_eq!(Place::parse("first"), Some(Place::First));
    }

    #[test]
    fn order_is_enforced_and_a_fault_ends_the_message() {
        let mut assembler = Assembler::default();
        assembler.take(&chunk(Place::First, 0, b"a")).unwrap();
        let order = ChunkFault::Order {
            found: 2,
            expected: 1,
        };
        assert_eq!(assembler.take(&chunk(Place::Next, 2, b"c")), Err(order));
        let late = assembler.take(&chunk(Place::Last, 1, b"b"));
        assert_eq!(late, Err(ChunkFault::NotBegun));
        assembler.take(&chunk(Place::First, 0, b"a")).unwrap();
        let again = assembler.take(&chunk(Place::First, 0, b"a"));
        assert_eq!(again, Err(ChunkFault::NotEnded));
        let only = assembler.take(&chunk(Place::Only, 0, b"x"));
        assert_eq!(only, Ok(Some(b"x".to_vec())));
        let numbered = assembler.take(&chunk(Place::Only, 1, b"x"));
        assert!(matches!(numbered, Err(ChunkFault::Order { .. })));
    }

    #[test]
    fn sizes_are_bounded() {
        let mut assembler = Assembler::default();
        assert_eq!(
            assembler.take(&chunk(Place::First, 0, b"")),
            Err(ChunkFault::Empty)
        );
        let large = vec![0; CHUNK_OCTETS_MAX + 1];
        assert_eq!(
            assembler.take(&chunk(Place::First, 0, &large)),
            Err(ChunkFault::ChunkTooLarge(CHUNK_OCTETS_MAX + 1))
        );
        let most = vec![0; CHUNK_OCTETS_MAX];
        assembler.take(&chunk(Place::First, 0, &most)).unwrap();
        let full = MESSAGE_OCTETS_MAX / CHUNK_OCTETS_MAX;
        for number in 1..full {
            let number = u32::try_from(number).unwrap();
            assembler.take(&chunk(Place::Next, number, &most)).unwrap();
        }
        let number = u32::try_from(full).unwrap();
        assert_eq!(
            assembler.take(&chunk(Place::Last, number, b"x")),
            Err(ChunkFault::MessageTooLarge)
        );
        assert!(assembler.begun.is_none());
    }
}
