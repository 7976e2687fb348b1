//! What is known of a queued message in memory: where it lies, and how far it is. Envelope and content stay on
//! the disk.

use crate::control::{Adoption, Control};
use crate::folders::Folder;
use crate::lease::Returned;
use crate::numbers::Numbers;
use crate::segment::Segment;
use crate::turns::Standing;
use bridgehead_mail::{Addressee, Envelope, Failure, Priority, Timestamp};
use std::sync::Arc;

/// What failed so often goes behind healthy mail of its priority.
const DEMOTED_AFTER: u32 = 4;

/// Where a frame lies.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) segment: Arc<Segment>,
    /// Octets from the start of the segment, which has less than 4 GiB.
    pub(crate) offset: u32,
    pub(crate) length: u32,
}

/// Kept in memory until the first attempt is over.
pub(crate) struct Hot {
    pub(crate) envelope: Arc<Envelope>,
    pub(crate) addressees: Option<Arc<[Addressee]>>,
}

/// State that outlives a restart or a new routing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried {
    pub(crate) attempts: u32,
    pub(crate) until: Timestamp,
    pub(crate) delay_reported: bool,
    pub(crate) failure: Option<Arc<Failure>>,
}

/// How far a message is.
pub(crate) enum Stage {
    /// Waits to be categorized, or to be routed again.
    Submission,
    /// A lease on it is out.
    Taken,
    /// On links.
    Parts(Box<[Part]>),
}

/// The addressees of a message that share a next hop.
pub(crate) struct Part {
    pub(crate) link: u32,
    /// Link and final domain, for the picture of the queue.
    pub(crate) group: u32,
    /// Numbers of the addressees not settled yet.
    pub(crate) numbers: Numbers,
    pub(crate) state: PartState,
    pub(crate) carried: Carried,
}

/// What a part waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PartState {
    /// For its turn on the link.
    Ready,
    /// For the hand-over under way.
    Active,
    /// For its next try.
    Retry(Timestamp),
    /// For nothing.
    Done,
}

/// What is known of a message as soon as it is accepted.
#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) size: u64,
    /// Where its content's own file lies; none if the content lies in the segment.
    pub(crate) folder: Option<Arc<Folder>>,
    pub(crate) accepted: Timestamp,
    pub(crate) sender: u32,
    pub(crate) priority: Priority,
    /// Not to be handed over before.
    pub(crate) release: Option<Timestamp>,
}

impl Facts {
    pub(crate) fn of(envelope: &Envelope, size: u64, folder: Option<Arc<Folder>>) -> Self {
        let sender = match (&envelope.origin.user, envelope.reverse_path.address()) {
            (Some(user), _) => crc32c::crc32c(user.as_bytes()),
            (None, Some(address)) => {
                let local = crc32c::crc32c(address.local().as_str().as_bytes());
                crc32c::crc32c_append(local, address.domain().as_str().as_bytes())
            }
            (None, None) => 0,
        };
        Self {
            size,
            folder,
            accepted: envelope.accepted,
            sender,
            priority: envelope.handling.priority(),
            release: envelope.release(),
        }
    }
}

/// A queued message.
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) size: u64,
    /// Where its content's own file lies; none if the content lies in the segment.
    pub(crate) folder: Option<Arc<Folder>>,
    pub(crate) accepted: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) delay_notice: Timestamp,
    /// The record of its addressees, once that was written.
    pub(crate) resolved: Option<Place>,
    /// How often it was assigned: a record of an earlier assignment that becomes durable later doesn't count.
    pub(crate) assignments: u32,
    /// Numbers settled for good, while others aren't.
    pub(crate) settled: Numbers,
    /// State from before a restart.
    pub(crate) carried: Option<Box<Carried>>,
    pub(crate) hot: Option<Box<Hot>>,
    /// A hash of its sender: who sends much shares turns.
    pub(crate) sender: u32,
    /// As its sender wished.
    pub(crate) priority: Priority,
    /// What operators decided, if they ever did.
    pub(crate) control: Option<Box<Control>>,
    /// Whether they decided something of which nothing holds any more: that has to be said wherever what it takes back is said.
    pub(crate) uncontrolled: bool,
    /// Its next hops are to be found anew as soon as nothing of it is being handed over; whether its waits are over then.
    pub(crate) reroute: Option<bool>,
    /// Its recipients are over, and it comes back for that; before its sender is told so.
    pub(crate) returned: Option<Returned>,
    pub(crate) stage: Stage,
}

