//! What the servers say of themselves while the lab runs: the map, and changes of what they believe of links.

use super::lab::Lab;
use super::relay::Relay;
use super::{Ask, ask_json, collecting, traffic};
use crate::map::{LinkFacts, Map, ServerFacts};
use crate::turn::{Place, Turn, seconds};
use bridgehead_management_api::{LinkState, QueueList};
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Rates over a shorter time than this say nothing.
const RATE_SPAN_MIN: Duration = Duration::from_millis(50);
/// So many of the last events are kept for the map.
const LATELY_MAX: usize = 6;

/// What was seen last.
#[derive(Default)]
pub(super) struct Seen {
    /// What the last map showed: when, sent, octets of each way.
    last: (Duration, u64, BTreeMap<String, u64>),
    /// Mail that was delivered then, of each server: who is down has it still.
    delivered: BTreeMap<String, u64>,
    /// What those servers that are up said of links.
    states: BTreeMap<String, LinkState>,
    links: BTreeMap<String, LinkSeen>,
    lately: VecDeque<String>,
}

/// A link as it was seen last.
struct LinkSeen {
    /// What was done to it, how many say that it is down, and what load adds.
    facts: (String, usize, u32),
    since: Instant,
    /// What all agree on.
    down: bool,
}

/// What one server says for the map.
struct Said {
    queue: Option<QueueList>,
    delivered: Option<u64>,
}

async fn said(ask: &dyn Ask, data: &Path, name: &str) -> Said {
    Said {
        queue: ask_json(ask, data, "/queue").await.ok(),
        delivered: collecting::delivered(ask, data, name).await,
    }
}

impl Lab {
    /// What happened stays in sight for some time.
    pub(super) fn remember(&mut self, event: &str) {
        let lately = &mut self.seen.lately;
        lately.push_back(event.to_owned());
        if lately.len() > LATELY_MAX {
            lately.pop_front();
        }
    }

    /// Asks all servers what they believe of links; tells what they all agree on since.
    pub(super) async fn look(&mut self) -> Vec<String> {
        let mut tasks = JoinSet::new();
        for (name, data) in self.servers() {
            let ask = Arc::clone(&self.ask);
            tasks.spawn(async move {
                let state = ask_json::<LinkState>(&*ask, &data, "/links/state").await;
                Some((name, state.ok().filter(|state| state.takes_part)?))
            });
        }
        self.seen.states.clear();
        while let Some(ended) = tasks.join_next().await {
            self.seen.states.extend(ended.ok().flatten());
        }
        let links = self.plan.links.iter();
        let names: Vec<String> = links
            .flat_map(|link| [link.name(), link.name_back()])
            .collect();
        let events = names.iter().filter_map(|name| self.look_at(name));
        let events: Vec<String> = events.collect();
        self.note_known();
        events
    }

    fn known_down(&self, link: &str) -> (usize, usize) {
        let says_down = |state: &&LinkState| state.down.iter().any(|down| down == link);
        let states = self.seen.states.values();
        (states.filter(says_down).count(), self.seen.states.len())
    }

    fn look_at(&mut self, name: &str) -> Option<String> {
        let (down, all) = self.known_down(name);
        let mode = self.ways(name).map(Relay::mode).next().unwrap_or_default();
        let dearer = self.seen.states.values().flat_map(|state| &state.dearer);
        let mut dearer = dearer.filter(|dearer| dearer.connector == name);
        let surcharge = dearer.next().map_or(0, |dearer| dearer.surcharge);
        let facts = (mode.to_string(), down, surcharge);
        let seen = self.seen.links.entry(name.to_owned());
        let seen = seen.or_insert_with(|| LinkSeen {
            facts: facts.clone(),
            since: Instant::now(),
            down: false,
        });
        if seen.facts != facts {
            seen.facts = facts;
            seen.since = Instant::now();
        }
        let is_agreed = all > 0 && (down == 0 || down == all);
        if !is_agreed || seen.down == (down > 0) {
            return None;
        }
        seen.down = down > 0;
        let state = if seen.down { "DOWN" } else { "up" };
        Some(format!(
            "link {name}: known as {state} to all {all} servers"
        ))
    }

    /// Notes at the last thing that was done to each link when all servers knew.
    fn note_known(&self) {
        let mut account = self.shared.account.lock();
        let mut later: Vec<Place> = Vec::new();
        for turn in account.turns.iter_mut().rev() {
            let is_last = !later.iter().any(|place| place.touches(&turn.place));
            later.push(turn.place.clone());
            if is_last && turn.known.is_none() && self.is_known(turn) {
                turn.known = Some(traffic::now());
            }
        }
    }

