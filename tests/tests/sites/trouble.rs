//! Steady mail from all to all, while every line is cut and every server killed in turn: nothing is lost, and mail finds another way.

use crate::organisation::{Host, Organisation, SITES};
use bridgehead_tests::network::{End, State, missing};
use bridgehead_tests::skip::skip;
use bridgehead_tests::traffic::{Account, Ledger, Sent, now};
use bridgehead_tests::wait;
use std::ops::Range;
use std::thread;
use std::time::Duration;

/// Messages a second of each server; six of them.
const EACH_SECOND: u32 = 8;
/// How long each trouble lasts, and the calm after it.
const TROUBLE: Duration = Duration::from_secs(18);
const CALM: Duration = Duration::from_secs(6);
/// At each trouble so many messages may be between a server that has taken them and one that hasn't heard so (RFC 5321 §4.5.4.1): a
/// connection hands over one at a time, and there are at most ten connections for each of the links that break.
const IN_HAND_MAX: usize = 60;

/// What takes at most so many milliseconds has found its way at once.
const AT_ONCE: u64 = 1_500;

/// A trouble, and when it was.
struct Trouble {
    what: String,
    when: Range<u64>,
    /// What the names of those begin with whose mail is concerned.
    ends: [String; 2],
    /// Whose mail waits for the server that has it.
    without: Option<String>,
}

#[test]
fn nothing_is_lost_whatever_line_is_cut_and_whatever_server_killed() {
    if let Some(reason) = missing() {
        skip("sites::nothing_is_lost", &reason);
        return;
    }
    let organisation = Organisation::start();
    let ledger = Ledger::default();
    let mut troubles = Vec::new();
    thread::scope(|scope| {
        let _senders = organisation.traffic(scope, &ledger, EACH_SECOND);
        thread::sleep(CALM);
        cut_every_line(&organisation, &mut troubles);
        kill_every_server(&organisation, &mut troubles);
        ledger.stop();
    });
    settle(&organisation, &ledger);
    let account = ledger.account(&organisation.arrived());
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

fn cut_every_line(organisation: &Organisation, troubles: &mut Vec<Trouble>) {
    for (place, (ends, line)) in organisation.lines.iter().enumerate() {
        let [one, other] = ends.map(|site| SITES[site]);
        let mut states = vec![(State::Cut(End::One), "cut")];
        match place {
            0 => states.push((State::DeafTo(End::One), "deaf in one direction")),
            1 => states.push((State::Losing(10), "losing a tenth of all packets")),
            _ => {}
        }
        for (state, word) in states {
            let begun = now();
            organisation.network.set(*line, state);
            thread::sleep(TROUBLE);
            troubles.push(Trouble {
                what: format!("the line {one}-{other} is {word}"),
                when: begun..now(),
                ends: [one.to_owned(), other.to_owned()],
                without: None,
            });
            organisation.network.set(*line, State::Whole);
            thread::sleep(CALM);
        }
    }
}

fn kill_every_server(organisation: &Organisation, troubles: &mut Vec<Trouble>) {
    for place in 0..organisation.servers.len() {
        let begun = now();
        let name = organisation.servers[place].name.clone();
        let is_peer =
            |host: &&Host| host.site == organisation.servers[place].site && host.name != name;
        let peer = organisation
            .servers
            .iter()
            .find(is_peer)
            .unwrap()
            .name
            .clone();
        organisation.servers[place].server.lock().kill();
        thread::sleep(TROUBLE / 2);
        organisation.run(place);
        troubles.push(Trouble {
            what: format!("server {name} is killed"),
            when: begun..now(),
            // This is what its peer has to do alone.
            ends: [peer, String::new()],
            without: Some(format!("box-{name}")),
        });
        thread::sleep(CALM / 2);
    }
}

/// Waits until all that was sent is there and nothing is on its way.
fn settle(organisation: &Organisation, ledger: &Ledger) {
    let patience = 2 * wait::LONG;
    let there = wait::try_until(patience, || {
        let missing = ledger.missing_among(&organisation.arrived());
        (missing == 0 && organisation.queued() == 0).then_some(())
    });
    if there.is_none() {
        for host in &organisation.servers {
            let list = host.server.lock().command(&["queue", "list"]);
            eprintln!("{}:\n{}", host.name, String::from_utf8_lossy(&list.stdout));
        }
    }
}

fn print(account: &Account, troubles: &[Trouble]) {
    println!(
        "{} messages, {} doubled; half of them took {} ms at most, 99 of 100 {} ms",
        account.sent,
        account.doubled.len(),
        account.percentile(50),
        account.percentile(99)
    );
    for Trouble {
        what,
        when,
        ends,
        without,
    } in troubles
    {
        let sites = ends.each_ref().map(|end| format!("box-{end}"));
        let concerned = |message: &Sent| {
            let [one, other] = &sites;
            let goes =
                |from: &str, to: &str| message.from.starts_with(from) && message.to.starts_with(to);
            let waits = |name: &String| Some(name) == without.as_ref();
            let is_between = goes(one, other) || goes(other, one);
            is_between && !waits(&message.from) && !waits(&message.to)
        };
        let until = account.until_quick(when, AT_ONCE, concerned);
        let lasted = when.end - when.start;
        println!("{what} for {lasted} ms: mail between them goes another way after {until} ms");
    }
}
