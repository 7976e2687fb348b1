//! The table: the newest record of each server that says anything.
//!
//! Guards: the newest wins by epoch and sequence; what was taken once isn't taken again, even after it has aged out; nothing is kept
//! of who isn't a member, and at most one record of who is. Refuses unknown origins, wrong seals and implausible versions.

use crate::digest::{Digest, part};
use crate::links::Claim;
use crate::record::{Entry, Record, Statement, Subject, Version};
use crate::report::Fault;
use crate::seal::Verifier;
use crate::time::{Time, millis};
use crate::topology::{ServerId, Target, Topology};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

/// Passing a record on takes at most this long; its age grows by it with each hop, so that a copy never outlives its origin's.
pub const HOP_AGE: Duration = Duration::from_secs(1);

/// A record that is kept.
#[derive(Clone, Debug)]
pub struct Held {
    /// The record as it came.
    pub record: Record,
    /// What it says, as far as the topology knows it.
    pub claims: Vec<Claim>,
    /// When it is forgotten.
    pub expires: Time,
}

/// What became of a record that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// It is newer than what was there.
    Taken,
    /// It is there already, or was.
    Known,
    /// There is a newer one.
    Older,
    /// It is of this server itself, and of another process or a state that this one doesn't know.
    Echo,
}

/// The newest record of each server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    held: BTreeMap<ServerId, Held>,
    /// The newest version taken of each member, also of records that have aged out.
    seen: BTreeMap<ServerId, Version>,
    digest: Digest,
}

/// The eyes with which a record is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) verifier: &'a dyn Verifier,
    pub(crate) own: ServerId,
    pub(crate) instance: u64,
    pub(crate) max_age: Duration,
}

impl Table {
    /// Looks at a record that a neighbour passed on, and takes it if it is news. Gives its origin, what became of it, and
    /// what about its entries is odd.
    ///
    /// # Errors
    /// If it is refused.
    pub(crate) fn offer(
        &mut self,
        now: Time,
        from: &str,
        (age, record): (u32, Record),
        judge: &Judge<'_>,
    ) -> Result<(ServerId, Offer, Vec<Fault>), Fault> {
        let statement = record.statement();
        let (origin, version) = (&statement.origin, statement.version);
        let id = judge.topology.server_of_name(origin);
        let id = id.ok_or_else(|| Fault::UnknownOrigin {
            from: from.into(),
            origin: origin.clone(),
        })?;
        let own = id == judge.own;
        let last = self.seen.get(&id).copied();
        let is_foreign = own && statement.instance != judge.instance;
        // What others still hold of this server is answered as long as it has nothing else to show.
        let is_unanswered = own && !self.held.contains_key(&id);
        match last.map(|last| version.cmp(&last)) {
            Some(Ordering::Equal) if !is_foreign => return Ok((id, Offer::Known, Vec::new())),
            Some(Ordering::Less) if !is_unanswered => return Ok((id, Offer::Older, Vec::new())),
            _ => {}
        }
        // What this server's own key has sealed is answered by a newer record, however far ahead it is.
        if !version.is_plausible_after(last.filter(|_| !own)) {
            return Err(Fault::Version {
                from: from.into(),
                origin: origin.clone(),
            });
        }
        record
            .verify(judge.verifier)
            .map_err(|fault| Fault::seal(from, origin, fault))?;
        let left = judge
            .max_age
            .checked_sub(Duration::from_millis(u64::from(age)) + HOP_AGE);
        let Some(left) = left else {
            return Ok((id, Offer::Known, Vec::new()));
        };
        if own {
            return Ok((id, Offer::Echo, Vec::new()));
        }
        let (claims, odd) = claims(judge.topology, id, statement);
        self.put(id, record, claims, now.after(left));
        Ok((id, Offer::Taken, odd))
    }

    /// Keeps a record, whatever was there.
    pub(crate) fn put(&mut self, id: ServerId, record: Record, claims: Vec<Claim>, expires: Time) {
        self.drop_record(id);
        let version = record.statement().version;
        self.digest.add(&record.statement().origin, version);
        self.seen.insert(id, version);
        let held = Held {
            record,
            claims,
            expires,
        };
        self.held.insert(id, held);
    }

    fn drop_record(&mut self, id: ServerId) {
        if let Some(held) = self.held.remove(&id) {
            let statement = held.record.statement();
            self.digest.remove(&statement.origin, statement.version);
        }
    }

