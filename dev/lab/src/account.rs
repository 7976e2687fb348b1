//! The account: what was sent, what arrived where, and what is missing or there twice.
//!
//! Guards: a message counts as delivered only in the mailbox that it was sent to, at the server that is its home. What nobody can say
//! for sure is counted apart: a message whose acceptance was lost, a copy more after a server was killed.

use crate::turn::{self, Turn};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    /// The server that took it.
    pub(crate) through: String,
    /// The server whose mailbox it is for.
    pub(crate) to: String,
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// The server's acceptance arrived.
    pub(crate) accepted: bool,
}

/// A message that was found in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// The server that has it.
    pub(crate) at_server: String,
    /// When it was delivered, in milliseconds.
    pub(crate) at: u64,
    /// The servers that it passed, in order.
    pub(crate) path: Vec<String>,
}

/// What became of all messages.
#[derive(Clone, Debug, Default)]
pub struct Account {
    pub(crate) sent: BTreeMap<u64, Sent>,
    pub(crate) arrivals: BTreeMap<u64, Vec<Arrival>>,
    /// Where what hasn't arrived was found in queues.
    pub(crate) waiting: BTreeMap<u64, String>,
    /// Servers that couldn't be asked at the end.
    pub(crate) silent: Vec<String>,
    /// Messages in mailboxes that the lab didn't send: reports of failures.
    pub(crate) others: u64,
    /// Messages that no server took.
    pub(crate) refused: u64,
    /// How often servers were killed.
    pub(crate) kills: u64,
    /// How often links were cut.
    pub(crate) cuts: u64,
    /// What was done to links and servers, in order.
    pub(crate) turns: Vec<Turn>,
}

/// So many missing messages and paths are listed.
const LISTED_MAX: usize = 20;

impl Account {
    fn accepted(&self) -> impl Iterator<Item = (&u64, &Sent)> {
        self.sent.iter().filter(|(_, sent)| sent.accepted)
    }

    fn arrived(&self, id: u64) -> &[Arrival] {
        self.arrivals.get(&id).map_or(&[], Vec::as_slice)
    }

    /// In its mailbox, how often.
    fn copies(&self, id: u64, sent: &Sent) -> usize {
        let all = self.arrived(id).iter();
        all.filter(|arrival| arrival.at_server == sent.to).count()
    }

    /// What was accepted and isn't in its mailbox.
    fn missing(&self) -> Vec<u64> {
        let missing = self
            .accepted()
            .filter(|(id, sent)| self.copies(**id, sent) == 0);
        missing.map(|(id, _)| *id).collect()
    }

    /// Copies too many.
    fn doubled(&self) -> usize {
        let all = self.sent.keys();
        all.map(|id| self.arrived(*id).len().saturating_sub(1))
            .sum()
    }

