//! Delivery reports: a multipart/report (RFC 6522) with an explanation in plain words, the machine-readable
//! status (RFC 3464; RFC 6533 where an address isn't ASCII), and what came of the message.
//!
//! Guards: texts from outside (replies, addresses) can't add a line or a field.

mod encoded;
mod phrase;
mod template;
mod texts;
mod words;

pub use template::{Kind, TextFault};
pub use texts::{Language, TEXT_OCTETS_MAX, Texts};

use crate::date::plain_time;
use crate::date_time;
use crate::headers::Headers;
use bridgehead_mail::{
    Address, Content, Domain, DsnText, Failure, MessageId, Recipient, RemoteReply, StatusCode,
    Timestamp,
};
use phrase::one_line;
use std::io;
use words::Words;

const WINDOW: usize = 64 * 1024;

/// What became of a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It will not work.
    Failed(Failure),
    /// It did not work yet, and is tried until then.
    Delayed(Failure, Timestamp),
    /// It is in a mailbox.
    Delivered,
    /// It went to a server that doesn't report; what that said.
    Relayed(RemoteReply),
    /// A group was put in its place.
    Expanded,
}

/// One recipient of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The recipient as it was tried, with what its sender called it.
    pub recipient: Recipient,
    /// What became of it.
    pub action: Action,
}

/// What of the message comes back.
pub enum Returned<'a> {
    /// Its headers.
    Headers(Headers),
    /// All of it.
    Full(&'a dyn Content),
}

/// A report about one message. All recipients have the same kind of action.
pub struct Report<'a> {
    /// The id of the report itself.
    pub id: MessageId,
    /// When it is made.
    pub at: Timestamp,
    /// The server that makes it.
    pub server: &'a Domain,
    /// The domain of the `postmaster@` it comes from.
    pub from_domain: &'a Domain,
    /// To whom it goes: the reverse-path of the message.
    pub to: &'a Address,
    /// The message's id.
    pub about: MessageId,
    /// When the message was accepted.
    pub accepted: Timestamp,
    /// The sender's own name for the transaction.
    pub envid: Option<&'a DsnText>,
    /// The recipients.
    pub recipients: &'a [Reported],
    /// What comes back.
    pub returned: Returned<'a>,
    /// The language of the part for people.
    pub language: &'a Language,
}

