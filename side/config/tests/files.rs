//! Server files, the files of init, and the check of both.
#![allow(clippy::unwrap_used)]

use bridgehead_config::{
    Example, Fault, LogFormat, LogLevel, ServerFile, check, check_texts, init_organization_file,
    init_server_file,
};
use bridgehead_directory::{Name, parse_organisation};
use proptest::prelude::*;
use std::path::Path;

fn faults(text: &str) -> Vec<String> {
    let faults = ServerFile::parse(text, "server.toml").unwrap_err();
    faults.iter().map(ToString::to_string).collect()
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn paths_start_at_the_folder_of_the_file_and_have_defaults() {
    let text = "name = \"mail1\"\ndata = \"data\"\n";
    let file = ServerFile::parse(text, "/etc/bridgehead/server.toml").unwrap();
    assert_eq!(file.data, Path::new("/etc/bridgehead/data"));
    assert_eq!(file.queue, Path::new("/etc/bridgehead/data/queue"));
    assert_eq!(
        file.admin_socket,
        Path::new("/etc/bridgehead/data/admin.sock")
    );
    assert_eq!(
        (file.log_level, file.log_format),
        (LogLevel::Info, LogFormat::Text)
    );
    let text = format!("{text}queue = \"/fast/queue\"\nadmin-socket = \"run/a.sock\"\n");
    let file = ServerFile::parse(&text, "server.toml").unwrap();
    assert_eq!(file.data, Path::new("data"));
    assert_eq!(file.queue, Path::new("/fast/queue"));
    assert_eq!(file.admin_socket, Path::new("run/a.sock"));
}

#[test]
fn each_fault_of_a_server_file_is_told() {
    assert_eq!(
        faults("name = \"a b\"\nlog-levl = \"info\"\nlog-format = \"xml\"\n\ndirectory = 1\n"),
        [
            "server.toml:1: server file: name: \"a b\": a name is expected: up to 64 letters, digits, `-`, `_` and `.`",
            "server.toml:1: server file: data: is missing; a path is expected",
            "server.toml:2: server file: log-levl: unknown key; did you mean `log-level`?",
            "server.toml:3: server file: log-format: \"xml\": \"text\" or \"json\" is expected",
            "server.toml:5: server file: directory: \"embedded\" or \"ldap\" is expected, not an integer",
        ]
    );
    assert!(ServerFile::read(Path::new("/nonexistent/server.toml")).is_err());
}

#[test]
fn what_init_writes_has_no_fault_and_fits_together() {
    let mut example = Example::on_loopback(name("mail1"));
    let server = init_server_file(&name("mail1"));
    for password in [None, Some("quo\"te \\ and more")] {
        example.alice = password;
        let organisation = init_organization_file(&example);
        let checked = check_texts(&[("server.toml", &server), ("org.toml", &organisation)]);
        assert_eq!((checked.faults, checked.warnings), (vec![], vec![]));
        let (organisation, _) = parse_organisation(&organisation, "org.toml").unwrap();
        assert_eq!(
            organisation.mailboxes[0].password.is_some(),
            password.is_some()
        );
    }
}

#[test]
fn what_init_shows_commented_out_is_right_too() {
    let text = init_organization_file(&Example::on_loopback(name("mail1")));
    let is_key = |line: &str| {
        let key = line.split(" = ").next().unwrap_or_default();
        line.starts_with("[[") || line.contains(" = ") && !key.contains(' ')
    };
    let shown = text.lines().map(|line| match line.strip_prefix("# ") {
        Some(hidden) if is_key(hidden) => hidden,
        _ => line,
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let (organisation, warnings) = parse_organisation(&shown, "org.toml").unwrap();
    assert_eq!(warnings, []);
    assert_eq!(
        (organisation.connectors.len(), organisation.groups.len()),
        (1, 1)
    );
    assert!(
        organisation
            .mailboxes
            .iter()
            .all(|mailbox| mailbox.password.is_some())
    );
    let server = init_server_file(&name("mail1")).replace("# queue", "queue");
    let server = server.replace("# admin-socket", "admin-socket");
    assert!(ServerFile::parse(&server, "server.toml").is_ok());
}

#[test]
fn a_server_file_without_its_server_is_told() {
    let organisation = init_organization_file(&Example::on_loopback(name("mail1")));
    let server = init_server_file(&name("mail2"));
    let checked = check_texts(&[("s.toml", &server), ("o.toml", &organisation)]);
    let faults: Vec<String> = checked.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        ["s.toml: server file: name: o.toml has no server \"mail2\""]
    );
}

#[test]
fn faults_of_all_files_are_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a.toml"), "name = 1\n").unwrap();
    std::fs::write(path("b.toml"), "[organization]\n").unwrap();
    std::fs::write(path("c.toml"), "[[[\n").unwrap();
    let paths = ["a.toml", "b.toml", "c.toml", "none.toml"].map(path);
    let checked = check(&paths);
    let count = |name: &str| {
        let ours = |fault: &&Fault| fault.file.ends_with(name);
        checked.faults.iter().filter(ours).count()
    };
    assert_eq!(["a.toml", "b.toml", "none.toml"].map(count), [2, 2, 1]);
    assert!(count("c.toml") > 0);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        let _ = ServerFile::parse(&text, "server.toml");
        let _ = check_texts(&[("x.toml", &text)]);
    }

    #[test]
    fn any_key_and_value_is_read_or_refused(key in "(name|data|queue|log-level|[a-z-]{1,9})", value in "\\PC{0,20}") {
        let _ = ServerFile::parse(&format!("{key} = {value}\n"), "server.toml");
        let _ = ServerFile::parse(&format!("{key} = {value:?}\n"), "server.toml");
    }
}

