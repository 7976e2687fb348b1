//! The choice against an independent reading of its rules: all simple ways are written down, those that bar the message are crossed
//! out, and the best is taken. One table serves many messages, so that what it keeps of one must not reach another.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod plan;

use bridgehead_linkstate::{Claim, ConnectorId, GroupId, Links, Target, Topology};
use bridgehead_mail::{Address, Hours, Journey, Priority, Timestamp};
use bridgehead_routing::settings::{Connector, ConnectorHop, Restrictions};
use bridgehead_routing::{Facts, Goal, Settings, Table};
use plan::{between, space, world};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

const GROUPS: [&str; 5] = ["a", "b", "c", "d", "e"];
const PATTERNS: [&str; 3] = ["example.net", "*.net", "*"];
const NOON: u64 = 12 * 3_600_000;

/// Whether a sender may send over a connector, by the list that stands there.
const fn may(sender: u32, list: u32) -> bool {
    (sender >> list) & 1 == 1
}

/// What is drawn of a restriction: of size, priority, senders and hours.
type Drawn = (Option<u64>, bool, Option<u32>, bool);

fn restrictions((size_max, priority, senders, hours): Drawn) -> Restrictions {
    Restrictions {
        size_max,
        priorities: priority.then_some(Priority::High).into_iter().collect(),
        senders,
        hours: hours
            .then(|| Hours::parse("Mon-Sun 22:00-06:00").unwrap())
            .into_iter()
            .collect(),
        ..Restrictions::default()
    }
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let size = prop_oneof![3 => Just(None), 1 => Just(Some(10)), 1 => Just(Some(20))];
    let senders = prop_oneof![4 => Just(None), 1 => (0..3_u32).prop_map(Some)];
    let rarely = || prop::bool::weighted(0.15);
    (size, rarely(), senders, rarely())
}

fn weight() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![Just(None), (1..4_u32).prop_map(Some)]
}

fn connectors() -> impl Strategy<Value = Vec<Connector>> {
    let way = (0..5_usize, 0..5_usize, 1..4_u32, drawn(), weight());
    let exit = (0..5_usize, 0..3_usize, 1..4_u32, drawn(), weight());
    let (ways, exits) = (
        prop::collection::vec(way, 3..14),
        prop::collection::vec(exit, 0..5),
    );
    (ways, exits).prop_map(|(ways, exits)| {
        let ways = ways.into_iter().enumerate();
        let ways = ways.filter(|(_, (from, to, ..))| from != to);
        let ways = ways.map(|(number, (from, to, cost, drawn, weight))| Connector {
            restrictions: restrictions(drawn),
            weight,
            ..between(&format!("w{number:02}"), GROUPS[from], GROUPS[to], cost)
        });
        let exits = exits.into_iter().enumerate();
        let exits = exits.map(
            |(number, (group, pattern, cost, drawn, weight))| Connector {
                restrictions: restrictions(drawn),
                weight,
                ..space(
                    &format!("x{number:02}"),
                    GROUPS[group],
                    PATTERNS[pattern],
                    cost,
                )
            },
        );
        ways.chain(exits).collect()
    })
}

/// A message: size, whether it is urgent, its sender, whether it is night, the groups that it has left, its key.
type Mail = (u64, bool, u32, bool, Vec<usize>, u64);

fn mail() -> impl Strategy<Value = Mail> {
    let size = prop::sample::select(&[5_u64, 10, 15, 25][..]);
    let left = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(0..5_usize, 1..5)];
    let sender = prop_oneof![Just(7_u32), 0..8_u32];
    (
        size,
        any::<bool>(),
        sender,
        any::<bool>(),
        left,
        any::<u64>(),
    )
}

type State = (prop::sample::Index, bool, u8);

