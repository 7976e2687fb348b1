//! What a sender wants to be told, as it is passed on from object to object (RFC 3461 §5.2.7).
//!
//! Guards: nobody is told more than the sender asked for, and of a hidden member nothing.

use bridgehead_mail::{Notify, Recipient, ReversePath};

/// What is passed on from object to object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) notify: Notify,
    /// Whether the sender named this address, as opposed to a group or a forwarding.
    pub(crate) named: bool,
    /// The group with a reverse-path of its own that was passed last.
    pub(crate) list: Option<usize>,
}

impl Wishes {
    pub(crate) const fn of(recipient: &Recipient) -> Self {
        Self {
            notify: recipient.notify,
            named: true,
            list: None,
        }
    }

    /// For the one in whose place another comes: an alias passes everything on (RFC 3461 §5.2.7.2).
    pub(crate) const fn replaced(self) -> Self {
        Self {
            named: false,
            ..self
        }
    }

    /// For each of many: success was told where they parted (RFC 3461 §5.2.7.3).
    pub(crate) const fn parted(self) -> Self {
        let notify = match self.notify {
            Notify::On {
                failure: false,
                delay: false,
                ..
            } => Notify::Never,
            Notify::On { failure, delay, .. } => Notify::On {
                success: false,
                failure,
                delay,
            },
            other => other,
        };
        Self {
            notify,
            named: false,
            list: self.list,
        }
    }
}

impl Wishes {
    /// For the members of a group that has a reverse-path of its own, which is told instead of the sender.
    pub(crate) const fn of_list(self, list: usize, return_path: &ReversePath) -> Self {
        Self {
            notify: match return_path {
                ReversePath::Address(_) => Notify::Unsaid,
                ReversePath::Null => Notify::Never,
            },
            named: false,
            list: Some(list),
        }
    }
}