/// The page about directories names every key of the table.
#[test]
fn every_key_of_the_ldap_table_is_documented() {
    let page = include_str!("../../../docs/directory.md");
    for key in <bridgehead_config::LdapTable as bridgehead_directory::Schema>::KEYS {
        assert!(page.contains(&format!("`{}`", key.name)), "{}", key.name);
    }
}

/// Writes a text of reports into the data directory of a server, and gives the faults that a check of both files tells.
fn with_text(file: &str, text: &[u8]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data/texts").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    let server = folder.path().join("server.toml");
    std::fs::write(&server, "name = \"mail1\"\ndata = \"data\"\n").unwrap();
    let organization = folder.path().join("org.toml");
    let objects = init_organization_file(&Example::on_loopback(name("mail1")));
    let objects = objects.replacen("[[server]]", "[[server]]\nreport-templates = \"texts\"", 1);
    std::fs::write(&organization, &objects).unwrap();
    // Away from the server nobody knows where the folder is.
    assert_eq!(check(std::slice::from_ref(&organization)).faults, []);
    let checked = check(&[server, organization]);
    let start = folder.path().join("data/texts/").display().to_string();
    let faults = checked.faults.iter().map(ToString::to_string);
    faults.map(|fault| fault.replace(&start, "")).collect()
}

#[test]
fn texts_of_reports_are_checked_with_file_line_and_key() {
    assert_eq!(
        with_text("de/failure.txt", b"Subject: x\n\n{recipients}\n"),
        [""; 0]
    );
    assert_eq!(with_text("de/README", b"notes"), [""; 0]);
    assert_eq!(with_text("de/.failure.txt", b"an editor's"), [""; 0]);
    for (file, text, told) in [
        (
            "de/failure.txt",
            &b"Subject: x\n\n{recipients}\n{nme}\n"[..],
            "de/failure.txt:4: {nme}: unknown name",
        ),
        (
            "de/delay.txt",
            b"Subject: x\n\nlate\n",
            "de/delay.txt: {recipients}: is missing",
        ),
        ("de/delay.txt", b"", "de/delay.txt:1: Subject: is missing"),
        (
            "de/bounce.txt",
            b"x",
            "de/bounce.txt: unknown file; failure.txt, ",
        ),
        (
            "de/failure.txt",
            b"Subject: \xff\n\n{recipients}\n",
            "de/failure.txt: can't be read: it isn't UTF-8",
        ),
        (
            "de/failure.txt",
            &[b'x'; 70_000],
            "de/failure.txt: it has more than 64 KiB",
        ),
        (
            "de/words.txt",
            b"1.1 = x\nsaid = {host}\n",
            "de/words.txt:2: said: {reply} is missing in it",
        ),
        (
            "d_e/failure.txt",
            b"x",
            "d_e/failure.txt: \"d_e\" is no language tag",
        ),
    ] {
        let faults = with_text(file, text);
        assert!(faults[0].starts_with(told), "{file}: {faults:?}");
    }
}
