//! Templates of addresses (`%g.%s@example.org`), as address policies have them.
//!
//! Guards: what comes out is an address or nothing; letters that don't belong into one are left out. Refuses: signs
//! behind `%` that aren't known.

use crate::value::{quote, string};
use crate::{Key, Value};
use bridgehead_mail::Address;
use toml::de::DeValue;

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    /// What, and how many letters of it.
    Field(Field, Option<usize>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Given,
    Surname,
    Display,
    Name,
}

/// Who an address is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Person<'a> {
    /// The given name.
    pub given: &'a str,
    /// The surname.
    pub surname: &'a str,
    /// The name as people read it.
    pub display: &'a str,
    /// The name in the directory.
    pub name: &'a str,
}

/// A template with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTemplate {
    text: Box<str>,
    pieces: Vec<Piece>,
}

impl AddressTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (local, domain) = text
            .rsplit_once('@')
            .ok_or_else(|| format!("\"{text}\": a template has an @"))?;
        if domain.contains('%') {
            return Err(format!("\"{text}\": the domain is written out"));
        }
        let mut pieces = Vec::new();
        let mut rest = local;
        while let Some((before, after)) = rest.split_once('%') {
            push(&mut pieces, before);
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (count, sign) = after.split_at(digits);
            let mut signs = sign.chars();
            let field = match signs.next().map(|sign| sign.to_ascii_lowercase()) {
                Some('g') => Field::Given,
                Some('s') => Field::Surname,
                Some('d') => Field::Display,
                Some('m') => Field::Name,
                Some('%') if count.is_empty() => {
                    push(&mut pieces, "%");
                    rest = signs.as_str();
                    continue;
                }
                _ => return Err(format!("\"{text}\": behind % comes g, s, d, m or %")),
            };
            pieces.push(Piece::Field(field, count.parse().ok()));
            rest = signs.as_str();
        }
        push(&mut pieces, rest);
        pieces.push(Piece::Text(format!("@{domain}").into()));
        let template = Self {
            text: text.into(),
            pieces,
        };
        let sample = Person {
            given: "x",
            surname: "x",
            display: "x",
            name: "x",
        };
        match template.address(&sample) {
            Some(_) => Ok(template),
            None => Err(format!("\"{text}\": no address comes out of it")),
        }
    }

    /// The address of somebody; none if it would lack a part.
    #[must_use]
    pub fn address(&self, person: &Person<'_>) -> Option<Address> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Field(field, letters) => {
                    let value = match field {
                        Field::Given => person.given,
                        Field::Surname => person.surname,
                        Field::Display => person.display,
                        Field::Name => person.name,
                    };
                    let before = text.len();
                    let kept = value.chars().filter(|letter| is_kept(*letter));
                    text.extend(kept.take(letters.unwrap_or(usize::MAX)));
                    if text.len() == before {
                        return None;
                    }
                }
            }
        }
        Address::parse(&text).ok()
    }
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
}

/// RFC 5321 §4.1.2 knows more, but spaces and signs in names are better left out than quoted.
fn is_kept(letter: char) -> bool {
    letter.is_alphanumeric() || "-_.".contains(letter)
}

impl Value for AddressTemplate {
    const SHAPE: &'static str = "a template of an address";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        Self::parse(string(value, "a template of an address")?)
    }

    fn write(&self, out: &mut String) {
        quote(&self.text, out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ANNE: Person<'_> = Person {
        given: "Anne Marie",
        surname: "O'Neil",
        display: "",
        name: "aoneil",
    };

    #[test]
    fn fields_are_filled_in() {
        for (template, address) in [
            ("%g.%s@example.org", Some("AnneMarie.ONeil@example.org")),
            ("%1g%s@example.org", Some("AONeil@example.org")),
            ("%m@example.org", Some("aoneil@example.org")),
            ("%d@example.org", None),
        ] {
            let made = AddressTemplate::parse(template).unwrap().address(&ANNE);
            assert_eq!(made.map(|made| made.to_string()).as_deref(), address);
        }
    }

    #[test]
    fn faults_are_named() {
        for text in [
            "%g.%s",
            "%x@example.org",
            "%g@%s.org",
            "@example.org",
            "a b@example.org",
        ] {
            assert!(AddressTemplate::parse(text).is_err(), "{text}");
        }
    }
}
