//! Steady mail from all to all, while lines are cut, go deaf, lose packets and swallow what they take, and servers are killed: nothing is
//! lost, and mail finds another way.
//!
//! No time is asserted, but that something comes to pass: each trouble lasts until it is known at the third site, and until mail that
//! was sent after that has come around it; the next begins when the line is used again. How long that took is printed. A line that
//! comes and goes three times is held down for a while, so that no line of one organisation is out more often than twice.

use crate::organisation::{Host, LINES, Organisation, SITES};
use bridgehead_tests::network::{End, State, missing};
use bridgehead_tests::skip::skip;
use bridgehead_tests::traffic::{Account, Ledger, Sent, now};
use bridgehead_tests::wait;
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// Messages a second of each server; six of them.
const EACH_SECOND: u32 = 8;
/// How long lines lose packets.
const LOSSY: Duration = Duration::from_secs(15);
/// How long a server is away.
const KILLED: Duration = Duration::from_secs(8);
const CALM: Duration = Duration::from_secs(4);
/// How often it is asked what is known.
const PAUSE: Duration = Duration::from_millis(250);
/// At each trouble so many messages may be between a server that has taken them and one that hasn't heard so (RFC 5321 §4.5.4.1): a
/// connection hands over one at a time, and there are at most ten connections for each of the links that break.
const IN_HAND_MAX: usize = 60;

/// What takes at most so many milliseconds has found its way at once.
const AT_ONCE: u64 = 1_500;

/// The places of the lines in [`LINES`].
const AB: usize = 0;
const BC: usize = 1;
const AC: usize = 2;

/// A trouble, and when it was.
struct Trouble {
    what: String,
    when: Range<u64>,
    /// What the names of those begin with whose mail is concerned.
    ends: [String; 2],
    /// Whose mail waits for the server that has it.
    without: Option<String>,
    /// After how many milliseconds the third site knew of it, and mail that was sent after that had come around it.
    gone_around: Option<(u64, u64)>,
}

/// An organisation, and mail in it.
struct Stage {
    organisation: Organisation,
    ledger: Ledger,
}

impl Stage {
    /// Does this to an organisation in which steady mail flows, and looks what became of all messages.
    fn play(slow: &[usize], act: impl FnOnce(&Self, &mut Vec<Trouble>)) {
        let stage = Self {
            organisation: Organisation::start(slow),
            ledger: Ledger::default(),
        };
        let mut troubles = Vec::new();
        thread::scope(|scope| {
            // The senders stop also where something fails.
            let _stopping = Stopping(&stage.ledger);
            let _senders = stage
                .organisation
                .traffic(scope, &stage.ledger, EACH_SECOND);
            thread::sleep(CALM);
            act(&stage, &mut troubles);
        });
        stage.settle();
        let account = stage.ledger.account(&stage.organisation.arrived());
        print(&account, &troubles);
        assert!(account.missing.is_empty(), "lost: {:?}", account.missing);
        assert!(account.astray.is_empty(), "astray: {:?}", account.astray);
        let most = IN_HAND_MAX * troubles.len();
        assert!(
            account.doubled.len() <= most,
            "doubled: {:?}",
            account.doubled
        );
    }

    /// The third site says that both connectors of a line are out, or that neither is.
    fn await_known(&self, line: usize, out: bool) {
        let ends = LINES[line];
        let third = (0..SITES.len()).find(|site| !ends.contains(site)).unwrap();
        let [one, other] = ends.map(|site| SITES[site]);
        let connectors = [format!("{one}-{other}"), format!("{other}-{one}")];
        let what = format!(
            "{one}-{other} known as {}",
            if out { "out" } else { "whole" }
        );
        wait::until(&what, || {
            let state = self.organisation.link_state(third);
            let down = state["down"].as_array().unwrap();
            let is_down = |name: &String| down.iter().any(|one| one == name);
            let known = connectors.iter().all(|name| is_down(name) == out);
            (!known).then(|| thread::sleep(PAUSE));
            known.then_some(())
        });
    }

