//! Mail, as far as routing is concerned: from group to group by each server's own table.
//!
//! Guards: no message enters a group twice, none goes over more hops than the Received limit, none is handed over twice. Inside a group,
//! where servers may disagree for a moment, a message isn't handed back at once to a server that had it, but only after a while.

use super::{Event, World};
use bridgehead_linkstate::path::{Route, Scene, Table, Wait};
use bridgehead_linkstate::{ConnectorId, GroupId, Links, Outcome, ServerId, Target};
use std::sync::Arc;

/// The last line against loops; each server that takes a message adds one.
const RECEIVED_MAX: u32 = 100;
/// How long a server waits before it tries again what couldn't go.
const RETRY_MILLIS: u64 = 5000;
/// How many tables of one group are remembered.
const TABLES_MAX: usize = 4;

/// One message.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Its goal.
    pub to: ServerId,
    /// When it was sent.
    pub sent: u64,
    /// When it arrived.
    pub delivered: Option<u64>,
    /// The groups it has visited, in order.
    pub visited: Vec<GroupId>,
    /// The servers of the present group that have had it.
    pub here: Vec<ServerId>,
    /// When it came to where it is.
    pub since: u64,
    /// How many servers have taken it.
    pub received: u32,
    /// It had to wait somewhere.
    pub delayed: bool,
    /// Where it is; none while it is under way, or at its goal.
    pub at: Option<ServerId>,
}

/// What a server does with a message.
enum Next {
    /// Hands it to another.
    Hand(ServerId, Option<Target>),
    /// Keeps it; perhaps because a link failed.
    Keep(Option<Target>),
}

impl World {
    pub(super) fn posted(&mut self, from: ServerId, to: ServerId) {
        let mail = self.mail.len();
        self.mail.push(Mail {
            to,
            sent: self.now,
            delivered: None,
            visited: Vec::new(),
            here: Vec::new(),
            since: self.now,
            received: 0,
            delayed: false,
            at: None,
        });
        if self.is_running(from) {
            self.handed(mail, from);
        } else {
            // Its sender tries again when the server is back.
            if let Some(mail) = self.mail.get_mut(mail) {
                mail.at = Some(from);
            }
            if let Some(machine) = self.machines.get_mut(from.place()) {
                machine.queue.insert(mail);
            }
        }
    }

    pub(super) fn handed(&mut self, number: usize, at: ServerId) {
        let Some(group) = self.topology.server(at).map(|server| server.group) else {
            return;
        };
        let now = self.now;
        let Some(mail) = self.mail.get_mut(number) else {
            return;
        };
        mail.received += 1;
        let entered = mail.visited.last() != Some(&group);
        let again = entered && mail.visited.contains(&group);
        if entered {
            mail.visited.push(group);
            mail.here.clear();
        }
        mail.here.push(at);
        mail.since = now;
        let (received, is_there, twice) = (mail.received, mail.to == at, mail.delivered.is_some());
        if is_there {
            mail.delivered = Some(now);
        } else {
            mail.at = Some(at);
        }
        if again {
            self.breach(&format!("message {number} came back into {group:?}"));
        }
        if received > RECEIVED_MAX {
            self.breach(&format!("message {number} was received {received} times"));
        }
        if twice {
            self.breach(&format!("message {number} was delivered twice"));
        }
        if !is_there {
            if let Some(machine) = self.machines.get_mut(at.place()) {
                machine.queue.insert(number);
            }
            self.forward(number, at);
        }
    }

    /// Tries everything that waits at a server.
    pub(super) fn retry(&mut self, server: ServerId) {
        let Some(machine) = self.machines.get_mut(server.place()) else {
            return;
        };
        machine.retries = false;
        if machine.node.is_none() {
            return;
        }
        let waiting: Vec<usize> = machine.queue.iter().copied().collect();
        for mail in waiting {
            self.forward(mail, server);
        }
    }

    pub(super) fn retry_soon(&mut self, server: ServerId, wait: u64) {
        let Some(machine) = self.machines.get_mut(server.place()) else {
            return;
        };
        if !machine.queue.is_empty() && (!machine.retries || wait < RETRY_MILLIS) {
            machine.retries = true;
            self.happen(self.now + wait, Event::Retry(server));
        }
    }

    /// Whether a server of this group had the message just now.
    fn turns_back(&mut self, number: usize, to: ServerId) -> bool {
        let now = self.now;
        let Some(mail) = self.mail.get_mut(number) else {
            return false;
        };
        let had_it = mail.here.contains(&to) && mail.to != to;
        if had_it && now >= mail.since + RETRY_MILLIS {
            // By now they agree, or it is worth another try.
            mail.here.clear();
            return false;
        }
        had_it
    }