impl Report<'_> {
    /// Writes the whole report, in pieces of bounded size.
    ///
    /// # Errors
    /// If the returned message can't be read, or `write` says no.
    pub fn write<E: From<io::Error>>(
        &self,
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let boundary = format!("=_report_{}", self.id);
        let mut text = self.head(&boundary);
        text.push_str(&self.explanation(&boundary));
        text.push_str(&self.status(&boundary));
        write(text.as_bytes())?;
        let eight_bit = self.returns_eight_bit();
        match &self.returned {
            Returned::Headers(headers) => {
                let kind = self.by_type("text/rfc822-headers", "message/global-headers");
                write(part(&boundary, kind, encoding(eight_bit)).as_bytes())?;
                write(&headers.octets)?;
            }
            Returned::Full(content) => {
                let kind = self.by_type("message/rfc822", "message/global");
                write(part(&boundary, kind, encoding(eight_bit)).as_bytes())?;
                copy(*content, &mut write)?;
            }
        }
        write(format!("\r\n--{boundary}--\r\n").as_bytes())
    }

    /// The text for people alone: subject, and body.
    #[must_use]
    pub fn text(&self) -> (String, String) {
        let accepted = plain_time(self.accepted);
        let (id, server) = (self.about.to_string(), self.server.to_string());
        let sender = self.to.to_string();
        let values = [
            ("server", server.as_str()),
            ("id", id.as_str()),
            ("sender", sender.as_str()),
            ("accepted", accepted.as_str()),
        ];
        let recipients = self.recipients.iter();
        let recipients: Vec<String> = recipients.map(|one| explain(one, self.language)).collect();
        let template = self.language.template(self.kind());
        let body = template.body(&values, &recipients.join("\r\n"));
        (template.subject(&values), body)
    }

    fn kind(&self) -> Kind {
        match self.recipients.first().map(|one| &one.action) {
            Some(Action::Delayed(..)) => Kind::Delay,
            Some(Action::Delivered) => Kind::Delivered,
            Some(Action::Relayed(_)) => Kind::Relayed,
            Some(Action::Expanded) => Kind::Expanded,
            Some(Action::Failed(_)) | None => Kind::Failure,
        }
    }

    /// Whether the types of RFC 6533 are needed.
    fn is_international(&self) -> bool {
        let reported = self.recipients.iter();
        self.to.needs_smtputf8()
            || reported
                .map(|one| &one.recipient.address)
                .any(Address::needs_smtputf8)
    }

    fn returns_eight_bit(&self) -> bool {
        match &self.returned {
            Returned::Headers(headers) => !headers.octets.is_ascii(),
            Returned::Full(_) => true,
        }
    }

    fn by_type<'a>(&self, ascii: &'a str, international: &'a str) -> &'a str {
        if self.is_international() {
            international
        } else {
            ascii
        }
    }

    fn head(&self, boundary: &str) -> String {
        let (subject, _) = self.text();
        let report_type = self.by_type("delivery-status", "global-delivery-status");
        // RFC 2045 §6.4: the whole is declared as what the most demanding of its parts is.
        let encoding = encoding(self.returns_eight_bit() || self.is_international());
        // RFC 3834 §5: so that nobody answers it automatically.
        format!(
            "From: Mail Delivery System <postmaster@{from}>\r\n\
             To: <{to}>\r\n\
             Subject: {subject}\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}@{server}>\r\n\
             Auto-Submitted: auto-replied\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type={report_type};\r\n\
             \tboundary=\"{boundary}\"\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\
             \r\n\
             This is a delivery report in MIME format.\r\n",
            from = self.from_domain,
            to = self.to,
            subject = encoded::header(&subject),
            date = date_time(self.at),
            id = self.id,
            server = self.server,
        )
    }

    /// The part for people (RFC 6522 §3), in their language.
    fn explanation(&self, boundary: &str) -> String {
        let (_, body) = self.text();
        let kind = format!(
            "text/plain; charset=utf-8\r\nContent-Language: {}",
            self.language.tag()
        );
        match body.is_ascii() {
            true => part(boundary, &kind, "7bit") + &body,
            false => part(boundary, &kind, "quoted-printable") + &encoded::quoted_printable(&body),
        }
    }

    /// The machine-readable part (RFC 3464 §2.1): the message's fields, then a block for each recipient.
    fn status(&self, boundary: &str) -> String {
        let kind = self.by_type("message/delivery-status", "message/global-delivery-status");
        let mut fields = Fields {
            text: part(boundary, kind, encoding(self.is_international())),
            international: self.is_international(),
        };
        if let Some(envid) = self.envid {
            fields.say("Original-Envelope-Id", envid.as_str());
        }
        fields.say("Reporting-MTA", &format!("dns; {}", self.server));
        fields.say("Arrival-Date", &date_time(self.accepted));
        for one in self.recipients {
            fields.text.push_str("\r\n");
            block(&mut fields, one, self.at);
        }
        fields.text
    }
}

/// Fields of the machine-readable part.
struct Fields {
    text: String,
    /// Whether they may hold more than ASCII.
    international: bool,
}

impl Fields {
    fn say(&mut self, name: &str, value: &str) {
        let value = match self.international {
            true => one_line(value),
            false => one_line(&ascii(value)),
        };
        self.text.push_str(&format!("{name}: {value}\r\n"));
    }
}

/// RFC 3464 §2.1: the fields are ASCII, whatever another server said. Other letters are written as RFC 6533 §3 writes them.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_ascii() {
            true => plain.push(letter),
            false => plain.push_str(&format!("\\x{{{:X}}}", u32::from(letter))),
        }
    }
    plain
}

const fn encoding(eight_bit: bool) -> &'static str {
    if eight_bit { "8bit" } else { "7bit" }
}

