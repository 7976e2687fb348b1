//! What an operator does: quickstart, queue, trace, explain, stop, logs.

use crate::{client, id_in, message, send};
use bridgehead_testkit::sink::Sink;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, binary, tools, wait};
use std::process::{Command, Stdio};

fn quickstart(data: &std::path::Path) -> String {
    let mut command = Command::new(binary::bridgehead());
    command
        .args(["quickstart", "--once", "--smtp", "127.0.0.1:0"])
        .args(["--submission", "127.0.0.1:0", "--data"])
        .arg(data)
        .current_dir(data.parent().unwrap());
    tools::run(command, b"").good()
}

#[test]
fn quickstart_shows_the_way_of_a_message_and_reuses_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for _ in 0..2 {
        let text = quickstart(&data);
        let mut rest = text.as_str();
        for step in ["accepted", "categorized", "routed", "delivered"] {
            let at = rest.find(step);
            let at = at.unwrap_or_else(|| panic!("{step} is missing or out of order:\n{text}"));
            rest = &rest[at..];
        }
    }
}

#[test]
fn a_held_message_is_listed_shown_and_deleted() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", tools::nobody());
    let mut server = Server::start(&organization);
    let reply = send(
        server.inbound(),
        "bob@example.test",
        &["b@example.net"],
        &message("held"),
    );
    let id = id_in(&reply);
    let list = wait::until("a queue with its reason", || {
        let list = server.ask(&["queue", "list"]);
        let group = &list["groups"][0];
        (group["phases"]["retry"] == 1 && group["last-error"].is_string()).then_some(list)
    });
    let group = &list["groups"][0];
    assert!(
        group["link"].as_str().unwrap().starts_with("out/"),
        "{list:#}"
    );
    assert_eq!(group["domain"], "example.net", "{list:#}");
    let detail = server.ask(&["queue", "show", &id]);
    assert_eq!(detail["envelope"]["from"], "bob@example.test", "{detail:#}");
    assert_eq!(
        detail["parts"][0]["recipients"][0], "b@example.net",
        "{detail:#}"
    );
    for arguments in [&["queue", "list"][..], &["queue", "show", &id], &["status"]] {
        let said = server.command(arguments);
        assert!(said.status.success());
        assert!(!said.stdout.is_empty());
    }
    server.ask(&["queue", "delete", "--now", &id]);
    // What was answered is durable.
    server.kill();
    server.run(&[]);
    assert_eq!(server.queued(), 0);
    let said = server.command(&["queue", "show", &id]);
    assert!(!said.status.success());
    assert!(
        server.uids("bob").is_empty(),
        "no report: the operator knows"
    );
}

#[test]
fn retry_takes_a_link_or_all() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", tools::nobody());
    let server = Server::start(&organization);
    for number in 0..3 {
        let to = format!("b@example{number}.net");
        send(
            server.inbound(),
            "bob@example.test",
            &[&to],
            &message("held"),
        );
    }
    let link = wait::until("three deferred", || {
        let list = server.ask(&["queue", "list"]);
        let groups = list["groups"].as_array().unwrap();
        let deferred: u64 = groups
            .iter()
            .filter_map(|group| group["phases"]["retry"].as_u64())
            .sum();
        (deferred == 3).then(|| groups[0]["link"].as_str().unwrap().to_owned())
    });
    let touched = server.ask(&["queue", "retry", "--link", &link]);
    assert_eq!(touched["changed"], 3, "{touched:#}");
    let said = server.command(&["queue", "retry", "--all"]);
    assert!(said.status.success());
}

