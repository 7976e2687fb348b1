//! Reading predicates: `from:*@example.org (size>1MiB or age>2h) not phase:frozen`.

use crate::pattern::Pattern;
use crate::{Comparison, Expression, NumberField, TextField};
use bridgehead_mail::{Phase, Priority, Size, Wait};

/// No predicate that a person writes is longer, in octets.
const TEXT_OCTETS_MAX: usize = 4_096;
/// Brackets in brackets.
const DEPTH_MAX: usize = 32;

/// Where a predicate stops being one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at character {at}: {reason}")]
pub struct PredicateError {
    /// The place, from 1.
    pub at: usize,
    /// What is wrong there and what is expected.
    pub reason: String,
}

const TEXT_FIELDS: [(&str, TextField); 10] = [
    ("id", TextField::Id),
    ("link", TextField::Link),
    ("domain", TextField::Domain),
    ("error", TextField::Error),
    ("from", TextField::From),
    ("to", TextField::To),
    ("subject", TextField::Subject),
    ("user", TextField::User),
    ("client", TextField::Client),
    ("via", TextField::Via),
];

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("<", Comparison::Less),
    (">", Comparison::More),
    ("=", Comparison::Equal),
];

pub(crate) fn predicate(text: &str) -> Result<Expression, PredicateError> {
    let mut reader = Reader { text, at: 0 };
    if text.len() > TEXT_OCTETS_MAX {
        return Err(reader.fault(format!("it is longer than {TEXT_OCTETS_MAX} octets")));
    }
    let expression = reader.any(0)?;
    reader.skip_space();
    if reader.rest().is_empty() {
        return Ok(expression);
    }
    Err(reader.fault("a bracket is closed that wasn't opened".to_owned()))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn fault(&self, reason: String) -> PredicateError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        PredicateError {
            at: before.chars().count() + 1,
            reason,
        }
    }

    /// Takes a word of the language, if it is the next one.
    fn word(&mut self, word: &str) -> bool {
        self.skip_space();
        let Some(after) = self.rest().strip_prefix(word) else {
            return false;
        };
        let ends = after.is_empty() || after.starts_with([' ', '\t', '\n', '(', ')']);
        if ends {
            self.at += word.len();
        }
        ends
    }

    /// Takes a sign, if it is the next one.
    fn sign(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    fn any(&mut self, depth: usize) -> Result<Expression, PredicateError> {
        let mut inner = vec![self.all(depth)?];
        while self.word("or") {
            inner.push(self.all(depth)?);
        }
        Ok(one_or(inner, Expression::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expression, PredicateError> {
        let mut inner = vec![self.one(depth)?];
        loop {
            let said = self.word("and");
            self.skip_space();
            let here = self.at;
            let ends = self.rest().is_empty() || self.rest().starts_with(')') || self.word("or");
            self.at = here;
            if ends && !said {
                return Ok(one_or(inner, Expression::All));
            }
            inner.push(self.one(depth)?);
        }
    }

    fn one(&mut self, depth: usize) -> Result<Expression, PredicateError> {
        if depth >= DEPTH_MAX {
            return Err(self.fault(format!("brackets are nested deeper than {DEPTH_MAX}")));
        }
        if self.word("not") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.word("all") {
            return Ok(Expression::Everything);
        }
        self.skip_space();
        if self.sign("(") {
            let inner = self.any(depth + 1)?;
            self.skip_space();
            if self.sign(")") {
                return Ok(inner);
            }
            return Err(self.fault("the bracket isn't closed".to_owned()));
        }
        self.term()
    }

    fn term(&mut self) -> Result<Expression, PredicateError> {
        let begin = self.at;
        let rest = self.rest();
        let end = rest
            .find(|letter: char| !letter.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default();
        self.at += end;
        let term = self.term_of(name)?;
        match term {
            Some(term) => Ok(term),
            None => {
                self.at = begin;
                Err(self.fault(self.unknown(name)))
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        let what = match (name, self.rest()) {
            ("", "") => "it ends here".to_owned(),
            ("", _) => "this is no condition".to_owned(),
            (name, _) => format!("there is no \"{name}\""),
        };
        let mut names: Vec<&str> = TEXT_FIELDS.iter().map(|(name, _)| *name).collect();
        names.extend(["size", "age", "attempts", "phase", "priority"]);
        format!(
            "{what}; a condition begins with one of {}, or is `all`",
            names.join(", ")
        )
    }

    /// A condition on what is called so; none if nothing is.
    fn term_of(&mut self, name: &str) -> Result<Option<Expression>, PredicateError> {
        if let Some((_, field)) = TEXT_FIELDS.iter().find(|(known, _)| *known == name) {
            self.colon(name)?;
            let value = self.value()?;
            return Ok(Some(Expression::Text(*field, Pattern::new(&value))));
        }
        Ok(Some(match name {
            "phase" => {
                self.colon(name)?;
                let words = || Phase::words().collect::<Vec<_>>().join(", ");
                Expression::Phase(self.choice(Phase::parse, words)?)
            }
            "priority" => {
                self.colon(name)?;
                let words = || "high, normal, low".to_owned();
                Expression::Priority(self.choice(Priority::parse, words)?)
            }
            "size" => {
                let octets = |text: &str| {
                    let plain = text.parse().ok();
                    plain.or_else(|| Size::parse(text).map(|size| size.0))
                };
                self.number(
                    NumberField::Size,
                    octets,
                    "a size as `1 MiB` in quotes or `1MiB`",
                )?
            }
            "age" => {
                let seconds = |text: &str| Wait::parse(text).map(Wait::as_secs);
                self.number(
                    NumberField::Age,
                    seconds,
                    "a duration as `90s`, `4h` or `2d`",
                )?
            }
            "attempts" => {
                let count = |text: &str| text.parse().ok();
                self.number(NumberField::Attempts, count, "a number")?
            }
            _ => return Ok(None),
        }))
    }

    fn colon(&mut self, name: &str) -> Result<(), PredicateError> {
        if self.sign(":") || self.sign("=") {
            return Ok(());
        }
        Err(self.fault(format!("`{name}:` and a value are expected")))
    }

    fn choice<T>(
        &mut self,
        parse: impl Fn(&str) -> Option<T>,
        words: impl Fn() -> String,
    ) -> Result<T, PredicateError> {
        let begin = self.at;
        let value = self.value()?;
        parse(&value).ok_or_else(|| {
            self.at = begin;
            self.fault(format!("\"{value}\" isn't one of {}", words()))
        })
    }

    fn number(
        &mut self,
        field: NumberField,
        parse: impl Fn(&str) -> Option<u64>,
        expected: &str,
    ) -> Result<Expression, PredicateError> {
        let Some((_, comparison)) = COMPARISONS.iter().find(|(sign, _)| self.sign(sign)) else {
            return Err(self.fault("one of <, <=, =, >=, > is expected".to_owned()));
        };
        let begin = self.at;
        let value = self.value()?;
        let Some(number) = parse(&value) else {
            self.at = begin;
            return Err(self.fault(format!("\"{value}\": {expected} is expected")));
        };
        Ok(Expression::Number(field, *comparison, number))
    }

    /// A value: in quotes, or up to a space or a bracket that closes.
    fn value(&mut self) -> Result<String, PredicateError> {
        if self.sign("\"") {
            return self.quoted();
        }
        let rest = self.rest();
        let ends = |letter: char| letter.is_whitespace() || letter == ')';
        let value = rest.get(..rest.find(ends).unwrap_or(rest.len()));
        let value = value.unwrap_or_default();
        if value.is_empty() {
            return Err(self.fault("a value is expected; an empty one is written \"\"".to_owned()));
        }
        self.at += value.len();
        // The null reverse-path is written as in SMTP.
        Ok(if value == "<>" {
            String::new()
        } else {
            value.to_owned()
        })
    }

    /// The rest of a value in quotes; a backslash takes the next character as it is.
    fn quoted(&mut self) -> Result<String, PredicateError> {
        let mut value = String::new();
        let mut letters = self.rest().char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += place + 1;
                    return Ok(value);
                }
                '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
                letter => value.push(letter),
            }
        }
        Err(self.fault("the quotes aren't closed".to_owned()))
    }
}

fn one_or(mut inner: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match inner.pop() {
        Some(only) if inner.is_empty() => only,
        Some(last) => {
            inner.push(last);
            many(inner)
        }
        None => Expression::Everything,
    }
}
