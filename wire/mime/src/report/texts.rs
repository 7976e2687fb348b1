//! The texts of reports in all languages: those that are built in, and those that an operator put in their place.
//!
//! Guards: there is always a text; a faulty one changes nothing. May refuse: faulty texts, with line and key.

use super::template::{Kind, Template, TextFault};
use super::words::Words;
use crate::headers::Headers;
use std::collections::BTreeMap;

/// Octets of one text.
pub const TEXT_OCTETS_MAX: usize = 64 * 1024;
/// The language where no other is known.
const ENGLISH: &str = "en";
/// Languages of one header field that are looked at, and octets of it.
const WISHES_MAX: usize = 20;
const WISHES_OCTETS_MAX: usize = 1000;

/// The built-in texts: language, file, text.
macro_rules! built_in {
    ($($language:literal)+) => {
        [$(
            ($language, "failure.txt", include_str!(concat!("../../texts/", $language, "/failure.txt"))),
            ($language, "delay.txt", include_str!(concat!("../../texts/", $language, "/delay.txt"))),
            ($language, "delivered.txt", include_str!(concat!("../../texts/", $language, "/delivered.txt"))),
            ($language, "relayed.txt", include_str!(concat!("../../texts/", $language, "/relayed.txt"))),
            ($language, "expanded.txt", include_str!(concat!("../../texts/", $language, "/expanded.txt"))),
            ($language, "words.txt", include_str!(concat!("../../texts/", $language, "/words.txt"))),
        )+]
    };
}
/// English first: what another language lacks is English.
const BUILT_IN: [(&str, &str, &str); 30] = built_in!("en" "de" "fr" "nl" "es");

/// The file of the phrases.
const WORDS: &str = "words";

/// The texts of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Language {
    tag: Box<str>,
    templates: [Template; Kind::ALL.len()],
    pub(super) words: Words,
}

impl Language {
    /// Its tag (RFC 5646), in lower case.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    pub(super) fn template(&self, kind: Kind) -> &Template {
        let [failure, delay, delivered, relayed, expanded] = &self.templates;
        match kind {
            Kind::Failure => failure,
            Kind::Delay => delay,
            Kind::Delivered => delivered,
            Kind::Relayed => relayed,
            Kind::Expanded => expanded,
        }
    }

    fn template_mut(&mut self, kind: Kind) -> &mut Template {
        let [failure, delay, delivered, relayed, expanded] = &mut self.templates;
        match kind {
            Kind::Failure => failure,
            Kind::Delay => delay,
            Kind::Delivered => delivered,
            Kind::Relayed => relayed,
            Kind::Expanded => expanded,
        }
    }
}

/// All texts, by language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    english: Language,
    others: BTreeMap<Box<str>, Language>,
}

impl Texts {
    /// Those that are built in: English, German, French, Dutch and Spanish.
    #[must_use]
    pub fn built_in() -> Self {
        let mut texts = Self {
            english: Language {
                tag: ENGLISH.into(),
                ..Language::default()
            },
            others: BTreeMap::new(),
        };
        for (language, file, text) in BUILT_IN {
            // That they have no fault is tested.
            let _ = texts.take(language, file, text);
        }
        texts
    }

    /// The built-in text of a file, as it is written.
    #[must_use]
    pub fn source(language: &str, file: &str) -> Option<&'static str> {
        let wanted = |known: &&(&str, &str, &str)| known.0 == language && known.1 == file;
        BUILT_IN.iter().find(wanted).map(|(_, _, text)| *text)
    }

    /// Puts a text in the place of the one that is there: `failure.txt` and the other kinds, or `words.txt`. A language that
    /// is new is English where it says nothing.
    ///
    /// # Errors
    /// What is wrong with it; then nothing has changed.
    pub fn take(&mut self, language: &str, file: &str, text: &str) -> Result<(), Vec<TextFault>> {
        let fault = |reason: &str| vec![TextFault::new(0, "", reason)];
        if text.len() > TEXT_OCTETS_MAX {
            return Err(fault("it has more than 64 KiB"));
        }
        let tag = tag(language).ok_or_else(|| {
            fault(&format!(
                "\"{language}\" is no language tag, as `de` or `pt-br`"
            ))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let kind = file.strip_suffix(".txt").unwrap_or_default();
        if kind == WORDS {
            return self.of(&tag).words.take(text);
        }
        let Some(kind) = Kind::parse(kind) else {
            let known = Kind::ALL.map(|kind| format!("{}.txt", kind.as_str()));
            let known = known.join(", ");
            return Err(fault(&format!(
                "unknown file; {known} and words.txt can be here"
            )));
        };
        let template = Template::parse(text)?;
        *self.of(&tag).template_mut(kind) = template;
        Ok(())
    }

    /// The texts of a language, made if need be.
    fn of(&mut self, tag: &str) -> &mut Language {
        if tag == ENGLISH {
            return &mut self.english;
        }
        let fresh = || Language {
            tag: tag.into(),
            ..self.english.clone()
        };
        self.others.entry(tag.into()).or_insert_with(fresh)
    }

    /// The languages.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(ENGLISH).chain(self.others.keys().map(AsRef::as_ref))
    }

    /// The texts for a tag: of that very language, or of what it is a kind of (RFC 4647 §3.4).
    #[must_use]
    pub fn find(&self, wanted: &str) -> Option<&Language> {
        let wanted = tag(wanted)?;
        let mut wanted = wanted.as_str();
        loop {
            if wanted == ENGLISH {
                return Some(&self.english);
            }
            if let Some(found) = self.others.get(wanted) {
                return Some(found);
            }
            wanted = wanted.rsplit_once('-')?.0;
        }
    }

    /// The language of a report about a message: what its sender likes to read (Accept-Language), else what it is written
    /// in (Content-Language; both RFC 3282), else the organisation's.
    #[must_use]
    pub fn choose(&self, headers: &Headers, otherwise: &str) -> &Language {
        let said = |name: &str| headers.first(name).unwrap_or_default();
        let mut wishes = wishes(&said("Accept-Language"));
        wishes.extend(self::wishes(&said("Content-Language")));
        let wished = wishes.iter().find_map(|wish| self.find(wish));
        let otherwise = || self.find(otherwise).unwrap_or(&self.english);
        wished.unwrap_or_else(otherwise)
    }
}

