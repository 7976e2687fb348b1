//! Filters over recipients in the text form of LDAP (RFC 4515): who belongs to a dynamic group or a policy.
//!
//! Guards: depth and size are bounded; an attribute that a recipient doesn't have makes its comparison false. Refuses:
//! attributes and kinds of match that aren't known here, by name.

use crate::value::{quote, string};
use crate::{Key, Value};
use toml::de::DeValue;

/// Brackets inside brackets.
const DEPTH_MAX: usize = 16;

/// What can be asked of a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Its kind: `mailbox`, `group` or `contact`.
    ObjectClass,
    /// Its name in the directory.
    Name,
    /// Any of its addresses.
    Mail,
    /// Its name as people read it.
    DisplayName,
    /// The given name.
    GivenName,
    /// The surname.
    Surname,
    /// The department.
    Department,
    /// The company.
    Company,
    /// The office.
    Office,
    /// The title.
    Title,
}

/// Somebody who can be asked.
pub trait Attributes {
    /// Tells each value of an attribute.
    fn tell(&self, attribute: Attribute, to: &mut dyn FnMut(&str));
}

/// The names, as in LDAP and Active Directory; the first of each is the canonical one.
const ATTRIBUTES: &[(&str, Attribute)] = &[
    ("objectClass", Attribute::ObjectClass),
    ("name", Attribute::Name),
    ("mail", Attribute::Mail),
    ("displayName", Attribute::DisplayName),
    ("givenName", Attribute::GivenName),
    ("sn", Attribute::Surname),
    ("department", Attribute::Department),
    ("company", Attribute::Company),
    ("physicalDeliveryOfficeName", Attribute::Office),
    ("title", Attribute::Title),
    ("uid", Attribute::Name),
    ("sAMAccountName", Attribute::Name),
    ("proxyAddresses", Attribute::Mail),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Present(Attribute),
    Equals(Attribute, Box<str>),
    /// Pieces between the stars, all in lower case; the first and the last are anchored, if not empty.
    Pieces(Attribute, Vec<Box<str>>),
}

/// A filter with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: Box<str>,
    root: Node,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong, and at which octet.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut parser = Parser {
            text,
            rest: text,
            depth: 0,
        };
        let root = parser.node()?;
        if !parser.rest.is_empty() {
            return Err(parser.fault("nothing more is expected"));
        }
        Ok(Self {
            text: text.into(),
            root,
        })
    }

    /// Whether it holds for somebody.
    pub fn holds(&self, whom: &dyn Attributes) -> bool {
        self.root.holds(whom)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Node {
    fn holds(&self, values: &dyn Attributes) -> bool {
        match self {
            Self::And(nodes) => nodes.iter().all(|node| node.holds(values)),
            Self::Or(nodes) => nodes.iter().any(|node| node.holds(values)),
            Self::Not(node) => !node.holds(values),
            Self::Present(attribute) => any(values, *attribute, |_| true),
            Self::Equals(attribute, wanted) => {
                any(values, *attribute, |value| value.to_lowercase() == **wanted)
            }
            Self::Pieces(attribute, pieces) => any(values, *attribute, |value| {
                fits(&value.to_lowercase(), pieces)
            }),
        }
    }
}

fn any(whom: &dyn Attributes, attribute: Attribute, matches: impl Fn(&str) -> bool) -> bool {
    let mut found = false;
    whom.tell(attribute, &mut |value| found |= matches(value));
    found
}

fn fits(value: &str, pieces: &[Box<str>]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return false;
    };
    let Some(mut rest) = value.strip_prefix(&**first) else {
        return false;
    };
    for piece in middle {
        let Some((_, after)) = rest.split_once(&**piece) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(&**last)
}

struct Parser<'t> {
    text: &'t str,
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    fn fault(&self, what: &str) -> String {
        let at = self.text.len() - self.rest.len();
        format!("not a filter (RFC 4515): {what} at letter {}", at + 1)
    }

    fn take(&mut self, sign: char) -> Result<(), String> {
        self.rest = self
            .rest
            .strip_prefix(sign)
            .ok_or_else(|| self.fault(&format!("\"{sign}\" is expected")))?;
        Ok(())
    }

    fn node(&mut self) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault("too many brackets"));
        }
        self.take('(')?;
        let node = match self.rest.chars().next() {
            Some('&') => Node::And(self.nodes('&')?),
            Some('|') => Node::Or(self.nodes('|')?),
            Some('!') => {
                self.take('!')?;
                Node::Not(Box::new(self.node()?))
            }
            _ => self.item()?,
        };
        self.take(')')?;
        self.depth -= 1;
        Ok(node)
    }

    fn nodes(&mut self, sign: char) -> Result<Vec<Node>, String> {
        self.take(sign)?;
        let mut nodes = Vec::new();
        while self.rest.starts_with('(') {
            nodes.push(self.node()?);
        }
        if nodes.is_empty() {
            return Err(self.fault("a bracket is expected"));
        }
        Ok(nodes)
    }

    fn item(&mut self) -> Result<Node, String> {
        let end = self
            .rest
            .find(['=', '(', ')'])
            .ok_or_else(|| self.fault("\"=\" is expected"))?;
        let (name, after) = self.rest.split_at(end);
        if name.ends_with(['>', '<', '~', ':']) {
            return Err(self.fault("only =, presence and * are known"));
        }
        let known = ATTRIBUTES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        let Some((_, attribute)) = known else {
            let names: Vec<&str> = ATTRIBUTES.iter().map(|(name, _)| *name).collect();
            let what = format!("\"{name}\" isn't one of {}", names.join(", "));
            return Err(self.fault(&what));
        };
        self.rest = after;
        self.take('=')?;
        let end = self.rest.find(['(', ')']).unwrap_or(self.rest.len());
        let (value, after) = self.rest.split_at(end);
        let pieces: Result<Vec<Box<str>>, String> = value.split('*').map(unescaped).collect();
        let mut pieces = pieces.map_err(|what| self.fault(&what))?;
        self.rest = after;
        Ok(match pieces.as_mut_slice() {
            [only] => Node::Equals(*attribute, std::mem::take(only)),
            [first, last] if first.is_empty() && last.is_empty() => Node::Present(*attribute),
            _ => Node::Pieces(*attribute, pieces),
        })
    }
}

