//! Mail addresses as types (RFC 5321 §4.1.2, RFC 6531 §3.3): once parsed, nobody checks again.
//!
//! Guards: no CR, LF, NUL or other control character can be inside an address, so it can be written into a
//! command, a header or a log line as it is. Refuses anything outside the grammar, naming the octet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// RFC 5321 §4.5.3.1.2: a domain of up to 255 octets must be taken.
const DOMAIN_OCTETS_MAX: usize = 255;
/// RFC 1035 §2.3.4.
const LABEL_OCTETS_MAX: usize = 63;
/// RFC 5321 §4.5.3.1.1 asks for 64 at least; return paths made by rewriting are longer in practice.
const LOCAL_PART_OCTETS_MAX: usize = 255;

/// Why a text is no address; `at` is the offset in octets of the first fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `@` outside quotes.
    #[error("an address needs a domain after '@'")]
    NoDomain,
    /// The local part is empty, too long, or has a character that must be quoted.
    #[error("bad local part at octet {at}")]
    LocalPart {
        /// Offset in octets from the start of the text.
        at: usize,
    },
    /// The domain is empty, too long, or not made of labels of letters, digits and hyphens.
    #[error("bad domain at octet {at}")]
    Domain {
        /// Offset in octets from the start of the text.
        at: usize,
    },
}

/// What stands before the `@`, without quotes: case is kept, and means something only to its owner
/// (RFC 5321 §2.4).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalPart(Box<str>);

impl LocalPart {
    /// From the form on the wire: `Dot-string` or `Quoted-string` (RFC 5321 §4.1.2).
    ///
    /// # Errors
    /// [`AddressError::LocalPart`] with the offset of the first octet that doesn't fit.
    pub fn parse(wire: &str) -> Result<Self, AddressError> {
        if wire.is_empty() || wire.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::LocalPart { at: 0 });
        }
        let plain = match wire.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None => {
                check_dot_string(wire)?;
                wire.to_owned()
            }
        };
        Ok(Self(plain.into_boxed_str()))
    }

    /// From the text without quotes and backslashes, as [`Self::as_str`] gives it.
    ///
    /// # Errors
    /// [`AddressError::LocalPart`] if it is too long or holds a control character.
    pub fn from_plain(plain: &str) -> Result<Self, AddressError> {
        if plain.len() > LOCAL_PART_OCTETS_MAX {
            return Err(AddressError::LocalPart { at: 0 });
        }
        match plain.char_indices().find(|(_, letter)| letter.is_control()) {
            Some((at, _)) => Err(AddressError::LocalPart { at }),
            None => Ok(Self(plain.into())),
        }
    }

    /// The text without quotes and backslashes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LocalPart {
    /// The form on the wire, quoted only where the grammar needs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if check_dot_string(&self.0).is_ok() {
            return f.write_str(&self.0);
        }
        f.write_str("\"")?;
        for letter in self.0.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_str("\\")?;
            }
            fmt::Write::write_char(f, letter)?;
        }
        f.write_str("\"")
    }
}

impl fmt::Debug for LocalPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `Dot-string = Atom *("." Atom)`; RFC 6531 §3.3 adds all of UTF-8 beyond ASCII to `atext`.
fn check_dot_string(text: &str) -> Result<(), AddressError> {
    let mut after_dot = true;
    for (at, letter) in text.char_indices() {
        let fits = if letter == '.' {
            !after_dot
        } else {
            is_atext(letter)
        };
        if !fits {
            return Err(AddressError::LocalPart { at });
        }
        after_dot = letter == '.';
    }
    if after_dot {
        let at = text.len().saturating_sub(1);
        return Err(AddressError::LocalPart { at });
    }
    Ok(())
}

/// RFC 5322 §3.2.3 `atext`, with RFC 6531's `UTF8-non-ascii` less the control characters in it.
fn is_atext(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || (!letter.is_ascii() && !letter.is_control())
}

