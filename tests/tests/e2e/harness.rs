//! The harness itself, where it stands on programs that may behave differently elsewhere.

use bridgehead_testkit::client::Client;
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::measure::{self, Cell, Scenario, SmtpSink};
use bridgehead_tests::postfix::{Job, Postfix};
use bridgehead_tests::skip::skip;
use bridgehead_tests::{tools, wait};

#[test]
fn a_private_postfix_keeps_and_passes_on() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("a_private_postfix_keeps_and_passes_on", reason);
    }
    let keeper = Postfix::start(
        Job::Keep {
            domain: "example.net",
        },
        "",
    );
    let passer = Postfix::start(
        Job::PassOn {
            to: keeper.address(),
        },
        "",
    );
    let mut client = Client::connect(passer.address()).unwrap();
    client.ehlo("client.example.test").unwrap();
    let reply = client
        .send(
            "a@example.org",
            &["b@example.net"],
            b"Subject: x\r\n\r\nbody\r\n",
        )
        .unwrap();
    assert!(reply.is_good(), "{reply:?}");
    let kept = keeper.await_kept(1);
    assert!(kept[0].ends_with(b"Subject: x\n\nbody\n"));
    wait::until("Postfix's queue is empty", || {
        (passer.queued() == 0).then_some(())
    });
}

#[test]
fn the_generator_reaches_the_sink() {
    let sink = Sink::start().unwrap();
    tools::smtp_source(sink.address(), &["-s", "3", "-m", "30", "-d", "-l", "1024"]).good();
    assert_eq!(sink.count(), 30);
}

#[test]
fn the_measurement_counts_what_postfix_relays() {
    if let Err(reason) = Postfix::is_possible() {
        return skip("the_measurement_counts_what_postfix_relays", reason);
    }
    let sink = SmtpSink::start();
    let postfix = measure::postfix(Scenario::Relay, &sink);
    // CPU time is counted in ticks of 10 ms: enough messages that it can't be none.
    let cell = Cell::new(Scenario::Relay, 2, 1024, 400);
    let figure = measure::measure(&postfix, &sink, &cell);
    assert_eq!(sink.count(), 400);
    assert!(figure.messages_per_second > 0.0);
    assert!(figure.cpu_per_thousand > 0.0, "{figure:?}");
}
