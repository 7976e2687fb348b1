//! What a sender wants to be told, as it is passed on from object to object (RFC 3461 §5.2.7).
//!
//! Guards: nobody is told more than the sender asked for, and of a hidden member nothing.

use bridgehead_directory::ReportTo;
use bridgehead_mail::{Notify, Recipient};

/// What is passed on from object to object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    pub(crate) notify: Notify,
    /// Whether the sender named this address, as opposed to a group or a forwarding.
    pub(crate) named: bool,
}

impl Wishes {
    pub(crate) const fn of(recipient: &Recipient) -> Self {
        Self {
            notify: recipient.notify,
            named: true,
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
        }
    }
}

impl Wishes {
    /// For the members of a group, which says who is told when one doesn't get it. What is hidden isn't told to the
    /// sender.
    pub(crate) fn of_members(self, report_to: Option<ReportTo>, hidden: bool) -> Self {
        let parted = self.parted();
        match report_to.unwrap_or_default() {
            // The owner can't be told yet; better the sender than nobody.
            ReportTo::Sender | ReportTo::Owner if !hidden => parted,
            _ => Self {
                notify: Notify::Never,
                ..parted
            },
        }
    }
}
