//! Basic Encoding Rules as LDAP uses them (RFC 4511 §5.1): definite lengths, tags of one octet.
//!
//! Guards: no length leads outside the octets there are.

/// Octets that aren't what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BerError {
    /// They end too early.
    #[error("the message is cut off")]
    Short,
    /// A length that isn't definite, or larger than what holds it.
    #[error("a length in the message is wrong")]
    Length,
    /// Another tag than expected.
    #[error("unexpected tag {found:#04x} in the message")]
    Tag {
        /// The tag that is there.
        found: u8,
    },
    /// A value outside its range.
    #[error("a value in the message is wrong")]
    Value,
    /// More octets than a message may have.
    #[error("the message has more than {most} octets")]
    Large {
        /// The most.
        most: usize,
    },
}

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// Octets being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, if there is one.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element: its tag and content.
    pub(crate) fn element(&mut self) -> Result<(u8, &'a [u8]), BerError> {
        let (&tag, after) = self.rest.split_first().ok_or(BerError::Short)?;
        let (length, after) = length(after)?.ok_or(BerError::Short)?;
        let (content, after) = after.split_at_checked(length).ok_or(BerError::Short)?;
        self.rest = after;
        Ok((tag, content))
    }

    /// The content of the next element, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], BerError> {
        let (found, content) = self.element()?;
        if found == tag {
            Ok(content)
        } else {
            Err(BerError::Tag { found })
        }
    }

    /// The content of the next element, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BerError> {
        match self.peek() {
            Some(found) if found == tag => self.expect(tag).map(Some),
            _ => Ok(None),
        }
    }

    pub(crate) fn inside(&mut self, tag: u8) -> Result<Self, BerError> {
        self.expect(tag).map(Self::new)
    }

    pub(crate) fn octets(&mut self) -> Result<Vec<u8>, BerError> {
        self.expect(OCTETS).map(<[u8]>::to_vec)
    }

    pub(crate) fn text(&mut self) -> Result<String, BerError> {
        self.expect(OCTETS).and_then(text)
    }

    pub(crate) fn integer(&mut self, tag: u8) -> Result<i64, BerError> {
        self.expect(tag).and_then(integer)
    }
}

/// Octets as UTF-8.
pub(crate) fn text(octets: &[u8]) -> Result<String, BerError> {
    let text = std::str::from_utf8(octets).map_err(|_| BerError::Value)?;
    Ok(text.to_owned())
}

/// A two's complement number of up to eight octets.
pub(crate) fn integer(octets: &[u8]) -> Result<i64, BerError> {
    if octets.is_empty() || octets.len() > 8 {
        return Err(BerError::Value);
    }
    let negative = octets.first().is_some_and(|first| first & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    let number = octets
        .iter()
        .fold(start, |number: i64, octet| number << 8 | i64::from(*octet));
    Ok(number)
}

/// A length and what follows it; none if it isn't whole yet.
pub(crate) fn length(octets: &[u8]) -> Result<Option<(usize, &[u8])>, BerError> {
    let Some((&first, after)) = octets.split_first() else {
        return Ok(None);
    };
    if first < 0x80 {
        return Ok(Some((usize::from(first), after)));
    }
    let count = usize::from(first & 0x7f);
    // RFC 4511 §5.1: only the definite form; four octets are more than any message here may have.
    if count == 0 || count > 4 {
        return Err(BerError::Length);
    }
    let Some((octets, after)) = after.split_at_checked(count) else {
        return Ok(None);
    };
    let length = octets
        .iter()
        .fold(0_usize, |length, octet| length << 8 | usize::from(*octet));
    Ok(Some((length, after)))
}

/// Octets being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) out: Vec<u8>,
}

impl Writer {
    /// An element with this content.
    pub(crate) fn element(&mut self, tag: u8, content: &[u8]) {
        self.out.push(tag);
        let length = content.len();
        match u8::try_from(length) {
            Ok(short) if short < 0x80 => self.out.push(short),
            _ => {
                let octets = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
                self.out.push(0x84);
                self.out.extend_from_slice(&octets);
            }
        }
        self.out.extend_from_slice(content);
    }

    /// An element with what `write` writes.
    pub(crate) fn inside(&mut self, tag: u8, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.element(tag, &inner.out);
    }

    pub(crate) fn octets(&mut self, octets: impl AsRef<[u8]>) {
        self.element(OCTETS, octets.as_ref());
    }

    pub(crate) fn integer(&mut self, tag: u8, number: i64) {
        let octets = number.to_be_bytes();
        // The fewest octets that keep the sign.
        let spare = octets
            .windows(2)
            .take_while(|pair| match pair {
                [0, next] => next & 0x80 == 0,
                [0xff, next] => next & 0x80 != 0,
                _ => false,
            })
            .count();
        self.element(tag, octets.get(spare..).unwrap_or(&octets));
    }

    pub(crate) fn boolean(&mut self, tag: u8, value: bool) {
        self.element(tag, &[if value { 0xff } else { 0 }]);
    }
}
