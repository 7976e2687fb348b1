//! Identities: of a message in the organisation, and of a session in the log.

use crate::Timestamp;
use std::fmt;
use std::str::FromStr;

/// Crockford's base 32: no I, L, O or U, so that an id survives being read out over the telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 128 bits at five bits a character.
const TEXT_LENGTH: usize = 26;

/// The identity of a message from acceptance to the end of its life, unique in the organisation.
///
/// 48 bits of milliseconds since the epoch, then 80 random bits, so that ids sort by time of acceptance.
/// Written as 26 characters of Crockford's base 32; parsing ignores case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    // Two halves instead of one number: a million of them in a queue aren't padded to 16 octets.
    high: u64,
    low: u64,
}

/// The text isn't a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 26 characters of 0-9 and A-Z without I, L, O and U are expected")]
pub struct MessageIdError;

impl MessageId {
    /// An id from the time of acceptance and 80 bits of randomness (the upper 48 bits of `random` are ignored).
    #[must_use]
    pub const fn new(accepted: Timestamp, random: u128) -> Self {
        let time = (accepted.as_millis() as u128 & 0xFFFF_FFFF_FFFF) << 80;
        Self::from_u128(time | (random & ((1 << 80) - 1)))
    }

    /// From its number, as stored.
    #[must_use]
    pub const fn from_u128(number: u128) -> Self {
        Self {
            high: (number >> 64) as u64,
            low: number as u64,
        }
    }

    /// Its number, to store.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        (self.high as u128) << 64 | self.low as u128
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; TEXT_LENGTH];
        let mut rest = self.as_u128();
        for place in text.iter_mut().rev() {
            let digit = (rest & 31) as usize;
            *place = ALPHABET.get(digit).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = MessageIdError;

    fn from_str(text: &str) -> Result<Self, MessageIdError> {
        if text.len() != TEXT_LENGTH {
            return Err(MessageIdError);
        }
        let mut number: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let upper = byte.to_ascii_uppercase();
            let digit = ALPHABET
                .iter()
                .position(|letter| *letter == upper)
                .ok_or(MessageIdError)?;
            // 26 characters hold 130 bits: the first may only carry three.
            if place == 0 && digit > 7 {
                return Err(MessageIdError);
            }
            number = (number << 5) | digit as u128;
        }
        Ok(Self::from_u128(number))
    }
}

/// The identity of a session in the log of one server, counted from one at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_out_and_back_and_sorts_by_time() {
        let early = MessageId::new(Timestamp::from_millis(1_000), u128::MAX);
        let late = MessageId::new(Timestamp::from_millis(1_001), 0);
        assert!(early < late);
        for id in [
            early,
            late,
            MessageId::from_u128(u128::MAX),
            MessageId::from_u128(0),
        ] {
            let text = id.to_string();
            assert_eq!(text.len(), 26);
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.to_lowercase().parse(), Ok(id));
        }
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in [
            "",
            "0",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "0000000000000000000000000U",
            "../../../../../etc/passwd0",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(MessageIdError), "{text}");
        }
    }
}
