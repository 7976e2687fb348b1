//! Where the queue lies: another folder while mail flows, also over a kill, and the queue of a server that is gone.

use crate::{id_in, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, tools, wait};
use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Larger than what lies inside a segment.
const LARGE: usize = 200 * 1024;

fn organization(next_hop: SocketAddr, lines: &str) -> Organization {
    Organization::new()
        .server(&format!("retry-schedule = [\"1h\"]\n{lines}"))
        .smart_host("out", "*", next_hop)
}

/// Sends some messages, every other one large; gives their ids.
fn send_some(server: &Server, count: usize) -> Vec<String> {
    let one = |number: usize| {
        let mut content = message(&format!("number {number}"));
        if number.is_multiple_of(2) {
            content.extend(
                b"x".repeat(60)
                    .into_iter()
                    .chain(*b"\r\n")
                    .cycle()
                    .take(LARGE / 62 * 62),
            );
        }
        let to = format!("to{number}@example.net");
        id_in(&send(
            server.inbound(),
            "bob@example.test",
            &[&to],
            &content,
        ))
    };
    (0..count).map(one).collect()
}

/// Segments and contents in a folder.
fn pieces(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| name.ends_with(".log") || name.ends_with(".content"))
        .count()
}

fn open(address: SocketAddr) -> Sink {
    Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap()
}

#[test]
fn the_queue_moves_to_another_folder_while_it_runs_and_a_kill_in_between_loses_nothing() {
    let address = tools::nobody();
    let mut server = Server::start(&organization(address, ""));
    let home = server.data().join("queue");
    let other = server.folder().join("fast disk/queue");
    let mut ids = send_some(&server, 20);
    assert!(pieces(&home) > 10);
    let moved = organization(address, &format!("queue-folder = \"{}\"", other.display()));
    server.apply(&moved);
    ids.extend(send_some(&server, 4));
    assert!(pieces(&other) > 0, "new mail goes there at once");
    server.kill();
    server.run(&[]);
    ids.extend(send_some(&server, 2));
    wait::until("nothing in the old folder", || {
        (pieces(&home) == 0).then_some(())
    });
    let list = server.ask(&["queue", "list"]);
    assert_eq!(list["folders"], serde_json::json!([other]), "{list:#}");
    // And back, to a folder in the data directory.
    server.apply(&organization(address, "queue-folder = \"queue\""));
    wait::until("the other folder is given up", || {
        let list = server.ask(&["queue", "list"]);
        (list["folders"] == serde_json::json!([home]) && pieces(&other) == 0).then_some(())
    });
    let sink = open(address);
    server.ask(&["queue", "retry", "--all"]);
    wait::until("all at the next hop", || {
        (sink.count() == ids.len()).then_some(())
    });
    let subjects: BTreeSet<Vec<u8>> = sink
        .received()
        .iter()
        .map(|mail| mail.content.clone())
        .collect();
    assert_eq!(subjects.len(), ids.len(), "each once");
    server.await_empty_queue();
}

#[test]
fn a_folder_that_cant_be_used_leaves_mail_where_it_was_and_a_missing_one_stops_the_start() {
    let address = tools::nobody();
    let mut server = Server::start(&organization(address, ""));
    let file = server.folder().join("a file");
    fs::write(&file, "").unwrap();
    let wrong = organization(address, &format!("queue-folder = \"{}\"", file.display()));
    server.apply(&wrong);
    let status = server.ask(&["status"]).to_string();
    assert!(
        status.contains("queue-folder") && status.contains("a file"),
        "{status}"
    );
    send_some(&server, 2);
    let other = server.folder().join("mount/queue");
    server.apply(&organization(
        address,
        &format!("queue-folder = \"{}\"", other.display()),
    ));
    send_some(&server, 2);
    server.stop();
    // As if its disk weren't mounted.
    fs::rename(&other, server.folder().join("away")).unwrap();
    fs::create_dir(&other).unwrap();
    let lines = server.spawn(&[]);
    assert!(lines.iter().all(|line| line != "ready"));
    wait::until("it has ended", || (!server.is_running()).then_some(()));
    assert!(
        server.log().contains("Is its disk mounted?"),
        "{}",
        server.log()
    );
    fs::remove_dir_all(&other).unwrap();
    fs::rename(server.folder().join("away"), &other).unwrap();
    server.run(&[]);
    assert_eq!(server.queued(), 4);
}

#[test]
fn the_queue_of_a_dead_server_is_taken_over_once() {
    let address = tools::nobody();
    let mut dead = Server::start(&organization(address, ""));
    let ids = send_some(&dead, 12);
    let folder = dead.data().join("queue");
    let folder = folder.to_str().unwrap();
    let server = Server::start(&organization(address, ""));
    let refused = server.command(&["queue", "adopt", folder]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("in use"),
        "{said}"
    );
    dead.kill();
    let answer = server.ask(&["queue", "adopt", folder]);
    assert_eq!(answer["messages"], 12, "{answer:#}");
    let again = server.ask(&["queue", "adopt", folder]);
    assert_eq!(again["messages"], 0, "{again:#}");
    // Nobody else takes it, and no server starts on it any more.
    let third = Server::start(&organization(address, ""));
    let refused = third.command(&["queue", "adopt", folder]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("was taken over"),
        "{said}"
    );
    let lines = dead.spawn(&[]);
    assert!(lines.iter().all(|line| line != "ready"));
    assert!(dead.log().contains("was taken over"), "{}", dead.log());
    let sink = open(address);
    server.ask(&["queue", "retry", "--all"]);
    wait::until("all at the next hop", || (sink.count() == 12).then_some(()));
    server.await_empty_queue();
    let trace = server.ask(&["message", "trace", &ids[0]]).to_string();
    assert!(trace.contains("adopt"), "{trace}");
}
