//! Changes of the organisation: what they would mean, who made them, and the way back.

use bridgehead_tests::Server;
use bridgehead_tests::organization::Organization;
use serde_json::json;
use std::fs;

const CAROL: &str = "[[mailbox]]\nname = \"carol\"\naddresses = [\"carol@example.test\"]\n";

/// Applies with further arguments; standard output, or the words of the failure.
fn apply(
    server: &Server,
    organization: &Organization,
    arguments: &[&str],
) -> Result<String, String> {
    let file = server.folder().join("change.toml");
    fs::write(&file, organization.text()).unwrap();
    let mut all = vec!["apply", "-f", file.to_str().unwrap()];
    all.extend_from_slice(arguments);
    said(server, &all)
}

fn said(server: &Server, arguments: &[&str]) -> Result<String, String> {
    let output = server.command(arguments);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

#[test]
fn a_dry_run_shows_what_would_become_of_mail() {
    let server = Server::start(&Organization::new());
    let changed = Organization::new().with(CAROL);
    let dry = apply(&server, &changed, &["--dry-run"]).unwrap();
    assert!(dry.contains("would be created: mailbox carol"), "{dry}");
    let effect = "effect: mail for carol@example.test: refused as unknown -> mailbox carol";
    assert!(dry.contains(effect), "{dry}");
    let file = server.folder().join("change.toml");
    let diff = said(&server, &["diff", "-f", file.to_str().unwrap()]).unwrap();
    assert!(diff.contains("+[[mailbox]]\n+name = \"carol\"\n"), "{diff}");
    assert!(diff.contains(effect), "{diff}");
    assert_eq!(server.ask(&["status"])["organization"], json!(1));
}

#[test]
fn history_tells_who_and_why_and_leads_back() {
    let server = Server::start(&Organization::new());
    let first = said(&server, &["export"]).unwrap();
    let changed = Organization::new().with(CAROL);
    apply(&server, &changed, &["--why", "Carol begins"]).unwrap();
    let history = server.ask(&["config", "history"]);
    let changes = history["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 2, "{history:#}");
    assert_eq!(changes[0]["why"], "Carol begins");
    assert_eq!(changes[0]["version"], 2);
    assert!(
        changes[0]["who"]
            .as_str()
            .unwrap()
            .contains("administrator")
    );
    let shown = said(&server, &["config", "show", "2"]).unwrap();
    assert!(shown.contains("+name = \"carol\""), "{shown}");

    let created = said(&server, &["config", "show", "1"]).unwrap();
    assert!(created.contains("+name = \"alice\""), "{created}");
    assert!(!created.contains("argon2"), "no hash is shown: {created}");

    let dry = said(&server, &["config", "rollback", "1", "--dry-run"]).unwrap();
    assert!(dry.contains("would be deleted: mailbox carol"), "{dry}");
    let back = said(&server, &["config", "rollback", "1", "--why", "not yet"]).unwrap();
    assert!(back.contains("deleted: mailbox carol"), "{back}");
    assert_eq!(said(&server, &["export"]).unwrap(), first);
    let history = server.ask(&["config", "history", "--last", "1"]);
    assert_eq!(history["changes"][0]["why"], "back to version 1: not yet");
    assert_eq!(history["changes"][0]["version"], 3);

    for version in ["0", "3", "99"] {
        let refused = said(&server, &["config", "rollback", version]).unwrap_err();
        assert!(refused.contains("from 1 to 2"), "{refused}");
    }
    assert!(said(&server, &["config", "show", "99"]).is_err());
}

#[test]
fn a_change_on_top_of_somebody_elses_is_a_conflict_and_changes_nothing() {
    let server = Server::start(&Organization::new());
    let changed = Organization::new().with(CAROL);
    apply(&server, &changed, &["--expect-version", "1"]).unwrap();
    let before = said(&server, &["export"]).unwrap();
    let late = apply(&server, &Organization::new(), &["--expect-version", "1"]).unwrap_err();
    assert!(late.contains("is at version 2, not 1"), "{late}");
    assert_eq!(said(&server, &["export"]).unwrap(), before);
}

#[test]
fn the_directory_tells_how_it_is() {
    let server = Server::start(&Organization::new());
    let status = server.ask(&["directory", "status"]);
    assert_eq!(status["complete"], true, "{status:#}");
    assert_eq!(status["mailboxes"], 2, "{status:#}");
    let text = said(&server, &["directory", "status"]).unwrap();
    assert!(text.contains("source        embedded"), "{text}");
}
