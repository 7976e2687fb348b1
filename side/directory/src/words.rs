//! The words of the organisation's file: names, members, patterns, hosts and the choices of its keys.

use crate::value::{number, quote, string};
use crate::{Key, Value};
use bridgehead_mail::{Address, Domain};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use toml::de::DeValue;

/// Octets of a name.
const NAME_OCTETS_MAX: usize = 64;

/// The name of an object: letters, digits, `-`, `_` and `.`, the first a letter or digit; safe in a file name, a
/// log line and a URL. Case is kept and doesn't count in comparisons of the directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

impl Name {
    /// From its text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let first = text.chars().next().is_some_and(char::is_alphanumeric);
        let rest = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        let fits = first && text.len() <= NAME_OCTETS_MAX && text.chars().all(rest);
        fits.then(|| Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case: equal for names that are the same.
    #[must_use]
    pub fn folded(&self) -> Box<str> {
        self.0.to_lowercase().into_boxed_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for Name {
    const SHAPE: &'static str = "a name";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a name")?;
        Self::parse(text).ok_or_else(|| {
            format!("\"{text}\": a name is expected: up to 64 letters, digits, `-`, `_` and `.`")
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

/// A member of a group: an object by name, or any address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    /// A mailbox, group or contact.
    Name(Name),
    /// An address, of an object or somewhere else.
    Address(Address),
    /// An entry of an LDAP directory, by its DN.
    Entry(Box<str>),
}

impl Member {
    /// Whether a text is a DN (RFC 4514), as opposed to a name or an address: neither has a comma outside of quotes.
    fn is_place(text: &str) -> bool {
        let Some((attribute, value)) = text.split_once('=') else {
            return false;
        };
        let mut letters = attribute.chars();
        letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
            && value.contains(',')
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Entry(place) => f.write_str(place),
        }
    }
}

impl Value for Member {
    const SHAPE: &'static str = "a name or an address";

    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String> {
        let text = string(value, "the name of an object or an address")?;
        if Self::is_place(text) {
            Ok(Self::Entry(text.into()))
        } else if text.contains('@') {
            Address::read(value, key).map(Self::Address)
        } else {
            Name::read(value, key).map(Self::Name)
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Name(name) => name.write(out),
            Self::Address(address) => address.write(out),
            Self::Entry(place) => quote(place, out),
        }
    }
}

/// A text that isn't shown in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Box<str>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Value for Secret {
    const SHAPE: &'static str = "a text";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        string(value, "a text").map(|text| Self(text.into()))
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

/// A text of one line for people or other systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words(pub Box<str>);

impl Value for Words {
    const SHAPE: &'static str = "a text";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        match string(value, "a text")? {
            "" => Err("a text is expected, not an empty one".to_owned()),
            text => Ok(Self(text.into())),
        }
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

/// Which recipient domains an address space covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// `*`: all.
    Any,
    /// `example.net`: this one.
    Domain(Domain),
    /// `*.example.net`: all below it, not itself.
    Below(Domain),
}

impl Pattern {
    /// From its text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        match text.strip_prefix("*.") {
            Some(parent) => Domain::parse(parent).ok().map(Self::Below),
            None => Domain::parse(text).ok().map(Self::Domain),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Domain(domain) => write!(f, "{domain}"),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

/// A part of an address space with what it costs to go there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressSpace {
    /// Which domains.
    pub pattern: Pattern,
    /// 1 to 100; the cheapest of the most specific wins.
    pub cost: u32,
}

impl Value for AddressSpace {
    const SHAPE: &'static str = "a table `{ pattern = \"*\", cost = 10 }`";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let expected = || format!("{} is expected", Self::SHAPE);
        let table = value.as_table().ok_or_else(expected)?;
        let (mut pattern, mut cost) = (None, None);
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "pattern" => pattern = Some(read_pattern(value.get_ref())?),
                "cost" => cost = Some(read_cost(value.get_ref())?),
                _ => return Err(format!("unknown key in it; {}", expected())),
            }
        }
        match (pattern, cost) {
            (Some(pattern), Some(cost)) => Ok(Self { pattern, cost }),
            _ => Err(expected()),
        }
    }

    fn write(&self, out: &mut String) {
        out.push_str("{ pattern = ");
        quote(&self.pattern.to_string(), out);
        out.push_str(", cost = ");
        out.push_str(&self.cost.to_string());
        out.push_str(" }");
    }
}

fn read_pattern(value: &DeValue<'_>) -> Result<Pattern, String> {
    let written = string(value, "a pattern")?;
    // A tag says of which kind the addresses are, as in the original.
    let text = match written.split_once(':') {
        None => written,
        Some((tag, rest)) if tag.eq_ignore_ascii_case("smtp") => rest,
        // The literal of an IPv6 address has colons of its own.
        Some(_) if written.starts_with('[') => written,
        Some((tag, _)) => {
            return Err(format!(
                "\"{written}\": addresses of the kind {tag} can't be reached: only SMTP leaves this server, as in `SMTP:*.example`"
            ));
        }
    };
    Pattern::parse(text).ok_or_else(|| {
        format!("\"{text}\": a pattern is expected: `*`, `example.net` or `*.example.net`")
    })
}

fn read_cost(value: &DeValue<'_>) -> Result<u32, String> {
    let cost = number(value).filter(|cost| (1..=100).contains(cost));
    let cost = cost.and_then(|cost| u32::try_from(cost).ok());
    cost.ok_or_else(|| "a cost from 1 to 100 is expected".to_owned())
}

/// A host to hand mail to, with a port if it isn't the connector's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartHost {
    /// Its name or address literal.
    pub name: Domain,
    /// Its port.
    pub port: Option<u16>,
}