    /// Mail that is sent from now on gets from each end of a line to the other.
    fn await_mail(&self, line: usize) {
        let [one, other] = LINES[line];
        let since = now();
        for (from, to) in [(one, other), (other, one)] {
            let from = format!("box-{}", SITES[from]);
            wait::until(&format!("mail {from}… to {}", SITES[to]), || {
                let arrived = self.organisation.arrived_at(to);
                let there = self.ledger.any_among(&arrived, |sent| {
                    sent.at >= since && sent.from.starts_with(&from)
                });
                (!there).then(|| thread::sleep(PAUSE));
                there.then_some(())
            });
        }
    }

    /// A line is in this state until the others know of it and mail goes around.
    fn trouble(&self, line: usize, state: State, word: &str) -> Trouble {
        let begun = now();
        self.set(line, state);
        self.await_known(line, true);
        let known = now() - begun;
        self.await_mail(line);
        let when = begun..now();
        let gone_around = Some((known, when.end - when.start));
        self.set(line, State::Whole);
        self.await_known(line, false);
        let ends = LINES[line].map(|site| SITES[site].to_owned());
        Trouble {
            what: format!("the line {}-{} {word}", ends[0], ends[1]),
            when,
            ends,
            without: None,
            gone_around,
        }
    }

    /// All lines lose so many packets of a hundred.
    fn lose(&self, percent: u8) -> Trouble {
        let begun = now();
        let all = [AB, BC, AC];
        for line in all {
            self.set(line, State::Losing(percent));
        }
        thread::sleep(LOSSY);
        let when = begun..now();
        for line in all {
            self.set(line, State::Whole);
        }
        for line in all {
            self.await_known(line, false);
        }
        Trouble {
            what: format!("all lines lose {percent} packets of 100"),
            when,
            ends: Default::default(),
            without: None,
            gone_around: None,
        }
    }

    fn set(&self, line: usize, state: State) {
        let Organisation { network, lines, .. } = &self.organisation;
        network.set(lines[line], state);
    }

    /// Servers are killed and come back.
    fn kill(&self, places: [usize; 2]) -> [Trouble; 2] {
        let servers = &self.organisation.servers;
        let begun = now();
        for place in places {
            servers[place].server.lock().kill();
        }
        thread::sleep(KILLED);
        for place in places {
            self.organisation.run(place);
        }
        let when = begun..now();
        thread::sleep(CALM);
        places.map(|place| {
            let (name, site) = (&servers[place].name, servers[place].site);
            let is_peer = |host: &&Host| host.site == site && host.name != *name;
            let peer = servers.iter().find(is_peer).unwrap().name.clone();
            Trouble {
                what: format!("server {name} is killed"),
                when: when.clone(),
                // This is what its peer has to do alone.
                ends: [peer, String::new()],
                without: Some(format!("box-{name}")),
                gone_around: None,
            }
        })
    }

    /// Waits until all that was sent is there and nothing is on its way.
    fn settle(&self) {
        let patience = 2 * wait::LONG;
        let there = wait::try_until(patience, || {
            let missing = self.ledger.missing_among(&self.organisation.arrived());
            let settled = missing == 0 && self.organisation.queued() == 0;
            (!settled).then(|| thread::sleep(PAUSE));
            settled.then_some(())
        });
        if there.is_none() {
            for host in &self.organisation.servers {
                let list = host.server.lock().command(&["queue", "list"]);
                eprintln!("{}:\n{}", host.name, String::from_utf8_lossy(&list.stdout));
            }
        }
    }
}

/// No more is sent when it is dropped.
struct Stopping<'a>(&'a Ledger);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