    fn forward(&mut self, number: usize, at: ServerId) {
        let next = match self.next_for(number, at) {
            Next::Hand(to, _) if self.turns_back(number, to) => Next::Keep(None),
            next => next,
        };
        match next {
            Next::Hand(to, link) => {
                if let Some(link) = link {
                    self.with_node(at, |node, time| node.note_link(time, link, Outcome::Works));
                }
                if let Some(machine) = self.machines.get_mut(at.place()) {
                    machine.queue.remove(&number);
                }
                if let Some(mail) = self.mail.get_mut(number) {
                    mail.at = None;
                }
                let delay = self.network.delay(&self.topology, at, to, 10_000);
                self.happen(
                    self.now + delay,
                    Event::Handed {
                        mail: number,
                        at: to,
                    },
                );
            }
            Next::Keep(failed) => {
                if let Some(mail) = self.mail.get_mut(number) {
                    mail.delayed = true;
                }
                if let Some(link) = failed {
                    self.with_node(at, |node, time| node.note_link(time, link, Outcome::Fails));
                }
                self.retry_soon(at, RETRY_MILLIS);
            }
        }
    }

    fn next_for(&mut self, number: usize, at: ServerId) -> Next {
        let topology = Arc::clone(&self.topology);
        let here = topology.server(at).map(|server| server.group);
        let (Some(mail), Some(here)) = (self.mail.get(number), here) else {
            return Next::Keep(None);
        };
        let (to, visited) = (mail.to, mail.visited.clone());
        let Some(goal) = topology.server(to).map(|server| server.group) else {
            return Next::Keep(None);
        };
        if goal == here {
            return self.inside(at, to);
        }
        let Some(links) = self.node(at).map(|node| Arc::clone(node.links())) else {
            return Next::Keep(None);
        };
        let table = self.table(here, &links);
        match table.route(&Scene::new(&topology, &links), goal, &visited) {
            Route::Here => self.inside(at, to),
            Route::Via(way) => match way.path.first() {
                Some(first) => self.over(number, at, *first, &links),
                None => Next::Keep(None),
            },
            // It waits in the queue of the link that is cut, which is tried now and then.
            Route::Wait(Wait::Cut { behind, toward, .. }) => {
                self.over(number, at, toward.unwrap_or(behind), &links)
            }
            Route::Wait(_) => Next::Keep(None),
        }
    }

    fn inside(&self, at: ServerId, to: ServerId) -> Next {
        if self.reaches(at, to) {
            Next::Hand(to, Some(Target::Peer(to)))
        } else {
            Next::Keep(Some(Target::Peer(to)))
        }
    }

    /// Over a connector: from here if this is a source bridgehead, else to one; to another one also where only this server's line
    /// is down.
    fn over(&self, mail: usize, at: ServerId, connector: ConnectorId, links: &Links) -> Next {
        let Some(known) = self.topology.connector(connector) else {
            return Next::Keep(None);
        };
        let mut sources = known.sources.clone();
        let is_down_at = |source: &ServerId| links.is_down_at(connector, *source);
        if known.sources.contains(&at) {
            let here = self.mail.get(mail).map(|mail| mail.here.as_slice());
            let had_it = |source: &ServerId| here.is_some_and(|here| here.contains(source));
            sources.retain(|source| is_down_at(&at) && !is_down_at(source) && !had_it(source));
            if sources.is_empty() {
                return self.across(at, connector, &known.targets);
            }
        }
        sources.sort_by_key(is_down_at);
        match sources.iter().find(|source| self.reaches(at, **source)) {
            Some(source) => Next::Hand(*source, Some(Target::Peer(*source))),
            None => Next::Keep(sources.first().copied().map(Target::Peer)),
        }
    }

    /// From a source bridgehead to a server of the other group.
    fn across(&self, at: ServerId, connector: ConnectorId, targets: &[ServerId]) -> Next {
        let mut targets = targets.iter();
        let link = Target::Connector(connector);
        match targets.find(|target| self.reaches(at, **target)) {
            Some(target) => Next::Hand(*target, Some(link)),
            None => Next::Keep(Some(link)),
        }
    }

    /// The table of a group by a picture of the links; made from the last one where there is one.
    pub fn table(&mut self, group: GroupId, links: &Arc<Links>) -> Arc<Table> {
        let known = self.tables.entry(group).or_default();
        if let Some((_, table)) = known.iter().find(|(of, _)| of == links) {
            return Arc::clone(table);
        }
        let after = Scene::new(&self.topology, links);
        let table = match known.last() {
            Some((of, table)) => {
                let mut table = Table::clone(table);
                table.update(&Scene::new(&self.topology, of), &after);
                table
            }
            None => Table::compute(&after, group),
        };
        let table = Arc::new(table);
        if known.len() >= TABLES_MAX {
            known.remove(0);
        }
        known.push((Arc::clone(links), Arc::clone(&table)));
        table
    }
}
