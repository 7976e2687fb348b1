//! What this server itself says: when, and what is worth it.

use super::{Action, Node};
use crate::codec::{ENTRIES_MAX, RECORD_OCTETS_MAX, write_statement};
use crate::links::Claim;
use crate::path::has_alternative;
use crate::record::{Entry, Record, Statement, Subject};
use crate::report::Fault;
use crate::table::claims;
use crate::time::Time;
use crate::topology::{ConnectorId, ServerId, Target};
use std::time::Duration;

/// With a twin that answers each record with another, this server says something this often.
const TWIN_INTERVAL: Duration = Duration::from_secs(120);

impl Node {
    /// Looks at the own links, and says something if that is another thing than was said.
    pub(super) fn reconsider(&mut self, now: Time) {
        if self.watches.is_empty() && self.said.is_empty() {
            return;
        }
        let entries = self.worth_saying(now);
        let essence = |entry: &Entry| {
            (
                entry.subject,
                entry.name.clone(),
                entry.down,
                entry.surcharge,
            )
        };
        if !entries
            .iter()
            .map(essence)
            .eq(self.said.iter().map(essence))
        {
            self.originate_soon(now);
        } else if !self.must_answer {
            // It changed and changed back before anything was said.
            self.due_at = self.refresh_at();
        }
    }

    pub(super) fn originate_soon(&mut self, now: Time) {
        let interval = if now < self.twin_until {
            TWIN_INTERVAL
        } else {
            self.settings.originate_interval
        };
        let rested = self.said_at.map(|said| said.after(interval));
        self.due_at = rested.unwrap_or(now).max(now);
        if self.due_at <= now {
            self.originate(now);
        }
    }

    /// When what was said is to be said again; what says that all is well needn't be.
    fn refresh_at(&self) -> Time {
        match self.said_at {
            Some(said) if !self.said.is_empty() => said.after(self.settings.refresh),
            _ => Time::NEVER,
        }
    }

    pub(super) const fn record_deadline(&self) -> Time {
        self.due_at
    }

    pub(super) fn tick_record(&mut self, now: Time) {
        if now >= self.due_at {
            self.originate(now);
        }
    }

    pub(super) fn tick_watches(&mut self, now: Time) {
        let settings = &self.settings;
        for (target, watch) in &mut self.watches {
            if watch.take_probe(now, settings) {
                self.actions.push_back(Action::Probe(*target));
            }
        }
        self.watches
            .retain(|_, watch| !watch.is_idle(now, settings));
        self.reconsider(now);
    }

    fn originate(&mut self, now: Time) {
        self.said = self.worth_saying(now);
        self.said_at = Some(now);
        self.must_answer = false;
        self.due_at = self.refresh_at();
        let mut statement = Statement {
            origin: self.name_of(self.own),
            instance: self.instance,
            version: self.next,
            entries: self.said.clone(),
        };
        let left = fit(&mut statement);
        if left > 0 {
            self.report(now, Fault::OwnRecordFull { left });
        }
        self.next = self.next.next();
        let (claims, _): (Vec<Claim>, _) = claims(&self.topology, self.own, &statement);
        if let Some(record) = Record::seal(statement, &*self.signer) {
            let expires = now.after(self.settings.max_age);
            self.table.put(self.own, record, claims, expires);
            self.tell_all(now, self.own);
            self.derive_links(now);
        }
    }

    /// The own links that aren't as configured, as far as anybody's way may depend on it. That a link is lost stays said until it
    /// isn't; one that is only held down because it flaps is let up when it is the only way.
    fn worth_saying(&mut self, now: Time) -> Vec<Entry> {
        let mut odd = Vec::new();
        for (target, watch) in &mut self.watches {
            let down = watch.is_down(now, &self.settings);
            let load = watch.load();
            if down || load.surcharge > 0 {
                odd.push((*target, down, watch.is_lost(), load));
            }
        }
        let mut entries = Vec::new();
        for (target, down, is_lost, load) in odd {
            let Some((subject, name)) = self.name_of_link(target) else {
                continue;
            };
            let was_said = |said: &&Entry| said.subject == subject && said.name == name;
            let said = self.said.iter().find(was_said);
            let was_down = said.is_some_and(|said| said.down);
            // That it is lost for all of its bridgeheads has to be known as well, or the last one would get the mail of the others.
            let stays = is_lost && (was_down || self.is_shared(target));
            if stays || self.matters(target) {
                entries.push(Entry {
                    subject,
                    name,
                    down,
                    surcharge: load.surcharge,
                    queued: load.queued,
                    delay: load.delay,
                });
            }
        }
        entries.sort_by(|one, other| (one.subject, &one.name).cmp(&(other.subject, &other.name)));
        entries
    }

    /// Whether others are source bridgeheads of the same connector.
    fn is_shared(&self, target: Target) -> bool {
        let Target::Connector(id) = target else {
            return false;
        };
        let connector = self.topology.connector(id);
        connector.is_some_and(|connector| connector.sources.len() > 1)
    }

    fn name_of_link(&self, target: Target) -> Option<(Subject, Box<str>)> {
        Some(match target {
            Target::Connector(id) => {
                let connector = self.topology.connector(id)?;
                (Subject::Connector, connector.name.clone())
            }
            Target::Peer(id) => (Subject::Peer, self.topology.server(id)?.name.clone()),
        })
    }

    /// Whether any mail could take another way without this link.
    fn matters(&mut self, target: Target) -> bool {
        if let Some(known) = self.matters.get(&target) {
            return *known;
        }
        let matters = self.find_out_if_it_matters(target);
        self.matters.insert(target, matters);
        matters
    }

    fn find_out_if_it_matters(&self, target: Target) -> bool {
        match target {
            // Around it, or over it by another of its source bridgeheads.
            Target::Connector(id) => {
                has_alternative(&self.topology, &self.links, id) || !self.depends_on(id, self.own)
            }
            Target::Peer(peer) => self.topology.sourced_by(peer).any(|id| {
                self.depends_on(id, peer) && has_alternative(&self.topology, &self.links, id)
            }),
        }
    }

    /// Whether nobody but `peer` can use a connector.
    fn depends_on(&self, connector: ConnectorId, peer: ServerId) -> bool {
        let sources = self.topology.connector(connector);
        let sources = sources.map(|connector| connector.sources.as_slice());
        let mut others = sources.unwrap_or_default().iter().filter(|id| **id != peer);
        others.all(|source| {
            let claims = self.table.get(*source).map(|held| held.claims.as_slice());
            let mut claims = claims.unwrap_or_default().iter();
            claims.any(|claim| claim.down && claim.target == Target::Connector(connector))
                || self.links.is_down_at(connector, *source)
        })
    }
}

/// Leaves out what a record can't hold; gives how many entries that are.
fn fit(statement: &mut Statement) -> usize {
    let before = statement.entries.len();
    statement.entries.truncate(ENTRIES_MAX);
    while write_statement(statement).len() > RECORD_OCTETS_MAX {
        let fewer = statement.entries.len() * 3 / 4;
        statement.entries.truncate(fewer);
    }
    before - statement.entries.len()
}
