//! The pace of each link: its window, its rates, and how often it failed in a row.
//!
//! Guards: a failure of the network and a "too many" of the other side count by the same rule. What fails while others are under way
//! was one too many, and only makes the window smaller; what fails alone is the link's failure. Connections that hang as well aren't
//! under way: after a line that was dead for all of them the window grows as fast as at first.

use super::bucket::Bucket;
use super::window::Window;
use super::{Moment, Paused, Slowed};
use crate::view::LinkPace;
use bridgehead_mail::{LinkName, Rate};
use std::collections::HashMap;
use std::time::Duration;

/// A link that was idle for so long begins anew.
const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// How often a link failed is known for longer: it may not have been tried meanwhile.
const FAILURES_REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Others go on if something arrived in this time before a failure that nobody explains.
const GOING_ON: Duration = Duration::from_secs(5);

/// What the operator's bounds are for one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Most {
    /// Connections that it begins with.
    pub(crate) first: usize,
    /// Connections at once.
    pub(crate) connections: usize,
    /// How often a message.
    pub(crate) messages: Option<Rate>,
    /// How often a new connection.
    pub(crate) new_connections: Option<Rate>,
    /// The domain pattern whose row of `limits` says so, if one does.
    pub(crate) by: Option<Box<str>>,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Fewer connections at once; others are under way.
    Fewer,
    /// So many failures in a row, and nobody else is under way: all mail of the link waits.
    Hold {
        /// The first is 1.
        failures: u32,
    },
}

/// One link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) window: Window,
    pub(crate) most: Most,
    messages: Bucket,
    connections: Bucket,
    /// Couriers at work.
    pub(crate) couriers: usize,
    /// Those of them that have a connection.
    pub(crate) connected: usize,
    pub(crate) failures: u32,
    /// Some failed, and nobody has got through since: those who are under way decide.
    doubtful: bool,
    /// When something arrived last.
    worked_at: Option<Moment>,
    /// No other connection before this, and why.
    pub(crate) resting: Option<(Moment, Box<str>)>,
    pub(crate) slowed: Option<Slowed>,
    touched: Moment,
}

/// All links.
#[derive(Debug, Default)]
pub(crate) struct Links {
    known: HashMap<LinkName, Link>,
}

impl Links {
    /// A link, with the bounds that hold for it now.
    pub(crate) fn bound(&mut self, name: &LinkName, most: Most, now: Moment) -> &mut Link {
        let link = self.known.entry(name.clone()).or_insert_with(|| Link {
            window: Window::new(most.first, most.connections),
            most: most.clone(),
            messages: Bucket::default(),
            connections: Bucket::default(),
            couriers: 0,
            connected: 0,
            failures: 0,
            doubtful: false,
            worked_at: None,
            resting: None,
            slowed: None,
            touched: now,
        });
        if link.most != most {
            link.window.bind(most.connections);
            link.most = most;
            link.resting = None;
        }
        link.touched = now;
        link
    }

    pub(crate) fn get(&mut self, name: &LinkName) -> Option<&mut Link> {
        self.known.get_mut(name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&LinkName, &Link)> {
        self.known.iter()
    }

    /// A link needn't rest any more.
    pub(crate) fn wake(&mut self, name: &LinkName) {
        if let Some(link) = self.known.get_mut(name) {
            link.resting = None;
        }
    }

    /// Forgets what nobody needs any more.
    pub(crate) fn forget_old(&mut self, now: Moment) {
        self.known.retain(|_, link| {
            let kept = match link.failures {
                0 => REMEMBERED,
                _ => FAILURES_REMEMBERED,
            };
            let full = link.messages.is_full(now) && link.connections.is_full(now);
            link.couriers > 0 || !full || now.saturating_sub(link.touched) < kept
        });
    }
}

impl Link {
    /// What management sees of it.
    pub(crate) fn picture(&self, name: &LinkName, connections: usize, now: Moment) -> LinkPace {
        let rate = |rate: Option<Rate>, what: &str| rate.map(|rate| format!("{rate} {what}"));
        let messages = rate(self.most.messages, "messages");
        let new = rate(self.most.new_connections, "new connections");
        let resting = self.resting.as_ref().filter(|(until, _)| *until > now);
        LinkPace {
            link: name.clone(),
            connections,
            couriers: self.couriers,
            window: self.most_now(),
            bound: self.most.connections,
            rates: messages.into_iter().chain(new).collect(),
            limit: self.most.by.clone(),
            failures: self.failures,
            resting: resting.map(|(_, why)| why.clone()),
            slowed: self.slowed.clone(),
        }
    }

    /// One that failed is tried by one first.
    const fn most_now(&self) -> usize {
        if self.failures > 0 {
            1
        } else {
            self.window.size()
        }
    }

