//! Checks of mailboxes, groups, contacts and journal rules: who is named must be there.
//!
//! Guards: nothing that leads to itself or to nobody passes.

use super::Check;
use crate::recipients::Key;
use crate::{
    Contact, DynamicGroup, Group, JournalRule, Mailbox, Member, Name, Place, ReportTo, Server,
};

/// What groups of both kinds have.
struct GroupOptions<'o> {
    owner: Option<&'o Member>,
    report_to: Option<ReportTo>,
    moderators: &'o [Member],
    expansion_server: Option<&'o Name>,
}

impl<'o> GroupOptions<'o> {
    fn of(group: &'o Group) -> Self {
        Self {
            owner: group.owner.as_ref(),
            report_to: group.report_to,
            moderators: &group.moderators,
            expansion_server: group.expansion_server.as_ref(),
        }
    }

    fn of_dynamic(group: &'o DynamicGroup) -> Self {
        Self {
            owner: group.owner.as_ref(),
            report_to: group.report_to,
            moderators: &group.moderators,
            expansion_server: group.expansion_server.as_ref(),
        }
    }
}

impl Check<'_> {
    pub(super) fn mailboxes(&mut self) {
        let organisation = self.organisation;
        for (index, mailbox) in organisation.mailboxes.iter().enumerate() {
            let place = self.places.of::<Mailbox>(index);
            self.sender_lists(&mailbox.accept_from, &mailbox.reject_from, place);
            for (item, target) in mailbox.forward_to.iter().enumerate() {
                self.member_exists(target, place, "forward-to", item);
                let own = self
                    .table
                    .member(target)
                    .is_some_and(|found| found.is_mailbox(index));
                if own {
                    let reason = format!("{target} is the mailbox itself; keep-copy keeps a copy");
                    let line = place.item("forward-to", item);
                    self.report.fault(line, place.name("forward-to"), reason);
                }
            }
            if mailbox.keep_copy.is_some() && mailbox.forward_to.is_empty() {
                let reason = "means nothing without forward-to";
                self.report
                    .warn(place.key("keep-copy"), place.name("keep-copy"), reason);
            }
        }
    }

    /// The server that has a mailbox must be there; where there are several, each mailbox should have one.
    pub(super) fn homes(&mut self) {
        let organisation = self.organisation;
        let mut homeless = 0_u64;
        for (index, mailbox) in organisation.mailboxes.iter().enumerate() {
            let place = self.places.of::<Mailbox>(index);
            self.reference::<Server>(mailbox.server.as_ref(), place, "server");
            homeless += u64::from(mailbox.server.is_none());
        }
        if homeless > 0 && organisation.servers.len() > 1 {
            let reason = format!(
                "{homeless} of {} mailboxes have none: each of the {} servers keeps what arrives there for them",
                organisation.mailboxes.len(),
                organisation.servers.len()
            );
            self.report.warn(0, "mailbox: server", reason);
        }
    }

    pub(super) fn groups(&mut self) {
        let organisation = self.organisation;
        for (index, group) in organisation.groups.iter().enumerate() {
            let place = self.places.of::<Group>(index);
            for (item, member) in group.members.iter().enumerate() {
                self.member_exists(member, place, "members", item);
            }
            self.sender_lists(&group.accept_from, &group.reject_from, place);
            self.group_options(&GroupOptions::of(group), place);
            if group.members.is_empty() {
                let reason = "has no members, so its mail can't be delivered";
                self.report.warn(place.line, place.name("members"), reason);
            }
        }
    }

    pub(super) fn dynamic_groups(&mut self) {
        let organisation = self.organisation;
        for (index, group) in organisation.dynamic_groups.iter().enumerate() {
            let place = self.places.of::<DynamicGroup>(index);
            self.sender_lists(&group.accept_from, &group.reject_from, place);
            self.group_options(&GroupOptions::of_dynamic(group), place);
        }
    }

    fn group_options(&mut self, group: &GroupOptions<'_>, place: &Place) {
        if let Some(owner) = group.owner {
            self.member_exists(owner, place, "owner", 0);
        }
        if group.report_to == Some(ReportTo::Owner) && group.owner.is_none() {
            let reason = "there is no owner to tell";
            self.report
                .fault(place.key("report-to"), place.name("report-to"), reason);
        }
        for (item, moderator) in group.moderators.iter().enumerate() {
            self.member_exists(moderator, place, "moderators", item);
        }
        self.reference::<Server>(group.expansion_server, place, "expansion-server");
    }

    pub(super) fn sender_lists(&mut self, accept: &[Member], reject: &[Member], place: &Place) {
        for (key, members) in [("accept-from", accept), ("reject-from", reject)] {
            for (item, member) in members.iter().enumerate() {
                self.member_exists(member, place, key, item);
            }
        }
    }

    /// An object that is named must be there; one of another directory can't be checked here.
    fn member_exists(&mut self, member: &Member, place: &Place, key: &str, item: usize) {
        match member {
            Member::Address(address) => self.address_exists(address, place, key, item),
            Member::Name(name) if !self.names.recipients.contains(&*name.folded()) => {
                let reason = format!("there is no mailbox, group or contact \"{name}\"");
                let line = place.item(key, item);
                self.nobody(Key::Name(&name.folded()), line, place.name(key), reason);
            }
            Member::Name(_) | Member::Entry(_) => {}
        }
    }

    pub(super) fn journal_rules(&mut self) {
        let organisation = self.organisation;
        for (index, rule) in organisation.journal_rules.iter().enumerate() {
            let place = self.places.of::<JournalRule>(index);
            for (item, member) in rule.members.iter().enumerate() {
                self.member_exists(member, place, "members", item);
            }
            self.address_exists(&rule.journal_to, place, "journal-to", 0);
            let some = rule.everything == Some(true)
                || !rule.domains.is_empty()
                || !rule.members.is_empty();
            if !some {
                let reason = "concerns nothing: one of everything, domains and members is expected";
                self.report.fault(place.line, place.name("name"), reason);
            }
        }
    }

    pub(super) fn contacts(&mut self) {
        let organisation = self.organisation;
        for (index, contact) in organisation.contacts.iter().enumerate() {
            let place = self.places.of::<Contact>(index);
            self.sender_lists(&contact.accept_from, &contact.reject_from, place);
            self.address_exists(&contact.target, place, "target", 0);
            let own = self.table.find(&contact.target);
            if own.is_some_and(|found| found.is_contact(index)) {
                let reason = "is the contact itself";
                self.report
                    .fault(place.key("target"), place.name("target"), reason);
            }
        }
    }
}
