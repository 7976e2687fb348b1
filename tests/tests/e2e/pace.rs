//! Pace on a running server: concurrency that finds the other side's limit, limits of ours, schedules, and what the operator sees
//! of them.

use crate::{id_in, message, send};
use bridgehead_testkit::script::{Peer, Talk};
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, wait};
use serde_json::Value;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const OFFERS: &[&str] = &["PIPELINING"];

/// A server that takes so many connections and answers 421 to more. Those that it takes wait until it has refused one.
fn narrow(most: usize) -> Peer {
    let here = Arc::new(());
    let refused = AtomicBool::new(false);
    Peer::start(move |talk: &mut Talk| -> io::Result<()> {
        let mine = Arc::clone(&here);
        // The closure's own, and one for each connection.
        if Arc::strong_count(&mine) > most + 1 {
            talk.say("421 4.7.0 too many connections from here")?;
            refused.store(true, Ordering::SeqCst);
            return Ok(());
        }
        talk.hello(OFFERS)?;
        for _ in 0..200 {
            if refused.load(Ordering::SeqCst) {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        talk.serve()
    })
    .unwrap()
}

fn connector(name: &str, pattern: &str, host: SocketAddr, lines: &str) -> String {
    format!(
        "[[connector]]\nname = \"{name}\"\nrouting-group = \"main\"\n\
         address-space = [{{ pattern = \"{pattern}\", cost = 10 }}]\n\
         smart-hosts = [\"{host}\"]\n{lines}\n"
    )
}

fn post(server: &Server, to: &str) -> String {
    let from = "bob@example.test";
    id_in(&send(server.inbound(), from, &[to], &message("pace")))
}

fn link(server: &Server, prefix: &str) -> Value {
    let list = server.ask(&["link", "list"]);
    let mut links = list["links"].as_array().unwrap().iter();
    let found = links.find(|link| link["link"].as_str().unwrap().starts_with(prefix));
    found.unwrap_or_else(|| panic!("{list:#}")).clone()
}

fn why(server: &Server, id: &str) -> String {
    let output = server.command(&["message", "why", id]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_server_that_takes_three_connections_gets_all_mail_and_nobody_elses_waits() {
    const MESSAGES: usize = 60;
    let peer = narrow(3);
    let other = Sink::start().unwrap();
    let lines = "initial-connections = 6\nmax-connections = 6";
    let organization = Organization::new()
        .with(&connector(
            "narrow",
            "narrow.example",
            peer.address(),
            lines,
        ))
        .with(&connector("wide", "wide.example", other.address(), lines));
    let server = Server::start(&organization);
    server.ask(&["server", "hold"]);
    let ids: Vec<String> = (0..MESSAGES)
        .map(|_| post(&server, "x@narrow.example"))
        .collect();
    for _ in 0..10 {
        post(&server, "x@wide.example");
    }
    server.ask(&["server", "release"]);
    wait::until("all of the other's mail", || {
        (other.count() == 10).then_some(())
    });
    wait::until("all mail", || {
        (peer.taken().len() == MESSAGES).then_some(())
    });
    server.await_empty_queue();
    // None of it was refused, so no attempt was counted.
    for id in ids.iter().step_by(7) {
        let trace = server.ask(&["message", "trace", id]).to_string();
        assert!(!trace.contains("deferred"), "{trace}");
    }
    let narrow = link(&server, "narrow/");
    let slowed = &narrow["pace"]["slowed"];
    assert_eq!(slowed["said"], "421 4.7.0 too many connections from here");
    assert_eq!(slowed["means"], "it ends the connection");
    assert_eq!(narrow["pace"]["failures"], 0);
    assert!(narrow["pace"]["window"].as_u64().unwrap() < 6, "{narrow:#}");
    let wide = link(&server, "wide/");
    assert_eq!(
        (&wide["pace"]["slowed"], &wide["pace"]["window"]),
        (&Value::Null, &6.into())
    );
    let name = narrow["link"].as_str().unwrap();
    let shown = server.command(&["link", "show", name]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("6 at the most"), "{shown}");
    assert!(
        shown.contains("421 4.7.0 too many connections from here (it ends"),
        "{shown}"
    );
}

#[test]
fn a_server_that_is_overloaded_is_left_alone_as_one_that_cant_be_reached() {
    let peer = Peer::start(|talk| {
        talk.hello(&[])?;
        talk.answer("451 4.3.2 overloaded, try later")?;
        talk.serve()
    })
    .unwrap();
    let other = Sink::start().unwrap();
    let organization = Organization::new()
        .with(&connector("slow", "slow.example", peer.address(), ""))
        .with(&connector("well", "well.example", other.address(), ""));
    let server = Server::start(&organization);
    server.ask(&["server", "hold"]);
    for _ in 0..20 {
        post(&server, "x@slow.example");
    }
    post(&server, "x@well.example");
    server.ask(&["server", "release"]);
    wait::until("the other's mail", || (other.count() == 1).then_some(()));
    let slow = wait::until("a failure", || {
        let slow = link(&server, "slow/");
        (slow["pace"]["failures"] == 1 && slow["active"] == 0).then_some(slow)
    });
    assert_eq!(slow["phases"]["retry"], 20, "{slow:#}");
    // Two that were under way together, and one more where they ended together: not twenty.
    assert!(peer.connections() <= 3, "{}", peer.connections());
    let asked = peer
        .heard()
        .iter()
        .filter(|line| line.starts_with("MAIL"))
        .count();
    assert!(asked <= 3, "{asked}");
}

#[test]
fn a_limit_holds_for_its_domain_and_costs_no_attempt() {
    let sink = Sink::start().unwrap();
    let limits = "limits = [{ domain = \"limited.example\", message-rate = \"1/h\" }]";
    let organization =
        |lines| Organization::new().with(&connector("out", "*", sink.address(), lines));
    let mut server = Server::start(&organization(limits));
    let ids: Vec<String> = (0..3).map(|_| post(&server, "x@limited.example")).collect();
    for _ in 0..5 {
        post(&server, "x@free.example");
    }
    wait::until("what may go", || (sink.count() == 6).then_some(()));
    let limited = wait::until("two that wait", || {
        let link = link(
            &server,
            &format!("out/[127.0.0.1]:{}/limited.example", sink.address().port()),
        );
        (link["phases"]["deferred"] == 2).then_some(link)
    });
    assert_eq!(limited["pace"]["rates"][0], "1/h messages");
    assert_eq!(limited["pace"]["limit"], "limited.example");
    assert_eq!(limited["waits"][0], "its limit of 1/h messages is used up");
    let last = &ids[2];
    let said = why(&server, last);
    assert!(
        said.contains("its limit of 1/h messages is used up"),
        "{said}"
    );
    let shown = server.ask(&["queue", "show", last]);
    assert_eq!(shown["parts"][0]["attempts"], 0, "{shown:#}");
    let list = server.command(&["queue", "list"]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("2 deferred"), "{list}");
    assert!(
        list.contains("its limit of 1/h messages is used up"),
        "{list}"
    );
    // Without the limit all of it goes.
    server.apply(&organization(""));
    wait::until("the rest", || (sink.count() == 8).then_some(()));
    server.await_empty_queue();
}

/// The name of a day so many days from now, in UTC.
fn day(from_now: u64) -> &'static str {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    // The first of January 1970 was a Thursday.
    let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let day = (now.as_secs() / 86_400 + from_now) % 7;
    days[usize::try_from(day).unwrap()]
}

#[test]
fn a_link_outside_its_schedule_waits_and_only_who_says_so_passes_over_it() {
    let sink = Sink::start().unwrap();
    let organization = |hours: &str| {
        let lines = format!("schedule = [\"{hours}\"]\nschedule-zone = \"UTC\"");
        Organization::new().with(&connector("out", "*", sink.address(), &lines))
    };
    // Not today, and not before tomorrow is over.
    let closed = organization(&format!("{} 08:00-09:00", day(3)));
    let mut server = Server::start(&closed);
    let id = post(&server, "x@example.net");
    wait::until("it waits for its schedule", || {
        let found = server.ask(&["queue", "find", "phase:deferred"]);
        (found["matched"] == 1).then_some(())
    });
    let said = why(&server, &id);
    assert!(
        said.contains("it is outside its schedule until 20"),
        "{said}"
    );
    assert!(said.contains("is tried again in"), "{said}");
    let seen = link(&server, "out/");
    let waits = seen["waits"][0].as_str().unwrap();
    assert!(
        waits.starts_with("it is outside its schedule until 20"),
        "{waits}"
    );
    assert!(waits.ends_with("T08:00:00Z"), "{waits}");
    assert!(seen["next-try"].as_u64().is_some(), "{seen:#}");
    // A retry is no reason.
    server.ask(&["queue", "retry", "--all"]);
    post(&server, "y@example.net");
    wait::until("both wait", || {
        let found = server.ask(&["queue", "find", "phase:deferred attempts=0"]);
        (found["matched"] == 2).then_some(())
    });
    assert_eq!(sink.count(), 0);
    // Over a kill and a start.
    server.kill();
    server.run(&[]);
    wait::until("both wait again", || {
        let found = server.ask(&["queue", "find", "phase:deferred"]);
        (found["matched"] == 2).then_some(())
    });
    assert_eq!(sink.count(), 0);
    let answer = server.ask(&["queue", "retry", "--outside-schedule", &id]);
    let name = seen["link"].as_str().unwrap();
    assert_eq!(answer["let-through"][0], name, "{answer:#}");
    wait::until("all of the link", || (sink.count() == 2).then_some(()));
    // A new schedule counts from the beginning.
    server.apply(&organization(&format!("{} 09:00-10:00", day(3))));
    post(&server, "z@example.net");
    wait::until("the third waits", || {
        let found = server.ask(&["queue", "find", "phase:deferred"]);
        (found["matched"] == 1).then_some(())
    });
    assert_eq!(sink.count(), 2);
    server.apply(&organization("Mon-Sun 00:00-24:00"));
    wait::until("the third", || (sink.count() == 3).then_some(()));
}

#[test]
fn messages_for_one_next_hop_share_connections_and_recipients_of_several_domains_transactions() {
    const MESSAGES: usize = 100;
    let sink = Sink::start().unwrap();
    let lines = "max-connections = 2";
    let organization = Organization::new().with(&connector("out", "*", sink.address(), lines));
    let server = Server::start(&organization);
    let many = ["a@one.example", "b@two.example", "c@three.example"];
    send(
        server.inbound(),
        "bob@example.test",
        &many,
        &message("many"),
    );
    wait::until("one transaction", || (sink.count() == 1).then_some(()));
    assert_eq!(sink.received()[0].rcpts.len(), 3);
    server.ask(&["server", "hold"]);
    for number in 0..MESSAGES {
        let to = format!("x@d{}.example", number % 10);
        post(&server, &to);
    }
    server.ask(&["server", "release"]);
    wait::until("all of them", || {
        (sink.count() == 1 + MESSAGES).then_some(())
    });
    // Two at once, and after a hundred messages a connection is given up.
    assert!(sink.connections() <= 4, "{}", sink.connections());
}
