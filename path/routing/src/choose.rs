//! The choice itself: which connector serves an address, and which way leads to a group, for one message.
//!
//! Guards: what a message's facts bar is never chosen; a way leads into a group that it has left only where nothing else was ever
//! meant to lead on. The usual message, that
//! nothing bars, is served from what was computed before.

use crate::facts::{Bar, Verdicts};
use crate::kinds::{Common, Space};
use crate::net::Choice;
use crate::paths::{Paths, Reach, pick};
use crate::table::Table;
use bridgehead_linkstate::path::{Route, Wait};
use bridgehead_linkstate::{ConnectorId, GroupId};
use bridgehead_mail::{Domain, Failure};
use std::sync::Arc;

/// A way to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lead {
    /// The connectors, in order; none in the own group.
    pub(crate) path: Vec<ConnectorId>,
    /// The first of them that is out, if one is.
    pub(crate) behind: Option<ConnectorId>,
}

/// Why nothing was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// A restriction leaves no way: permanent.
    Barred(usize, Bar),
    /// Every way leads back into a group that was visited.
    Visited,
    /// No connector leads there.
    NoConnector,
    /// No address space covers it: permanent.
    NoSpace,
}

/// A connector with a way to its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) choice: Choice,
    pub(crate) lead: Lead,
}

impl Table {
    /// The way to a group. It leads back into groups that the message has left only if no way was ever meant to lead on from here
    /// without that: then the message didn't come here on its way there, but its mailbox has moved since, or the connectors have
    /// changed.
    pub(crate) fn lead(&self, to: GroupId, verdicts: &Verdicts<'_>) -> Result<Lead, NoWay> {
        match self.lead_on(to, verdicts) {
            Err(NoWay::Visited) if !self.was_returned(to, verdicts) => {
                self.lead_on(to, &verdicts.going_back())
            }
            lead => lead,
        }
    }

    /// Whether the message has left the goal's group since it has left this one: who is there believes otherwise than this group did.
    fn was_returned(&self, to: GroupId, verdicts: &Verdicts<'_>) -> bool {
        let mut left = self.left(verdicts);
        left.any(|group| Some(group) == self.net().own_group) && left.any(|group| group == to)
    }

    fn lead_on(&self, to: GroupId, verdicts: &Verdicts<'_>) -> Result<Lead, NoWay> {
        let Some(plain) = self.plain() else {
            return Err(NoWay::NoConnector);
        };
        if let Some(lead) = self.lead_by(plain, to, verdicts)
            && self.is_clear(&lead, verdicts)
        {
            return Ok(lead);
        }
        let common = self.common(verdicts);
        // One that works goes before one that is open but cut; of those that are cut the one by all that may ever carry it.
        let mut cut = None;
        for paths in &common.sets {
            match self.lead_by(paths, to, verdicts) {
                Some(lead) if lead.behind.is_none() => return Ok(lead),
                lead => cut = lead.or(cut),
            }
        }
        cut.ok_or_else(|| self.why_not(to, &common, verdicts))
    }

    /// The way by one set of paths.
    pub(crate) fn lead_by(
        &self,
        paths: &Paths,
        to: GroupId,
        verdicts: &Verdicts<'_>,
    ) -> Option<Lead> {
        let reach = paths.reach(self.net(), self.links(), to)?;
        let behind = match &reach.route {
            Route::Here | Route::Via(_) => None,
            Route::Wait(Wait::Cut { behind, .. }) => Some(*behind),
            Route::Wait(Wait::Visited | Wait::NoWay) => return None,
        };
        let path = reach.path(verdicts.facts.key).to_vec();
        Some(Lead { path, behind })
    }

