//! The keys by which servers of the organisation recognise each other.

use crate::value::{quote, string};
use crate::{Key, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;
use std::str::FromStr;
use toml::de::DeValue;

/// Names the kind of key before its octets.
const ED25519: &str = "ed25519:";

/// The public key of a server: Ed25519 (RFC 8032), written as `ed25519:` and base 64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemberKey(pub [u8; 32]);

impl FromStr for MemberKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = text.strip_prefix(ED25519);
        let shown = shown.ok_or("it begins with another word than ed25519:")?;
        let octets = STANDARD.decode(shown).map_err(|_| "it isn't base 64")?;
        let octets = octets.try_into();
        octets.map(Self).map_err(|_| "it hasn't 32 octets")
    }
}

impl fmt::Display for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ED25519}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for MemberKey {
    const SHAPE: &'static str = "a public key";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a public key")?;
        text.parse().map_err(|why| {
            format!(
                "\"{text}\": a public key is expected, as `bridgehead member key` prints it: {why}"
            )
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back() {
        let key = MemberKey([7; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn what_is_no_key_says_why() {
        let read = |text: &str| text.parse::<MemberKey>();
        assert_eq!(
            read("rsa:AAAA"),
            Err("it begins with another word than ed25519:")
        );
        assert_eq!(read("ed25519:!"), Err("it isn't base 64"));
        assert_eq!(read("ed25519:AAAA"), Err("it hasn't 32 octets"));
    }
}