impl Entry {
    /// A message of which nothing more is known.
    pub(crate) fn new(place: Place, facts: Facts) -> Self {
        let carried = facts.release.map(|until| {
            Box::new(Carried {
                until,
                ..Carried::default()
            })
        });
        Self {
            place,
            size: facts.size,
            folder: facts.folder,
            accepted: facts.accepted,
            expires: Timestamp::NEVER,
            delay_notice: Timestamp::NEVER,
            resolved: None,
            assignments: 0,
            settled: Numbers::None,
            carried,
            hot: None,
            sender: facts.sender,
            priority: facts.priority,
            control: None,
            uncontrolled: false,
            reroute: None,
            returned: None,
            stage: Stage::Submission,
        }
    }

    /// Where inline content starts: it is the end of its frame.
    pub(crate) fn content_offset(&self) -> u64 {
        let end = u64::from(self.place.offset) + u64::from(self.place.length);
        end.saturating_sub(self.size)
    }

    /// One of its parts.
    pub(crate) fn part(&self, number: u32) -> Option<&Part> {
        match &self.stage {
            Stage::Parts(parts) => parts.get(usize::try_from(number).ok()?),
            Stage::Submission | Stage::Taken => None,
        }
    }

    pub(crate) fn part_mut(&mut self, number: u32) -> Option<&mut Part> {
        match &mut self.stage {
            Stage::Parts(parts) => parts.get_mut(usize::try_from(number).ok()?),
            Stage::Submission | Stage::Taken => None,
        }
    }

    /// Whether it may be categorized or routed. What is frozen may get new next hops, but isn't looked at for the first time.
    pub(crate) fn may_be_taken(&self) -> bool {
        let resolved = self.resolved.is_some() && !self.is_resubmitted();
        let kept = self.deleted_until().is_some() || self.is_poison() || self.adopting().is_some();
        !kept && (resolved || !self.is_frozen())
    }

    /// Whether it is over as a whole, and why: deleted for good, or out of time before it had a next hop.
    pub(crate) fn is_over(&self, now: Timestamp) -> Option<Returned> {
        let control = self.control.as_deref();
        if let Some(deletion) = control.and_then(|control| control.deleted.as_ref()) {
            // To tell the sender of what ends workers might end another one.
            let report = deletion.report && !self.is_poison();
            return (deletion.until <= now).then_some(Returned::Deleted { report });
        }
        let without_hops = !matches!(self.stage, Stage::Parts(_));
        (without_hops && self.expires <= now).then_some(Returned::Expired)
    }

    /// What operators decided from now on.
    pub(crate) fn set_control(&mut self, control: Box<Control>) {
        self.uncontrolled = *control == Control::default();
        self.control = (!self.uncontrolled).then_some(control);
    }

    /// Whether an operator holds it.
    pub(crate) fn is_frozen(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.frozen.is_some())
    }

    /// Until when it can be had back, if it was deleted.
    pub(crate) fn deleted_until(&self) -> Option<Timestamp> {
        let deletion = self.control.as_ref()?.deleted.as_ref()?;
        Some(deletion.until)
    }

    /// Whether it is set aside.
    pub(crate) fn is_poison(&self) -> bool {
        let control = self.control.as_ref();
        control.is_some_and(|control| control.poison.is_some())
    }

    /// Whether something keeps it from its way.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_frozen()
            || self.is_poison()
            || self.deleted_until().is_some()
            || self.adopting().is_some()
    }

    /// The adoption that brought it here, if that isn't finished.
    pub(crate) fn adopting(&self) -> Option<&Adoption> {
        self.control.as_ref()?.adopting.as_ref()
    }

    /// The connector that an operator chose.
    pub(crate) fn redirect(&self) -> Option<Box<str>> {
        self.control.as_ref()?.redirect.clone()
    }

    /// Whether who its recipients are is to be found out again.
    pub(crate) fn is_resubmitted(&self) -> bool {
        self.control
            .as_ref()
            .is_some_and(|control| control.resubmit)
    }

    /// What decides about the turn of a part.
    pub(crate) fn standing(&self, attempts: u32) -> Standing {
        Standing {
            priority: self.urgency(),
            demoted: attempts >= DEMOTED_AFTER,
            sender: self.sender,
        }
    }

    /// The priority that counts.
    pub(crate) fn urgency(&self) -> Priority {
        let decided = self.control.as_ref().and_then(|control| control.priority);
        decided.unwrap_or(self.priority)
    }

    /// Whether a part is being handed over, or the message categorized.
    pub(crate) fn is_busy(&self) -> bool {
        match &self.stage {
            Stage::Parts(parts) => parts.iter().any(|part| part.state == PartState::Active),
            Stage::Taken => true,
            Stage::Submission => false,
        }
    }

    /// Whether nothing is left to do.
    pub(crate) fn is_done(&self) -> bool {
        match &self.stage {
            Stage::Parts(parts) => parts.iter().all(|part| part.state == PartState::Done),
            Stage::Submission | Stage::Taken => false,
        }
    }
}
