//! What is sent to neighbours.

use super::{Action, Node};
use crate::codec::{Body, HEAD_OCTETS, MESSAGE_OCTETS_MAX, Message};
use crate::flood;
use crate::record::{Record, Version};
use crate::table::HOP_AGE;
use crate::time::Time;
use crate::topology::{ServerId, Target};
use std::time::Duration;

/// What a listing may hold beside its entries.
const LISTING_ROOM: usize = MESSAGE_OCTETS_MAX - HEAD_OCTETS - 16;

impl Node {
    pub(super) fn tick_sessions(&mut self, now: Time) {
        for (origin, from) in self.pace.take_due(now, &self.settings) {
            self.tell_neighbours(now, origin, from);
        }
        let neighbours: Vec<ServerId> = self.sessions.keys().copied().collect();
        for neighbour in neighbours {
            let Some(session) = self.sessions.get_mut(&neighbour) else {
                continue;
            };
            if session.expire(now, &self.settings) {
                self.wonder_about(now, neighbour);
            }
            let asks = self.own < neighbour;
            if let Some(session) = self.sessions.get_mut(&neighbour)
                && session.take_digest(now, asks, &self.settings)
            {
                let number = session.send(now, Vec::new(), &self.settings);
                let digest = self.table.digest();
                let (count, buckets) = (digest.count(), *digest.buckets());
                self.push(neighbour, number, Body::Digest { count, buckets });
            }
            self.flush(now, neighbour);
        }
    }

    /// A neighbour doesn't answer: perhaps mail can't reach it either.
    fn wonder_about(&mut self, now: Time, neighbour: ServerId) {
        if self.topology.are_peers(self.own, neighbour) {
            self.suspect(now, Target::Peer(neighbour));
        }
        let leads_there = |id: &_| {
            let connector = self.topology.connector(*id);
            // Where others stand beside it, mail goes to them.
            connector.is_some_and(|connector| connector.targets == [neighbour])
        };
        let own = self.topology.sourced_by(self.own);
        let connectors: Vec<_> = own.filter(leads_there).collect();
        for id in connectors {
            self.suspect(now, Target::Connector(id));
        }
    }

    /// A link works again: what was missed is exchanged.
    pub(super) fn compare_across(&mut self, now: Time, target: Target) {
        let others = match target {
            Target::Peer(peer) => vec![peer],
            Target::Connector(id) => {
                let connector = self.topology.connector(id);
                connector.map_or_else(Vec::new, |connector| connector.targets.clone())
            }
        };
        for other in others {
            if let Some(session) = self.sessions.get_mut(&other) {
                session.compare_by(now);
            }
        }
    }

    /// Passes on a record that has just been taken.
    pub(super) fn spread(&mut self, now: Time, origin: ServerId, from: Option<ServerId>) {
        if self.pace.may_go(now, origin, from, &self.settings) {
            self.tell_neighbours(now, origin, from);
        }
    }

    pub(super) fn tell_all(&mut self, now: Time, origin: ServerId) {
        self.tell_neighbours(now, origin, None);
        self.flush_all(now);
    }

    fn tell_neighbours(&mut self, now: Time, origin: ServerId, from: Option<ServerId>) {
        for (neighbour, session) in &mut self.sessions {
            if flood::is_told(&self.topology, self.own, *neighbour, from) {
                session.tell(now, origin, self.settings.gather);
            }
        }
    }

    pub(super) fn tell_missing(
        &mut self,
        now: Time,
        neighbour: ServerId,
        origin: ServerId,
        wait: Duration,
    ) {
        if let Some(session) = self.sessions.get_mut(&neighbour) {
            session.tell_missing(now, origin, wait);
        }
    }

    pub(super) fn neighbour_has(&mut self, neighbour: ServerId, origin: ServerId) {
        if let Some(session) = self.sessions.get_mut(&neighbour) {
            session.has(origin);
        }
    }

    pub(super) fn flush_all(&mut self, now: Time) {
        let neighbours: Vec<ServerId> = self.sessions.keys().copied().collect();
        for neighbour in neighbours {
            self.flush(now, neighbour);
        }
    }

    /// Sends what waits for a neighbour if it is time, in as many messages as it takes.
    pub(super) fn flush(&mut self, now: Time, neighbour: ServerId) {
        let Some(session) = self.sessions.get_mut(&neighbour) else {
            return;
        };
        let origins = session.take_waiting(now);
        let mut octets = HEAD_OCTETS + 4;
        let mut batch: Vec<(ServerId, u32, Record)> = Vec::new();
        for origin in origins {
            let Some(held) = self.table.get(origin) else {
                continue;
            };
            if held.expires.since(now) <= HOP_AGE {
                continue;
            }
            let record = held.record.clone();
            let age = held.age(now, self.settings.max_age);
            if octets + record.octets() > MESSAGE_OCTETS_MAX {
                self.send_update(now, neighbour, std::mem::take(&mut batch));
                octets = HEAD_OCTETS + 4;
            }
            octets += record.octets();
            batch.push((origin, age, record));
        }
        self.send_update(now, neighbour, batch);
    }

    fn send_update(&mut self, now: Time, neighbour: ServerId, batch: Vec<(ServerId, u32, Record)>) {
        let Some(session) = self.sessions.get_mut(&neighbour) else {
            return;
        };
        if batch.is_empty() {
            return;
        }
        let origins = batch.iter().map(|(origin, _, _)| *origin).collect();
        let records = batch.into_iter().map(|(_, age, record)| (age, record));
        let number = session.send(now, origins, &self.settings);
        self.push(neighbour, number, Body::Update(records.collect()));
    }

    /// The answer to a digest that differs; it acknowledges it.
    pub(super) fn send_listing(&mut self, neighbour: ServerId, number: u32, parts: u16) {
        let mut versions: Vec<(Box<str>, Version)> = Vec::new();
        let mut octets = 0;
        let mut partial = false;
        for (_, held) in self.table.of_parts(parts) {
            let statement = held.record.statement();
            octets += 1 + statement.origin.len() + 12;
            if octets > LISTING_ROOM {
                partial = true;
                break;
            }
            versions.push((statement.origin.clone(), statement.version));
        }
        let body = Body::Listing {
            parts,
            partial,
            versions,
        };
        self.push(neighbour, number, body);
    }

    pub(super) fn acknowledge(&mut self, neighbour: ServerId, number: u32) {
        self.push(neighbour, number, Body::Acknowledgement);
    }

    /// Asks for records; if they don't come, digests will show it.
    pub(super) fn send_want(&mut self, now: Time, neighbour: ServerId, names: Vec<Box<str>>) {
        if let Some(session) = self.sessions.get_mut(&neighbour) {
            let number = session.number();
            session.compare_by(now.after(session.patience(&self.settings)));
            self.push(neighbour, number, Body::Want(names));
        }
    }

    fn push(&mut self, to: ServerId, number: u32, body: Body) {
        let message = Message {
            instance: self.instance,
            fingerprint: self.topology.fingerprint(),
            number,
            body,
        };
        let octets = message.write();
        self.actions.push_back(Action::Send { to, octets });
    }
}