    /// How many couriers may be at work, while so many idle connections wait for one.
    ///
    /// # Errors
    /// If none may begin now.
    pub(crate) fn couriers_at_most(&self, idle: usize, now: Moment) -> Result<usize, Paused> {
        if let Some(rate) = self.most.messages
            && let Some(due) = self.messages.due(rate, now)
        {
            let why = format!("its limit of {rate} messages is used up");
            return Err(paused(&why, due, now));
        }
        let most = match self.doubtful {
            true => self.most_now().min(self.couriers.max(1)),
            false => self.most_now(),
        };
        let Some((until, why)) = self.resting.clone().filter(|(until, _)| *until > now) else {
            return Ok(most);
        };
        match self.couriers.saturating_add(idle) {
            0 => Err(paused(&why, until, now)),
            here => Ok(most.min(here)),
        }
    }

    /// Takes the right to hand one message over.
    ///
    /// # Errors
    /// If the rate doesn't allow it yet.
    pub(crate) fn take_message(&mut self, now: Moment) -> Result<(), Paused> {
        let Some(rate) = self.most.messages else {
            return Ok(());
        };
        self.messages.take(rate, now).map_err(|due| {
            let why = format!("its limit of {rate} messages is used up");
            paused(&why, due, now)
        })
    }

    /// There was no message.
    pub(crate) fn give_message_back(&mut self) {
        if let Some(rate) = self.most.messages {
            self.messages.give_back(rate);
        }
    }

    /// Takes the right to make one connection.
    ///
    /// # Errors
    /// If the rate doesn't allow it yet.
    pub(crate) fn take_connection(&mut self, now: Moment) -> Result<(), Paused> {
        let Some(rate) = self.most.new_connections else {
            return Ok(());
        };
        self.connections.take(rate, now).map_err(|due| {
            let why = format!("its limit of {rate} new connections is used up");
            paused(&why, due, now)
        })
    }

    /// No other connection is made for a while.
    pub(crate) fn rest(&mut self, paused: &Paused, now: Moment) {
        let until = now.saturating_add(paused.wait);
        self.resting = Some((until, paused.why.clone()));
    }

    /// A message arrived, or was refused for what it is. Returns whether there is room for another courier now, and whether
    /// that ends failures.
    pub(crate) fn worked(&mut self, now: Moment) -> (bool, bool) {
        self.doubtful = false;
        self.worked_at = Some(now);
        let recovered = std::mem::take(&mut self.failures) > 0;
        let grew = self.window.worked(self.couriers, self.connected, now);
        (grew || recovered, recovered)
    }

    /// A connection was lost in the middle: fewer at once, but no more than that follows from one message.
    pub(crate) fn lost(&mut self, began: Moment, now: Moment) {
        let others = self.connected > 1 && self.goes_on(now);
        self.window.failed(self.couriers, others, began, now);
    }

    /// A courier couldn't make a connection, or the other side said that it is too much, which is `told`; `connected` says whether
    /// that courier had a connection, and `began` when it began.
    pub(crate) fn failed(
        &mut self,
        connected: bool,
        told: bool,
        began: Moment,
        now: Moment,
    ) -> After {
        let through = self.connected.saturating_sub(usize::from(connected));
        let too_many = through > 0 && (told || self.goes_on(now));
        self.window.failed(self.couriers, too_many, began, now);
        if self.couriers > 1 {
            self.doubtful = through == 0;
            return After::Fewer;
        }
        self.doubtful = false;
        self.failures = self.failures.saturating_add(1);
        After::Hold {
            failures: self.failures,
        }
    }