    /// Whether every message is where it should be, once. Copies too many are forgiven where a server was killed or a link cut: who
    /// doesn't hear the answer to a message has to send it again (RFC 5321 §6.1).
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.missing().is_empty() && (self.doubled() == 0 || self.kills + self.cuts > 0)
    }

    /// The account in words.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from("ACCOUNT\n");
        let accepted = self.accepted().count();
        let doubtful = self.sent.len() - accepted;
        let missing = self.missing();
        let mut line = |words: std::fmt::Arguments<'_>| {
            let _ = text.write_fmt(format_args!("  {words}\n"));
        };
        line(format_args!("sent        {accepted}"));
        line(format_args!("delivered   {}", accepted - missing.len()));
        line(format_args!("missing     {}", missing.len()));
        match (self.doubled(), self.kills, self.cuts) {
            (doubled, 0, 0) => line(format_args!("doubled     {doubled}")),
            (doubled, kills, cuts) => line(format_args!(
                "doubled     {doubled} (killed servers: {kills}, cut links: {cuts}; either may do that)"
            )),
        }
        if doubtful > 0 {
            let arrived = self
                .sent
                .iter()
                .filter(|(id, sent)| !sent.accepted && self.copies(**id, sent) > 0);
            line(format_args!(
                "doubtful    {doubtful}: the connection broke before the answer; {} of them arrived",
                arrived.count()
            ));
        }
        self.asides(&mut line);
        self.latencies(&mut line);
        self.paths(&mut line);
        self.turns(&mut line);
        for id in missing.iter().take(LISTED_MAX) {
            let Some(sent) = self.sent.get(id) else {
                continue;
            };
            line(format_args!(
                "missing {id}: taken by {} for {}; {}",
                sent.through,
                sent.to,
                self.whereabouts(*id, sent)
            ));
        }
        if missing.len() > LISTED_MAX {
            line(format_args!(
                "and {} more are missing",
                missing.len() - LISTED_MAX
            ));
        }
        text
    }

    /// What isn't a message on its way.
    fn asides(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        if self.refused > 0 {
            line(format_args!(
                "not taken   {}: no server of the site took them",
                self.refused
            ));
        }
        if self.others > 0 {
            line(format_args!(
                "others      {}: reports of failures in the mailboxes",
                self.others
            ));
        }
        if !self.silent.is_empty() {
            let silent = self.silent.join(", ");
            line(format_args!(
                "silent      {silent}: what is there isn't known"
            ));
        }
    }

    fn turns(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        let arrivals = self.sent.iter().flat_map(|(id, sent)| {
            let all = self.arrived(*id).iter();
            all.map(move |arrival| (sent, arrival))
        });
        for words in turn::lines(&self.turns, &arrivals.collect::<Vec<_>>()) {
            line(format_args!("after       {words}"));
        }
    }

    fn whereabouts(&self, id: u64, sent: &Sent) -> String {
        if let Some(place) = self.waiting.get(&id) {
            return place.clone();
        }
        if let Some(wrong) = self.arrived(id).first() {
            return format!("it is in the mailbox at {}", wrong.at_server);
        }
        match self.silent.contains(&sent.to) {
            true => format!("{} couldn't be asked", sent.to),
            false => "no server knows where it is".to_owned(),
        }
    }

    fn latencies(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        let first = |(id, sent): (&u64, &Sent)| {
            let all = self.arrived(*id).iter();
            let there = all.filter(|arrival| arrival.at_server == sent.to);
            let first = there.map(|arrival| arrival.at).min()?;
            Some(first.saturating_sub(sent.at))
        };
        let mut all: Vec<u64> = self.accepted().filter_map(first).collect();
        all.sort_unstable();
        if let (Some(half), Some(most), Some(nearly), Some(longest)) = (
            percentile(&all, 50),
            percentile(&all, 95),
            percentile(&all, 99),
            all.last(),
        ) {
            line(format_args!(
                "latency     half within {half} ms, 95 % {most} ms, 99 % {nearly} ms, all {longest} ms"
            ));
        }
    }

    fn paths(&self, line: &mut impl FnMut(std::fmt::Arguments<'_>)) {
        let arrivals = self.arrivals.values().flatten();
        let mut hops: BTreeMap<usize, usize> = BTreeMap::new();
        let mut paths: BTreeMap<&[String], usize> = BTreeMap::new();
        for arrival in arrivals {
            *hops.entry(arrival.path.len()).or_default() += 1;
            *paths.entry(&arrival.path).or_default() += 1;
        }
        let counts = hops
            .iter()
            .map(|(hops, count)| format!("{count} with {hops}"));
        let counts: Vec<String> = counts.collect();
        if !counts.is_empty() {
            line(format_args!("servers     {}", counts.join(", ")));
        }
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by_key(|(path, count)| (std::cmp::Reverse(*count), *path));
        for (path, count) in paths.iter().take(LISTED_MAX) {
            line(format_args!("path        {count:>6}  {}", path.join(" > ")));
        }
        if paths.len() > LISTED_MAX {
            line(format_args!(
                "path        and {} others",
                paths.len() - LISTED_MAX
            ));
        }
    }
}

fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied()
}

