//! Why mail goes where it goes: the path with the cost of each step, the others that could have been, and what each lost by.

use crate::choose::{Chosen, Lead, NoWay};
use crate::facts::{Bar, Facts, Goal, Verdicts};
use crate::kinds::Common;
use crate::net::{Choice, Specific};
use crate::paths::Paths;
use crate::settings::{Scope, Settings};
use crate::table::Table;
use bridgehead_linkstate::path::{self, Route, Wait, Why};
use bridgehead_linkstate::{ConnectorId, GroupId};
use bridgehead_mail::{Domain, Failure, NextHop};
use std::sync::Arc;

/// A connector that could serve an address, and why it won or lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The connector.
    pub connector: Box<str>,
    /// The address space that matched.
    pub address_space: String,
    /// What that costs.
    pub cost: u32,
    /// What it costs with the path to its routing group; none if no working path leads there.
    pub total: Option<u32>,
    /// The path to its routing group.
    pub path: Vec<Step>,
    /// Why it won or lost.
    pub verdict: String,
}

/// A connector on a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The connector.
    pub connector: Box<str>,
    /// The routing group that it leads out of.
    pub from: Box<str>,
    /// The routing group that it leads to.
    pub to: Box<str>,
    /// What it costs now; as configured where it is out.
    pub cost: u32,
    /// Whether it is out.
    pub is_down: bool,
    /// Whether it works, but not for this server: another of its bridgeheads takes the mail.
    pub is_down_here: bool,
}

/// A first connector that wasn't taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerUp {
    /// The connector.
    pub connector: Box<str>,
    /// The best way over it.
    pub path: Vec<Step>,
    /// What that costs.
    pub cost: Option<u32>,
    /// Why it wasn't taken.
    pub why: String,
}

/// How a choice came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The address spaces from which was chosen, the chosen one first. None for a server.
    pub candidates: Vec<Candidate>,
    /// The path over routing groups.
    pub path: Vec<Step>,
    /// The other connectors that this server's group could have begun with.
    pub runners_up: Vec<RunnerUp>,
    /// The next hop, or why there is none.
    pub result: Result<NextHop, Failure>,
}

/// A routing group as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Its name.
    pub group: Box<str>,
    /// Cost and hops; none if no working path leads there.
    pub distance: Option<(u32, u32)>,
    /// The connectors that its mail takes first; none in the own group.
    pub next: Vec<Box<str>>,
    /// In words: how things stand.
    pub state: String,
}

impl Table {
    /// How the choice for a message comes about.
    #[must_use]
    pub fn explain(&self, goal: Goal<'_>, facts: &Facts<'_>) -> Explanation {
        let verdicts = Verdicts::new(self.net(), facts);
        let (candidates, group, lead) = match goal {
            Goal::Server(name) => {
                let group = self.group_of_server(name);
                let lead = group.and_then(|group| self.lead(group, &verdicts).ok());
                (Vec::new(), group, lead)
            }
            Goal::Address(address) => {
                let chosen = self.choose(address.domain(), &verdicts).ok();
                let candidates = self.candidates(address.domain(), chosen.as_ref(), &verdicts);
                let group = chosen
                    .as_ref()
                    .and_then(|chosen| self.net().from(chosen.choice.connector));
                (candidates, group, chosen.map(|chosen| chosen.lead))
            }
        };
        let path = lead
            .as_ref()
            .map_or_else(Vec::new, |lead| self.steps(&lead.path));
        Explanation {
            candidates,
            path,
            runners_up: group
                .map(|group| self.runners_up(group, lead.as_ref(), &verdicts))
                .unwrap_or_default(),
            result: self.route(goal, facts),
        }
    }

    fn group_of_server(&self, name: &str) -> Option<GroupId> {
        let topology = self.net().topology()?;
        let server = topology.server(self.net().server(name)?)?;
        Some(server.group)
    }