/// The tags of a field, the most wanted first. A tag with `q=0` is not wanted.
fn wishes(field: &str) -> Vec<String> {
    let end = field.floor_char_boundary(WISHES_OCTETS_MAX);
    let field = field.get(..end).unwrap_or_default();
    let mut wishes: Vec<(u16, String)> = Vec::new();
    for wish in field.split(',').take(WISHES_MAX) {
        let mut parts = wish.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        let weight = weight.map_or(Some(1000), thousandths);
        match weight {
            Some(weight @ 1..) if !tag.is_empty() => wishes.push((weight, tag.to_owned())),
            _ => {}
        }
    }
    wishes.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    wishes.into_iter().map(|(_, tag)| tag).collect()
}

/// `0.7` as 700 (RFC 3282 §3: from 0 to 1).
fn thousandths(text: &str) -> Option<u16> {
    let value: f32 = text.trim().parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (0.0..=1.0)
        .contains(&value)
        .then_some((value * 1000.0) as u16)
}

/// A language tag in lower case (RFC 5646 §2.1, as far as it matters here).
fn tag(text: &str) -> Option<String> {
    const OCTETS_MAX: usize = 35;
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let fits = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let whole = (2..=8).contains(&first.len()) && letters(first) && parts.all(fits);
    (whole && text.len() <= OCTETS_MAX).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(texts: &Texts, header: &str, otherwise: &str) -> String {
        let octets = header.as_bytes().to_vec();
        let headers = Headers { octets, cut: false };
        texts.choose(&headers, otherwise).tag().to_owned()
    }

    #[test]
    fn what_is_built_in_is_whole_in_every_language() {
        let mut texts = Texts::built_in();
        for (language, file, text) in BUILT_IN {
            assert_eq!(
                texts.take(language, file, text),
                Ok(()),
                "{language}/{file}"
            );
        }
        let tags: Vec<&str> = texts.tags().collect();
        assert_eq!(tags, ["en", "de", "es", "fr", "nl"]);
        let english = texts.find("en").unwrap();
        for tag in tags.iter().filter(|tag| **tag != "en") {
            let language = texts.find(tag).unwrap();
            assert_eq!(language.words.keys(), english.words.keys());
            for kind in Kind::ALL {
                assert_ne!(language.template(kind), english.template(kind), "{tag}");
            }
        }
    }

    #[test]
    fn the_sender_s_wish_comes_first_then_the_message_s_language_then_the_setting() {
        let texts = Texts::built_in();
        for (header, otherwise, expected) in [
            ("", "de", "de"),
            ("", "xx", "en"),
            ("Content-Language: fr-CA\r\n", "de", "fr"),
            (
                "Accept-Language: nl\r\nContent-Language: fr\r\n",
                "de",
                "nl",
            ),
            ("Accept-Language: xx, es;q=0.5, de;q=0.7\r\n", "en", "de"),
            ("Accept-Language: de;q=0, es;q=0.1\r\n", "en", "es"),
            (
                "Accept-Language: *\r\nContent-Language: EN-us\r\n",
                "de",
                "en",
            ),
            ("Accept-Language: ;;q=9,-,\u{e9},q\r\n", "nl", "nl"),
        ] {
            assert_eq!(chosen(&texts, header, otherwise), expected, "{header}");
        }
        let endless = format!("Accept-Language: {}de\r\n", "xx,".repeat(100_000));
        assert_eq!(chosen(&texts, &endless, "fr"), "fr");
    }

    #[test]
    fn an_operator_s_text_takes_the_place_of_ours() {
        let mut texts = Texts::built_in();
        let text = "Subject: Nie\n\n{recipients}\n";
        texts.take("pt-BR", "failure.txt", text).unwrap();
        let language = texts.find("pt-br").unwrap();
        assert_eq!(language.template(Kind::Failure).subject(&[]), "Nie");
        // What it doesn't say is English.
        let english = texts.find("en").unwrap().template(Kind::Delay);
        assert_eq!(language.template(Kind::Delay), english);
        assert_eq!(texts.find("pt"), None);
        let before = texts.clone();
        assert!(texts.take("de", "failure.txt", "Subject: x\n").is_err());
        assert!(texts.take("de", "bounce.txt", text).is_err());
        assert!(texts.take("../de", "failure.txt", text).is_err());
        assert!(texts.take("de", "words.txt", &"#".repeat(70_000)).is_err());
        assert_eq!(texts, before);
    }
}