fn links(topology: &Topology, states: &[State]) -> Links {
    let count = topology.connectors().len();
    let all: Vec<ConnectorId> = topology.connector_ids().collect();
    let mut claims = std::collections::BTreeMap::new();
    for (index, down, surcharge) in states.iter().filter(|_| count > 0) {
        let id = all[index.index(count)];
        let claim = Claim {
            target: Target::Connector(id),
            down: *down,
            surcharge: *surcharge,
        };
        for source in &topology.connector(id).unwrap().sources {
            claims.entry(*source).or_insert_with(Vec::new).push(claim);
        }
    }
    Links::derive(
        topology,
        claims.iter().map(|(id, said)| (*id, said.as_slice())),
    )
}

/// What bars a message for good, and what for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bars {
    Not,
    Now,
    ForGood,
}

/// The rules, read anew.
struct Model<'m> {
    settings: &'m Settings,
    topology: &'m Topology,
    links: &'m Links,
    mail: &'m Mail,
    goes_back: bool,
}

/// What a way is judged by: cost, hops.
type Worth = (u32, usize);

impl Model<'_> {
    fn bars(&self, connector: &Connector) -> Bars {
        let (size, urgent, sender, night, ..) = self.mail;
        let its = &connector.restrictions;
        let is_large = its.size_max.is_some_and(|most| *size > most);
        let is_calm = !its.priorities.is_empty() && !urgent;
        let is_stranger = its.senders.is_some_and(|list| !may(*sender, list));
        if is_large || is_calm || is_stranger {
            Bars::ForGood
        } else if !its.hours.is_empty() && !night {
            Bars::Now
        } else {
            Bars::Not
        }
    }

    fn written(&self, id: ConnectorId) -> &Connector {
        let name = &self.topology.connector(id).unwrap().name;
        let mut all = self.settings.connectors.iter();
        all.find(|connector| connector.name == *name).unwrap()
    }

    fn group(&self, name: &str) -> GroupId {
        self.topology.group_of_name(name).unwrap()
    }

    /// All simple ways to a group over connectors for which something holds.
    fn ways(&self, to: GroupId, with: &dyn Fn(ConnectorId) -> bool) -> Vec<Vec<ConnectorId>> {
        let own = self.group("a");
        let mut found = Vec::new();
        let mut open = vec![(vec![own], Vec::new())];
        while let Some((groups, path)) = open.pop() {
            let here = *groups.last().unwrap();
            if here == to {
                found.push(path);
                continue;
            }
            for id in &self.topology.group(here).unwrap().ways_out {
                let next = self.topology.connector(*id).unwrap().to;
                if with(*id) && !groups.contains(&next) {
                    let path = [&path[..], &[*id]].concat();
                    open.push(([&groups[..], &[next]].concat(), path));
                }
            }
        }
        found
    }

    fn leads_on(&self, id: ConnectorId) -> bool {
        let connector = self.topology.connector(id).unwrap();
        let left: Vec<GroupId> = self
            .mail
            .4
            .iter()
            .map(|at| self.group(GROUPS[*at]))
            .collect();
        if self.goes_back {
            let step = [connector.from, connector.to];
            return connector.from != self.group("a") || !left.windows(2).any(|two| two == step);
        }
        !left.contains(&connector.to)
    }

    /// Whether it has left the goal's group after this one.
    fn was_returned(&self, to: GroupId) -> bool {
        let left: Vec<GroupId> = self
            .mail
            .4
            .iter()
            .map(|at| self.group(GROUPS[*at]))
            .collect();
        let own = left.iter().position(|group| *group == self.group("a"));
        own.is_some_and(|own| left[own..].contains(&to))
    }

    /// Ways that work, over what bars the message less than this.
    fn working(&self, to: GroupId, bar: Bars) -> Vec<(Worth, ConnectorId)> {
        let with = |id: ConnectorId| {
            let works = self.links.cost(self.topology, id).is_some();
            works && self.leads_on(id) && self.is_below(id, bar)
        };
        let cost = |id: &ConnectorId| self.links.cost(self.topology, *id).unwrap();
        let ways = self
            .ways(to, &with)
            .into_iter()
            .filter(|path| !path.is_empty());
        ways.map(|path| ((path.iter().map(cost).sum(), path.len()), path[0]))
            .collect()
    }

    /// Ways as configured, over what doesn't bar it for good.
    fn cut(&self, to: GroupId) -> Vec<(Worth, ConnectorId)> {
        let with = |id| self.leads_on(id) && self.is_below(id, Bars::ForGood);
        let cost = |id: &ConnectorId| self.topology.connector(*id).unwrap().cost;
        let ways = self.ways(to, &with).into_iter();
        ways.map(|path| ((path.iter().map(cost).sum(), path.len()), path[0]))
            .collect()
    }

    fn is_below(&self, id: ConnectorId, bar: Bars) -> bool {
        match (self.bars(self.written(id)), bar) {
            (Bars::Not, _) => true,
            (Bars::Now, bar) => bar == Bars::ForGood,
            (Bars::ForGood, _) => false,
        }
    }

    /// The first connectors of the best ways that may be taken.
    fn firsts(&self, ways: &[(Worth, ConnectorId)], may_share: bool) -> BTreeSet<String> {
        let least = ways.iter().map(|(worth, _)| *worth).min();
        let best = ways.iter().filter(|(worth, _)| Some(*worth) == least);
        let best: BTreeSet<ConnectorId> = best.map(|(_, first)| *first).collect();
        let weighs = |id: &ConnectorId| self.written(*id).weight.is_some();
        let shared = may_share && best.iter().all(weighs);
        let taken = best.into_iter().take(if shared { usize::MAX } else { 1 });
        taken
            .map(|id| format!("{}/group", self.topology.connector(id).unwrap().name))
            .collect()
    }

    fn is_barred(&self, to: GroupId) -> bool {
        !self.ways(to, &|id| self.leads_on(id)).is_empty()
    }

    /// All that may be chosen for a server of a group.
    fn to_group(&self, to: GroupId) -> BTreeSet<String> {
        for bar in [Bars::Now, Bars::ForGood] {
            let ways = self.working(to, bar);
            if !ways.is_empty() {
                return self.firsts(&ways, true);
            }
        }
        let cut = self.cut(to);
        if !cut.is_empty() {
            return self.firsts(&cut, false);
        }
        let some_way = !self.ways(to, &|_| true).is_empty();
        let may_go_back = !self.goes_back && !self.was_returned(to);
        if may_go_back && some_way && !self.is_barred(to) {
            // No way without going back was ever meant to lead there.
            let goes_back = true;
            return Model { goes_back, ..*self }.to_group(to);
        }
        let barred = if self.is_barred(to) {
            "barred"
        } else {
            "unreachable"
        };
        [barred.to_owned()].into()
    }

    /// All that may be chosen for an address in example.net.
    fn to_address(&self) -> BTreeSet<String> {
        let own = self.group("a");
        let (mut barred, mut lost) = (false, false);
        for pattern in PATTERNS {
            let all = self.settings.connectors.iter().filter(|connector| {
                let is_exit = connector.next_hop != ConnectorHop::Group;
                is_exit && connector.address_spaces[0].pattern.to_string() == pattern
            });
            let mut all: Vec<&Connector> = all.collect();
            if all.is_empty() {
                continue;
            }
            all.sort_by_key(|connector| &connector.name);
            all.retain(|connector| self.bars(connector) != Bars::ForGood);
            if all.is_empty() {
                barred = true;
                continue;
            }
            let open = all.iter().filter(|one| self.bars(one) == Bars::Not);
            let open: Vec<&Connector> = open.copied().collect();
            for (exits, bar) in [
                (&open, Bars::Now),
                (&open, Bars::ForGood),
                (&all, Bars::Now),
                (&all, Bars::ForGood),
            ] {
                let chosen = self.exits(exits, bar, own);
                if !chosen.is_empty() {
                    return chosen;
                }
            }
            let cut = all.iter().filter_map(|exit| {
                let ways = self.cut(self.group(&exit.group));
                let (worth, _) = *ways.iter().min()?;
                let total = worth.0 + exit.address_spaces[0].cost;
                Some(((total, worth.1), &exit.name, self.firsts(&ways, false)))
            });
            if let Some((_, _, firsts)) = cut.min() {
                return firsts;
            }
            for exit in &all {
                let to = self.group(&exit.group);
                if self.is_barred(to) {
                    barred = true;
                } else if !self.ways(to, &|_| true).is_empty() {
                    return ["unreachable".to_owned()].into();
                } else {
                    lost = true;
                }
            }
        }
        let said = match (barred, lost) {
            (true, _) => "barred",
            (false, true) => "unreachable",
            (false, false) => "no space",
        };
        [said.to_owned()].into()
    }

    /// The best of some exits, over ways that work.
    fn exits(&self, exits: &[&Connector], bar: Bars, own: GroupId) -> BTreeSet<String> {
        let reached = exits.iter().filter_map(|exit| {
            let (to, cost) = (self.group(&exit.group), exit.address_spaces[0].cost);
            if to == own {
                return Some(((cost, 0), *exit));
            }
            let ways = self.working(to, bar);
            let (worth, _) = ways.iter().min()?;
            Some(((worth.0 + cost, worth.1), *exit))
        });
        let reached: Vec<(Worth, &Connector)> = reached.collect();
        let least = reached.iter().map(|(worth, _)| *worth).min();
        let best = reached.iter().filter(|(worth, _)| Some(*worth) == least);
        let best: Vec<&Connector> = best.map(|(_, exit)| *exit).collect();
        let shared = best.iter().all(|exit| exit.weight.is_some());
        let taken = best.iter().take(if shared { usize::MAX } else { 1 });
        taken
            .flat_map(|exit| match self.group(&exit.group) == own {
                true => [format!("{}/example.net", exit.name)].into(),
                false => self.firsts(&self.working(self.group(&exit.group), bar), true),
            })
            .collect()
    }
}

