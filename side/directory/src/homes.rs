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
        // The usual case takes no look at the mailbox.
        if self.configuration.servers.len() < 2 {
            return None;
        }
        let Some(Found::Mailbox(found)) = self.by_name(mailbox) else {
            return None;
        };
        let place = self.servers.get(&found.server.as_ref()?.folded())?;
        let home = self.configuration.servers.get(*place)?;
        Some(home.name.as_str())
    }

    /// Whether mailboxes have moved since `before`, seen from the server of this name.
    #[must_use]
    pub fn moves(&self, before: &Self, own: &str) -> Moves {
        let mut moves = Moves::default();
        if self.configuration.servers.len() < 2 {
            return moves;
        }
        let own = self.servers.get(&*own.to_lowercase());
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
            let [was, is] = [was, is].map(|named| self.servers.get(&*named?));
            moves.from_here |= (was.is_none() || was == own) && is.is_some() && is != own;
            if moves.from_named && moves.from_here {
                break;
            }
        }
        moves
    }
}

/// See [`Snapshot::servers`].
pub(crate) fn servers(configuration: &Organisation) -> HashMap<Box<str>, usize> {
    let mut servers = HashMap::new();
    for (place, server) in configuration.servers.iter().enumerate() {
        // LDAP directories name hosts.
        if let Some(host) = &server.hostname {
            servers.entry(host.as_str().into()).or_insert(place);
        }
    }
    // A name means its server, whatever hosts are called.
    let names = configuration.servers.iter().enumerate();
    servers.extend(names.map(|(place, server)| (server.name.folded(), place)));
    servers
}
