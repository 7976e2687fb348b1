//! `bridgehead report preview`: what a report says, without a server.

use super::{print, print_aside, print_json};
use crate::cli::Report as Command;
use crate::server::now;
use bridgehead_config::read_report_texts;
use bridgehead_mail::{
    Address, Domain, Failure, MessageId, Recipient, RemoteReply, StatusCode, Timestamp,
};
use bridgehead_mime::{Action, Headers, Kind, Report, Reported, Returned, Texts};
use serde_json::json;
use std::error::Error;
use std::time::Duration;

/// Runs one of the commands about reports.
pub(crate) fn report(command: &Command) -> Result<(), Box<dyn Error>> {
    let Command::Preview {
        kind,
        language,
        templates,
        source,
        json,
    } = command;
    if *source {
        let file = format!("{kind}.txt");
        let text = Texts::source(language, &file);
        let none = || format!("there is no built-in {file} in \"{language}\"");
        return Ok(print(text.ok_or_else(none)?.trim_end())?);
    }
    let known = Kind::ALL.map(Kind::as_str).join(", ");
    let kind = Kind::parse(kind).ok_or_else(|| format!("\"{kind}\" isn't one of {known}"))?;
    let (texts, faults) = match templates {
        Some(folder) => read_report_texts(folder),
        None => (Texts::built_in(), Vec::new()),
    };
    for fault in &faults {
        print_aside(&fault.to_string())?;
    }
    let tags: Vec<&str> = texts.tags().collect();
    let found = texts.find(language);
    let found = found.ok_or_else(|| {
        let known = tags.join(", ");
        format!("there are no texts in \"{language}\"; there are in {known}")
    })?;
    let server = Domain::parse("mail1.example.com")?;
    let at = now();
    let report = Report {
        id: MessageId::new(at, 1),
        at,
        server: &server,
        from_domain: &server,
        to: &Address::parse("alice@example.com")?,
        about: MessageId::new(at, 0),
        accepted: at,
        envid: None,
        recipients: &[example(kind, at)?],
        returned: Returned::Headers(Headers::default()),
        language: found,
    };
    let (subject, text) = report.text();
    let text = text.replace("\r\n", "\n");
    if *json {
        print_json(&json!({ "language": found.tag(), "subject": subject, "text": text }))?;
    } else {
        print(&format!("Subject: {subject}\n\n{}", text.trim_end()))?;
    }
    match faults.len() {
        0 => Ok(()),
        count => Err(format!("{count} fault(s): what is faulty isn't used").into()),
    }
}

/// A recipient about whom a report of this kind would be.
fn example(kind: Kind, at: Timestamp) -> Result<Reported, Box<dyn Error>> {
    let said = |code, text: &str| RemoteReply {
        host: "mx.example.net [192.0.2.25]:25".into(),
        code,
        text: text.into(),
    };
    let action = match kind {
        Kind::Failure => {
            let text = "The other server refused the message";
            let failure = Failure::new(StatusCode::permanent(1, 1), text);
            Action::Failed(failure.said(said(550, "5.1.1 No such user here")))
        }
        Kind::Delay => {
            let text = "No connection to mx.example.net [192.0.2.25]:25 could be made";
            let failure = Failure::new(StatusCode::transient(4, 1), text);
            Action::Delayed(failure, at.after(Duration::from_secs(36 * 3600)))
        }
        Kind::Delivered => Action::Delivered,
        Kind::Relayed => Action::Relayed(said(250, "2.0.0 Ok: queued as 4XYZ")),
        Kind::Expanded => Action::Expanded,
    };
    let address = match kind {
        Kind::Expanded => "staff@example.com",
        _ => "bob@example.net",
    };
    Ok(Reported {
        recipient: Recipient::plain(Address::parse(address)?),
        action,
    })
}
