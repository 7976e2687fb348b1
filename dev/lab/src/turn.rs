//! What was done to a link or a server, and what mail made of it: how long until it went around, or came that way again.
//!
//! Guards: only mail whose usual way was concerned counts, so that mail which never went there doesn't pass for mail that was turned.

use crate::account::{Arrival, Sent};
use std::collections::BTreeMap;

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// What was typed.
    pub(crate) words: String,
    /// Where.
    pub(crate) place: Place,
    /// Mail can't go there from now on; otherwise it can again.
    pub(crate) shut: bool,
    /// When all servers knew.
    pub(crate) known: Option<u64>,
}

/// Where something was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between these servers.
    Link {
        /// Names of the connectors.
        names: Vec<String>,
        /// Pairs of servers in the direction of mail.
        pairs: Vec<(String, String)>,
    },
    /// At this server.
    Server(String),
}

impl Place {
    /// What is done at one of them changes what was done at the other.
    pub(crate) fn touches(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Link { names: own, .. }, Self::Link { names: others, .. }) => {
                own.iter().any(|name| others.contains(name))
            }
            _ => self == other,
        }
    }

    fn is_on(&self, path: &[String]) -> bool {
        match self {
            Self::Link { pairs, .. } => path.windows(2).any(|step| {
                let mut pairs = pairs.iter();
                pairs.any(|(from, to)| step.first() == Some(from) && step.get(1) == Some(to))
            }),
            Self::Server(name) => path.contains(name),
        }
    }
}

/// A message that arrived.
pub(crate) type Journey<'a> = (&'a Sent, &'a Arrival);

/// What became of mail after each of them, a line each.
pub(crate) fn lines(turns: &[Turn], all: &[Journey<'_>]) -> Vec<String> {
    let each = turns.iter().enumerate();
    let lines = each.map(|(number, turn)| {
        let mut later = turns.iter().skip(number + 1);
        let next = later.find(|later| later.place.touches(&turn.place));
        let until = next.map_or(u64::MAX, |next| next.at);
        format!("{:<24} {}", turn.words, turn.outcome(until, all))
    });
    lines.collect()
}

impl Turn {
    fn outcome(&self, until: u64, all: &[Journey<'_>]) -> String {
        let mut parts = Vec::new();
        if let Some(known) = self.known {
            let after = seconds(known.saturating_sub(self.at));
            parts.push(format!("known to all after {after}"));
        } else if let Place::Link { .. } = self.place {
            parts.push("never known to all".to_owned());
        }
        let is_then = |arrival: &Arrival| (self.at..until).contains(&arrival.at);
        if !self.shut {
            let there = all.iter().map(|(_, arrival)| *arrival);
            let there = there.filter(|arrival| is_then(arrival) && self.place.is_on(&arrival.path));
            parts.push(first("that way again", self.at, there));
            return parts.join("; ");
        }
        let usual = self.usual(all);
        let turned = all.iter().filter(|(sent, arrival)| {
            let usual = usual.get(&(sent.through.as_str(), sent.to.as_str()));
            usual.is_some_and(|usual| self.place.is_on(usual))
                && is_then(arrival)
                && !self.place.is_on(&arrival.path)
        });
        parts.push(first(
            "around it",
            self.at,
            turned.map(|(_, arrival)| *arrival),
        ));
        parts.join("; ")
    }

    /// The way that most mail between two servers had taken before.
    fn usual<'a>(&self, all: &[Journey<'a>]) -> BTreeMap<(&'a str, &'a str), &'a [String]> {
        let mut counts: BTreeMap<_, BTreeMap<&[String], usize>> = BTreeMap::new();
        for (sent, arrival) in all {
            if arrival.at < self.at {
                let ends = (sent.through.as_str(), sent.to.as_str());
                let paths = counts.entry(ends).or_default();
                *paths.entry(arrival.path.as_slice()).or_default() += 1;
            }
        }
        let most = counts.into_iter().filter_map(|(ends, paths)| {
            let most = paths.into_iter().max_by_key(|(_, count)| *count);
            most.map(|(path, _)| (ends, path))
        });
        most.collect()
    }
}

fn first<'a>(way: &str, at: u64, arrivals: impl Iterator<Item = &'a Arrival>) -> String {
    let mut times: Vec<u64> = arrivals.map(|arrival| arrival.at).collect();
    times.sort_unstable();
    match times.first() {
        Some(first) => {
            let after = seconds(first.saturating_sub(at));
            format!(
                "the first message {way} after {after}, {} in all",
                times.len()
            )
        }
        None => format!("no message {way}"),
    }
}

/// Milliseconds for people.
pub(crate) fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(at: u64, words: &str, shut: bool, known: Option<u64>) -> Turn {
        Turn {
            at,
            words: words.to_owned(),
            place: Place::Link {
                names: vec!["ams-nyc".to_owned()],
                pairs: vec![("ams1".to_owned(), "nyc1".to_owned())],
            },
            shut,
            known,
        }
    }

    fn went(to: &str, at: u64, path: &str) -> (Sent, Arrival) {
        let sent = Sent {
            through: "ams1".to_owned(),
            to: to.to_owned(),
            at: at - 5,
            accepted: true,
        };
        let arrival = Arrival {
            at_server: to.to_owned(),
            at,
            path: path.split(' ').map(str::to_owned).collect(),
        };
        (sent, arrival)
    }

    #[test]
    fn the_first_message_around_and_the_first_that_way_again() {
        let mail = [
            went("nyc1", 100, "ams1 nyc1"),
            went("syd1", 110, "ams1 syd1"),
            // Mail that never went there turns nothing.
            went("syd1", 1100, "ams1 syd1"),
            went("nyc1", 2500, "ams1 syd1 nyc1"),
            went("nyc1", 2600, "ams1 syd1 nyc1"),
            went("nyc1", 5250, "ams1 nyc1"),
        ];
        let all: Vec<_> = mail.iter().map(|(sent, arrival)| (sent, arrival)).collect();
        let turns = [
            turn(1000, "cut ams-nyc", true, Some(2300)),
            turn(5000, "heal ams-nyc", false, None),
            turn(6000, "cut ams-nyc", true, None),
        ];
        assert_eq!(
            lines(&turns, &all),
            [
                "cut ams-nyc              known to all after 1.3 s; the first message around it after 1.5 s, 2 in all",
                "heal ams-nyc             never known to all; the first message that way again after 0.2 s, 1 in all",
                "cut ams-nyc              never known to all; no message around it",
            ]
        );
    }

    #[test]
    fn mail_around_a_server() {
        let mail = [
            went("syd1", 100, "ams1 nyc1 syd1"),
            went("nyc1", 100, "ams1 nyc1"),
            went("syd1", 1900, "ams1 syd1"),
            went("nyc1", 4500, "ams1 nyc1"),
        ];
        let all: Vec<_> = mail.iter().map(|(sent, arrival)| (sent, arrival)).collect();
        let mut turns = [
            turn(1000, "kill nyc1", true, None),
            turn(4000, "start nyc1", false, None),
        ];
        for turn in &mut turns {
            turn.place = Place::Server("nyc1".to_owned());
        }
        assert_eq!(
            lines(&turns, &all),
            [
                "kill nyc1                the first message around it after 0.9 s, 1 in all",
                "start nyc1               the first message that way again after 0.5 s, 1 in all",
            ]
        );
    }
}
