//! The three kinds of parts and their texts: a table of their own, an empty line, and for a form the object's text.
//!
//! Guards: a text of another shape is a fault in words, never half a part.

use crate::object;
use crate::{Fields, Name, Report, Schema, TableWriter, Words, read_document};

object! {
    /// What one change made of one object; its text follows, and none if the object was removed.
    Form = "form" {
        /// The change it belongs to.
        change: required Words = "change", "";
        /// Kind and name of the object, in lower case.
        object: required Words = "object", "";
    }
}

object! {
    /// One change: who made it, when and why, and which change it follows.
    Note = "change" {
        /// Its identity.
        id: required Words = "id", "";
        /// The change it follows.
        after: optional Words = "after", "none; it is the first";
        /// The version it leads to; larger than that of the change before.
        version: required u64 = "version", "";
        /// When, in milliseconds since the Unix epoch.
        at: required u64 = "at", "";
        /// Who made it.
        who: required Words = "who", "";
        /// Why.
        why: optional Words = "why", "nothing was said";
        /// What it did.
        summary: required Words = "summary", "";
        /// How many forms belong to it.
        forms: required u32 = "forms", "";
        /// Whether what was before it can't be put together any more.
        floor: optional bool = "floor", "false";
    }
}

object! {
    /// What is in force.
    Head = "head" {
        /// The change that is in force.
        change: required Words = "change", "";
        /// A change that some servers try.
        trial: optional Words = "trial", "none";
        /// Those servers.
        trial_on: list Name = "trial-on", "none";
    }
}

/// A part of the shared organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Form(Form, String),
    Note(Note),
    Head(Head),
}

impl Part {
    pub(crate) fn to_text(&self) -> String {
        let mut out = TableWriter::default();
        match self {
            Self::Form(form, body) => {
                write(form, &mut out);
                let text = out.finish();
                if body.is_empty() {
                    return text;
                }
                return format!("{text}\n{body}");
            }
            Self::Note(note) => write(note, &mut out),
            Self::Head(head) => write(head, &mut out),
        }
        out.finish()
    }

    /// Whether a text looks like a part.
    pub(crate) fn is_one(text: &str) -> bool {
        let kinds = [Form::KIND, Note::KIND, Head::KIND];
        let first = text.lines().next().unwrap_or_default();
        let kind = first
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        kind.is_some_and(|kind| kinds.contains(&kind))
    }

    /// The part that a text is.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (table, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let read = |report: &mut Report| -> Option<Self> {
            let document = read_document(table, report)?;
            let (kind, value) = document.iter().next()?;
            let kind: &str = kind.get_ref();
            let fields = value.get_ref().as_table()?;
            match kind {
                Form::KIND => {
                    let form = Fields::read(fields, 1, None, report).0?;
                    let ended = body.is_empty() || body.ends_with('\n');
                    let end = if ended { "" } else { "\n" };
                    Some(Self::Form(form, format!("{body}{end}")))
                }
                Note::KIND => Some(Self::Note(Fields::read(fields, 1, None, report).0?)),
                Head::KIND => Some(Self::Head(Fields::read(fields, 1, None, report).0?)),
                _ => None,
            }
        };
        let mut report = Report::new("", table);
        let part = read(&mut report);
        report.finish().map_err(|faults| {
            let words: Vec<String> = faults.iter().map(crate::Fault::reason_with_key).collect();
            words.join("; ")
        })?;
        part.ok_or_else(|| "a form, a change or a head is expected".to_owned())
    }
}

fn write<S: Schema>(part: &S, out: &mut TableWriter) {
    out.header(&format!("[{}]", S::KIND));
    part.write(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_comes_back_from_its_text() {
        let words = |text: &str| Words(text.into());
        let body = "[[accepted-domain]]\nname = \"lab.test\"\n";
        for part in [
            Part::Form(
                Form {
                    change: words("c1"),
                    object: words("accepted-domain lab.test"),
                },
                body.to_owned(),
            ),
            Part::Form(
                Form {
                    change: words("c1"),
                    object: words("server a"),
                },
                String::new(),
            ),
            Part::Note(Note {
                id: words("c1"),
                after: None,
                version: 1 << 40,
                at: 77,
                who: words("\"root\" at the console"),
                why: None,
                summary: words("created server a"),
                forms: 2,
                floor: Some(true),
            }),
            Part::Head(Head {
                change: words("c1"),
                trial: Some(words("c2")),
                trial_on: vec![Name::parse("mail1").unwrap()],
            }),
        ] {
            let text = part.to_text();
            assert!(Part::is_one(&text), "{text}");
            assert_eq!(Part::read(&text), Ok(part), "{text}");
        }
    }

    #[test]
    fn a_text_of_another_shape_is_a_fault() {
        for (text, expected) in [
            ("[head]\nchange = \"\"\n", "change"),
            ("[head]\nchanged = \"x\"\n", "changed"),
            ("[form]\nchange = \"x\"\n", "object"),
            ("[change]\nid = \"x\"\nversion = -1\n", "version"),
            ("[server]\nname = \"a\"\n", "is expected"),
            ("[head", "TOML"),
        ] {
            let fault = Part::read(text).unwrap_err();
            assert!(fault.contains(expected), "{text}: {fault}");
        }
        assert!(!Part::is_one(body_of_an_object()));
    }

    fn body_of_an_object() -> &'static str {
        "[[server]]\nname = \"a\"\n"
    }
}