    /// Whether something arrived a short while ago.
    fn goes_on(&self, now: Moment) -> bool {
        let is_recent = |at: Moment| now.saturating_sub(at) <= GOING_ON;
        self.worked_at.is_some_and(is_recent)
    }
}

fn paused(why: &str, until: Moment, now: Moment) -> Paused {
    Paused {
        why: why.into(),
        wait: until.saturating_sub(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Moment {
        Duration::from_secs(seconds)
    }

    fn most() -> Most {
        Most {
            first: 2,
            connections: 4,
            messages: None,
            new_connections: None,
            by: None,
        }
    }

    fn name() -> LinkName {
        LinkName::new("out/example.net")
    }

    #[test]
    fn a_failure_while_others_go_on_makes_the_window_smaller_and_holds_nothing() {
        let mut links = Links::default();
        let link = links.bound(&name(), most(), at(0));
        link.couriers = 2;
        link.connected = 2;
        assert_eq!(link.worked(at(1)), (true, false));
        link.couriers = 3;
        assert_eq!(link.failed(false, false, at(1), at(2)), After::Fewer);
        assert_eq!(link.couriers_at_most(0, at(2)), Ok(1));
        assert_eq!(link.failures, 0);
    }

    /// How large the window is after five arrivals behind a failure at second 25; the last arrival before was at this second.
    fn five_after_a_loss(last: u64) -> usize {
        let mut links = Links::default();
        let eight = Most {
            first: 8,
            connections: 8,
            ..most()
        };
        let link = links.bound(&name(), eight, at(0));
        (link.couriers, link.connected) = (8, 8);
        link.worked(at(last));
        link.lost(at(10), at(25));
        for _ in 0..5 {
            link.couriers = link.couriers_at_most(0, at(26)).unwrap();
            link.connected = link.couriers;
            link.worked(at(26));
        }
        link.window.size()
    }

    #[test]
    fn connections_that_hang_are_no_others_that_go_on() {
        assert_eq!(five_after_a_loss(24), 4, "one was too many");
        assert_eq!(five_after_a_loss(10), 8, "the line was dead");
    }

    #[test]
    fn a_failure_alone_holds_the_link_and_counts_until_something_arrives() {
        let mut links = Links::default();
        let link = links.bound(&name(), most(), at(0));
        link.couriers = 1;
        for failures in 1..4 {
            let now = at(u64::from(failures) * 60);
            assert_eq!(
                link.failed(false, false, now, now),
                After::Hold { failures }
            );
        }
        assert_eq!(link.couriers_at_most(0, at(200)), Ok(1));
        link.connected = 1;
        assert_eq!(link.worked(at(200)), (true, true));
        assert_eq!(link.failures, 0);
        assert_eq!(
            link.failed(true, true, at(300), at(301)),
            After::Hold { failures: 1 }
        );
    }

    #[test]
    fn of_several_that_fail_together_the_last_one_holds_and_no_other_begins() {
        let mut links = Links::default();
        let four = Most { first: 4, ..most() };
        let link = links.bound(&name(), four, at(0));
        for couriers in [4, 3, 2] {
            link.couriers = couriers;
            assert_eq!(link.failed(false, false, at(0), at(1)), After::Fewer);
            link.couriers -= 1;
            assert_eq!(link.couriers_at_most(0, at(1)), Ok(link.couriers.min(2)));
        }
        assert_eq!(
            link.failed(false, false, at(0), at(1)),
            After::Hold { failures: 1 }
        );
        // Once it works, it is soon where it was.
        link.connected = 1;
        for _ in 0..3 {
            link.worked(at(60));
            link.couriers = link.couriers_at_most(0, at(60)).unwrap();
            link.connected = link.couriers;
        }
        assert_eq!(link.couriers, 4);
    }

    #[test]
    fn who_gets_through_ends_the_doubt() {
        let mut links = Links::default();
        let link = links.bound(&name(), most(), at(0));
        link.couriers = 2;
        assert_eq!(link.failed(false, false, at(0), at(1)), After::Fewer);
        link.couriers = 1;
        link.connected = 1;
        assert_eq!(link.worked(at(2)), (true, false));
        assert_eq!(link.couriers_at_most(0, at(2)), Ok(2));
    }

    #[test]
    fn a_used_up_rate_says_when_to_ask_again() {
        let rate = Rate::parse("1/s").unwrap();
        let mut links = Links::default();
        let limited = Most {
            messages: Some(rate),
            new_connections: Rate::parse("30/min"),
            ..most()
        };
        let link = links.bound(&name(), limited, at(10));
        assert_eq!(link.take_message(at(10)), Ok(()));
        let paused = link.take_message(at(10)).unwrap_err();
        assert_eq!(paused.wait, at(1));
        assert_eq!(&*paused.why, "its limit of 1/s messages is used up");
        assert_eq!(link.couriers_at_most(0, at(10)), Err(paused));
        link.give_message_back();
        assert_eq!(link.couriers_at_most(0, at(10)), Ok(2));
        assert_eq!(link.take_connection(at(10)), Ok(()));
        assert_eq!(link.take_connection(at(11)).unwrap_err().wait, at(1));
    }

    #[test]
    fn who_rests_begins_nothing_new_and_those_who_are_there_go_on() {
        let mut links = Links::default();
        let link = links.bound(&name(), most(), at(0));
        let pause = Paused {
            why: "a reason".into(),
            wait: at(5),
        };
        link.rest(&pause, at(0));
        assert_eq!(link.couriers_at_most(0, at(0)), Err(pause.clone()));
        assert_eq!(link.couriers_at_most(1, at(0)), Ok(1));
        link.couriers = 1;
        assert_eq!(link.couriers_at_most(0, at(0)), Ok(1));
        assert_eq!(link.couriers_at_most(0, at(5)), Ok(2));
        link.rest(&pause, at(6));
        links.wake(&name());
        let link = links.get(&name()).unwrap();
        assert_eq!(link.couriers_at_most(0, at(6)), Ok(2));
    }

    #[test]
    fn what_was_idle_for_long_is_forgotten_but_failures_and_debts_are_not() {
        let mut links = Links::default();
        let names = ["a", "b", "c", "d"].map(LinkName::new);
        let hourly = Most {
            messages: Rate::parse("1/h"),
            ..most()
        };
        links.bound(&names[0], most(), at(0));
        links
            .bound(&names[1], most(), at(0))
            .failed(false, false, at(0), at(0));
        let _ = links.bound(&names[2], hourly, at(0)).take_message(at(0));
        links.bound(&names[3], most(), at(0)).couriers = 1;
        links.forget_old(at(20 * 60));
        let mut left: Vec<&str> = links.all().map(|(name, _)| name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(left, ["b", "c", "d"]);
    }

    #[test]
    fn other_bounds_hold_at_once() {
        let mut links = Links::default();
        links.bound(&name(), most(), at(0));
        let one = Most {
            connections: 1,
            ..most()
        };
        let link = links.bound(&name(), one, at(1));
        assert_eq!(link.couriers_at_most(0, at(1)), Ok(1));
    }
}