/// The start of a body part.
fn part(boundary: &str, kind: &str, encoding: &str) -> String {
    format!(
        "\r\n--{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    )
}

fn copy<E: From<io::Error>>(
    content: &dyn Content,
    write: &mut impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut window = vec![0; WINDOW];
    let mut at = 0;
    loop {
        let count = content.read_at(at, &mut window)?;
        if count == 0 {
            return Ok(());
        }
        write(window.get(..count).unwrap_or_default())?;
        at += count as u64;
    }
}

/// What happened to one recipient, for people: what it means, the other server's words, and ours.
fn explain(one: &Reported, language: &Language) -> String {
    const INDENT: &str = "    ";
    let words = &language.words;
    let mut text = format!("  <{}>\r\n", one.recipient.address);
    if let Action::Failed(failure) | Action::Delayed(failure, _) = &one.action {
        text.push_str(&encoded::wrapped(words.meaning(failure.status), INDENT));
    }
    let lines = match &one.action {
        Action::Failed(failure) => why(failure, words),
        Action::Delayed(failure, until) => {
            let mut lines = why(failure, words);
            lines.push(words.say("until", &[("until", &plain_time(*until))]));
            lines
        }
        Action::Delivered => vec![words.say("delivered", &[])],
        Action::Relayed(reply) => vec![quoted("relayed", reply, words)],
        Action::Expanded => vec![words.say("expanded", &[])],
    };
    for line in lines {
        text.push_str(&format!("{INDENT}{line}\r\n"));
    }
    text
}

/// The other server's words, and ours.
fn why(failure: &Failure, words: &Words) -> Vec<String> {
    let said = failure.remote.as_ref();
    let mut lines: Vec<String> = said
        .map(|said| quoted("said", said, words))
        .into_iter()
        .collect();
    let status = failure.status.to_string();
    let values = [("status", status.as_str()), ("text", &failure.text)];
    lines.push(words.say("details", &values));
    lines
}

fn quoted(key: &str, said: &RemoteReply, words: &Words) -> String {
    let reply = said.to_string();
    words.say(key, &[("host", &said.host), ("reply", &reply)])
}

/// The fields of one recipient (RFC 3464 §2.3).
fn block(fields: &mut Fields, one: &Reported, at: Timestamp) {
    let address = &one.recipient.address;
    if let Some(orcpt) = &one.recipient.orcpt {
        let value = format!("{}; {}", orcpt.kind.as_str(), orcpt.address.as_str());
        fields.say("Original-Recipient", &value);
    }
    // RFC 6533 §3: an address that isn't ASCII has its own type.
    let kind = if address.needs_smtputf8() {
        "utf-8"
    } else {
        "rfc822"
    };
    fields.say("Final-Recipient", &format!("{kind}; {address}"));
    let (action, status) = match &one.action {
        Action::Failed(failure) => ("failed", failure.status),
        Action::Delayed(failure, _) => ("delayed", failure.status),
        Action::Delivered => ("delivered", StatusCode::success(1, 5)),
        Action::Relayed(_) => ("relayed", StatusCode::success(0, 0)),
        Action::Expanded => ("expanded", StatusCode::success(0, 0)),
    };
    fields.say("Action", action);
    fields.say("Status", &status.to_string());
    let remote = match &one.action {
        Action::Failed(failure) | Action::Delayed(failure, _) => failure.remote.as_ref(),
        Action::Relayed(reply) => Some(reply),
        Action::Delivered | Action::Expanded => None,
    };
    if let Some(remote) = remote {
        // The host is `name [address]:port`; the name is what RFC 3464 §2.3.5 asks for.
        let name = remote.host.split(' ').next().unwrap_or_default();
        fields.say("Remote-MTA", &format!("dns; {name}"));
        fields.say("Diagnostic-Code", &format!("smtp; {remote}"));
    }
    fields.say("Last-Attempt-Date", &date_time(at));
    if let Action::Delayed(_, until) = &one.action {
        fields.say("Will-Retry-Until", &date_time(*until));
    }
}