fn chosen(table: &Table, goal: Goal<'_>, mail: &Mail) -> String {
    let (size, urgent, sender, night, left, key) = mail;
    let journey = Journey {
        groups: left.iter().map(|group| GROUPS[*group].into()).collect(),
        servers: Vec::new(),
    };
    // Which list stands at a connector is what its settings say.
    let lists = |name: &str| {
        let mut all = table.settings().connectors.iter();
        let found = all.find(|connector| &*connector.name == name).unwrap();
        may(*sender, found.restrictions.senders.unwrap())
    };
    let facts = Facts {
        size: *size,
        priority: if *urgent {
            Priority::High
        } else {
            Priority::Normal
        },
        sender_may: &lists,
        at: Timestamp::from_millis(if *night { 0 } else { NOON }),
        journey: Some(&journey),
        key: *key,
    };
    match table.route(goal, &facts) {
        Ok(hop) => match hop.link().to_string() {
            link if link.starts_with("unreachable") => "unreachable".to_owned(),
            link => link,
        },
        Err(failure) if failure.to_string().starts_with("5.4.4") => "no space".to_owned(),
        Err(_) => "barred".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_best_of_all_ways_that_take_a_message_is_chosen(
        connectors in connectors(),
        states in prop::collection::vec(prop::collection::vec(any::<State>().prop_map(|(at, down, load)| (at, down, load % 3)), 0..5), 1..3),
        mails in prop::collection::vec(mail(), 1..12),
    ) {
        let settings = world("a1", &GROUPS, connectors);
        let topology = settings.topology.as_deref().unwrap();
        let address = Address::parse("x@example.net").unwrap();
        let mut table = Table::build(&settings, &Links::default());
        for states in &states {
            let links = Arc::new(links(topology, states));
            table = table.with_links(Arc::clone(&links));
            for mail in &mails {
                let model = Model { settings: &settings, topology, links: &links, mail, goes_back: false };
                for group in &GROUPS[1..] {
                    let may_be = model.to_group(model.group(group));
                    let is = chosen(&table, Goal::Server(&format!("{group}1")), mail);
                    prop_assert!(may_be.contains(&is), "to {group}: {is}, not {may_be:?}; {mail:?}");
                }
                let may_be = model.to_address();
                let is = chosen(&table, Goal::Address(&address), mail);
                prop_assert!(may_be.contains(&is), "to the address: {is}, not {may_be:?}; {mail:?}");
            }
        }
    }
}