/// The servers of the lab that a message passed, first to last, from its Received fields (RFC 5321 §4.4), of which the last comes
/// first.
pub(crate) fn path(content: &str, domain: &str) -> Vec<String> {
    let header = content.split("\r\n\r\n").next().unwrap_or_default();
    let header = header.replace("\r\n\t", " ").replace("\r\n ", " ");
    let mut path: Vec<String> = Vec::new();
    for line in header.split("\r\n") {
        let Some(field) = line.strip_prefix("Received:") else {
            continue;
        };
        let mut words = field.split_whitespace().skip_while(|word| *word != "by");
        let by = words.nth(1).unwrap_or_default();
        let name = by
            .strip_suffix(domain)
            .and_then(|name| name.strip_suffix('.'));
        path.push(name.unwrap_or(by).to_owned());
    }
    path.reverse();
    path
}

/// The number in the subject of a message of this run.
pub(crate) fn number(subject: &str, run: &str) -> Option<u64> {
    subject
        .trim()
        .strip_prefix("lab ")?
        .strip_prefix(run)?
        .strip_prefix(' ')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let sent = |accepted| Sent {
            through: "ams1".to_owned(),
            to: "nyc1".to_owned(),
            at: 1000,
            accepted,
        };
        let arrival = |server: &str, at| Arrival {
            at_server: server.to_owned(),
            at,
            path: vec!["ams1".to_owned(), "nyc1".to_owned()],
        };
        let mut account = Account::default();
        for id in 0..4 {
            account.sent.insert(id, sent(true));
            account
                .arrivals
                .insert(id, vec![arrival("nyc1", 1010 + id)]);
        }
        account.sent.insert(9, sent(false));
        account
    }

    #[test]
    fn all_there_once_is_settled() {
        let account = account();
        assert!(account.is_settled());
        let text = account.text();
        for line in [
            "sent        4\n  delivered   4\n  missing     0\n  doubled     0",
            "doubtful    1: the connection broke before the answer; 0 of them arrived",
            "latency     half within 11 ms, 95 % 13 ms, 99 % 13 ms, all 13 ms",
            "path             4  ams1 > nyc1",
            "servers     4 with 2",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn missing_misplaced_and_doubled_are_not() {
        let mut missing = account();
        missing.arrivals.remove(&2);
        missing.waiting.insert(2, "it waits at ams1".to_owned());
        assert!(!missing.is_settled());
        assert!(
            missing
                .text()
                .contains("missing 2: taken by ams1 for nyc1; it waits at ams1")
        );
        let mut misplaced = account();
        for arrival in misplaced.arrivals.values_mut().flatten() {
            arrival.at_server = "syd1".to_owned();
        }
        assert!(!misplaced.is_settled());
        assert!(misplaced.text().contains("it is in the mailbox at syd1"));
        assert!(!misplaced.text().contains("latency"));
        let mut doubled = account();
        let copy = doubled.arrivals[&3][0].clone();
        doubled.arrivals.get_mut(&3).unwrap().push(copy);
        assert!(!doubled.is_settled());
        for (kills, cuts) in [(1, 0), (0, 1)] {
            (doubled.kills, doubled.cuts) = (kills, cuts);
            assert!(doubled.is_settled());
        }
        let mut silent = account();
        silent.arrivals.clear();
        silent.silent.push("nyc1".to_owned());
        assert!(silent.text().contains("nyc1 couldn't be asked"));
    }

    #[test]
    fn the_path_is_read_from_the_trace_from_the_bottom_up() {
        let content = "Return-Path: <a@lab.test>\r\nReceived: from x ([127.0.0.1])\r\n\tby nyc1.lab.test with ESMTPS\r\n\tid 1;\r\n\tdate\r\n\
            Received: from y ([127.0.0.1])\r\n\tby ams1.lab.test with ESMTP id 2; date\r\nSubject: lab r 17\r\n\r\nReceived: by nobody\r\n";
        assert_eq!(path(content, "lab.test"), ["ams1", "nyc1"]);
        assert_eq!(number("lab r 17", "r"), Some(17));
        assert_eq!(number("lab q 17", "r"), None);
        assert_eq!(number("Undelivered: lab r 17", "r"), None);
    }
}
