//! Step six: what the sender is told, and who tells it (RFC 3461 §6).
//!
//! Guards: nothing is ever reported to the null reverse-path (RFC 5321 §4.5.5), so that no report causes a
//! report; one report tells of all recipients of one kind; a report is stored with what it tells of or not at all.

use crate::settings::Settings;
use bridgehead_categorizer::LIST;
use bridgehead_mail::{
    Addressee, BodyKind, Content, Envelope, EventKind, Failure, MessageId, Notify, Origin,
    Recipient, RemoteReply, Ret, ReversePath, Timestamp,
};
use bridgehead_mime::{Action, Headers, Report, Reported, Returned, read_headers};
use bridgehead_queue::{Inlet, Refused};
use std::io;
use std::sync::Arc;

/// What happened to a recipient that its sender is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It will not work.
    Failed(Failure),
    /// It did not work yet, and is tried until then.
    Delayed(Failure, Timestamp),
    /// In a mailbox.
    Delivered,
    /// Given to a next hop that doesn't report; what it said.
    Relayed(RemoteReply),
    /// A group was put in its place.
    Expanded,
}

/// One recipient about whom something is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// The recipient.
    pub(crate) recipient: Recipient,
    /// What is told.
    pub(crate) told: Told,
}

impl Notice {
    /// About an addressee.
    pub(crate) fn new(addressee: &Addressee, told: Told) -> Self {
        let recipient = addressee.into();
        Self { recipient, told }
    }
}

/// The message that is reported about.
pub(crate) struct Subject<'a> {
    pub(crate) id: MessageId,
    pub(crate) envelope: &'a Envelope,
    pub(crate) content: &'a Arc<dyn Content>,
}

/// Reports ready for the queue, with what tracking is told of them.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) reports: Vec<bridgehead_queue::Report>,
    pub(crate) events: Vec<EventKind>,
}

/// Why a report can't be made now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    /// The message can't be read.
    #[error("the message can't be read: {0}")]
    Read(#[from] io::Error),
    /// The queue doesn't take the report.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// The kinds of report, in the order in which they are made.
const KINDS: [&str; 5] = ["failed", "delayed", "delivered", "relayed", "expanded"];

const fn kind(told: &Told) -> &'static str {
    match told {
        Told::Failed(_) => "failed",
        Told::Delayed(..) => "delayed",
        Told::Delivered => "delivered",
        Told::Relayed(_) => "relayed",
        Told::Expanded => "expanded",
    }
}

/// Whether a failure would be told to nobody, so that the message is badmail. A group whose failures are to be told to nobody
/// has its will.
pub(crate) fn is_from_nobody(envelope: &Envelope) -> bool {
    envelope.reverse_path == ReversePath::Null && &*envelope.origin.virtual_server != LIST
}

/// Makes the reports for all notices about one message.
pub(crate) fn compose(
    subject: &Subject<'_>,
    notices: &[Notice],
    settings: &Settings,
    inlet: &Inlet,
    now: Timestamp,
) -> Result<Reports, ReportError> {
    let mut made = Reports::default();
    // RFC 5321 §4.5.5: never about what has nobody to be told.
    let Some(sender) = subject.envelope.reverse_path.address() else {
        return Ok(made);
    };
    if notices.is_empty() {
        return Ok(made);
    }
    let headers = read_headers(&**subject.content)?;
    let language = settings.texts.choose(&headers, &settings.report_language);
    let automatic = is_automatic(&headers);
    for action in KINDS {
        let of_kind = notices.iter().filter(|notice| {
            kind(&notice.told) == action && !(automatic && is_mere_courtesy(notice))
        });
        let recipients: Vec<Reported> = of_kind.map(reported).collect();
        if recipients.is_empty() {
            continue;
        }
        let mut draft = inlet.begin_own(now)?;
        let report = Report {
            id: draft.id(),
            at: now,
            server: &settings.hostname,
            from_domain: &settings.report_domain,
            to: sender,
            about: subject.id,
            accepted: subject.envelope.accepted,
            envid: subject.envelope.envid.as_ref(),
            recipients: &recipients,
            returned: returned(subject, action, settings, &headers),
            language,
        };
        report.write(|piece| draft.write(piece).map_err(ReportError::from))?;
        made.events.push(EventKind::Reported {
            report: draft.id(),
            action,
        });
        let envelope = envelope(sender.clone(), subject.envelope.smtputf8, now);
        made.reports
            .push(bridgehead_queue::Report { draft, envelope });
    }
    Ok(made)
}

