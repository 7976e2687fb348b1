//! Keeps `docs/reference/organisation.md` the same as the keys of all objects. `BLESS=1` writes it anew.
#![allow(clippy::unwrap_used)]

use bridgehead_directory::{Key, Presence, Size, Wait, reference};
use std::path::Path;

fn bound(key: &Key) -> String {
    let Some((low, high)) = key.bound else {
        return String::new();
    };
    let show = |number: u64| match key.shape {
        "a size" => Size(number).to_string(),
        "a duration" => Wait::from_secs(number).to_string(),
        _ => number.to_string(),
    };
    format!(", {} to {}", show(low), show(high))
}

fn row(key: &Key) -> String {
    let shape = match key.presence {
        Presence::Required | Presence::Optional => key.shape.to_owned(),
        Presence::List | Presence::Several => format!("array, each {}", key.shape),
    };
    let default = match key.presence {
        Presence::Required | Presence::Several => "*must be there*".to_owned(),
        Presence::Optional | Presence::List => key.default.to_owned(),
    };
    let (shape, doc) = (shape.replace('|', "\\|"), key.doc.trim());
    format!(
        "| `{}` | {shape}{} | {default} | {doc} |\n",
        key.name,
        bound(key)
    )
}

#[test]
fn the_reference_shows_every_key() {
    let mut text = String::from(
        "# The organisation's file\n\n\
         What `bridgehead apply` reads and `bridgehead export` writes: each kind of object with its keys. Unknown keys\n\
         are faults. Sizes have a unit (`64 KiB`, `50 MiB`, `1 GiB`), durations too (`90s`, `15m`, `4h`, `2d`). Written\n\
         by a test from `side/directory/src/objects.rs`; change it there, then run\n\
         `BLESS=1 cargo test -p bridgehead-directory`.\n",
    );
    for (kind, about, keys) in reference() {
        let header = match kind {
            "organization" => format!("[{kind}]"),
            _ => format!("[[{kind}]]"),
        };
        text += &format!("\n## `{header}`\n\n{}\n\n", about.trim());
        text += "| key | value | default | meaning |\n|---|---|---|---|\n";
        text.extend(keys.iter().map(row));
    }

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/organisation.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        written == text,
        "docs/reference/organisation.md is not the keys any more: run with BLESS=1"
    );
}
