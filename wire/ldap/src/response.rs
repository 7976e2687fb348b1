//! What a server answers (RFC 4511 §4).
//!
//! Guards: a message is read as a whole or refused; what isn't known is named, not guessed.

use crate::Control;
use crate::ber::{self, BOOLEAN, BerError, ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, SET};

/// How an operation ended (RFC 4511 §4.1.9).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LdapResult {
    /// The code; 0 is success.
    pub code: u32,
    /// The part of the DN that was found.
    pub matched: String,
    /// The server's words.
    pub text: String,
}

/// An entry that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its DN.
    pub name: String,
    /// Its attributes, with options as `;range=0-1499`, and their values.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in RFC 4511")]
pub enum Response {
    Bind {
        result: LdapResult,
        /// What a mechanism of SASL answers.
        credentials: Option<Vec<u8>>,
    },
    Entry(Entry),
    Reference,
    SearchDone(LdapResult),
    Modify(LdapResult),
    Add(LdapResult),
    Delete(LdapResult),
    Extended {
        result: LdapResult,
        name: String,
    },
    Intermediate {
        name: String,
        value: Vec<u8>,
    },
}

/// An answer with its number and controls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The number of the request; 0 for what wasn't asked (RFC 4511 §4.4).
    pub id: u32,
    /// The answer.
    pub response: Response,
    /// Its controls.
    pub controls: Vec<Control>,
}

/// How many octets the first message in these has; none if it isn't known yet.
///
/// # Errors
/// If this is no message, or one of more than `most` octets.
pub fn frame(octets: &[u8], most: usize) -> Result<Option<usize>, BerError> {
    let Some((&tag, after)) = octets.split_first() else {
        return Ok(None);
    };
    if tag != SEQUENCE {
        return Err(BerError::Tag { found: tag });
    }
    let Some((length, content)) = ber::length(after)? else {
        return Ok(None);
    };
    let head = octets.len() - content.len();
    let whole = head.checked_add(length).filter(|whole| *whole <= most);
    whole.map(Some).ok_or(BerError::Large { most })
}

/// The message that these octets are.
///
/// # Errors
/// If they aren't exactly one.
pub fn decode(octets: &[u8]) -> Result<Message, BerError> {
    let mut outer = Reader::new(octets);
    let mut message = outer.inside(SEQUENCE)?;
    if !outer.is_empty() {
        return Err(BerError::Length);
    }
    let id = u32::try_from(message.integer(INTEGER)?).map_err(|_| BerError::Value)?;
    let (tag, content) = message.element()?;
    let response = response(tag, Reader::new(content))?;
    let mut controls = Vec::new();
    if let Some(list) = message.optional(0xa0)? {
        let mut list = Reader::new(list);
        while !list.is_empty() {
            controls.push(control(list.inside(SEQUENCE)?)?);
        }
    }
    Ok(Message {
        id,
        response,
        controls,
    })
}

fn response(tag: u8, mut content: Reader<'_>) -> Result<Response, BerError> {
    Ok(match tag {
        0x61 => Response::Bind {
            result: result(&mut content)?,
            credentials: content.optional(0x87)?.map(<[u8]>::to_vec),
        },
        0x64 => Response::Entry(entry(content)?),
        0x73 => Response::Reference,
        0x65 => Response::SearchDone(result(&mut content)?),
        0x67 => Response::Modify(result(&mut content)?),
        0x69 => Response::Add(result(&mut content)?),
        0x6b => Response::Delete(result(&mut content)?),
        0x78 => Response::Extended {
            result: result(&mut content)?,
            name: named(&mut content, 0x8a)?,
        },
        0x79 => Response::Intermediate {
            name: named(&mut content, 0x80)?,
            value: content.optional(0x81)?.unwrap_or_default().to_vec(),
        },
        found => return Err(BerError::Tag { found }),
    })
}

fn named(content: &mut Reader<'_>, tag: u8) -> Result<String, BerError> {
    let name = content.optional(tag)?;
    name.map_or(Ok(String::new()), ber::text)
}

fn result(content: &mut Reader<'_>) -> Result<LdapResult, BerError> {
    let code = content.integer(ENUMERATED)?;
    let result = LdapResult {
        code: u32::try_from(code).map_err(|_| BerError::Value)?,
        // Servers put what they like into these; they are only shown.
        matched: String::from_utf8_lossy(content.expect(OCTETS)?).into_owned(),
        text: String::from_utf8_lossy(content.expect(OCTETS)?).into_owned(),
    };
    // Referrals are ignored.
    content.optional(0xa3)?;
    Ok(result)
}

fn entry(mut content: Reader<'_>) -> Result<Entry, BerError> {
    let name = content.text()?;
    let mut list = content.inside(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.inside(SEQUENCE)?;
        let name = attribute.text()?;
        let mut set = attribute.inside(SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.octets()?);
        }
        attributes.push((name, values));
    }
    Ok(Entry { name, attributes })
}

fn control(mut content: Reader<'_>) -> Result<Control, BerError> {
    let oid = content.text()?;
    let critical = content.optional(BOOLEAN)?;
    let value = content.optional(OCTETS)?;
    Ok(Control {
        oid,
        critical: critical.is_some_and(|octets| octets != [0]),
        value: value.map(<[u8]>::to_vec),
    })
}

impl Entry {
    /// The values of an attribute, whatever the case of its name; none if it isn't there. Options must be the same.
    #[must_use]
    pub fn values(&self, attribute: &str) -> &[Vec<u8>] {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|(name, _)| name.eq_ignore_ascii_case(attribute));
        found.map_or(&[], |(_, values)| values)
    }

    /// The first value of an attribute as text.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<&str> {
        let first = self.values(attribute).first()?;
        std::str::from_utf8(first).ok()
    }
}