/// RFC 4515 §3: a backslash and two hex digits stand for an octet. In lower case: nothing here regards case.
fn unescaped(text: &str) -> Result<Box<str>, String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(hex));
        let [Some(high), Some(low)] = digits else {
            return Err("two hex digits are expected behind a backslash".to_owned());
        };
        octets.push(high * 16 + low);
    }
    match String::from_utf8(octets) {
        Ok(text) => Ok(text.to_lowercase().into()),
        Err(_) => Err("a value isn't UTF-8".to_owned()),
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

impl Value for Filter {
    const SHAPE: &'static str = "a filter";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        Self::parse(string(value, "a filter")?)
    }

    fn write(&self, out: &mut String) {
        quote(&self.text, out);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Alice;

    impl Attributes for Alice {
        fn tell(&self, attribute: Attribute, to: &mut dyn FnMut(&str)) {
            match attribute {
                Attribute::ObjectClass => to("mailbox"),
                Attribute::Mail => {
                    to("alice@example.test");
                    to("a.smith@example.org");
                }
                Attribute::Department => to("Sales (Europe)"),
                _ => {}
            }
        }
    }

    fn holds(filter: &str) -> bool {
        Filter::parse(filter).unwrap().holds(&Alice)
    }

    #[test]
    fn matches_are_without_regard_to_case_and_on_any_value() {
        for filter in [
            "(objectClass=MAILBOX)",
            "(mail=*)",
            "(mail=A.SMITH@*)",
            "(mail=*@example.*)",
            "(mail=*smith*org)",
            "(department=sales \\28europe\\29)",
            "(&(objectclass=mailbox)(!(company=*)))",
            "(|(sn=x)(mail=alice@example.test))",
        ] {
            assert!(holds(filter), "{filter}");
        }
        for filter in [
            "(company=*)",
            "(mail=smith*)",
            "(mail=*@example)",
            "(department=sales)",
            "(&(mail=*)(sn=*))",
            "(!(mail=alice@example.test))",
        ] {
            assert!(!holds(filter), "{filter}");
        }
    }

    #[test]
    fn faults_say_where() {
        for (text, words) in [
            ("", "letter 1"),
            ("(mail=x", "\")\" is expected at letter 8"),
            ("(&)", "a bracket is expected"),
            ("(salary=1)", "\"salary\" isn't one of"),
            ("(sn>=1)", "only ="),
            ("(sn=\\zz)", "hex"),
            ("(sn=a)(sn=b)", "nothing more"),
        ] {
            let fault = Filter::parse(text).unwrap_err();
            assert!(fault.contains(words), "{text}: {fault}");
        }
        assert!(Filter::parse(&"(!".repeat(100)).is_err());
    }
}
