//! Values of keys: what each kind of value looks like in the file, in and out.

use crate::Key;
use bridgehead_mail::{Address, Domain, IpNetwork};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::de::DeValue;

/// A text in a file has at most this many octets.
const STRING_OCTETS_MAX: usize = 4096;

/// A value as TOML has it, before it is checked.
pub type RawValue<'t> = DeValue<'t>;

/// A kind of value.
pub trait Value: Sized {
    /// What it is called in faults and in the reference, with article.
    const SHAPE: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong and what is expected, in words.
    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String>;

    /// Writes it in its one canonical form.
    fn write(&self, out: &mut String);
}

/// What kind of value it is, with its article.
pub(crate) fn kind(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

/// The text of a string value.
///
/// # Errors
/// If it isn't a string, is too long or holds control characters.
pub fn string<'a>(value: &'a DeValue<'_>, shape: &str) -> Result<&'a str, String> {
    let Some(text) = value.as_str() else {
        return Err(format!("{shape} is expected, not {}", kind(value)));
    };
    if text.len() > STRING_OCTETS_MAX {
        return Err(format!("longer than {STRING_OCTETS_MAX} octets"));
    }
    if text.chars().any(char::is_control) {
        return Err("control characters can't be in it".to_owned());
    }
    Ok(text)
}

/// Writes a basic string (TOML 1.0).
pub fn quote(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            _ if letter.is_control() => {
                // Writing into a string can't fail.
                let _ = write!(out, "\\u{:04X}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}

/// Whether a number is within the bound of its key.
pub(crate) fn within(number: u64, key: &Key, show: impl Fn(u64) -> String) -> Result<u64, String> {
    match key.bound {
        Some((low, high)) if !(low..=high).contains(&number) => Err(format!(
            "must be from {} to {}, not {}",
            show(low),
            show(high),
            show(number)
        )),
        _ => Ok(number),
    }
}

/// A whole number in any of TOML's bases.
pub(crate) fn number(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

impl Value for bool {
    const SHAPE: &'static str = "true or false";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let fault = || format!("true or false is expected, not {}", kind(value));
        value.as_bool().ok_or_else(fault)
    }

    fn write(&self, out: &mut String) {
        out.push_str(if *self { "true" } else { "false" });
    }
}

impl Value for u32 {
    const SHAPE: &'static str = "a whole number";

    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String> {
        let Some(number) = number(value) else {
            return Err(match value.is_integer() {
                true => "a whole number from 0 up is expected".to_owned(),
                false => format!("a whole number is expected, not {}", kind(value)),
            });
        };
        let number = within(number, key, |number| number.to_string())?;
        Self::try_from(number).map_err(|_| "too large a number".to_owned())
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Value for u64 {
    const SHAPE: &'static str = "a whole number";

    fn read(value: &DeValue<'_>, key: &Key) -> Result<Self, String> {
        let fault = || "a whole number from 0 up is expected".to_owned();
        within(number(value).ok_or_else(fault)?, key, |number| {
            number.to_string()
        })
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Value for u16 {
    const SHAPE: &'static str = "a port number";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let number = number(value).and_then(|number| Self::try_from(number).ok());
        let number = number.filter(|port| *port > 0);
        number.ok_or_else(|| "a port number from 1 to 65535 is expected".to_owned())
    }

    fn write(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Value for PathBuf {
    const SHAPE: &'static str = "a path";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        match string(value, "a path")? {
            "" => Err("a path is expected, not an empty text".to_owned()),
            text => Ok(Self::from(text)),
        }
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string_lossy(), out);
    }
}

impl Value for Address {
    const SHAPE: &'static str = "an address";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "an address as `name@example.test`")?;
        Self::parse(text).map_err(|error| format!("\"{text}\": {error}"))
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

impl Value for Domain {
    const SHAPE: &'static str = "a domain name";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a domain name")?;
        let fault = || format!("\"{text}\": a domain name is expected, as `example.test`");
        let domain = Self::parse(text).map_err(|_| fault())?;
        if domain.as_str().starts_with('[') {
            return Err(fault());
        }
        Ok(domain)
    }

    fn write(&self, out: &mut String) {
        quote(self.as_str(), out);
    }
}

impl Value for SocketAddr {
    const SHAPE: &'static str = "an IP address with port";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "an IP address with port")?;
        let fault = || {
            format!(
                "\"{text}\": an IP address with port is expected, as `192.0.2.1:25` or `[::]:25`"
            )
        };
        text.parse().map_err(|_| fault())
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}

impl Value for IpNetwork {
    const SHAPE: &'static str = "a network";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a network")?;
        text.parse().map_err(|error| {
            format!("\"{text}\": {error}; a network is expected, as `192.0.2.0/24`")
        })
    }

    fn write(&self, out: &mut String) {
        quote(&self.to_string(), out);
    }
}
