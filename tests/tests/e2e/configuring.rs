//! The server file and the organisation file: written, checked, applied, exported.

use crate::{message, send};
use bridgehead_testkit::client::Client;
use bridgehead_tests::organization::Organization;
use bridgehead_tests::{Server, binary};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(binary::bridgehead())
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn init_writes_files_that_pass_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(folder.path(), &["init", "--dir", "."]);
    assert!(said.status.success(), "{}", words(&said));
    let said = run(folder.path(), &["check", "server.toml", "org.toml"]);
    assert!(said.status.success(), "{}", words(&said));
    for name in ["server.toml", "org.toml"] {
        let text = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(
            text.contains("\n# ") || text.starts_with("# "),
            "{name} has comments"
        );
    }
}

#[test]
fn init_does_not_write_over_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("org.toml"), "# mine\n").unwrap();
    let said = run(folder.path(), &["init", "--dir", "."]);
    assert!(!said.status.success());
    let text = fs::read_to_string(folder.path().join("org.toml")).unwrap();
    assert_eq!(text, "# mine\n");
}

#[test]
fn check_names_file_line_key_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = Organization::new()
        .with("[[mailbox]]\nname = \"carol\"\naddresses = [\"not an address\"]\ncolour = \"red\"\n")
        .text();
    let line_of = |needle: &str| {
        let line = text.lines().position(|line| line.contains(needle)).unwrap();
        (line + 1).to_string()
    };
    fs::write(folder.path().join("org.toml"), &text).unwrap();
    let said = run(folder.path(), &["check", "org.toml"]);
    assert!(!said.status.success());
    let words = words(&said);
    for (key, line) in [
        ("addresses", line_of("not an address")),
        ("colour", line_of("colour")),
    ] {
        let fault = words.lines().find(|one| one.contains(key));
        let fault = fault.unwrap_or_else(|| panic!("{key} isn't named: {words}"));
        assert!(fault.contains("org.toml"), "{fault}");
        assert!(fault.contains(&line), "line {line}: {fault}");
    }
}

#[test]
fn serve_refuses_a_faulty_server_file_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("server.toml"),
        "name = \"mail1\"\nqeue = \"x\"\n",
    )
    .unwrap();
    let said = run(folder.path(), &["serve", "--config", "server.toml"]);
    assert!(!said.status.success());
    let words = words(&said);
    assert!(
        words.contains("qeue") && words.contains("server.toml"),
        "{words}"
    );
}

#[test]
fn apply_is_idempotent_and_a_dry_run_changes_nothing() {
    let organization = Organization::new();
    let mut server = Server::start(&organization);
    let version = server.ask(&["status"])["organization"].clone();
    let again = server.apply(&organization);
    assert_eq!(again["changed"], serde_json::json!([]), "{again:#}");
    assert_eq!(again["created"], serde_json::json!([]), "{again:#}");
    let more =
        organization.with("[[mailbox]]\nname = \"carol\"\naddresses = [\"carol@example.test\"]\n");
    let file = server.folder().join("more.toml");
    fs::write(&file, more.text()).unwrap();
    let dry = server.ask(&["apply", "-f", file.to_str().unwrap(), "--dry-run"]);
    assert_eq!(dry["created"].as_array().unwrap().len(), 1, "{dry:#}");
    assert_eq!(server.ask(&["status"])["organization"], version);
}

#[test]
fn a_change_is_in_force_without_a_restart() {
    let mut server = Server::start(&Organization::new());
    let address = server.strict();
    let mut open = Client::connect(server.inbound()).unwrap();
    let mut client = Client::connect(address).unwrap();
    client.ehlo("client.example.org").unwrap();
    client.command("MAIL FROM:<a@example.org>").unwrap();
    assert_eq!(
        client.command("RCPT TO:<carol@example.test>").unwrap().code,
        550
    );
    server.apply(&Organization::new().with(
        "[[mailbox]]\nname = \"carol\"\naddresses = [\"carol@example.test\"]\n\n\
         [[virtual-server]]\nname = \"second\"\nserver = \"mail1\"\nlisten = [\"127.0.0.1:0\"]\n",
    ));
    assert_eq!(
        server.strict(),
        address,
        "unchanged ones keep their sockets"
    );
    assert_eq!(
        open.ehlo("client.example.org").unwrap().code,
        250,
        "and their sessions"
    );
    send(
        server.address("second"),
        "a@example.org",
        &["carol@example.test"],
        &message("new"),
    );
    server.mailbox("carol", 1);
    server.apply(&Organization::new());
    let mut client = Client::connect(server.strict()).unwrap();
    client.ehlo("client.example.org").unwrap();
    client.command("MAIL FROM:<a@example.org>").unwrap();
    assert_eq!(
        client.command("RCPT TO:<carol@example.test>").unwrap().code,
        550
    );
}

#[test]
fn a_faulty_organisation_leaves_the_old_one_in_force() {
    let server = Server::start(&Organization::new());
    let file = server.folder().join("faulty.toml");
    fs::write(
        &file,
        Organization::new()
            .with("[[mailbox]]\nname = \"x\"\n")
            .text(),
    )
    .unwrap();
    let said = server.command(&["apply", "-f", file.to_str().unwrap()]);
    assert!(!said.status.success());
    let faults = String::from_utf8_lossy(&said.stderr);
    assert!(faults.contains("faulty.toml:"), "{}", words(&said));
    assert!(faults.contains("addresses"), "{}", words(&said));
    assert!(said.stdout.is_empty(), "{}", words(&said));
    send(
        server.strict(),
        "a@example.org",
        &["alice@example.test"],
        &message("still"),
    );
    server.mailbox("alice", 1);
}

#[test]
fn what_is_exported_can_be_applied_and_shows_no_password() {
    let server = Server::start(&Organization::new());
    let said = server.command(&["export"]);
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(!text.contains(bridgehead_tests::organization::PASSWORD));
    let file = server.folder().join("exported.toml");
    fs::write(&file, text).unwrap();
    let result = server.ask(&["apply", "-f", file.to_str().unwrap()]);
    for kind in ["created", "changed", "deleted"] {
        assert_eq!(result[kind], serde_json::json!([]), "{result:#}");
    }
}

#[test]
fn the_organisation_survives_a_restart() {
    let mut server = Server::start(&Organization::new());
    server.stop();
    server.run(&[]);
    send(
        server.strict(),
        "a@example.org",
        &["alice@example.test"],
        &message("again"),
    );
    server.mailbox("alice", 1);
}
