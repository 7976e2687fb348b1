//! What an object says of who passes: restrictions of senders and sizes, moderators, and the reverse-path of members.

use super::{Bound, Walk};
use crate::list::{Manner, return_path};
use crate::wishes::Wishes;
use bridgehead_directory::{Found, Member, Name, Restriction};
use bridgehead_mail::{Address, Failure, Notify, StatusCode};

impl Walk<'_, '_> {
    /// Whether the sender may not send to this object; then that is told.
    pub(super) fn is_restricted(
        &mut self,
        found: &Found,
        address: &Address,
        wishes: Wishes,
    ) -> bool {
        let restriction = self.standing.restriction(found);
        let Some(restriction) = restriction else {
            return false;
        };
        // RFC 3463 §3.8 X.7.1, delivery not authorized; §3.3 X.2.3, message length exceeds administrative limit.
        let failure = match restriction {
            Restriction::Strangers => Failure::new(
                StatusCode::permanent(7, 1),
                "only senders of this organisation may send to this address",
            ),
            Restriction::NotAmong | Restriction::Among => Failure::new(
                StatusCode::permanent(7, 1),
                "this sender may not send to this address",
            ),
            Restriction::Size(most) => Failure::new(
                StatusCode::permanent(2, 3),
                &format!("this address takes messages of up to {most}"),
            ),
            Restriction::Work => {
                self.bound = Some(Bound::Work);
                return true;
            }
        };
        let (kind, name) = (found.kind(), found.name());
        let text = format_args!("doesn't take it: {failure}");
        self.trace
            .step(address, format_args!("{kind} {name}"), text);
        self.fail(address, failure, wishes);
        true
    }

    /// What is passed on to the members of a group: with a reverse-path of its own, if it has one.
    pub(super) fn onward(&mut self, group: &Name, manner: &Manner<'_>, wishes: Wishes) -> Wishes {
        let Some(path) = return_path(self.snapshot, manner) else {
            return wishes.parted();
        };
        if self.standing.sender().address.is_none() {
            // A message from nobody stays one.
            return Wishes {
                notify: Notify::Never,
                ..wishes.parted()
            };
        }
        let known = self.lists.iter().position(|(known, _)| known == group);
        let list = known.unwrap_or(self.lists.len());
        let onward = wishes.of_list(list, &path);
        if known.is_none() {
            self.lists.push((group.clone(), path));
        }
        onward
    }

    /// Whether mail for a group goes to its moderators first: unless it is one of them who sends.
    pub(super) fn is_moderated(&mut self, moderators: &[Member]) -> bool {
        if moderators.is_empty() {
            return false;
        }
        self.standing.is_among(moderators) != Some(true)
    }
}
