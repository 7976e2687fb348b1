//! Step two and a half: copies for the members of groups with a reverse-path of their own.
//!
//! Guards: a copy is stored with what it is a copy of in one batch, so that each is made exactly once; it is as old as the
//! message, and expires with it.

use crate::report::{ReportError, Reports, Subject};
use bridgehead_categorizer::{LIST, ListCopy};
use bridgehead_mail::{Addressee, Envelope, EventKind, Recipient, Timestamp};
use bridgehead_queue::{Draft, Inlet};

const WINDOW: usize = 64 * 1024;

/// Adds the copies.
pub(crate) fn compose(
    subject: &Subject<'_>,
    lists: &[ListCopy],
    inlet: &Inlet,
    now: Timestamp,
    made: &mut Reports,
) -> Result<(), ReportError> {
    for list in lists {
        let mut draft = inlet.begin_own(now)?;
        copy(subject, &mut draft)?;
        made.events.push(EventKind::Reported {
            report: draft.id(),
            action: "copied to a group",
        });
        let envelope = envelope(subject.envelope, list);
        made.reports
            .push(bridgehead_queue::Report { draft, envelope });
    }
    Ok(())
}

fn copy(subject: &Subject<'_>, draft: &mut Draft) -> Result<(), ReportError> {
    let mut window = vec![0; WINDOW];
    let mut at = 0;
    loop {
        let count = subject.content.read_at(at, &mut window)?;
        let Some(octets) = window.get(..count).filter(|octets| !octets.is_empty()) else {
            return Ok(());
        };
        draft.write(octets)?;
        at = at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    }
}

fn envelope(of: &Envelope, list: &ListCopy) -> Envelope {
    let recipient = |addressee: &Addressee| Recipient {
        address: addressee.address.clone(),
        notify: addressee.notify,
        orcpt: None,
    };
    let mut envelope = Envelope {
        reverse_path: list.return_path.clone(),
        recipients: list.addressees.iter().map(recipient).collect(),
        // These are the sender's own.
        envid: None,
        ret: None,
        ..of.clone()
    };
    envelope.origin.virtual_server = LIST.into();
    envelope
}
