//! Our generator and our sink against those that others wrote: both sides must count the same, to the message.

use bridgehead_tests::measure::SmtpSink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::process::Guarded;
use bridgehead_tests::{Server, binary, tools, wait};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary::bridgehead());
    command.args(["bench", "smtp", "--json"]).args(arguments);
    command.stdin(Stdio::null()).output().unwrap()
}

fn answer(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

#[test]
fn smtp_sink_has_what_the_generator_counts() {
    for more in [
        &["--pipelining", "off"][..],
        &["--pipelining", "envelope"],
        &["--pipelining", "through"],
        &["--one-per-connection"],
        &[
            "--one-per-connection",
            "--pipelining",
            "envelope",
            "--size",
            "50000",
        ],
    ] {
        let sink = SmtpSink::start();
        let address = sink.address().to_string();
        let mut arguments = vec![
            &*address,
            "--messages",
            "300",
            "--sessions",
            "9",
            "--recipients",
            "3",
        ];
        arguments.extend(more);
        let output = bench(&arguments);
        let report = answer(&output);
        assert!(output.status.success(), "{report}");
        assert_eq!(report["accepted"], 300, "{report}");
        for other in ["deferred", "refused", "lost", "unsent", "connections-lost"] {
            assert_eq!(report[other], 0, "{other}: {report}");
        }
        wait::until("the sink has counted", || {
            (sink.count() == 300).then_some(())
        });
        drop(sink);
    }
}

/// Our sink as a process, with what it says.
struct OurSink {
    address: SocketAddr,
    said: Receiver<Value>,
    process: Guarded,
}

impl OurSink {
    fn start() -> Self {
        let mut command = Command::new(binary::bridgehead());
        command.args(["bench", "sink", "--json"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, said) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = tell.send(serde_json::from_str(&line).unwrap());
            }
        });
        let process = Guarded::new(child);
        let first: Value = said.recv_timeout(wait::LONG).unwrap();
        let address = first["listening"].as_str().unwrap().parse().unwrap();
        Self {
            address,
            said,
            process,
        }
    }

    /// Stops it; its last word.
    fn stop(mut self) -> Value {
        let ended = self.process.terminate(Duration::from_secs(20));
        assert!(ended.is_some_and(|status| status.success()));
        self.said.iter().last().unwrap()
    }
}

#[test]
fn our_sink_has_what_smtp_source_sent() {
    for (reused, sessions) in [(true, 9), (false, 300)] {
        let sink = OurSink::start();
        let mut arguments = vec!["-s", "9", "-m", "300", "-l", "1024"];
        if reused {
            arguments.push("-d");
        }
        tools::smtp_source(sink.address, &arguments).good();
        let last = sink.stop();
        assert_eq!(last["messages"], 300, "{last}");
        assert_eq!(last["sessions"], sessions, "{last}");
        assert!(last["octets"].as_u64().unwrap() >= 300 * 1024, "{last}");
    }
}

#[test]
fn the_server_has_what_the_generator_counts_and_says_no_to_the_rest() {
    let server = Server::start(&Organization::new());
    let (open, strict) = (server.inbound().to_string(), server.strict().to_string());
    let some = [
        "--messages",
        "200",
        "--sessions",
        "5",
        "--to",
        "alice@example.test",
    ];
    let report = answer(&bench(&[&[&*open], &some[..]].concat()));
    assert_eq!(report["accepted"], 200, "{report}");
    server.mailbox("alice", 200);
    // Strangers may not relay: each message is refused, and the sessions go on.
    let output = bench(&[&*strict, "--messages", "10", "--sessions", "1"]);
    let report = answer(&output);
    assert!(!output.status.success());
    assert_eq!(report["refused"], 10, "{report}");
    assert_eq!(report["recipients-refused"], 10, "{report}");
    assert_eq!(report["accepted"], 0, "{report}");
}

#[test]
fn load_goes_beyond_loopback_only_where_that_is_meant() {
    for arguments in [
        &["bench", "smtp", "192.0.2.1:25"][..],
        &["bench", "smtp", "127.0.0.1:25", "[2001:db8::1]:25"],
        &["bench", "sink", "--listen", "0.0.0.0:0"],
    ] {
        let output = Command::new(binary::bridgehead()).args(arguments).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains("--beyond-loopback"), "{arguments:?}: {text}");
    }
    let output = bench(&["127.0.0.1:25", "--sessions", "0"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && text.contains("between 1 and"),
        "{text}"
    );
}