/// The inside of `Quoted-string` after its opening quote: `qtextSMTP` and `quoted-pairSMTP`.
fn unquote(rest: &str) -> Result<String, AddressError> {
    let mut plain = String::with_capacity(rest.len());
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if at + 1 == rest.len() => return Ok(plain),
            '"' => return Err(AddressError::LocalPart { at: at + 1 }),
            '\\' => match letters.next() {
                Some((_, next @ ' '..='~')) => plain.push(next),
                _ => return Err(AddressError::LocalPart { at: at + 1 }),
            },
            _ if letter.is_control() => return Err(AddressError::LocalPart { at: at + 1 }),
            _ => plain.push(letter),
        }
    }
    Err(AddressError::LocalPart { at: rest.len() })
}

/// What stands after the `@`: a domain name in lower case, international labels in their ASCII form
/// (RFC 5890), or an address literal in brackets (RFC 5321 §4.1.3). Equal when they name the same domain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(Box<str>);

impl Domain {
    /// From the form on the wire or in a file.
    ///
    /// # Errors
    /// [`AddressError::Domain`] with the offset of the first octet that doesn't fit.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(inside) = text.strip_prefix('[') {
            return parse_literal(inside);
        }
        if text.len() > DOMAIN_OCTETS_MAX {
            return Err(AddressError::Domain {
                at: DOMAIN_OCTETS_MAX,
            });
        }
        if text.is_ascii() {
            check_name(text)?;
            return Ok(Self(text.to_ascii_lowercase().into_boxed_str()));
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| AddressError::Domain { at: 0 })?;
        check_name(&ascii)?;
        Ok(Self(ascii.into_boxed_str()))
    }

    /// The name in ASCII and lower case, or the literal with its brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address, if this is an address literal.
    #[must_use]
    pub fn literal(&self) -> Option<IpAddr> {
        let inside = self.0.strip_prefix('[')?.strip_suffix(']')?;
        match inside.strip_prefix("ipv6:") {
            Some(six) => six.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => inside.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        }
    }

    /// Whether this is `parent` or a name below it.
    #[must_use]
    pub fn is_within(&self, parent: &Self) -> bool {
        match self.0.strip_suffix(&*parent.0) {
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

/// Labels of letters, digits, hyphens and (met in practice) underscores, with dots between.
fn check_name(name: &str) -> Result<(), AddressError> {
    if name.len() > DOMAIN_OCTETS_MAX {
        return Err(AddressError::Domain {
            at: DOMAIN_OCTETS_MAX,
        });
    }
    let mut start = 0;
    for label in name.split('.') {
        let odd = label
            .bytes()
            .position(|byte| !(byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        if let Some(offset) = odd {
            return Err(AddressError::Domain { at: start + offset });
        }
        let hyphen = label.starts_with('-') || label.ends_with('-');
        if label.is_empty() || label.len() > LABEL_OCTETS_MAX || hyphen {
            return Err(AddressError::Domain { at: start });
        }
        start += label.len() + 1;
    }
    Ok(())
}

/// `IPv4-address-literal / IPv6-address-literal`; no other kind is registered (RFC 5321 §4.1.3).
fn parse_literal(inside: &str) -> Result<Domain, AddressError> {
    const FAULT: AddressError = AddressError::Domain { at: 1 };
    let text = inside.strip_suffix(']').ok_or(FAULT)?;
    let tag = text
        .get(..5)
        .filter(|tag| tag.eq_ignore_ascii_case("IPv6:"));
    let canonical = match tag.and_then(|_| text.get(5..)) {
        Some(six) => {
            let six: Ipv6Addr = six.parse().map_err(|_| FAULT)?;
            format!("[ipv6:{six}]")
        }
        None => {
            let four: Ipv4Addr = text.parse().map_err(|_| FAULT)?;
            format!("[{four}]")
        }
    };
    Ok(Domain(canonical.into_boxed_str()))
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )` (RFC 5321 §4.1.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    local: LocalPart,
    domain: Domain,
}

impl Address {
    /// From its parts.
    #[must_use]
    pub const fn new(local: LocalPart, domain: Domain) -> Self {
        Self { local, domain }
    }

    /// From a stored local part without quotes and a stored domain.
    ///
    /// # Errors
    /// Which part doesn't fit, and where.
    pub fn from_parts(plain_local: &str, domain: &str) -> Result<Self, AddressError> {
        let local = LocalPart::from_plain(plain_local)?;
        Ok(Self::new(local, Domain::parse(domain)?))
    }

    /// From the form on the wire, without angle brackets. International addresses are taken; ask
    /// [`Self::needs_smtputf8`] before sending one on.
    ///
    /// # Errors
    /// Which part doesn't fit, and where.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let at = text.rfind('@').ok_or(AddressError::NoDomain)?;
        let (local, domain) = text.split_at(at);
        let local = LocalPart::parse(local)?;
        let name = domain.strip_prefix('@').unwrap_or(domain);
        let domain = Domain::parse(name).map_err(|error| match error {
            AddressError::Domain { at: inner } => AddressError::Domain { at: at + 1 + inner },
            other => other,
        })?;
        Ok(Self { local, domain })
    }

    /// What stands before the `@`.
    #[must_use]
    pub const fn local(&self) -> &LocalPart {
        &self.local
    }

    /// What stands after the `@`.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether only a next hop with SMTPUTF8 can take it (RFC 6531 §3.2). The domain never asks for it: it
    /// is kept in its ASCII form.
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.as_str().is_ascii()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_addresses_go_out_and_back() {
        for text in [
            "alice@example.test",
            "a.b+c=d/e@x.example",
            "\"a b\"@example.test",
            "\"a@b\"@example.test",
            "\"q\\\"q\"@example.test",
            "\"\"@example.test",
            "x@[192.0.2.1]",
            "x@[ipv6:2001:db8::1]",
            "jörg@example.test",
            "x@under_score.example",
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }
    }

    #[test]
    fn needless_quotes_go_and_domains_become_ascii_lower_case() {
        assert_eq!(
            Address::parse("\"a.b\"@EXAMPLE.Test").unwrap().to_string(),
            "a.b@example.test"
        );
        let address = Address::parse("x@Bücher.example").unwrap();
        assert_eq!(address.domain().as_str(), "xn--bcher-kva.example");
        assert!(!address.needs_smtputf8());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        use AddressError::{Domain as D, LocalPart as L, NoDomain};
        for (text, fault) in [
            ("alice", NoDomain),
            ("@example.test", L { at: 0 }),
            ("a..b@example.test", L { at: 2 }),
            (".a@example.test", L { at: 0 }),
            ("a.@example.test", L { at: 1 }),
            ("a b@example.test", L { at: 1 }),
            ("a\r\nb@example.test", L { at: 1 }),
            ("\"a\nb\"@example.test", L { at: 2 }),
            ("\"a\"b@example.test", L { at: 2 }),
            ("\"a@example.test", L { at: 1 }),
            ("a@", D { at: 2 }),
            ("a@-x.test", D { at: 2 }),
            ("a@x..test", D { at: 4 }),
            ("a@x.test.", D { at: 9 }),
            ("a@x y", D { at: 3 }),
            ("a@[1.2.3]", D { at: 3 }),
            ("a@[1.2.3.4", D { at: 3 }),
        ] {
            assert_eq!(Address::parse(text), Err(fault), "{text:?}");
        }
        let long = format!("{}@example.test", "a".repeat(256));
        assert_eq!(Address::parse(&long), Err(L { at: 0 }));
        let long = format!("a@{}", "a.".repeat(200));
        assert!(matches!(Address::parse(&long), Err(D { .. })));
    }

    #[test]
    fn a_name_below_is_within_and_a_longer_name_is_not() {
        let parent = Domain::parse("example.test").unwrap();
        assert!(Domain::parse("a.example.test").unwrap().is_within(&parent));
        assert!(parent.is_within(&parent));
        assert!(!Domain::parse("anexample.test").unwrap().is_within(&parent));
    }

    #[test]
    fn literals_give_their_address() {
        let six = Domain::parse("[IPv6:2001:DB8::1]").unwrap();
        assert_eq!(six.literal(), Some("2001:db8::1".parse().unwrap()));
        assert_eq!(Domain::parse("example.test").unwrap().literal(), None);
    }
}