    /// Whether no connector of a way bars the message, and none leads into a group that it has visited.
    pub(crate) fn is_clear(&self, lead: &Lead, verdicts: &Verdicts<'_>) -> bool {
        let (net, visited) = (self.net(), self.visited(verdicts));
        let bars = |id: &ConnectorId| {
            net.place(*id)
                .and_then(|place| verdicts.bar(place))
                .is_some()
        };
        let leads_back = |id: &ConnectorId| {
            let connector = net.topology().and_then(|topology| topology.connector(*id));
            let leads_back = connector.is_some_and(|connector| visited.contains(&connector.to));
            leads_back && (!verdicts.goes_back || self.begins_here(*id))
        };
        !lead.path.iter().any(|id| bars(id) || leads_back(id))
    }

    /// The groups that the message has left, in order.
    fn left<'v>(&'v self, verdicts: &Verdicts<'v>) -> impl Iterator<Item = GroupId> + 'v {
        let groups = verdicts.facts.journey.map(|journey| &*journey.groups);
        let groups = groups.unwrap_or_default().iter();
        groups.filter_map(|name| self.net().group(name))
    }

    /// The groups that the message may not enter: all that it has left (but for the own one, as nothing leads into that anyway). One
    /// that goes back may not take a step again that it has taken: these are the groups to which it went from the own one.
    fn visited(&self, verdicts: &Verdicts<'_>) -> Vec<GroupId> {
        let own = self.net().own_group;
        let left = self.left(verdicts);
        if !verdicts.goes_back {
            return left.filter(|group| Some(*group) != own).collect();
        }
        let left: Vec<GroupId> = left.collect();
        let steps = left.iter().zip(left.iter().skip(1));
        let taken = steps.filter(|(from, _)| Some(**from) == own);
        taken.map(|(_, to)| *to).collect()
    }

    /// The connectors that lead into groups that the message may not enter.
    fn leading_back(&self, verdicts: &Verdicts<'_>) -> Vec<ConnectorId> {
        let Some(topology) = self.net().topology() else {
            return Vec::new();
        };
        let visited = self.visited(verdicts);
        let groups = visited.iter().filter_map(|group| topology.group(*group));
        let ways = groups.flat_map(|group| group.ways_in.iter().copied());
        ways.filter(|id| !verdicts.goes_back || self.begins_here(*id))
            .collect()
    }

    fn begins_here(&self, id: ConnectorId) -> bool {
        let topology = self.net().topology();
        let connector = topology.and_then(|topology| topology.connector(id));
        connector.is_some_and(|connector| Some(connector.from) == self.net().own_group)
    }

    /// What messages of this kind have in common.
    pub(crate) fn common(&self, verdicts: &Verdicts<'_>) -> Arc<Common> {
        let mut left = self.visited(verdicts);
        left.sort_unstable();
        left.dedup();
        self.kinds()
            .common(verdicts.kind(left), || self.find_common(verdicts))
    }

    fn find_common(&self, verdicts: &Verdicts<'_>) -> Common {
        let back = self.leading_back(verdicts);
        let barred = |is: &dyn Fn(Bar) -> bool| {
            let choosy = self.net().choosy.iter();
            let barred = choosy.filter(|(_, place)| verdicts.bar(*place).is_some_and(is));
            let barred = barred.map(|(id, _)| *id);
            back.iter().copied().chain(barred).collect::<Vec<_>>()
        };
        let (now, ever) = (barred(&|_| true), barred(&Bar::is_hard));
        let ever = Some(ever).filter(|ever| *ever != now);
        let sets = [Some(now), ever].into_iter().flatten();
        Common::new(
            sets.filter_map(|barred| self.paths_without(barred))
                .collect(),
        )
    }