impl SmartHost {
    /// From `name`, `name:port`, an IP address, or `[IPv6]:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self {
                name: literal(address)?,
                port: None,
            });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let inside = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let address = inside.unwrap_or(host);
        let name = match address.parse::<IpAddr>() {
            Ok(address) => literal(address)?,
            Err(_) => Domain::parse(host).ok()?,
        };
        Some(Self { name, port })
    }
}

fn literal(address: IpAddr) -> Option<Domain> {
    let text = match address {
        IpAddr::V4(four) => format!("[{four}]"),
        IpAddr::V6(six) => format!("[IPv6:{six}]"),
    };
    Domain::parse(&text).ok()
}

impl fmt::Display for SmartHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.literal() {
            Some(IpAddr::V4(four)) => write!(f, "{four}")?,
            Some(IpAddr::V6(six)) => write!(f, "[{six}]")?,
            None => write!(f, "{}", self.name)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Value for SmartHost {
    const SHAPE: &'static str = "a host, possibly with port";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a host")?;
        Self::parse(text).ok_or_else(|| {
            format!("\"{text}\": a host is expected, as `relay.example.net`, `192.0.2.1:25` or `[2001:db8::1]:25`")
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

/// A DNS server; the port is 53 if none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl Value for NameServer {
    const SHAPE: &'static str = "an IP address, possibly with port";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        const DNS: u16 = 53;
        let text = string(value, "an IP address")?;
        let four = text.parse::<Ipv4Addr>().map(IpAddr::V4);
        let alone = four.or_else(|_| text.parse::<Ipv6Addr>().map(IpAddr::V6));
        let address = match alone {
            Ok(address) => Some(SocketAddr::new(address, DNS)),
            Err(_) => text.parse().ok(),
        };
        address.map(Self).ok_or_else(|| {
            format!("\"{text}\": an IP address is expected, as `192.0.2.53` or `127.0.0.1:5353`")
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.0.to_string(), out);
    }
}

/// Declares a type with one text for each of its values. One line for each: `Variant = "text",`.
#[macro_export]
macro_rules! choice {
    ($(#[doc = $about:literal])+ $name:ident = $shape:literal {
        $( $(#[doc = $doc:literal])+ $(#[$extra:meta])? $variant:ident = $text:literal, )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[doc = $doc])+ $(#[$extra])? $variant, )+ }

        impl $name {
            /// As it is written in a file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }
        }

        impl $crate::Value for $name {
            const SHAPE: &'static str = $shape;

            fn read(value: &$crate::RawValue<'_>, _: &$crate::Key) -> Result<Self, String> {
                match $crate::string(value, <Self as $crate::Value>::SHAPE)? {
                    $( $text => Ok(Self::$variant), )+
                    other => Err(format!(
                        "\"{other}\": {} is expected",
                        <Self as $crate::Value>::SHAPE
                    )),
                }
            }

            fn write(&self, out: &mut String) {
                $crate::quote(self.as_str(), out);
            }
        }
    };
}

choice! {
    /// What it means that a domain is accepted.
    DomainKind = "\"authoritative\", \"internal-relay\" or \"external-relay\"" {
        /// All its recipients are in the directory; others don't exist.
        #[default]
        Authoritative = "authoritative",
        /// Its recipients are in the directory or on another system of ours, to which the rest is passed on.
        InternalRelay = "internal-relay",
        /// We are only a way to it: everything is passed on.
        ExternalRelay = "external-relay",
    }
}

choice! {
    /// Whom a virtual server is for.
    Role = "\"mx\" or \"submission\"" {
        /// Other servers, which bring mail for us.
        #[default]
        Mx = "mx",
        /// Our own users, who authenticate.
        Submission = "submission",
    }
}

choice! {
    /// What to do with a CR or LF that stands alone.
    BareLineEnds = "\"refuse\" or \"normalise\"" {
        /// Refuse it.
        #[default]
        Refuse = "refuse",
        /// Make it CRLF.
        Normalise = "normalise",
    }
}

choice! {
    /// How a connector finds its next hop without smart hosts.
    NextHopKind = "\"mx\"" {
        /// By the MX records of the recipient's domain.
        #[default]
        Mx = "mx",
    }
}

choice! {
    /// Who may use the address spaces of a connector.
    Scope = "\"organisation\" or \"group\"" {
        /// All servers.
        #[default]
        Organisation = "organisation",
        /// The servers of its routing group.
        Group = "group",
    }
}

choice! {
    /// How urgent messages are.
    Urgency = "\"low\", \"normal\" or \"high\"" {
        /// After all others.
        Low = "low",
        /// As most.
        #[default]
        Normal = "normal",
        /// Before all others.
        High = "high",
    }
}

choice! {
    /// TLS towards the next hop.
    ConnectorTls = "\"off\", \"opportunistic\", \"required\" or \"verify\"" {
        /// Never.
        Off = "off",
        /// If the next hop offers it, with whatever certificate it has (RFC 7435).
        #[default]
        Opportunistic = "opportunistic",
        /// Always, with whatever certificate it has.
        Required = "required",
        /// Always, and the certificate must be valid for the host's name.
        Verify = "verify",
    }
}

choice! {
    /// Who is told that a member of a group can't be reached.
    ReportTo = "\"sender\", \"owner\" or \"nobody\"" {
        /// Who sent the message.
        #[default]
        Sender = "sender",
        /// Who answers for the group.
        Owner = "owner",
        /// Nobody.
        Nobody = "nobody",
    }
}

choice! {
    /// What to do with 8-bit content where the next hop doesn't offer 8BITMIME.
    EightBit = "\"send\" or \"fail\"" {
        /// Send it as it is.
        #[default]
        Send = "send",
        /// Return it to its sender (RFC 6152 §3).
        Fail = "fail",
    }
}
