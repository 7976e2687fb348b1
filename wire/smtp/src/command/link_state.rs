//! `X-LINK2STATE word number size`: a chunk of a message about links, between members only.
//!
//! Guards: a size that can't be trusted ends the session, because nobody knows where the next command begins.

use super::parameters::number;
use bridgehead_mail::Refusal;

/// The verb.
const VERB: &str = "X-LINK2STATE";
/// Octets of one chunk.
pub const LINK_STATE_OCTETS_MAX: u16 = 16 * 1024;
/// Where a chunk may stand in its message.
const PLACES: [&str; 4] = ["ONLY", "FIRST", "NEXT", "LAST"];

/// The arguments of X-LINK2STATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Octets that follow the line: 1 to [`LINK_STATE_OCTETS_MAX`].
    pub size: u16,
    /// Where the chunk stands in its message, and its number; or what is wrong with that.
    pub place: Result<(&'static str, u32), Refusal>,
}

impl LinkState {
    /// From a line without its line end; none if it has another verb.
    ///
    /// # Errors
    /// If it doesn't say how many octets follow.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Result<Self, Refusal>> {
        let text = std::str::from_utf8(line).ok()?;
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        verb.eq_ignore_ascii_case(VERB).then(|| arguments(rest))
    }
}

fn arguments(rest: &str) -> Result<LinkState, Refusal> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let (place, count, size, more) = (words.next(), words.next(), words.next(), words.next());
    let size = size.and_then(number).filter(|_| more.is_none());
    let size = size.and_then(|size| u16::try_from(size).ok());
    let size = size.filter(|size| (1..=LINK_STATE_OCTETS_MAX).contains(size));
    let size = size.ok_or(Refusal::BadChunk)?;
    let known = |word: &str| {
        PLACES
            .into_iter()
            .find(|place| word.eq_ignore_ascii_case(place))
    };
    let place = place.and_then(known);
    let count = count
        .and_then(number)
        .and_then(|count| u32::try_from(count).ok());
    Ok(LinkState {
        size,
        place: place.zip(count).ok_or(Refusal::BadArguments),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Result<LinkState, Refusal>> {
        LinkState::parse(line.as_bytes())
    }

    #[test]
    fn a_chunk_says_its_place_number_and_size() {
        let read = LinkState {
            size: 16_384,
            place: Ok(("NEXT", 7)),
        };
        assert_eq!(parse("x-link2state next 7 16384"), Some(Ok(read)));
        assert_eq!(parse("X-LINK2STATEX next 7 1"), None);
        assert_eq!(parse("NOOP"), None);
    }

    #[test]
    fn a_size_that_cannot_be_read_is_told_from_what_is_wrong_beside_it() {
        for line in [
            "",
            " ONLY",
            " ONLY 0",
            " ONLY 0 0",
            " ONLY 0 16385",
            " ONLY 0 65537",
            " ONLY 0 99999999999999999999999",
            " ONLY 0 x",
            " ONLY 0 -1",
            " ONLY 0 +1",
            " ONLY 0 1 1",
        ] {
            let read = parse(&format!("X-LINK2STATE{line}"));
            assert_eq!(read, Some(Err(Refusal::BadChunk)), "{line}");
        }
        for line in ["ALL 0 1", "ONLY x 1", "ONLY -1 1", "ONLY 4294967296 1"] {
            let read = parse(&format!("X-LINK2STATE {line}"));
            let place = Err(Refusal::BadArguments);
            assert_eq!(read, Some(Ok(LinkState { size: 1, place })), "{line}");
        }
    }
}