fn reported(notice: &Notice) -> Reported {
    Reported {
        recipient: notice.recipient.clone(),
        action: match notice.told.clone() {
            Told::Failed(failure) => Action::Failed(failure),
            Told::Delayed(failure, until) => Action::Delayed(failure, until),
            Told::Delivered => Action::Delivered,
            Told::Relayed(reply) => Action::Relayed(reply),
            Told::Expanded => Action::Expanded,
        },
    }
}

/// Whether a program sent it to many or by itself: it says so (RFC 3834 §5), or it came over a list (RFC 2919 §3; `Precedence`
/// is older than any RFC). Nobody waits for it.
fn is_automatic(headers: &Headers) -> bool {
    let first = |name: &str| headers.first(name).unwrap_or_default().to_ascii_lowercase();
    let submitted = first("Auto-Submitted");
    let submitted = submitted.split(';').next().unwrap_or_default().trim();
    let precedence = first("Precedence");
    !matches!(submitted, "" | "no")
        || matches!(precedence.as_str(), "bulk" | "junk" | "list")
        || headers.first("List-Id").is_some()
}

/// A delay that nobody asked to be told of.
fn is_mere_courtesy(notice: &Notice) -> bool {
    matches!(notice.told, Told::Delayed(..)) && notice.recipient.notify == Notify::Unsaid
}

/// RFC 3461 §4.3: RET concerns failures; everything else comes back as headers. So does what is too large, and what a
/// server without BINARYMIME couldn't pass on (RFC 3030 §3).
fn returned<'a>(
    subject: &Subject<'a>,
    action: &str,
    settings: &Settings,
    headers: &Headers,
) -> Returned<'a> {
    let small = subject.content.size() <= settings.return_full_octets_max;
    let has_lines = subject.envelope.body != BodyKind::BinaryMime;
    if action == "failed" && subject.envelope.ret == Some(Ret::Full) && small && has_lines {
        return Returned::Full(&**subject.content);
    }
    Returned::Headers(headers.clone())
}

/// The envelope of a report: from nobody, and nobody is told of its fate (RFC 3461 §6.2).
pub(crate) fn envelope(to: bridgehead_mail::Address, smtputf8: bool, now: Timestamp) -> Envelope {
    let recipient = Recipient {
        notify: Notify::Never,
        ..Recipient::plain(to)
    };
    Envelope {
        handling: bridgehead_mail::Handling::default(),
        reverse_path: ReversePath::Null,
        smtputf8: smtputf8 || recipient.address.needs_smtputf8(),
        recipients: vec![recipient],
        body: BodyKind::EightBitMime,
        ret: None,
        envid: None,
        origin: Origin::of_room("(report)"),
        accepted: now,
        journey: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_mail::{Address, Domain};

    fn comes_back_whole(body: BodyKind, content: &[u8]) -> bool {
        let sender = Address::parse("a@example.test").unwrap();
        let envelope = Envelope {
            reverse_path: ReversePath::Address(sender.clone()),
            body,
            ret: Some(Ret::Full),
            ..envelope(sender, false, Timestamp::EPOCH)
        };
        let content: Arc<dyn Content> = Arc::new(content.to_vec());
        let subject = Subject {
            id: MessageId::from_u128(1),
            envelope: &envelope,
            content: &content,
        };
        let settings = Settings::for_host(Domain::parse("mail.example.test").unwrap());
        let returned = returned(&subject, "failed", &settings, &Headers::default());
        matches!(returned, Returned::Full(_))
    }

    #[test]
    fn binary_content_comes_back_as_its_header() {
        assert!(comes_back_whole(BodyKind::EightBitMime, b"small"));
        assert!(!comes_back_whole(BodyKind::BinaryMime, b"small"));
        let large = vec![b'x'; 2 * 1024 * 1024];
        assert!(!comes_back_whole(BodyKind::SevenBit, &large));
    }
}
