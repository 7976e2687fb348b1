//! What a neighbour says.

use super::{Action, Node};
use crate::codec::{Body, Message};
use crate::record::{Record, Version};
use crate::report::Fault;
use crate::table::Offer;
use crate::time::Time;
use crate::topology::{ServerId, Target};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How much a clock may differ before a record counts as made while this process was running.
const SLACK: Duration = Duration::from_secs(5);
/// How long a twin is believed to be there after it was heard of.
const TWIN_MEMORY: Duration = Duration::from_secs(3600);

impl Node {
    pub(super) fn take_message(
        &mut self,
        now: Time,
        from: &str,
        octets: &[u8],
    ) -> Result<(), Fault> {
        let sender = self.topology.server_of_name(from);
        if sender == Some(self.own) {
            return Err(Fault::Twin { name: from.into() });
        }
        let neighbour = sender.filter(|id| self.sessions.contains_key(id));
        let neighbour = neighbour.ok_or_else(|| Fault::Stranger { from: from.into() })?;
        let message = Message::read(octets).map_err(|fault| Fault::message(from, fault))?;
        if message.fingerprint != self.topology.fingerprint() {
            self.report(now, Fault::OtherTopology { from: from.into() });
        }
        let heard = self
            .sessions
            .get_mut(&neighbour)
            .map(|session| session.heard(now, message.instance))
            .unwrap_or_default();
        if heard.twin {
            self.report(now, Fault::Twin { name: from.into() });
        }
        match message.body {
            Body::Digest { buckets, .. } => {
                match self.table.digest().differing(&buckets) {
                    0 => self.acknowledge(neighbour, message.number),
                    parts => self.send_listing(neighbour, message.number, parts),
                }
                Ok(())
            }
            Body::Listing {
                parts,
                partial,
                versions,
            } => {
                if let Some(session) = self.sessions.get_mut(&neighbour) {
                    session.acknowledged(now, message.number);
                }
                self.compare(now, (neighbour, from), (parts, partial), &versions)
            }
            Body::Want(names) => {
                for name in names {
                    let known = self.topology.server_of_name(&name);
                    if let Some(id) = known.filter(|id| self.table.get(*id).is_some()) {
                        self.tell_missing(now, neighbour, id, Duration::ZERO);
                    }
                }
                self.flush(now, neighbour);
                Ok(())
            }
            Body::Update(records) => {
                self.acknowledge(neighbour, message.number);
                self.take_records(now, (neighbour, from), records)
            }
            Body::Acknowledgement => {
                if let Some(session) = self.sessions.get_mut(&neighbour) {
                    session.acknowledged(now, message.number);
                }
                self.flush(now, neighbour);
                Ok(())
            }
        }
    }

    /// Tells the neighbour what it lacks, and asks for what this server lacks.
    fn compare(
        &mut self,
        now: Time,
        (neighbour, from): (ServerId, &str),
        (parts, partial): (u16, bool),
        versions: &[(Box<str>, Version)],
    ) -> Result<(), Fault> {
        let mut result = Ok(());
        let mut listed = BTreeSet::new();
        let mut wanted = Vec::new();
        for (name, theirs) in versions {
            let Some(id) = self.topology.server_of_name(name) else {
                result = Err(Fault::UnknownOrigin {
                    from: from.into(),
                    origin: name.clone(),
                });
                continue;
            };
            listed.insert(id);
            let held = self.table.get(id);
            let mine = held.map(|held| held.record.statement().version);
            if mine.is_some_and(|mine| mine > *theirs) {
                self.tell_missing(now, neighbour, id, Duration::ZERO);
            } else if self.table.seen(id).is_none_or(|seen| seen < *theirs) {
                wanted.push(name.clone());
            }
        }
        if !partial {
            let mine = self.table.of_parts(parts).map(|(id, _)| id);
            let missing: Vec<ServerId> = mine.filter(|id| !listed.contains(id)).collect();
            for id in missing {
                self.tell_missing(now, neighbour, id, Duration::ZERO);
            }
        }
        if !wanted.is_empty() {
            self.send_want(now, neighbour, wanted);
        }
        self.flush(now, neighbour);
        result
    }

    fn take_records(
        &mut self,
        now: Time,
        (neighbour, from): (ServerId, &str),
        records: Vec<(u32, Record)>,
    ) -> Result<(), Fault> {
        let (topology, verifier) = (Arc::clone(&self.topology), Arc::clone(&self.verifier));
        let judge = self.judge(&topology, &*verifier);
        let mut result = Ok(());
        let mut is_news = false;
        for (age, record) in records {
            let statement = record.statement();
            let (version, instance) = (statement.version, statement.instance);
            let offered = self.table.offer(now, from, (age, record), &judge);
            let (id, offer, odd) = match offered {
                Ok(offered) => offered,
                Err(fault) => {
                    self.report(now, fault.clone());
                    result = Err(fault);
                    continue;
                }
            };
            for fault in odd {
                self.report(now, fault);
            }
            match offer {
                Offer::Taken => {
                    is_news = true;
                    self.neighbour_has(neighbour, id);
                    self.spread(now, id, Some(neighbour));
                    self.wonder(now, id);
                }
                Offer::Known => self.neighbour_has(neighbour, id),
                Offer::Older => self.tell_missing(now, neighbour, id, self.settings.gather),
                Offer::Echo => self.answer_echo(now, age, version, instance),
            }
        }
        if is_news {
            self.derive_links(now);
        }
        self.flush_all(now);
        result
    }

    /// Another server complains about a link that this server has too: it tries its own.
    fn wonder(&mut self, now: Time, origin: ServerId) {
        let Some(held) = self.table.get(origin) else {
            return;
        };
        let down = held.claims.iter().filter(|claim| claim.down);
        let targets: Vec<Target> = down.map(|claim| claim.target).collect();
        for target in targets {
            if self.is_own(target) {
                self.suspect(now, target);
            }
        }
    }

    pub(super) fn suspect(&mut self, now: Time, target: Target) {
        let watch = self.watches.entry(target).or_default();
        watch.suspect(now);
        if watch.take_probe(now, &self.settings) {
            self.actions.push_back(Action::Probe(target));
        }
    }

    /// A record of this server that this process didn't make, or doesn't remember: it is answered by a newer one.
    fn answer_echo(&mut self, now: Time, age: u32, version: Version, instance: u64) {
        let made_before_the_start =
            now.since(self.started) <= Duration::from_millis(u64::from(age)) + SLACK;
        if instance != self.instance && !made_before_the_start {
            self.twin_until = now.after(TWIN_MEMORY);
            let name = self.name_of(self.own);
            self.report(now, Fault::Twin { name });
        }
        if version >= self.next {
            self.next = if instance == self.instance {
                version.next()
            } else {
                Version::first_of(version.epoch.saturating_add(1))
            };
        }
        self.must_answer = true;
        self.originate_soon(now);
    }
}
