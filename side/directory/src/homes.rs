//! Where mailboxes are at home, and which have moved.
//!
//! Guards: a mailbox is at home on one server of the organisation at most. One that names none, or one that isn't there, is at home
//! everywhere.

use crate::found::Found;
use crate::organisation::Organisation;
use crate::snapshot::Snapshot;
use crate::words::Name;
use std::collections::HashMap;

/// What has become of the homes of mailboxes since another picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// A mailbox has left the server that it named: what waits to go there may have to go elsewhere.
    pub from_named: bool,
    /// A mailbox that was at home on this server, or everywhere, is at home on another: what waits to go into this one's store may
    /// have to go there.
    pub from_here: bool,
}

impl Snapshot {
    /// The server that has the mailbox of this name in its store, as the organisation writes it. None where the mailbox names
    /// none, or one that isn't there: then every server keeps what arrives there.
    #[must_use]
    pub fn home(&self, mailbox: &str) -> Option<&str> {
        let servers = &self.configuration.servers;
        // The usual case takes no look at the mailbox.
        if servers.len() < 2 {
            return None;
        }
        let Some(Found::Mailbox(found)) = self.by_name(mailbox) else {
            return None;
        };
        let named = found.server.as_ref()?.folded();
        let mut servers = servers.iter();
        // LDAP directories name hosts.
        let home = servers.find(|server| {
            let host = server.hostname.as_ref().map(|host| host.as_str());
            server.name.folded() == named || host == Some(&named)
        })?;
        Some(home.name.as_str())
    }

    /// Whether mailboxes have moved since `before`, seen from the server of this name.
    #[must_use]
    pub fn moves(&self, before: &Self, own: &str) -> Moves {
        let mut moves = Moves::default();
        if self.configuration.servers.len() < 2 {
            return moves;
        }
        let (own, servers) = (own.to_lowercase(), servers(&self.configuration));
        let copied = self.copy.changed_since(&before.copy);
        let changed = copied.chain(self.embedded.changed_since(&before.embedded));
        for (was, is) in changed {
            let Found::Mailbox(was) = &was.found else {
                continue;
            };
            let was = was.server.as_ref().map(Name::folded);
            let is = is.as_ref().and_then(|is| match &is.found {
                Found::Mailbox(is) => is.server.as_ref().map(Name::folded),
                _ => None,
            });
            if was == is {
                continue;
            }
            moves.from_named |= was.is_some();
            let [was, is] = [was, is].map(|named| servers.get(&*named?));
            moves.from_here |=
                was.is_none_or(|was| **was == *own) && is.is_some_and(|is| **is != *own);
            if moves.from_named && moves.from_here {
                break;
            }
        }
        moves
    }
}

/// The folded names of the servers, by all names that a mailbox may have for them.
fn servers(configuration: &Organisation) -> HashMap<Box<str>, Box<str>> {
    let mut servers = HashMap::new();
    for server in &configuration.servers {
        let host = server.hostname.as_ref().map(|host| host.as_str().into());
        let name = server.name.folded();
        if let Some(host) = host {
            servers.entry(host).or_insert_with(|| name.clone());
        }
        servers.insert(name.clone(), name);
    }
    servers
}
