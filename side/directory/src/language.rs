//! A language by its tag.

use crate::value::{quote, string};
use crate::{Key, Value};
use toml::de::DeValue;

/// Octets of a tag.
const TAG_OCTETS_MAX: usize = 35;

/// The tag of a language (RFC 5646), in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language(Box<str>);

impl Language {
    /// From its text, as far as its shape goes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let first = text.split('-').next().unwrap_or_default();
        let letters = first.len() >= 2 && first.bytes().all(|byte| byte.is_ascii_alphabetic());
        let whole = letters && text.len() <= TAG_OCTETS_MAX && text.split('-').all(fits);
        whole.then(|| Self(text.to_ascii_lowercase().into()))
    }

    /// The tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Value for Language {
    const SHAPE: &'static str = "a language tag";

    fn read(value: &DeValue<'_>, _: &Key) -> Result<Self, String> {
        let text = string(value, "a language tag")?;
        Self::parse(text)
            .ok_or_else(|| format!("\"{text}\": a language tag is expected, as `de` or `pt-br`"))
    }

    fn write(&self, out: &mut String) {
        quote(&self.0, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_have_a_shape() {
        for (text, expected) in [
            ("de", Some("de")),
            ("pt-BR", Some("pt-br")),
            ("zh-Hant-TW", Some("zh-hant-tw")),
            ("", None),
            ("d", None),
            ("de-", None),
            ("d1", None),
            ("de_AT", None),
            ("../de", None),
            ("deutsch-oesterreichisch", None),
        ] {
            let parsed = Language::parse(text);
            assert_eq!(parsed.as_ref().map(Language::as_str), expected, "{text}");
        }
    }
}
