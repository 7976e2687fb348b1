//! Search filters: RFC 4515 text to the octets of RFC 4511 §4.5.1.7.
//!
//! Guards: a value from outside goes through [`escape`] or [`Filter::equal`], so that it can't change what is asked.

use crate::ber::Writer;

/// Filters in filters.
const DEPTH_MAX: usize = 32;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    octets: Vec<u8>,
}

/// A text that is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no LDAP filter (RFC 4515): {reason} at octet {at}")]
pub struct FilterError {
    /// What is wrong.
    pub reason: &'static str,
    /// Where, in octets from the start.
    pub at: usize,
}

/// A value as it stands in the text of a filter (RFC 4515 §3).
#[must_use]
pub fn escape(value: &[u8]) -> String {
    let mut out = String::with_capacity(value.len());
    for octet in value {
        match octet {
            b'*' | b'(' | b')' | b'\\' | 0 | 0x80.. => out.push_str(&format!("\\{octet:02x}")),
            _ => out.push(char::from(*octet)),
        }
    }
    out
}

impl Filter {
    /// From its text.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parser = Parser { text, at: 0 };
        let mut writer = Writer::default();
        parser.filter(&mut writer, 0)?;
        if parser.at < text.len() {
            return Err(parser.fault("nothing more is expected"));
        }
        Ok(Self { octets: writer.out })
    }

    /// That an attribute has a value, whatever octets are in it.
    #[must_use]
    pub fn equal(attribute: &str, value: &[u8]) -> Self {
        let mut writer = Writer::default();
        writer.inside(0xa3, |inner| {
            inner.octets(attribute);
            inner.octets(value);
        });
        Self { octets: writer.out }
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    const fn fault(&self, reason: &'static str) -> FilterError {
        FilterError {
            reason,
            at: self.at,
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, octet: u8) -> Result<(), FilterError> {
        if self.rest().as_bytes().first() == Some(&octet) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(match octet {
            b'(' => "( is expected",
            _ => ") is expected",
        }))
    }

    fn filter(&mut self, out: &mut Writer, depth: usize) -> Result<(), FilterError> {
        if depth > DEPTH_MAX {
            return Err(self.fault("too deep"));
        }
        self.eat(b'(')?;
        let tag = match self.rest().as_bytes().first() {
            Some(b'&') => Some(0xa0),
            Some(b'|') => Some(0xa1),
            Some(b'!') => Some(0xa2),
            _ => None,
        };
        match tag {
            Some(tag) => {
                self.at += 1;
                let mut inner = Writer::default();
                let mut count = 0;
                while self.rest().starts_with('(') && (tag != 0xa2 || count == 0) {
                    self.filter(&mut inner, depth + 1)?;
                    count += 1;
                }
                if tag == 0xa2 && count == 0 {
                    return Err(self.fault("a filter is expected"));
                }
                out.element(tag, &inner.out);
            }
            None => self.item(out)?,
        }
        self.eat(b')')
    }

    /// `attr=value` and its kin.
    fn item(&mut self, out: &mut Writer) -> Result<(), FilterError> {
        let rest = self.rest();
        let end = rest.find(')').ok_or_else(|| self.fault(") is expected"))?;
        let item = rest.get(..end).unwrap_or_default();
        let (left, value) = item
            .split_once('=')
            .ok_or_else(|| self.fault("= is expected"))?;
        let (attribute, tag) = match left.as_bytes().last() {
            Some(b'>') => (left.trim_end_matches('>'), 0xa5),
            Some(b'<') => (left.trim_end_matches('<'), 0xa6),
            Some(b'~') => (left.trim_end_matches('~'), 0xa8),
            Some(b':') => (left.trim_end_matches(':'), 0xa9),
            _ => (left, 0xa3),
        };
        let fits = |letter: char| letter.is_ascii_alphanumeric() || "-;.:".contains(letter);
        if attribute.is_empty() || !attribute.chars().all(fits) {
            return Err(self.fault("an attribute is expected"));
        }
        match tag {
            0xa9 => self.extensible(attribute, value, out)?,
            0xa3 if value == "*" => out.element(0x87, attribute.as_bytes()),
            0xa3 if value.contains('*') => self.substrings(attribute, value, out)?,
            _ => {
                let value = self.value(value)?;
                out.inside(tag, |inner| {
                    inner.octets(attribute);
                    inner.octets(value);
                });
            }
        }
        self.at += end;
        Ok(())
    }

    fn substrings(
        &self,
        attribute: &str,
        value: &str,
        out: &mut Writer,
    ) -> Result<(), FilterError> {
        let pieces: Vec<&str> = value.split('*').collect();
        let last = pieces.len() - 1;
        let mut inner = Writer::default();
        for (number, piece) in pieces.into_iter().enumerate() {
            let tag = match number {
                0 => 0x80,
                _ if number == last => 0x82,
                _ => 0x81,
            };
            if !piece.is_empty() {
                inner.element(tag, &self.value(piece)?);
            }
        }
        if inner.out.is_empty() {
            return Err(self.fault("a value is expected"));
        }
        out.inside(0xa4, |sequence| {
            sequence.octets(attribute);
            sequence.element(crate::ber::SEQUENCE, &inner.out);
        });
        Ok(())
    }

    /// `attr:dn:rule:=value` (RFC 4511 §4.5.1.7.7).
    fn extensible(&self, left: &str, value: &str, out: &mut Writer) -> Result<(), FilterError> {
        let mut parts = left.split(':');
        let attribute = parts.next().unwrap_or_default();
        let (mut rule, mut with_dn) = (None, false);
        for part in parts {
            match part {
                "dn" => with_dn = true,
                "" => return Err(self.fault("a matching rule is expected")),
                part => rule = Some(part),
            }
        }
        let value = self.value(value)?;
        out.inside(0xa9, |inner| {
            if let Some(rule) = rule {
                inner.element(0x81, rule.as_bytes());
            }
            if !attribute.is_empty() {
                inner.element(0x82, attribute.as_bytes());
            }
            inner.element(0x83, &value);
            if with_dn {
                inner.boolean(0x84, true);
            }
        });
        Ok(())
    }

    /// A value with its escapes undone.
    fn value(&self, text: &str) -> Result<Vec<u8>, FilterError> {
        let mut out = Vec::with_capacity(text.len());
        let mut octets = text.bytes();
        while let Some(octet) = octets.next() {
            match octet {
                b'\\' => {
                    let digits = [octets.next(), octets.next()];
                    let [Some(high), Some(low)] = digits.map(|digit| hex(digit?)) else {
                        return Err(self.fault("two hex digits are expected after \\"));
                    };
                    out.push(high << 4 | low);
                }
                b'(' | 0 => return Err(self.fault("must be escaped in a value")),
                other => out.push(other),
            }
        }
        Ok(out)
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