    /// The paths that lead into no group that the message has left, whatever bars it.
    pub(crate) fn without_bars<'c>(
        &self,
        common: &'c Common,
        verdicts: &Verdicts<'_>,
    ) -> Option<&'c Paths> {
        let paths = common
            .unrestricted
            .get_or_init(|| self.paths_without(self.leading_back(verdicts)));
        paths.as_deref()
    }

    /// Why no way leads to a group, where none does.
    pub(crate) fn why_not(&self, to: GroupId, common: &Common, verdicts: &Verdicts<'_>) -> NoWay {
        let paths = self.without_bars(common, verdicts);
        let reach = paths.and_then(|paths| paths.reach(self.net(), self.links(), to));
        // The best way, whichever share the message would get: all messages of a kind hear the same.
        let path = reach.map_or(&[][..], Reach::best);
        let mut places = path.iter().filter_map(|id| self.net().place(*id));
        let bar = places.find_map(|place| Some((place, verdicts.hard_bar(place)?)));
        if let Some((place, bar)) = bar {
            return NoWay::Barred(place, bar);
        }
        let plain = self.plain();
        match plain.and_then(|plain| self.lead_by(plain, to, verdicts)) {
            Some(_) => NoWay::Visited,
            None => NoWay::NoConnector,
        }
    }

    /// The connector for an address, and the way to its group.
    pub(crate) fn choose(&self, domain: &Domain, verdicts: &Verdicts<'_>) -> Result<Chosen, NoWay> {
        if let Some((list, _)) = self.net().levels(domain).next()
            && let Some(best) = self.best_of(list)
            && let Some(chosen) = self.take(best, self.plain(), verdicts)
            && verdicts.bar(chosen.choice.connector).is_none()
            && self.is_clear(&chosen.lead, verdicts)
        {
            return Ok(chosen);
        }
        self.choose_slowly(domain, verdicts)
    }

    /// The same where something bars the message from what is best for others.
    fn choose_slowly(&self, domain: &Domain, verdicts: &Verdicts<'_>) -> Result<Chosen, NoWay> {
        let common = self.common(verdicts);
        let (mut bar, mut why) = (None, None);
        for (list, _) in self.net().levels(domain) {
            let space = common.space(list, || self.space(list, &common, verdicts));
            match &*space {
                Space::Shared(best, paths) => {
                    if let Some(chosen) = self.take(best, paths.as_deref(), verdicts) {
                        return Ok(chosen);
                    }
                }
                Space::Cut(chosen) => return Ok(chosen.clone()),
                // The way that is meant for it is there: it isn't sent over a more general one instead.
                Space::Nothing {
                    lost: Some(NoWay::Visited),
                    ..
                } => return Err(NoWay::Visited),
                Space::Nothing { barred, lost } => {
                    bar = bar.or(*barred);
                    why = why.or(*lost);
                }
            }
        }
        Err(match bar {
            Some((place, bar)) => NoWay::Barred(place, bar),
            None => why.unwrap_or(NoWay::NoSpace),
        })
    }

    /// What one address space holds for messages of a kind.
    fn space(&self, list: usize, common: &Common, verdicts: &Verdicts<'_>) -> Space {
        let list = self.net().lists.get(list).map(Vec::as_slice);
        let list = list.unwrap_or_default();
        let is_open = |choice: &&Choice| verdicts.hard_bar(choice.connector).is_none();
        let open: Vec<Choice> = list.iter().filter(is_open).copied().collect();
        if open.is_empty() {
            let mut bars = list.iter().filter_map(|choice| {
                Some((choice.connector, verdicts.hard_bar(choice.connector)?))
            });
            return Space::Nothing {
                barred: bars.next(),
                lost: None,
            };
        }
        if let Some(space) = self.among(&open, common, verdicts) {
            return space;
        }
        let (mut barred, mut lost) = (None, None);
        let mut goals: Vec<GroupId> = Vec::new();
        for choice in open {
            let Some(goal) = self.net().from(choice.connector) else {
                continue;
            };
            if goals.contains(&goal) {
                continue;
            }
            goals.push(goal);
            match self.why_not(goal, common, verdicts) {
                NoWay::Barred(place, bar) => barred = barred.or(Some((place, bar))),
                NoWay::Visited => {
                    lost = Some(NoWay::Visited);
                    break;
                }
                why => lost = lost.or(Some(why)),
            }
        }
        Space::Nothing { barred, lost }
    }

    /// The best of some choices of one address space: over what works and is open, else over what works, else over what is only
    /// cut.
    fn among(&self, open: &[Choice], common: &Common, verdicts: &Verdicts<'_>) -> Option<Space> {
        let is_open = |choice: &&Choice| verdicts.bar(choice.connector).is_none();
        let now: Vec<Choice> = open.iter().filter(is_open).copied().collect();
        let sets: Vec<Option<&Arc<Paths>>> = match self.plain() {
            Some(_) => common.sets.iter().map(Some).collect(),
            None => vec![None],
        };
        for choices in [now.as_slice(), open] {
            for paths in &sets {
                let plain = paths.map(Arc::as_ref);
                let best = self.best(choices, plain);
                if self.take(&best, plain, verdicts).is_some() {
                    return Some(Space::Shared(best, paths.cloned()));
                }
            }
        }
        let paths = common.sets.last()?;
        let cut = open.iter().filter_map(|choice| {
            let to = self.net().from(choice.connector)?;
            let lead = self.lead_by(paths, to, verdicts)?;
            let cost: u32 = lead.path.iter().map(|id| self.configured(*id)).sum();
            let name = &self.net().connector(choice.connector)?.name;
            let order = (cost.saturating_add(choice.cost), lead.path.len(), name);
            let choice = *choice;
            Some((order, Chosen { choice, lead }))
        });
        let best = cut.min_by(|(one, _), (other, _)| one.cmp(other));
        best.map(|(_, chosen)| Space::Cut(chosen))
    }

    fn configured(&self, id: ConnectorId) -> u32 {
        let topology = self.net().topology();
        let connector = topology.and_then(|topology| topology.connector(id));
        connector.map_or(0, |connector| connector.cost)
    }

    /// What choices cost in all, with the hops; none where no working way leads there.
    pub(crate) fn total(&self, choice: Choice, paths: Option<&Paths>) -> Option<(u32, u32)> {
        if self.net().is_here(choice.connector) {
            return Some((choice.cost, 0));
        }
        let (cost, hops) = paths?.distance(self.net().from(choice.connector)?)?;
        Some((cost.saturating_add(choice.cost), hops))
    }

    /// The choices of least cost and fewest hops among which the load is shared; the first in name order where no load is.
    pub(crate) fn best(&self, choices: &[Choice], paths: Option<&Paths>) -> Vec<Choice> {
        let reached = choices
            .iter()
            .filter_map(|choice| Some((self.total(*choice, paths)?, *choice)));
        let mut reached: Vec<((u32, u32), Choice)> = reached.collect();
        let Some(least) = reached.iter().map(|(total, _)| *total).min() else {
            return Vec::new();
        };
        reached.retain(|(total, _)| *total == least);
        let mut best: Vec<Choice> = reached.into_iter().map(|(_, choice)| choice).collect();
        best.dedup_by_key(|choice| choice.connector);
        if best.iter().any(|choice| self.weight(*choice).is_none()) {
            best.truncate(1);
        }
        best
    }

    fn weight(&self, choice: Choice) -> Option<u32> {
        self.net().connector(choice.connector)?.weight
    }

    /// One of the best, with the way to it.
    fn take(
        &self,
        best: &[Choice],
        paths: Option<&Paths>,
        verdicts: &Verdicts<'_>,
    ) -> Option<Chosen> {
        // Another number than that by which paths share, so that each share of one has its shares of the other.
        let key = verdicts.facts.key.rotate_left(32);
        let choice = *pick(best, key, |choice| self.weight(*choice).unwrap_or(1))?;
        if self.net().is_here(choice.connector) {
            let lead = Lead {
                path: Vec::new(),
                behind: None,
            };
            return Some(Chosen { choice, lead });
        }
        let lead = self.lead_by(paths?, self.net().from(choice.connector)?, verdicts)?;
        Some(Chosen { choice, lead })
    }

    /// What the sender is told of an address that no connector serves.
    pub(crate) fn no_space(domain: &Domain) -> Failure {
        let text = format!("No connector of this organisation leads to {domain}");
        Failure::new(bridgehead_mail::StatusCode::permanent(4, 4), &text)
    }
}