#[test]
fn a_line_that_is_only_slow_is_used_and_one_that_swallows_is_gone_around() {
    if let Some(reason) = missing() {
        skip("sites::a_line_that_is_only_slow", &reason);
        return;
    }
    Stage::play(&[AB, BC], |stage, troubles| {
        slowness_alone_is_no_reason_for_anything(stage);
        for (line, state, word) in [
            (
                AB,
                State::BlackHole,
                "takes everything and passes nothing on",
            ),
            (
                BC,
                State::Swallowing(End::One),
                "swallows what its first end sends",
            ),
            (
                AB,
                State::Swallowing(End::Other),
                "swallows what its other end sends",
            ),
            (
                BC,
                State::Cut(End::Other),
                "is cut behind who takes all connections",
            ),
        ] {
            troubles.push(stage.trouble(line, state, word));
        }
    });
}

/// Mail goes over slow lines, and nobody says that they are out.
fn slowness_alone_is_no_reason_for_anything(stage: &Stage) {
    for line in [AB, BC] {
        stage.await_mail(line);
    }
    let mut suspected = 0;
    for _ in 0..6 {
        for site in 0..SITES.len() {
            let state = stage.organisation.link_state(site);
            assert!(state["down"].as_array().unwrap().is_empty(), "{state}");
            let own = state["links"].as_array().unwrap();
            let is_suspected = |link: &&serde_json::Value| link["state"] == "suspected";
            suspected += own.iter().filter(is_suspected).count();
        }
        thread::sleep(PAUSE);
    }
    println!("slow lines that were looked at 18 times were seen to be suspected {suspected} times");
}

#[test]
fn every_line_that_is_deaf_in_one_direction_is_gone_around() {
    if let Some(reason) = missing() {
        skip("sites::every_line_that_is_deaf", &reason);
        return;
    }
    Stage::play(&[], |stage, troubles| {
        for (end, word) in [
            (End::One, "is deaf to its first end"),
            (End::Other, "is deaf to its other end"),
        ] {
            for line in [AB, BC, AC] {
                troubles.push(stage.trouble(line, State::DeafTo(end), word));
            }
        }
    });
}

#[test]
fn nothing_is_lost_whatever_line_is_cut_or_loses_packets_and_whatever_servers_are_killed() {
    if let Some(reason) = missing() {
        skip("sites::nothing_is_lost", &reason);
        return;
    }
    Stage::play(&[AC], |stage, troubles| {
        troubles.push(stage.lose(10));
        for line in [AB, BC, AC] {
            troubles.push(stage.trouble(line, State::Cut(End::One), "is cut"));
        }
        for places in [[0, 3], [2, 5], [4, 1]] {
            troubles.extend(stage.kill(places));
        }
    });
}

fn print(account: &Account, troubles: &[Trouble]) {
    println!(
        "{} messages, {} doubled; half of them took {} ms at most, 99 of 100 {} ms",
        account.sent,
        account.doubled.len(),
        account.percentile(50),
        account.percentile(99)
    );
    for trouble in troubles {
        let concerned = |message: &Sent| trouble.concerns(message);
        let during = |message: &Sent| trouble.when.contains(&message.at) && concerned(message);
        let its = account.only(during);
        let around = match trouble.gone_around {
            Some((known, around)) => format!(
                "known at the third site after {known} ms, and mail has come around it after {around} ms"
            ),
            None => {
                let until = account.until_quick(&trouble.when, AT_ONCE, concerned);
                format!("mail that is concerned takes longer than {AT_ONCE} ms until {until} ms")
            }
        };
        println!(
            "{} for {} ms: {around} ({} messages; half of them took {} ms at most, 99 of 100 {} ms)",
            trouble.what,
            trouble.when.end - trouble.when.start,
            its.latencies.len(),
            its.percentile(50),
            its.percentile(99),
        );
    }
}

impl Trouble {
    fn concerns(&self, message: &Sent) -> bool {
        let [one, other] = self.ends.each_ref().map(|end| format!("box-{end}"));
        let goes =
            |from: &str, to: &str| message.from.starts_with(from) && message.to.starts_with(to);
        let waits = |name: &String| Some(name) == self.without.as_ref();
        let is_between = goes(&one, &other) || goes(&other, &one);
        is_between && !waits(&message.from) && !waits(&message.to)
    }
}
