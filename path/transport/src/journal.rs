//! Step two and a half: what is copied to an archive, as a report with the message inside.
//!
//! Guards: a report is stored with what it reports in one batch, so that each is made exactly once, whatever happens.

use crate::report::{ReportError, Reports, Subject, envelope};
use crate::settings::Settings;
use bridgehead_categorizer::{JOURNAL, Journal};
use bridgehead_mail::{EventKind, Timestamp};
use bridgehead_mime::{JournalReport, read_headers};
use bridgehead_queue::Inlet;

/// Adds the reports of these rules.
pub(crate) fn compose(
    subject: &Subject<'_>,
    journals: &[Journal],
    settings: &Settings,
    inlet: &Inlet,
    now: Timestamp,
    made: &mut Reports,
) -> Result<(), ReportError> {
    if journals.is_empty() {
        return Ok(());
    }
    let headers = read_headers(&**subject.content)?;
    for journal in journals {
        let mut draft = inlet.begin_own(now)?;
        let report = JournalReport {
            id: draft.id(),
            at: now,
            server: &settings.hostname,
            from_domain: &settings.report_domain,
            to: &journal.to,
            about: subject.id,
            accepted: subject.envelope.accepted,
            sender: subject.envelope.reverse_path.address(),
            user: subject.envelope.origin.user.as_deref(),
            recipients: &journal.recipients,
            headers: &headers,
            content: &**subject.content,
        };
        report.write(|piece| draft.write(piece).map_err(ReportError::from))?;
        made.events.push(EventKind::Reported {
            report: draft.id(),
            action: "journaled",
        });
        let smtputf8 = subject.envelope.smtputf8;
        let mut envelope = envelope(journal.to.clone(), smtputf8, now);
        envelope.origin.virtual_server = JOURNAL.into();
        made.reports
            .push(bridgehead_queue::Report { draft, envelope });
    }
    Ok(())
}