    fn is_known(&self, turn: &Turn) -> bool {
        let Place::Link { names, .. } = &turn.place else {
            return false;
        };
        names.iter().all(|name| {
            let (down, all) = self.known_down(name);
            all > 0 && down == if turn.shut { all } else { 0 }
        })
    }

    /// The map of now.
    pub(super) async fn map(&mut self, elapsed: Duration, with_events: bool) -> Map {
        let mut tasks = JoinSet::new();
        for (name, data) in self.servers() {
            let ask = Arc::clone(&self.ask);
            tasks.spawn(async move {
                let said = said(&*ask, &data, &name).await;
                (name, said)
            });
        }
        let mut said = BTreeMap::new();
        while let Some(ended) = tasks.join_next().await {
            said.extend(ended.ok());
        }
        let delivered_then: u64 = self.seen.delivered.values().sum();
        let known = said.iter();
        let known = known.filter_map(|(name, said)| Some((name.clone(), said.delivered?)));
        self.seen.delivered.extend(known);
        let delivered: u64 = self.seen.delivered.values().sum();
        let sent = self.shared.account.lock().sent.len() as u64;
        let (then, sent_then, octets_then) = std::mem::take(&mut self.seen.last);
        let span = elapsed.saturating_sub(then);
        // The first map comes at once, and says nothing of rates.
        let span = match span < RATE_SPAN_MIN {
            true => f64::INFINITY,
            false => span.as_secs_f64(),
        };
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 / span;
        let mut octets = BTreeMap::new();
        let mut links = Vec::new();
        for link in &self.plan.links {
            for name in [link.name(), link.name_back()] {
                let passed = self.ways(&name).map(Relay::octets).sum();
                let mut facts = self.link_facts(&name, link.cost, &said);
                facts.rate = rate(passed, octets_then.get(&name).copied().unwrap_or(0));
                octets.insert(name, passed);
                links.push(facts);
            }
        }
        self.seen.last = (elapsed, sent, octets);
        let sites = self.plan.sites.iter().map(|site| {
            let of_site = site.servers.iter();
            let facts = of_site.map(|name| self.server_facts(name, &said));
            (site.name.clone(), facts.collect())
        });
        let lately = self.seen.lately.iter().filter(|_| with_events);
        Map {
            elapsed,
            sent,
            delivered,
            rates: (rate(sent, sent_then), rate(delivered, delivered_then)),
            sites: sites.collect(),
            links,
            lately: lately.cloned().collect(),
        }
    }

    fn server_facts(&self, name: &str, said: &BTreeMap<String, Said>) -> ServerFacts {
        let queue = said.get(name).and_then(|said| said.queue.as_ref());
        let state = self.seen.states.get(name);
        ServerFacts {
            name: name.to_owned(),
            queued: queue.map(|queue| queue.messages),
            delivered: self.seen.delivered.get(name).copied().unwrap_or(0),
            away: state.map(|state| {
                let all = state.neighbours.iter();
                let away = all.filter(|neighbour| !neighbour.answers);
                (away.count(), state.neighbours.len())
            }),
        }
    }

    fn ways(&self, link: &str) -> impl Iterator<Item = &Relay> {
        let pairs = self.plan.pairs_of(link).unwrap_or_default();
        pairs.into_iter().filter_map(|pair| self.relays.get(&pair))
    }

    fn link_facts(&self, name: &str, cost: u32, said: &BTreeMap<String, Said>) -> LinkFacts {
        let queues = said.values().filter_map(|said| said.queue.as_ref());
        let waiting = format!("{name}/group");
        let groups = queues.flat_map(|queue| &queue.groups);
        let groups = groups.filter(|group| group.link == waiting);
        let seen = self.seen.links.get(name);
        let (state, _, surcharge) = seen.map(|seen| seen.facts.clone()).unwrap_or_default();
        LinkFacts {
            name: name.to_owned(),
            cost,
            state,
            rate: 0.0,
            known_down: self.known_down(name),
            surcharge,
            waits: groups.map(|group| group.count).sum(),
            unchanged: seen.map_or(Duration::ZERO, |seen| seen.since.elapsed()),
        }
    }
}

/// When something happened, before what it was.
pub(super) fn event(elapsed: Duration, words: &str) -> String {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    format!("[after {}] {words}", seconds(millis))
}