    fn steps(&self, path: &[ConnectorId]) -> Vec<Step> {
        let Some(topology) = self.net().topology() else {
            return Vec::new();
        };
        let name = |group| topology.group(group).map(|group| group.name.clone());
        let own = self.net().own_server;
        let is_down_here = |id| own.is_some_and(|own| self.links().is_down_at(id, own));
        let steps = path.iter().filter_map(|id| {
            let connector = topology.connector(*id)?;
            Some(Step {
                connector: connector.name.clone(),
                from: name(connector.from)?,
                to: name(connector.to)?,
                cost: self.links().cost(topology, *id).unwrap_or(connector.cost),
                is_down: self.links().is_down(*id),
                is_down_here: !self.links().is_down(*id) && is_down_here(*id),
            })
        });
        steps.collect()
    }

    fn candidates(
        &self,
        domain: &Domain,
        chosen: Option<&Chosen>,
        verdicts: &Verdicts<'_>,
    ) -> Vec<Candidate> {
        let common = self.common(verdicts);
        let sets = &common.sets;
        let (first, last) = (sets.first().map(Arc::as_ref), sets.last().map(Arc::as_ref));
        let mut rows = Vec::new();
        let mut winner = None;
        for (number, (list, space)) in self.net().levels(domain).enumerate() {
            let list = self.net().lists.get(list).map(Vec::as_slice);
            for choice in list.unwrap_or_default() {
                let is_chosen = winner.is_none() && chosen.is_some_and(|one| one.choice == *choice);
                if is_chosen {
                    winner = Some((space, *choice));
                }
                let total = self
                    .total(*choice, first)
                    .or_else(|| self.total(*choice, last));
                rows.push((!is_chosen, number, total.is_none(), total, space, *choice));
            }
        }
        rows.sort_by_key(|(lost, number, cut, total, ..)| (*lost, *number, *cut, *total));
        let candidates = rows
            .into_iter()
            .filter_map(|(lost, _, _, total, space, choice)| {
                let connector = self.net().connector(choice.connector)?;
                let lead = self.net().from(choice.connector).and_then(|to| {
                    let lead = first
                        .or(last)
                        .and_then(|paths| self.lead_by(paths, to, verdicts));
                    lead.or_else(|| self.unrestricted(to, &common, verdicts))
                });
                let verdict = match (lost, winner) {
                    (false, _) => self.won(chosen, first),
                    (true, None) => self.none_won(choice, &common, verdicts),
                    (true, Some(winner)) => {
                        self.lost(choice, space, total, winner, first, verdicts)
                    }
                };
                Some(Candidate {
                    connector: connector.name.clone(),
                    address_space: space.to_string(),
                    cost: choice.cost,
                    total: total.map(|(cost, _)| cost),
                    path: lead.map_or_else(Vec::new, |lead| self.steps(&lead.path)),
                    verdict,
                })
            });
        let mut candidates: Vec<Candidate> = candidates.collect();
        candidates.extend(out_of_scope(self.settings(), domain, |place| {
            self.net().is_here(place)
        }));
        candidates
    }

    fn won(&self, chosen: Option<&Chosen>, paths: Option<&Paths>) -> String {
        let behind = chosen.and_then(|chosen| chosen.lead.behind);
        let behind = behind.and_then(|id| self.net().topology()?.connector(id));
        if let Some(connector) = behind {
            return format!(
                "chosen: the most specific address space; it waits for connector {}, which is down",
                connector.name
            );
        }
        let shares = chosen.is_some_and(|chosen| {
            let lists = self.net().lists.iter();
            lists
                .filter(|list| list.contains(&chosen.choice))
                .any(|list| self.best(list, paths).len() > 1)
        });
        if shares {
            return "chosen: the most specific address space, at the lowest cost; its weight gave it this message".to_owned();
        }
        "chosen: the most specific address space, at the lowest cost".to_owned()
    }

