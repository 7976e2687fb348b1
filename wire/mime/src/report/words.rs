//! What is said of one recipient, and what a status means, in one language.
//!
//! May refuse: keys that nobody knows, and phrases that leave out what they are there for.

use super::phrase::Phrase;
use super::template::TextFault;
use bridgehead_mail::StatusCode;
use std::collections::BTreeMap;

/// What is said of one recipient: the key, the names that may stand in it, and whether they must.
const PHRASES: [(&str, &[&str]); 6] = [
    ("said", &["host", "reply"]),
    ("until", &["until"]),
    ("delivered", &[]),
    ("relayed", &["host", "reply"]),
    ("expanded", &[]),
    ("details", &["status", "text"]),
];

/// Phrases by key, and meanings by status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    phrases: BTreeMap<&'static str, Phrase>,
    meanings: BTreeMap<Meaning, Box<str>>,
}

/// A subject of RFC 3463, with a detail or for all that have no meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Meaning(u16, Option<u16>);

impl Words {
    /// Takes lines of `key = text`; what isn't named stays as it is. Lines that begin with `#` are comments.
    pub(super) fn take(&mut self, text: &str) -> Result<(), Vec<TextFault>> {
        let mut changed = self.clone();
        let mut faults = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Err(fault) = changed.line(number, line) {
                faults.push(fault);
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        *self = changed;
        Ok(())
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), TextFault> {
        let fault = |key: &str, reason: &str| TextFault::new(number, key, reason);
        let Some((key, text)) = line.split_once('=') else {
            return Err(fault("", "`key = text` is expected"));
        };
        let (key, text) = (key.trim(), text.trim());
        if text.is_empty() {
            return Err(fault(key, "a text is expected, not an empty one"));
        }
        let known = PHRASES.iter().find(|(known, _)| *known == key);
        let parse = |names| {
            Phrase::parse(text, names).map_err(|wrong| TextFault::wrong(number, key, &wrong))
        };
        match (known, meaning(key)) {
            (Some((key, names)), _) => {
                let phrase = parse(names)?;
                if let Some(missing) = names.iter().find(|name| !phrase.has(name)) {
                    let reason = format!("{{{missing}}} is missing in it");
                    return Err(fault(key, &reason));
                }
                self.phrases.insert(key, phrase);
            }
            (None, Some(meaning)) => {
                let phrase = parse(&[])?;
                self.meanings.insert(meaning, phrase.fill(&[]).into());
            }
            (None, None) => {
                let known: Vec<&str> = PHRASES.iter().map(|(key, _)| *key).collect();
                let reason = format!(
                    "unknown key; {}, or a status as `1.1` or `1` is expected",
                    known.join(", ")
                );
                return Err(fault(key, &reason));
            }
        }
        Ok(())
    }

    /// A phrase with its places filled.
    pub(super) fn say(&self, key: &str, values: &[(&str, &str)]) -> String {
        let phrase = self.phrases.get(key);
        phrase.map(|phrase| phrase.fill(values)).unwrap_or_default()
    }

    /// What a status means: by subject and detail, else by subject, else that it didn't work.
    pub(super) fn meaning(&self, status: StatusCode) -> &str {
        let subject = status.subject();
        let exact = self.meanings.get(&Meaning(subject, Some(status.detail())));
        let meaning = exact
            .or_else(|| self.meanings.get(&Meaning(subject, None)))
            .or_else(|| self.meanings.get(&Meaning(0, None)));
        meaning.map_or("", |meaning| meaning)
    }

    /// The keys, to compare languages.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<String> {
        let meanings = self.meanings.keys().map(|meaning| format!("{meaning:?}"));
        let phrases = self.phrases.keys().map(|key| (*key).to_owned());
        phrases.chain(meanings).collect()
    }
}

/// `1` or `1.1`.
fn meaning(key: &str) -> Option<Meaning> {
    let number = |text: &str| {
        let fits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| text.parse::<u16>().ok()).flatten()
    };
    match key.split_once('.') {
        Some((subject, detail)) => Some(Meaning(number(subject)?, Some(number(detail)?))),
        None => Some(Meaning(number(key)?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(line: &str) -> TextFault {
        let mut words = Words::default();
        words
            .take(&format!("# x\n\n{line}\n"))
            .unwrap_err()
            .remove(0)
    }

    #[test]
    fn the_most_exact_meaning_counts() {
        let mut words = Words::default();
        words.take("0 = no\n1 = address\n1.1 = nobody").unwrap();
        let of = |subject, detail| words.meaning(StatusCode::permanent(subject, detail));
        assert_eq!((of(1, 1), of(1, 9), of(7, 1)), ("nobody", "address", "no"));
    }

    #[test]
    fn faults_have_their_line_and_key() {
        for (line, key, reason) in [
            ("sayd = x", "sayd", "unknown key"),
            ("said = {host} says", "said", "{reply} is missing"),
            ("said = {hots} {reply}", "{hots}", "unknown name"),
            ("delivered =", "delivered", "empty"),
            ("1.1 = to {host}", "{host}", "none can stand here"),
            ("1.1.1 = x", "1.1.1", "unknown key"),
            ("hello", "", "`key = text`"),
        ] {
            let fault = why(line);
            assert_eq!((fault.line, fault.key.as_str()), (3, key), "{line}");
            assert!(fault.reason.contains(reason), "{line}: {}", fault.reason);
        }
    }

    #[test]
    fn a_faulty_text_changes_nothing() {
        let mut words = Words::default();
        words.take("1 = a").unwrap();
        let before = words.clone();
        assert!(words.take("1 = b\nx = y").is_err());
        assert_eq!(words, before);
    }
}
