//! A `250` means it: nothing that was answered is lost, whatever happens to the process.

use crate::{client, message, send};
use bridgehead_testkit::sink::{ALL_EXTENSIONS, Sink};
use bridgehead_tests::crash::{self, Plan};
use bridgehead_tests::organization::Organization;
use bridgehead_tests::process::resident_peak;
use bridgehead_tests::{Server, binary, tools, wait};

#[test]
fn what_was_answered_survives_a_kill_at_once() {
    let address = tools::nobody();
    let organization = Organization::new()
        .server("retry-schedule = [\"1s\"]")
        .smart_host("out", "*", address);
    let mut server = Server::start(&organization);
    for number in 0..20 {
        send(
            server.inbound(),
            "a@example.org",
            &["alice@example.test", "b@example.net"],
            &message(&number.to_string()),
        );
    }
    server.kill();
    server.run(&[]);
    assert_eq!(server.mailbox("alice", 20).len(), 20);
    let sink = Sink::start_at(address, ALL_EXTENSIONS, Box::new(|_| None)).unwrap();
    wait::until("all at the next hop", || (sink.count() >= 20).then_some(()));
    server.await_empty_queue();
    assert_eq!(server.uids("alice").len(), 20, "delivered once");
}

#[test]
fn ten_rounds_of_kills_lose_nothing() {
    let result = crash::run(&Plan {
        binary: binary::bridgehead().to_owned(),
        rounds: 10,
        seed: 1,
        clients: 6,
    });
    assert!(result.is_good(), "{result}");
    assert!(result.answered > 0, "{result}");
}

#[test]
fn a_large_message_streams_through_in_constant_memory() {
    const SIZE: usize = 150 << 20;
    // Nothing near the size; what the server needs without any mail isn't counted.
    const BOUND: u64 = 32 << 20;
    let sink = Sink::start().unwrap();
    let organization = Organization::new()
        .inbound("max-message-size = \"200 MiB\"")
        .smart_host("out", "*", sink.address());
    let server = Server::start(&organization);
    let idle = resident_peak(server.process_id());
    let mut client = client(server.inbound());
    client.command("MAIL FROM:<a@example.org>").unwrap();
    client.command("RCPT TO:<alice@example.test>").unwrap();
    client.command("RCPT TO:<b@example.net>").unwrap();
    let line = [&[b'x'; 76][..], b"\r\n"].concat();
    let mut content = b"Subject: large\r\n\r\n".to_vec();
    content.extend(line.iter().cycle().take(SIZE / line.len() * line.len()));
    let reply = client.data(&content).unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    wait::until("it at the next hop", || (sink.count() == 1).then_some(()));
    let uid = wait::until("it in the mailbox", || {
        server.uids("alice").first().copied()
    });
    assert!(
        sink.received()[0].content.ends_with(&content),
        "changed on its way"
    );
    assert!(
        server.cat("alice", uid).ends_with(&content),
        "changed in the mailbox"
    );
    // The kernel's counts are of some pages more or less.
    let grown = resident_peak(server.process_id()).saturating_sub(idle);
    assert!(grown < BOUND, "it grew by {} MiB", grown >> 20);
}

#[test]
fn a_spool_is_checked_and_repaired_while_its_server_is_stopped() {
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", tools::nobody());
    let mut server = Server::start(&organization);
    for number in 0..5 {
        send(
            server.inbound(),
            "a@example.org",
            &["b@example.net"],
            &message(&number.to_string()),
        );
    }
    let spool = server.data().join("queue");
    let check = |more: &[&str]| {
        let mut command = std::process::Command::new(binary::bridgehead());
        command
            .args(["queue", "check", "--spool"])
            .arg(&spool)
            .args(more);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (_, text) = check(&[]);
    assert!(text.contains("in use by another server"), "{text}");
    server.stop();
    let (sound, text) = check(&[]);
    assert!(sound && text.contains("5 messages"), "{text}");
    // One octet of what had been durable.
    let segment = std::fs::read_dir(&spool)
        .unwrap()
        .map(|file| file.unwrap().path());
    let segment = segment
        .filter(|path| path.extension().is_some_and(|found| found == "log"))
        .min();
    let segment = segment.unwrap();
    let mut octets = std::fs::read(&segment).unwrap();
    octets[100] ^= 1;
    std::fs::write(&segment, octets).unwrap();
    std::fs::write(spool.join("notes.txt"), "not ours").unwrap();
    let (sound, text) = check(&[]);
    assert!(
        !sound && text.contains("DAMAGE") && text.contains("notes.txt"),
        "{text}"
    );
    let (mended, text) = check(&["--repair"]);
    assert!(mended && text.contains("4 messages are kept"), "{text}");
    assert!(
        spool.join("notes.txt").exists(),
        "foreign files are left alone"
    );
    let aside = segment.with_extension("damaged");
    assert!(aside.exists(), "what was damaged is kept");
    server.run(&[]);
    assert_eq!(server.queued(), 4, "{}", server.log());
}

#[test]
fn a_damaged_end_of_the_spool_is_cut_and_told() {
    let address = tools::nobody();
    let organization = Organization::new()
        .server("retry-schedule = [\"1h\"]")
        .smart_host("out", "*", address);
    let mut server = Server::start(&organization);
    for number in 0..5 {
        send(
            server.inbound(),
            "a@example.org",
            &["b@example.net"],
            &message(&number.to_string()),
        );
    }
    server.kill();
    crash::tear_newest_segment(&server.data());
    server.run(&[]);
    // What stood before the damage is there.
    assert_eq!(server.queued(), 5, "{}", server.log());
    send(
        server.inbound(),
        "a@example.org",
        &["alice@example.test"],
        &message("after"),
    );
    server.mailbox("alice", 1);
}