    fn lost(
        &self,
        choice: Choice,
        space: Specific<'_>,
        total: Option<(u32, u32)>,
        (specific, won): (Specific<'_>, Choice),
        paths: Option<&Paths>,
        verdicts: &Verdicts<'_>,
    ) -> String {
        if let Some(bar) = verdicts.hard_bar(choice.connector) {
            return format!("lost: it {bar}");
        }
        if specific != space {
            return format!("lost: {space} is less specific than {specific}");
        }
        if verdicts.bar(choice.connector) == Some(Bar::Closed) {
            return format!("lost: it {}", Bar::Closed);
        }
        let (Some(its), Some(best)) = (total, self.total(won, paths)) else {
            return "lost: no working way leads to it".to_owned();
        };
        if its.0 > best.0 {
            return format!(
                "lost: same address space, but cost {} is higher than {}",
                its.0, best.0
            );
        }
        if its.1 > best.1 {
            return format!(
                "lost: same address space and cost, but {} hops are more than {}",
                its.1, best.1
            );
        }
        let weighs = |choice: Choice| {
            let connector = self.net().connector(choice.connector);
            connector.is_some_and(|connector| connector.weight.is_some())
        };
        if weighs(choice) && weighs(won) {
            return "shares the load: same address space, cost and hops".to_owned();
        }
        "lost: same address space and cost, later in name order".to_owned()
    }

    /// Why a connector lost where none won.
    fn none_won(&self, choice: Choice, common: &Common, verdicts: &Verdicts<'_>) -> String {
        if let Some(bar) = verdicts.hard_bar(choice.connector) {
            return format!("lost: it {bar}");
        }
        let Some(to) = self.net().from(choice.connector) else {
            return "lost: no way leads to it".to_owned();
        };
        match self.why_not(to, common, verdicts) {
            NoWay::Barred(place, bar) => {
                let connector = self.net().connector(place);
                let name = connector.map_or("", |connector| &connector.name);
                format!("lost: on the way to it connector {name} {bar}")
            }
            no_way => format!("lost: {}", self.words(no_way)),
        }
    }

    /// The other connectors that this server's group could begin with. Where one leads to the goal only over a connector that bars the
    /// message, it is shown with that way.
    fn runners_up(
        &self,
        to: GroupId,
        lead: Option<&Lead>,
        verdicts: &Verdicts<'_>,
    ) -> Vec<RunnerUp> {
        let common = self.common(verdicts);
        let with_lead = common
            .sets
            .iter()
            .find(|paths| self.lead_by(paths, to, verdicts).is_some());
        let Some(paths) = with_lead.or(common.sets.last()) else {
            return Vec::new();
        };
        let Some(explained) = paths.explain(self.net(), self.links(), to) else {
            return Vec::new();
        };
        let taken = lead.and_then(|lead| lead.path.first());
        let barred = self.barred_ways(to, &common, verdicts);
        let rows = explained.runners_up.into_iter();
        let rows = rows.filter(|row| Some(&row.connector) != taken);
        let rows = rows.filter_map(|row| {
            let connector = self.net().topology()?.connector(row.connector)?;
            let is_same = |way: &&BarredWay| way.path.first() == Some(&row.connector);
            let barred = barred.iter().find(is_same);
            let may_be_barred = matches!(row.why, Why::NotAllowed | Why::NoWay);
            let (path, cost, why) = match barred.filter(|_| may_be_barred) {
                Some(way) => (way.path.as_slice(), way.cost, way.why.clone()),
                None => (
                    row.path.as_slice(),
                    row.cost,
                    self.why(&row, paths, to, verdicts),
                ),
            };
            Some(RunnerUp {
                connector: connector.name.clone(),
                path: self.steps(path),
                cost,
                why,
            })
        });
        rows.collect()
    }

    fn why(
        &self,
        row: &path::RunnerUp,
        paths: &Paths,
        to: GroupId,
        verdicts: &Verdicts<'_>,
    ) -> String {
        let place = self.net().place(row.connector);
        let bar = place.and_then(|place| verdicts.bar(place));
        match (row.why, bar) {
            (Why::NotAllowed, Some(bar)) => format!("lost: it {bar}"),
            (Why::NotAllowed, None) => Why::LeadsBack.to_string(),
            // Without a share for each of them the first takes all.
            (Why::Shares, _) if !self.shares(paths, to) => Why::Name.to_string(),
            (why, _) => why.to_string(),
        }
    }

    /// The best way over each connector that this server's group can begin with, whatever bars the message, of those on which something
    /// does.
    fn barred_ways(&self, to: GroupId, common: &Common, verdicts: &Verdicts<'_>) -> Vec<BarredWay> {
        let explained = self
            .without_bars(common, verdicts)
            .and_then(|paths| paths.explain(self.net(), self.links(), to));
        let Some(explained) = explained else {
            return Vec::new();
        };
        let best = match explained.route {
            Route::Via(way) => Some((way.path, Some(way.cost))),
            Route::Here | Route::Wait(_) => None,
        };
        let others = explained.runners_up.into_iter();
        let all = best
            .into_iter()
            .chain(others.map(|row| (row.path, row.cost)));
        let barred = all.filter_map(|(path, cost)| {
            let (first, bar) = path.iter().find_map(|id| {
                let place = self.net().place(*id)?;
                Some((*id, verdicts.bar(place)?))
            })?;
            let topology = self.net().topology()?;
            let why = match path.first() == Some(&first) {
                true => format!("lost: it {bar}"),
                false => format!(
                    "lost: connector {} on it {bar}",
                    topology.connector(first)?.name
                ),
            };
            Some(BarredWay { path, cost, why })
        });
        barred.collect()
    }

    /// The way to a group, whatever bars the message from it.
    fn unrestricted(&self, to: GroupId, common: &Common, verdicts: &Verdicts<'_>) -> Option<Lead> {
        let paths = self.without_bars(common, verdicts)?;
        self.lead_by(paths, to, verdicts)
    }

    fn shares(&self, paths: &Paths, to: GroupId) -> bool {
        let reach = paths.reach(self.net(), self.links(), to);
        reach.is_some_and(|reach| reach.firsts().len() > 1)
    }

    /// The routing groups as this server reaches them, in the order of their names.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupRow> {
        let Some((topology, plain)) = self.net().topology().zip(self.plain()) else {
            return Vec::new();
        };
        let name = |id: ConnectorId| topology.connector(id).map(|found| found.name.clone());
        let rows = topology.group_ids().filter_map(|id| {
            let group = topology.group(id)?;
            let reach = plain.reach(self.net(), self.links(), id)?;
            let state = match &reach.route {
                Route::Here => "here".to_owned(),
                Route::Via(_) => "reached".to_owned(),
                Route::Wait(Wait::Cut { behind, .. }) => {
                    format!("cut: connector {} is down", name(*behind)?)
                }
                Route::Wait(Wait::Visited | Wait::NoWay) => {
                    "unreachable: no connector leads there".to_owned()
                }
            };
            Some(GroupRow {
                group: group.name.clone(),
                distance: plain.distance(id),
                next: reach.firsts().into_iter().filter_map(name).collect(),
                state,
            })
        });
        rows.collect()
    }
}

/// A way that bars a message, and where.
struct BarredWay {
    path: Vec<ConnectorId>,
    cost: Option<u32>,
    why: String,
}

/// Those that serve the domain, but only for the servers of another group.
fn out_of_scope(
    settings: &Settings,
    domain: &Domain,
    is_here: impl Fn(usize) -> bool,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (place, connector) in settings.connectors.iter().enumerate() {
        if connector.scope != Scope::Group || is_here(place) {
            continue;
        }
        let spaces = connector.address_spaces.iter();
        found.extend(
            spaces
                .filter(|space| space.pattern.covers(domain))
                .map(|space| Candidate {
                    connector: connector.name.clone(),
                    address_space: space.pattern.to_string(),
                    cost: space.cost,
                    total: None,
                    path: Vec::new(),
                    verdict: format!(
                        "lost: its scope is its own routing group, {}",
                        connector.group
                    ),
                }),
        );
    }
    found
}
