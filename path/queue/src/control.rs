//! What operators decide about queued messages, links and the whole server. It is durable, and holds until it is
//! taken back.

use bridgehead_mail::{LinkName, Priority, Timestamp};
use std::collections::BTreeMap;

/// Who decided something, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Who, in words.
    pub by: Box<str>,
    /// When.
    pub at: Timestamp,
}

/// A message is to go, but not at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// Whose decision it was.
    pub decision: Decision,
    /// Until then it can be had back.
    pub until: Timestamp,
    /// Whether its sender is told then that it wasn't delivered.
    pub report: bool,
}

/// What was decided about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// It isn't handed over, and not categorized.
    pub frozen: Option<Decision>,
    /// It is to go.
    pub deleted: Option<Deletion>,
    /// In place of its own priority.
    pub priority: Option<Priority>,
    /// In place of the time at which it is given up.
    pub expires: Option<Timestamp>,
    /// The connector that it takes, whatever routing says.
    pub redirect: Option<Box<str>>,
    /// Who its recipients are is to be found out again.
    pub resubmit: bool,
    /// It is set aside, because its processing ended workers; how the last one ended.
    pub poison: Option<Box<str>>,
    /// It stands still until the adoption that brought it here is finished.
    pub adopting: Option<Adoption>,
}

/// The spool of another server that is being taken over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Adoption {
    /// Its number, which stands in the spool as well.
    pub number: u128,
    /// The home of the spool.
    pub home: Box<str>,
}

/// What is to be done with messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hold them where they are.
    Freeze,
    /// Let them go on, by a path that is found anew.
    Thaw,
    /// Try them now, by a path that is found anew.
    Retry,
    /// Find out again who the recipients are that are left.
    Resubmit,
    /// Remove them when the undo window ends.
    Delete {
        /// Its end.
        until: Timestamp,
        /// Whether their senders are told then.
        report: bool,
    },
    /// Take a deletion back.
    Restore,
    /// Send them by this connector; by what routing says if none.
    Redirect(Option<Box<str>>),
    /// Another priority.
    Prioritize(Priority),
    /// Another time at which they are given up.
    Expire(Timestamp),
}

impl Order {
    /// Its word, for the log and the trace.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Retry => "retry",
            Self::Resubmit => "resubmit",
            Self::Delete { .. } => "delete",
            Self::Restore => "restore",
            Self::Redirect(_) => "redirect",
            Self::Prioritize(_) => "prioritize",
            Self::Expire(_) => "expire",
        }
    }
}

/// What an order did to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It was changed.
    Changed,
    /// It was so already.
    Already,
    /// It isn't in the queue any more.
    Gone,
    /// It is being handed over or categorized; the order doesn't work on it now.
    Busy,
}

/// What is held on the server as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steering {
    /// Nothing goes out to other servers: the panic switch.
    pub outbound: Option<Decision>,
    /// The server takes no new mail, and is being emptied.
    pub draining: Option<Decision>,
    /// Links that are held by name.
    pub links: BTreeMap<LinkName, Decision>,
}

impl Steering {
    /// Who holds a link, if somebody does. `local` says whether it leads into this server's own mailboxes.
    #[must_use]
    pub fn holds(&self, link: &LinkName, local: bool) -> Option<&Decision> {
        let whole = self.outbound.as_ref().filter(|_| !local);
        self.links.get(link).or(whole)
    }
}
