//! Checks of connectors whose mail is asked for, and of those by which mail is asked for.
//!
//! Guards: who may ask is a mailbox that is there; what is asked for can come.

use super::Check;
use crate::recipients::Key;
use crate::{Connector, Fetch, FetchBy, Mailbox, Name, Place, Role, Schema, VirtualServer};
use std::collections::HashSet;

/// Octets of domains in `ATRN` with a separator each.
const COMMAND_OCTETS_MAX: usize = 512 - "ATRN\r\n".len();

impl Check<'_> {
    /// Who may ask for the mail of a connector.
    pub(super) fn askers(&mut self, connector: &Connector, place: &Place) {
        for (item, name) in connector.asked_by.iter().enumerate() {
            self.asker(name, place, item);
        }
        if connector.asked_by.is_empty() {
            return;
        }
        let leads_on = connector.next_hop.is_some() || !connector.smart_hosts.is_empty();
        if !connector.schedule.is_empty() && !leads_on {
            let reason = "means nothing without next-hop or smart-hosts: nobody is connected to";
            self.report
                .fault(place.key("schedule"), place.name("schedule"), reason);
        }
        if connector.wait_for_etrn == Some(true) && !leads_on {
            let reason = "needs next-hop or smart-hosts: what is asked for by ETRN is sent there";
            let line = place.key("wait-for-etrn");
            self.report.fault(line, place.name("wait-for-etrn"), reason);
        }
    }

    fn asker(&mut self, name: &Name, place: &Place, item: usize) {
        let line = place.item("asked-by", item);
        let folded = name.folded();
        let mailboxes = &self.organisation.mailboxes;
        let mailbox = mailboxes.iter().find(|known| known.name.folded() == folded);
        match mailbox {
            Some(mailbox) if mailbox.password.is_none() && mailbox.app_passwords.is_empty() => {
                let reason =
                    format!("the mailbox \"{name}\" has no password, so that it can't ask");
                self.report.warn(line, place.name("asked-by"), reason);
            }
            Some(_) => {}
            None if self.names.recipients.contains(&*folded)
                && !self.is_broken_mailbox(&folded) =>
            {
                let reason = format!("\"{name}\" is no mailbox, so that nobody can ask as it");
                self.report.fault(line, place.name("asked-by"), reason);
            }
            None if self.names.recipients.contains(&*folded) => {}
            None => {
                let reason = format!("there is no mailbox \"{name}\"");
                self.nobody(Key::Name(&folded), line, place.name("asked-by"), reason);
            }
        }
    }

    fn is_broken_mailbox(&self, folded: &str) -> bool {
        self.places
            .broken
            .contains(&(Mailbox::KIND, folded.to_owned()))
    }

    /// What is asked for elsewhere.
    pub(super) fn fetching(&mut self, connector: &Connector, place: &Place) {
        let Some(fetch) = &connector.fetch else {
            return;
        };
        let mut fault = |reason: String| {
            self.report
                .fault(place.key("fetch"), place.name("fetch"), reason);
        };
        if fetch.by == FetchBy::Atrn && connector.username.is_none() {
            // RFC 2645 §5.2: nobody else is answered.
            fault("asking by ATRN needs username and password".to_owned());
        }
        if fetch.by == FetchBy::Etrn && fetch.domains.is_empty() {
            fault("asking by ETRN needs domains: it is asked for one by one".to_owned());
        }
        if fetch.by == FetchBy::Etrn && fetch.virtual_server.is_some() {
            fault("virtual-server means nothing with ETRN: what is asked for comes by connections of its own".to_owned());
        }
        // RFC 5321 §4.5.3.1.4, with the command and its line end.
        let octets: usize = fetch.domains.iter().map(|one| one.as_str().len() + 1).sum();
        if fetch.by == FetchBy::Atrn && octets > COMMAND_OCTETS_MAX {
            fault(format!(
                "its domains have {octets} octets, of which {COMMAND_OCTETS_MAX} fit into a command; without domains all mail is asked for"
            ));
        }
        self.fetched_domains(fetch, place);
        self.receiving(fetch, place);
    }

    /// Mail for other domains would be refused when it comes.
    fn fetched_domains(&mut self, fetch: &Fetch, place: &Place) {
        let mut seen = HashSet::new();
        for domain in &fetch.domains {
            let accepted =
                self.table.domain_kind(domain).is_some() || self.is_broken_domain(domain.as_str());
            let reason = match (accepted, seen.insert(domain)) {
                (false, _) => format!(
                    "{domain} is no accepted domain, so that its mail would be refused here"
                ),
                (true, false) => format!("{domain} is there twice"),
                (true, true) => continue,
            };
            self.report
                .fault(place.key("fetch"), place.name("fetch"), reason);
        }
    }

    /// There must be a virtual server that takes what comes by ATRN.
    fn receiving(&mut self, fetch: &Fetch, place: &Place) {
        if fetch.by != FetchBy::Atrn {
            return;
        }
        let mut servers = self.organisation.virtual_servers.iter();
        let found = match &fetch.virtual_server {
            Some(name) => servers.find(|server| server.name.folded() == name.folded()),
            None => servers.find(|server| server.role.unwrap_or_default() == Role::Mx),
        };
        let mut broken = self.places.broken.iter();
        if broken.any(|(kind, _)| *kind == VirtualServer::KIND) {
            return;
        }
        let reason = match (found, &fetch.virtual_server) {
            (Some(server), _) if asks_for_password(server) => format!(
                "the virtual server \"{}\" takes mail only of who authenticates, and nobody does so here",
                server.name
            ),
            (Some(_), _) => return,
            (None, Some(name)) => format!("there is no virtual-server \"{name}\""),
            (None, None) => {
                "there is no virtual server with role mx to take what comes: name one by virtual-server".to_owned()
            }
        };
        self.report
            .fault(place.key("fetch"), place.name("fetch"), reason);
    }
}

fn asks_for_password(server: &VirtualServer) -> bool {
    let submission = server.role == Some(Role::Submission);
    server.require_auth.unwrap_or(submission)
}
