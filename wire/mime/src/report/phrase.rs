//! A text with named places, as `The server {host} said: {reply}`.
//!
//! Guards: what is filled in can't add a line. May refuse: names that nobody knows, and braces that don't fit.

/// A line with this many octets is refused: with its places filled it must still be a line of a message (RFC 5322 §2.1.1).
const LINE_OCTETS_MAX: usize = 500;

/// A text and its places, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Phrase(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Place(&'static str),
}

/// What is wrong with a line: the key it concerns, and why.
pub(super) type Wrong = (String, String);

impl Phrase {
    /// Reads a line in which these names may stand; `{{` and `}}` are braces.
    pub(super) fn parse(line: &str, names: &[&'static str]) -> Result<Self, Wrong> {
        if line.len() > LINE_OCTETS_MAX {
            let reason = format!("a line has at most {LINE_OCTETS_MAX} octets");
            return Err((String::new(), reason));
        }
        if line.chars().any(char::is_control) {
            let reason = "control characters can't be in it".to_owned();
            return Err((String::new(), reason));
        }
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else {
                let (name, after) = place(from, names)?;
                pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                pieces.push(Piece::Place(name));
                rest = after;
            }
        }
        text.push_str(rest);
        pieces.push(Piece::Text(text.into()));
        pieces.retain(|piece| *piece != Piece::Text("".into()));
        Ok(Self(pieces))
    }

    /// Whether a name stands in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0
            .iter()
            .any(|piece| matches!(piece, Piece::Place(place) if *place == name))
    }

    /// Whether it is nothing but this name.
    pub(super) fn is_only(&self, name: &str) -> bool {
        matches!(self.0.as_slice(), [Piece::Place(place)] if *place == name)
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// With its places filled. A name without a value leaves nothing.
    pub(super) fn fill(&self, values: &[(&str, &str)]) -> String {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Place(name) => {
                    let value = values.iter().find(|(known, _)| known == name);
                    filled.push_str(value.map_or("", |(_, value)| value));
                }
            }
        }
        one_line(&filled)
    }
}

/// The name at the beginning of a text, and what follows it.
fn place<'t>(from: &'t str, names: &[&'static str]) -> Result<(&'static str, &'t str), Wrong> {
    let lone = || {
        let reason = "a brace that stands alone is written twice, as `{{` or `}}`".to_owned();
        (String::new(), reason)
    };
    let inside = from.strip_prefix('{').ok_or_else(lone)?;
    let (name, after) = inside.split_once('}').ok_or_else(lone)?;
    let known = names.iter().find(|known| **known == name);
    let known = known.ok_or_else(|| {
        let names: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
        let expected = match names.is_empty() {
            true => "none can stand here".to_owned(),
            false => format!("what can stand here: {}", names.join(", ")),
        };
        (format!("{{{name}}}"), format!("unknown name; {expected}"))
    })?;
    Ok((known, after))
}

/// A text from anywhere as part of one line of bounded length (RFC 5322 §2.1.1).
pub(super) fn one_line(text: &str) -> String {
    const OCTETS_MAX: usize = 900;
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    let text = text.get(..text.floor_char_boundary(OCTETS_MAX));
    text.unwrap_or_default().chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_and_braces_stay() {
        let phrase = Phrase::parse("{a}: {{x}} {b}", &["a", "b"]).unwrap();
        assert_eq!(phrase.fill(&[("a", "1"), ("b", "2\r\n3")]), "1: {x} 2  3");
        assert!(phrase.has("a") && !phrase.has("c") && !phrase.is_only("a"));
        assert!(Phrase::parse("{a}", &["a"]).unwrap().is_only("a"));
        assert!(Phrase::parse("", &[]).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let why = |line: &str| Phrase::parse(line, &["host"]).unwrap_err();
        assert_eq!(why("a {hots}").0, "{hots}");
        assert!(why("a {hots}").1.contains("{host}"));
        for line in ["a { b", "a } b", "{host", "host}", "{", "a\u{7}b"] {
            assert_eq!(why(line).0, "", "{line}");
        }
        assert!(why(&"x".repeat(501)).1.contains("500"));
    }
}
