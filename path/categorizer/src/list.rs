//! Groups whose members get the message under another reverse-path: those that report to their owner or to nobody, and
//! those that hide their members.
//!
//! Guards: what comes back from a member, from our servers or others', goes to who answers for the group, and never to the
//! sender; a message from nobody stays one from nobody.

use crate::Snapshot;
use bridgehead_directory::{Found, Member, Name, ReportTo};
use bridgehead_mail::{Addressee, ReversePath};

/// What the origin of such a copy is called: no virtual server can have this name.
pub const LIST: &str = "(list)";

/// A copy of the message for the members of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCopy {
    /// The group.
    pub group: Name,
    /// Who is told of failures instead of the sender.
    pub return_path: ReversePath,
    /// The members that nothing else leads to; their destinations are final.
    pub addressees: Vec<Addressee>,
}

/// What of a group decides about it.
pub(crate) struct Manner<'a> {
    pub(crate) owner: Option<&'a Member>,
    pub(crate) report_to: ReportTo,
    pub(crate) hidden: bool,
}

/// The reverse-path under which the members of a group get a message; none if it stays as it is.
pub(crate) fn return_path(snapshot: &Snapshot, manner: &Manner<'_>) -> Option<ReversePath> {
    if manner.report_to == ReportTo::Sender && !manner.hidden {
        return None;
    }
    let owner = manner
        .owner
        .filter(|_| manner.report_to != ReportTo::Nobody);
    let address = owner.and_then(|owner| match owner {
        Member::Address(address) => Some(address.clone()),
        other => snapshot
            .member(other)
            .as_ref()
            .and_then(Found::primary)
            .cloned(),
    });
    // RFC 5321 §4.5.5: what comes back of it then is told to nobody.
    Some(address.map_or(ReversePath::Null, ReversePath::Address))
}
