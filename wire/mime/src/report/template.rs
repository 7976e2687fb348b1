//! The text of one kind of report: a subject, and a body in which the recipients stand.
//!
//! May refuse: what lacks a subject or the recipients, and names that nobody knows.

use super::phrase::{Phrase, Wrong};

/// What kind of report a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It could not be delivered.
    Failure,
    /// It could not be delivered yet.
    Delay,
    /// It was delivered.
    Delivered,
    /// It went to a server that doesn't report.
    Relayed,
    /// It went to the members of a group.
    Expanded,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Failure,
        Self::Delay,
        Self::Delivered,
        Self::Relayed,
        Self::Expanded,
    ];

    /// Its word, which is also the name of its file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Delay => "delay",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    /// The kind of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One fault of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFault {
    /// The line, from 1; 0 where it is of no line.
    pub line: u64,
    /// What it concerns: a name in braces, or a key.
    pub key: String,
    /// What is wrong, and what is expected.
    pub reason: String,
}

impl TextFault {
    pub(super) fn new(line: usize, key: &str, reason: &str) -> Self {
        Self {
            line: u64::try_from(line).unwrap_or(u64::MAX),
            key: key.to_owned(),
            reason: reason.to_owned(),
        }
    }

    pub(super) fn wrong(line: usize, key: &str, (name, reason): &Wrong) -> Self {
        let key = if name.is_empty() { key } else { name };
        Self::new(line, key, reason)
    }
}

/// Where the recipients stand.
pub(super) const RECIPIENTS: &str = "recipients";
const IN_SUBJECT: &[&str] = &["server", "id"];
const IN_BODY: &[&str] = &["server", "id", "sender", "accepted", RECIPIENTS];
const SUBJECT: &str = "Subject";

/// The text of one kind of report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Template {
    subject: Phrase,
    lines: Vec<Phrase>,
}

impl Template {
    /// Reads a text: `Subject: …`, an empty line, the body with `{recipients}` on a line of its own. Lines before the
    /// subject that begin with `#` are comments.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<TextFault>> {
        let mut template = Self::default();
        let mut faults = Vec::new();
        let mut lines = (1..).zip(text.lines());
        let mut head = lines
            .by_ref()
            .skip_while(|(_, line)| line.starts_with('#') || line.trim().is_empty());
        let (number, first) = head.next().unwrap_or((1, ""));
        match subject(first) {
            Some(subject) => match Phrase::parse(subject, IN_SUBJECT) {
                Ok(phrase) => template.subject = phrase,
                Err(wrong) => faults.push(TextFault::wrong(number, SUBJECT, &wrong)),
            },
            None => {
                let reason = "is missing: a text begins with `Subject: …` and an empty line";
                faults.push(TextFault::new(number, SUBJECT, reason));
            }
        }
        let mut is_first = true;
        let mut recipients = 0_usize;
        for (number, line) in lines {
            if std::mem::take(&mut is_first) && !line.trim().is_empty() {
                let reason = "an empty line is expected after the subject";
                faults.push(TextFault::new(number, SUBJECT, reason));
            }
            match Phrase::parse(&line.trim_end().replace('\t', "    "), IN_BODY) {
                Ok(phrase) => {
                    if phrase.has(RECIPIENTS) {
                        recipients += 1;
                        if recipients > 1 || !phrase.is_only(RECIPIENTS) {
                            let reason = "stands once, on a line of its own";
                            faults.push(TextFault::new(number, "{recipients}", reason));
                        }
                    }
                    template.lines.push(phrase);
                }
                Err(wrong) => faults.push(TextFault::wrong(number, "", &wrong)),
            }
        }
        if recipients == 0 {
            let reason = "is missing: without it nobody learns whom the report is about";
            faults.push(TextFault::new(0, "{recipients}", reason));
        }
        match faults.is_empty() {
            true => Ok(template),
            false => Err(faults),
        }
    }

    /// The subject with its places filled.
    pub(super) fn subject(&self, values: &[(&str, &str)]) -> String {
        self.subject.fill(values)
    }

    /// The body with its places filled, and this in the place of the recipients: whole lines.
    pub(super) fn body(&self, values: &[(&str, &str)], recipients: &str) -> String {
        let empty = |phrase: &&Phrase| phrase.is_empty();
        let start = self.lines.iter().take_while(empty).count();
        let mut body = String::new();
        for line in self.lines.iter().skip(start) {
            if line.is_only(RECIPIENTS) {
                body.push_str(recipients);
            } else {
                body.push_str(&line.fill(values));
                body.push_str("\r\n");
            }
        }
        body
    }
}

fn subject(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    (name.trim().eq_ignore_ascii_case(SUBJECT) && !value.is_empty()).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(u64, String)> {
        let faults = Template::parse(text).unwrap_err();
        faults.into_iter().map(|one| (one.line, one.key)).collect()
    }

    fn fault(line: u64, key: &str) -> Vec<(u64, String)> {
        vec![(line, key.to_owned())]
    }

    #[test]
    fn a_text_is_filled() {
        let text = "# ours\nSubject: No {id}\n\nFrom {server}\n\n{recipients}\n";
        let template = Template::parse(text).unwrap();
        let values = [("id", "7"), ("server", "mail1")];
        assert_eq!(template.subject(&values), "No 7");
        let body = template.body(&values, "  <bob>\r\n");
        assert_eq!(body, "From mail1\r\n\r\n  <bob>\r\n");
        // Written on another system.
        let other = Template::parse(&text.replace('\n', "\r\n")).unwrap();
        assert_eq!(other, template);
    }

    #[test]
    fn what_must_be_there_is_missed() {
        assert_eq!(faults("Subject: x\n\nbody\n"), fault(0, "{recipients}"));
        assert_eq!(faults("Hello\n\n{recipients}\n"), fault(1, "Subject"));
        assert_eq!(faults("Subject:\n\n{recipients}\n"), fault(1, "Subject"));
        assert_eq!(
            faults("Subject: x\n{recipients}\n{nme}\n"),
            [(2, "Subject".to_owned()), (3, "{nme}".to_owned())]
        );
        assert_eq!(faults("").len(), 2);
    }

    #[test]
    fn the_recipients_stand_once_and_alone() {
        for body in ["to {recipients}", "{recipients}\n{recipients}"] {
            let found = faults(&format!("Subject: x\n\n{body}\n"));
            assert_eq!(found[0].1, "{recipients}", "{body}");
        }
        assert_eq!(
            faults("Subject: {recipients}\n\n{recipients}"),
            fault(1, "{recipients}")
        );
    }
}