#[test]
fn the_trace_tells_the_whole_way() {
    let server = Server::start(&Organization::new());
    let reply = send(
        server.inbound(),
        "a@example.org",
        &["alice@example.test"],
        &message("trace"),
    );
    server.mailbox("alice", 1);
    server.await_empty_queue();
    let trace = server.ask(&["message", "trace", &id_in(&reply)]);
    let steps: Vec<&str> = trace["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    let way: Vec<&str> = steps
        .iter()
        .copied()
        .filter(|step| ["accepted", "categorized", "routed", "delivered"].contains(step))
        .collect();
    assert_eq!(
        way,
        ["accepted", "categorized", "routed", "delivered"],
        "{trace:#}"
    );
    let times: Vec<u64> = trace["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["at"].as_u64().unwrap())
        .collect();
    assert!(times.is_sorted(), "{trace:#}");
}

#[test]
fn explanations_name_the_objects() {
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .with("[[group]]\nname = \"staff\"\naddresses = [\"staff@example.test\"]\nmembers = [\"alice\", \"b@example.net\"]\n")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    let recipient = server.ask(&["recipient", "explain", "staff@example.test"]);
    let text = recipient.to_string();
    assert!(
        text.contains("staff") && text.contains("alice"),
        "{recipient:#}"
    );
    assert_eq!(
        recipient["addressees"].as_array().unwrap().len(),
        2,
        "{recipient:#}"
    );
    let route = server.ask(&["route", "explain", "staff@example.test"]);
    let links: Vec<&str> = route["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["link"].as_str().unwrap())
        .collect();
    assert!(links.contains(&"local"), "{route:#}");
    assert!(
        links.iter().any(|link| link.starts_with("out/")),
        "{route:#}"
    );
    let route = server.ask(&["route", "explain", "nobody@example.test"]);
    assert_eq!(route["failures"].as_array().unwrap().len(), 1, "{route:#}");
}

#[test]
fn commands_without_a_server_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary::bridgehead())
        .args(["queue", "list", "--data"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains("no server"), "{words}");
}

#[test]
fn sigterm_finishes_what_runs() {
    let mut server = Server::start(&Organization::new());
    let mut client = client(server.inbound());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    client.command("RCPT TO:<alice@example.test>").unwrap();
    assert_eq!(client.command("DATA").unwrap().code, 354);
    client.write(b"Subject: last\r\n\r\n").unwrap();
    let process = server.process_id();
    let pid = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    // The listening socket closes first; then the transaction may still end.
    wait::until("the server takes no more connections", || {
        std::net::TcpStream::connect(server.inbound())
            .is_err()
            .then_some(())
    });
    client.write(b"end\r\n.\r\n").unwrap();
    assert_eq!(client.reply().unwrap().code, 250);
    wait::until("the server ends", || (!server.is_running()).then_some(()));
    server.kill();
    server.run(&[]);
    server.mailbox("alice", 1);
}

#[test]
fn idle_sessions_do_not_hold_a_stop_up() {
    let mut server = Server::start(&Organization::new());
    let mut idle = client(server.inbound());
    let status = server.stop();
    assert!(status.success(), "{status}");
    assert_eq!(idle.reply().map(|reply| reply.code).ok(), Some(421));
}

#[test]
fn the_log_names_session_and_message() {
    let mut server = Server::prepare(binary::bridgehead(), "log-format = \"json\"");
    server.run(&[]);
    server.apply(&Organization::new().smart_host("out", "*", tools::nobody()));
    let reply = send(
        server.inbound(),
        "a@example.org",
        &["alice@example.test"],
        &message("log"),
    );
    server.mailbox("alice", 1);
    let held = send(
        server.inbound(),
        "alice@example.test",
        &["b@example.net"],
        &message("held"),
    );
    wait::until("an attempt", || {
        let list = server.ask(&["queue", "list"]);
        list["groups"][0]["last-error"].is_string().then_some(())
    });
    server.stop();
    let (id, held) = (id_in(&reply), id_in(&held));
    let log = server.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let about: Vec<&serde_json::Value> = lines
        .iter()
        .filter(|line| line.to_string().contains(&id))
        .collect();
    assert!(about.len() >= 2, "accepted and delivered at least: {log}");
    assert!(
        about
            .iter()
            .any(|line| line.to_string().contains("session")),
        "{log}"
    );
    // Also what a room says that knows nothing of ids.
    assert!(
        lines
            .iter()
            .map(ToString::to_string)
            .any(|line| line.contains(&held) && line.contains("a host can't be used")),
        "{log}"
    );
}
