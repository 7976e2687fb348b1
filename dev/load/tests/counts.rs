//! The generator against the sink, and against servers that misbehave: what was counted must be what happened.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use bridgehead_load::{Connections, Pipelining, Plan, Sink, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

struct Running {
    address: SocketAddr,
    counts: Arc<bridgehead_load::Counts>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Self {
        let mut sink = Sink::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        Self {
            address: sink.address(),
            counts: sink.counts(),
            stop,
            thread: Some(std::thread::spawn(move || sink.run(&asked).unwrap())),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn plan(target: SocketAddr) -> Plan {
    Plan {
        sessions: 7,
        messages: 500,
        recipients: 3,
        time: Duration::from_secs(60),
        ..Plan::to(target)
    }
}

#[test]
fn the_sink_has_what_the_generator_sent_however_it_was_sent() {
    for connections in [Connections::Reused, Connections::OneEach] {
        for pipelining in [Pipelining::Off, Pipelining::Envelope, Pipelining::Through] {
            for size in [64, 1024, 300_000] {
                let sink = Running::start();
                let plan = Plan {
                    connections,
                    pipelining,
                    size,
                    messages: if size > 100_000 { 20 } else { 500 },
                    ..plan(sink.address)
                };
                let report = run(&plan).unwrap();
                let expected = match connections {
                    Connections::Reused => 7,
                    Connections::OneEach => plan.messages,
                };
                assert_eq!(report.accepted, plan.messages, "{plan:?}");
                let others = [report.deferred, report.refused, report.lost, report.unsent];
                assert_eq!(others, [0; 4], "{plan:?}");
                assert_eq!(report.connections, expected, "{plan:?}");
                assert_eq!(report.connections_lost, 0, "{plan:?}");
                assert_eq!(sink.counts.messages(), plan.messages);
                assert_eq!(sink.counts.sessions(), expected);
                assert_eq!(sink.counts.quits(), expected);
                // The final dot and its line end are counted with the content.
                let octets = plan.messages * (plan.size as u64 + 3);
                assert_eq!(sink.counts.octets(), octets);
                assert_eq!(report.pipelined, pipelining != Pipelining::Off);
                assert!(report.latency_ms.longest >= report.latency_ms.median);
            }
        }
    }
}

#[test]
fn sessions_are_spread_over_all_targets() {
    let sinks = [Running::start(), Running::start()];
    let mut plan = plan(sinks[0].address);
    plan.targets.push(sinks[1].address);
    plan.sessions = 8;
    assert_eq!(run(&plan).unwrap().accepted, 500);
    assert_eq!(sinks[0].counts.messages() + sinks[1].counts.messages(), 500);
    for sink in &sinks {
        assert_eq!(sink.counts.sessions(), 4);
    }
}

/// A server that says the same to everybody and then closes.
fn babbler(said: &'static [u8]) -> SocketAddr {
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = door.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in door.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.set_read_timeout(Some(Duration::from_millis(5)));
            if stream.write_all(said).is_ok() {
                let _ = stream.read(&mut [0; 4096]);
            }
        }
    });
    address
}

#[test]
fn a_server_that_never_takes_mail_is_given_up() {
    for said in [
        &b""[..],
        b"554 no\r\n",
        b"220 x\r\n250 x\r\n500 no",
        b"HTTP/1.1 400 Bad\r\n",
    ] {
        let plan = Plan {
            messages: 50_000,
            ..plan(babbler(said))
        };
        let report = run(&plan).unwrap();
        assert_eq!(
            report.accepted + report.deferred + report.refused,
            0,
            "{said:?}"
        );
        assert_eq!(report.lost + report.unsent, 50_000, "{said:?}");
        assert!(report.connections_lost > 0);
    }
}

#[test]
fn nobody_there_is_given_up() {
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = door.local_addr().unwrap();
    drop(door);
    let report = run(&plan(address)).unwrap();
    assert_eq!(report.unsent, 500);
    assert_eq!(report.connections, 0);
}

#[test]
fn a_server_that_falls_silent_costs_no_more_than_the_time_of_the_plan() {
    let door = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let plan = Plan {
        sessions: 3,
        messages: 10,
        time: Duration::from_secs(1),
        ..Plan::to(door.local_addr().unwrap())
    };
    let report = run(&plan).unwrap();
    assert_eq!(report.unsent, 10);
    assert_eq!(report.connections_lost, 3);
}
