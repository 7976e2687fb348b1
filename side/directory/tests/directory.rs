//! The embedded directory: apply, export, history, and what a snapshot answers.

#![allow(clippy::unwrap_used)]

use bridgehead_directory::{Acceptance, Change, Directory, Fault, Snapshot, Wish, verify_password};
use bridgehead_mail::{Address, Timestamp};

const GOOD: &str = include_str!("organisation.toml");
const NOW: Timestamp = Timestamp::from_millis(1_000);

fn applied() -> (tempfile::TempDir, Directory) {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open_embedded(folder.path()).unwrap();
    apply(&directory, GOOD, "root", false).unwrap();
    (folder, directory)
}

fn apply(
    directory: &Directory,
    text: &str,
    who: &str,
    dry_run: bool,
) -> Result<Change, Vec<Fault>> {
    directory.apply(&Wish {
        text,
        file: "org.toml",
        who,
        why: "because",
        now: NOW,
        expected: None,
        dry_run,
        trial_on: &[],
    })
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

#[test]
fn applying_twice_changes_once() {
    let (_folder, directory) = applied();
    let watch = directory.watch();
    let change = apply(&directory, GOOD, "root", false).unwrap();
    assert!(change.is_empty(), "{change:?}");
    assert_eq!((change.version, change.unchanged), (1, 16));
    assert!(!watch.has_changed().unwrap());
}

#[test]
fn an_export_is_applied_without_change_and_holds_no_clear_text() {
    let (_folder, directory) = applied();
    let (version, text) = directory.export().unwrap();
    assert_eq!(version, 1);
    assert!(!text.contains("clear text"));
    let change = apply(&directory, &text, "root", false).unwrap();
    assert!(change.is_empty(), "{change:?}");
    assert_eq!(directory.export().unwrap().1, text);
}

#[test]
fn a_change_is_told_kept_and_in_force() {
    let (folder, directory) = applied();
    let before = directory.snapshot();
    let watch = directory.watch();
    let text = GOOD
        .replace("a.smith@example.test", "smith@example.test")
        .replace("name = \"carol\"", "name = \"charlie\"");
    let dry = apply(&directory, &text, "eve", true).unwrap();
    assert_eq!(directory.snapshot().version(), 1);
    let change = apply(&directory, &text, "eve", false).unwrap();
    let effect = "mail for smith@example.test: refused as unknown -> mailbox alice".to_owned();
    assert!(dry.effects.contains(&effect), "{:?}", dry.effects);
    assert_eq!(dry.differences.len(), 3);
    let told = Change {
        differences: Vec::new(),
        effects: Vec::new(),
        ..dry
    };
    assert_eq!(change, told);
    assert_eq!(change.created, ["contact charlie"]);
    assert_eq!(change.changed, ["mailbox alice"]);
    assert_eq!(change.deleted, ["contact carol"]);
    assert_eq!((change.version, change.unchanged), (2, 14));
    assert_eq!(*watch.borrow(), 2);
    let smith = address("smith@example.test");
    assert_eq!(before.accept(&smith), Acceptance::Unknown);
    assert_eq!(directory.snapshot().accept(&smith), Acceptance::Recipient);

    let text = directory.export().unwrap();
    drop(directory);
    let directory = Directory::open_embedded(folder.path()).unwrap();
    assert_eq!(directory.export().unwrap(), text);
    let history = directory.history(10).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!((history[0].version, &*history[0].who), (2, "eve"));
    assert_eq!(history[0].at, NOW);
    assert_eq!(
        history[0].summary,
        "created contact charlie; changed mailbox alice; deleted contact carol"
    );
}

#[test]
fn a_faulty_file_changes_nothing() {
    let (_folder, directory) = applied();
    let before = directory.export().unwrap();
    let text =
        format!("{GOOD}\n[[mailbox]]\nname = \"dave\"\naddresses = [\"dave@example.org\"]\n");
    let faults = apply(&directory, &text, "root", false).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert_eq!(directory.export().unwrap(), before);
    assert_eq!(directory.history(10).unwrap().len(), 1);
}

#[test]
fn an_empty_directory_takes_no_mail() {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::open_embedded(folder.path()).unwrap();
    let snapshot = directory.snapshot();
    assert_eq!(snapshot.version(), 0);
    assert_eq!(
        snapshot.accept(&address("a@example.test")),
        Acceptance::NotOurs
    );
    assert!(snapshot.default_domain().is_none());
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("directory.redb");
    std::fs::write(&path, b"not a database").unwrap();
    let error = Directory::open_embedded(folder.path()).unwrap_err();
    assert!(error.to_string().contains("directory.redb"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"not a database");
}

#[test]
fn mail_is_taken_for_those_who_exist() {
    let (_folder, directory) = applied();
    let snapshot = directory.snapshot();
    for (text, expected) in [
        ("alice@example.test", Acceptance::Recipient),
        ("ALICE@Example.TEST", Acceptance::Recipient),
        ("alice+lists@example.test", Acceptance::Recipient),
        ("+alice@example.test", Acceptance::Unknown),
        ("postmaster@example.test", Acceptance::Recipient),
        ("Abuse@inner.test", Acceptance::Recipient),
        ("postmaster@partner.test", Acceptance::RelayDomain),
        ("staff@example.test", Acceptance::Recipient),
        ("carol@example.test", Acceptance::Recipient),
        ("gone@example.test", Acceptance::Recipient),
        ("zoe@example.test", Acceptance::Unknown),
        ("zoe@inner.test", Acceptance::RelayDomain),
        ("bob@inner.test", Acceptance::Recipient),
        ("alice@example.org", Acceptance::NotOurs),
        ("alice@sub.example.test", Acceptance::NotOurs),
    ] {
        assert_eq!(snapshot.accept(&address(text)), expected, "{text}");
    }
}

#[test]
fn without_plus_addressing_a_plus_is_a_letter() {
    let text = GOOD.replace("[organization]", "[organization]\nplus-addressing = false");
    let (organisation, _) = bridgehead_directory::parse_organisation(&text, "org.toml").unwrap();
    let snapshot = Snapshot::build(1, organisation);
    let tagged = address("alice+x@example.test");
    assert_eq!(snapshot.accept(&tagged), Acceptance::Unknown);
}

#[test]
fn login_is_by_name_or_address_and_not_for_the_disabled() {
    let (_folder, directory) = applied();
    let snapshot = directory.snapshot();
    for user in ["alice", "ALICE", "a.smith@example.test"] {
        let login = snapshot.login(user).unwrap();
        assert_eq!(login.mailbox.as_str(), "alice");
        assert_eq!(login.addresses.len(), 2);
        assert!(verify_password(
            Some(login.proofs[0].as_str()),
            b"clear text"
        ));
    }
    for user in ["gone", "bob", "staff", "zoe", "", "postmaster@example.test"] {
        assert!(snapshot.login(user).is_none(), "{user}");
    }
}

#[test]
fn one_sends_as_oneself_only() {
    let (_folder, directory) = applied();
    let snapshot = directory.snapshot();
    for (mailbox, text, may) in [
        ("alice", "a.smith@example.test", true),
        ("Alice", "alice+x@example.test", true),
        ("alice", "postmaster@example.test", true),
        ("bob", "postmaster@example.test", false),
        ("bob", "alice@example.test", false),
        ("bob", "staff@example.test", false),
        ("bob", "bob@example.org", false),
        ("gone", "gone@example.test", false),
    ] {
        assert_eq!(
            snapshot.may_send_as(mailbox, &address(text)),
            may,
            "{mailbox} {text}"
        );
    }
}

#[test]
fn the_domain_of_the_postmaster_is_the_default() {
    let (_folder, directory) = applied();
    let snapshot = directory.snapshot();
    assert_eq!(snapshot.default_domain().unwrap().as_str(), "example.test");
    assert_eq!(snapshot.postmaster(), Some(&address("alice@example.test")));
    assert_eq!(snapshot.mailboxes().count(), 3);
}