    /// Forgets what is too old; true if there was any.
    pub(crate) fn expire(&mut self, now: Time) -> bool {
        let old = self.held.iter().filter(|(_, held)| held.expires <= now);
        let old: Vec<ServerId> = old.map(|(id, _)| *id).collect();
        for id in &old {
            self.drop_record(*id);
        }
        !old.is_empty()
    }

    /// Forgets records whose seals aren't their origins' any more; gives these origins.
    pub(crate) fn drop_unsealed(&mut self, verifier: &dyn Verifier) -> Vec<ServerId> {
        let held = self.held.iter();
        let unsealed = held.filter(|(_, held)| held.record.verify(verifier).is_err());
        let unsealed: Vec<ServerId> = unsealed.map(|(id, _)| *id).collect();
        for id in &unsealed {
            self.drop_record(*id);
        }
        unsealed
    }

    /// When the next record is too old.
    pub(crate) fn deadline(&self) -> Time {
        let all = self.held.values().map(|held| held.expires);
        all.min().unwrap_or(Time::NEVER)
    }

    pub(crate) fn get(&self, id: ServerId) -> Option<&Held> {
        self.held.get(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (ServerId, &Held)> {
        self.held.iter().map(|(id, held)| (*id, held))
    }

    /// The newest version taken of a member.
    pub(crate) fn seen(&self, id: ServerId) -> Option<Version> {
        self.seen.get(&id).copied()
    }

    pub(crate) const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The records of some parts of the table.
    pub(crate) fn of_parts(&self, parts: u16) -> impl Iterator<Item = (ServerId, &Held)> {
        self.iter().filter(move |(_, held)| {
            let part = part(&held.record.statement().origin);
            parts & (1 << part) != 0
        })
    }

    /// Another topology: who isn't a member any more, or has another key, is forgotten; entries are looked up anew.
    pub(crate) fn resettle(&mut self, before: &Topology, after: &Topology) -> Vec<Fault> {
        let stays = |id: ServerId| {
            let old = before.server(id)?;
            let new = after.server_of_name(&old.name)?;
            let same_key = after
                .server(new)
                .is_some_and(|server| server.key == old.key);
            same_key.then_some(new)
        };
        let mut table = Self::default();
        let mut odd = Vec::new();
        for (id, version) in std::mem::take(&mut self.seen) {
            if let Some(id) = stays(id) {
                table.seen.insert(id, version);
            }
        }
        for (id, held) in std::mem::take(&mut self.held) {
            if let Some(id) = stays(id) {
                let (claims, faults) = claims(after, id, held.record.statement());
                odd.extend(faults);
                let seen = table.seen(id);
                table.put(id, held.record, claims, held.expires);
                // A newer one may have been taken and have gone.
                if let Some(seen) = seen {
                    table.seen.insert(id, seen);
                }
            }
        }
        *self = table;
        odd
    }
}

impl Held {
    /// Its age in milliseconds, as it is passed on.
    #[must_use]
    pub fn age(&self, now: Time, max_age: Duration) -> u32 {
        let left = millis(self.expires.since(now));
        u32::try_from(millis(max_age).saturating_sub(left)).unwrap_or(u32::MAX)
    }
}

/// What a statement says, as far as the topology knows it and it is the origin's to say; and what is odd about the rest.
pub(crate) fn claims(
    topology: &Topology,
    origin: ServerId,
    statement: &Statement,
) -> (Vec<Claim>, Vec<Fault>) {
    let mut claims = Vec::new();
    let mut odd = Vec::new();
    for entry in &statement.entries {
        match target(topology, origin, entry) {
            Ok(target) => claims.push(Claim {
                target,
                down: entry.down,
                surcharge: entry.surcharge,
            }),
            Err(is_known) => {
                let (origin, name) = (statement.origin.clone(), entry.name.clone());
                odd.push(if is_known {
                    Fault::NotItsOwn { origin, name }
                } else {
                    Fault::UnknownName { origin, name }
                });
            }
        }
    }
    (claims, odd)
}

/// The link that an entry speaks of; else whether it is known at all.
fn target(topology: &Topology, origin: ServerId, entry: &Entry) -> Result<Target, bool> {
    match entry.subject {
        Subject::Connector => {
            let id = topology.connector_of_name(&entry.name).ok_or(false)?;
            let is_own = topology.is_source(origin, id);
            is_own.then_some(Target::Connector(id)).ok_or(true)
        }
        Subject::Peer => {
            let id = topology.server_of_name(&entry.name).ok_or(false)?;
            let is_own = topology.are_peers(origin, id);
            is_own.then_some(Target::Peer(id)).ok_or(true)
        }
    }
}
