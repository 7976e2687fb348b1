//! Keeps `docs/reference/replies.md` the same as the table of replies. `BLESS=1` writes it anew.

use bridgehead_mail::{Assent, Refusal, Row};
use std::path::Path;

fn table(text: &mut String, title: &str, about: &str, rows: impl Iterator<Item = Row>) {
    *text += &format!("\n## {title}\n\n{about}\n\n| reply | when | name |\n|---|---|---|\n");
    for row in rows {
        let status = row
            .status
            .map_or(String::new(), |status| format!("{status} "));
        let (when, said) = (row.when.trim(), row.text.replace("{}", "*value*"));
        *text += &format!(
            "| `{}` {status}{said} | {when} | `{}` |\n",
            row.code, row.name
        );
    }
}

#[test]
fn the_reference_shows_the_whole_table() {
    let mut text = String::from(
        "# Replies of the SMTP server\n\n\
         All that the server says to a client (RFC 5321 §4.2, RFC 2034). Written by a test from\n\
         `wire/mail/src/reply.rs`; change it there, then run `BLESS=1 cargo test -p bridgehead-mail`.\n",
    );
    let about = "Done, or go on.";
    table(
        &mut text,
        "Assents",
        about,
        Assent::ALL.iter().map(|one| one.row()),
    );
    let about = "4xx: not now, the same thing may work later. 5xx: not like this.";
    table(
        &mut text,
        "Refusals",
        about,
        Refusal::ALL.iter().map(|one| one.row()),
    );

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/replies.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "docs/reference/replies.md is not the table any more: run with BLESS=1"
    );
}
