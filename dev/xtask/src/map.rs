//! The map is a test: every arrow between crates must be in `map.toml`, because arrows drift one harmless import at a
//! time.
//!
//! In tests, a crate may also import the testkit and whatever the testkit's doubles stand on.

use crate::step::{self, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PREFIX: &str = "bridgehead-";
/// What a crate may import in its tests beyond its arrows: the doubles, and the real thing they stand in for.
const IN_TESTS: &[&str] = &["testkit", "disk", "mail"];

/// `map.toml`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Map {
    arrows: BTreeMap<String, Vec<String>>,
    /// What a crate's tests may import beyond its arrows.
    #[serde(default)]
    in_tests: BTreeMap<String, Vec<String>>,
    only: BTreeMap<String, Only>,
    free: Group,
    without_runtime: Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Only {
    module: String,
    of: Vec<String>,
    /// Names at the door of a room that are free too: the handles that the module's methods stand on.
    #[serde(default)]
    also: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    crates: Vec<String>,
}

/// A manifest, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Manifest {
    package: Package,
    #[serde(default)]
    dependencies: toml::Table,
    #[serde(default)]
    build_dependencies: toml::Table,
    #[serde(default)]
    dev_dependencies: toml::Table,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Root {
    workspace: Workspace,
}

#[derive(Debug, Deserialize)]
struct Workspace {
    members: Vec<String>,
}

/// Compares the map with the manifests of the workspace.
pub(crate) fn run() -> Result<()> {
    println!("==> map");
    let root = step::root();
    let map: Map = read(&root.join("map.toml"))?;
    let workspace: Root = read(&root.join("Cargo.toml"))?;
    let mut faults = Vec::new();
    for member in &workspace.workspace.members {
        let manifest: Manifest = read(&root.join(member).join("Cargo.toml"))?;
        check(&map, &manifest, &mut faults);
        if let Some(only) = map.only.get(short(&manifest.package.name)) {
            check_modules(&root.join(member).join("src"), only, &mut faults)?;
        }
    }
    for fault in &faults {
        println!("error: {fault}");
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(format!("{} arrows are not on the map", faults.len()))
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path)
        .map_err(|error| format!("can't read {}: {error}", path.display()))?;
    toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}

fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or(name)
}

fn check(map: &Map, manifest: &Manifest, faults: &mut Vec<String>) {
    let name = short(&manifest.package.name);
    let of_tables = |tables: &[&toml::Table]| -> Vec<String> {
        tables
            .iter()
            .flat_map(|table| table.keys())
            .cloned()
            .collect()
    };
    let imports = of_tables(&[&manifest.dependencies, &manifest.build_dependencies]);
    if map.without_runtime.crates.iter().any(|bare| bare == name) {
        for runtime in imports.iter().filter(|import| import.starts_with("tokio")) {
            faults.push(format!("{name} may not depend on {runtime}"));
        }
    }
    if map.free.crates.iter().any(|free| free == name) {
        return;
    }
    let Some(allowed) = map.arrows.get(name) else {
        faults.push(format!("{name} isn't on the map"));
        return;
    };
    let is_allowed = |to: &str| allowed.iter().any(|may| may == to);
    for to in imports.iter().filter_map(|key| key.strip_prefix(PREFIX)) {
        if !is_allowed(to) {
            faults.push(format!("{name} -> {to}"));
        }
    }
    let in_tests = of_tables(&[&manifest.dev_dependencies]);
    let more = map
        .in_tests
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for to in in_tests.iter().filter_map(|key| key.strip_prefix(PREFIX)) {
        let is_more = more.iter().any(|may| may == to);
        if !is_allowed(to) && !is_more && !IN_TESTS.contains(&to) {
            faults.push(format!("{name} -> {to} (in tests)"));
        }
    }
}

/// Looks for paths into a room that lead elsewhere than to its one open module.
fn check_modules(dir: &Path, only: &Only, faults: &mut Vec<String>) -> Result<()> {
    let entries =
        fs::read_dir(dir).map_err(|error| format!("can't read {}: {error}", dir.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            check_modules(&path, only, faults)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path)
                .map_err(|error| format!("can't read {}: {error}", path.display()))?;
            for stray in strays(&text, only) {
                faults.push(format!("{}: {stray}", path.display()));
            }
        }
    }
    Ok(())
}

/// The paths in a text that are neither `bridgehead_room::module::..` nor free.
fn strays(text: &str, only: &Only) -> Vec<String> {
    let mut strays = Vec::new();
    for room in &only.of {
        let start = format!("bridgehead_{}::", room.replace('-', "_"));
        for (at, _) in text.match_indices(&start) {
            let rest = text.get(at + start.len()..).unwrap_or_default();
            for word in first_words(rest) {
                if word != only.module && !only.also.contains(&word) {
                    strays.push(format!("{start}{word}"));
                }
            }
        }
    }
    strays
}

/// The first segment of a path, or of each path in braces.
fn first_words(path: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .collect()
    };
    match path
        .strip_prefix('{')
        .and_then(|inside| inside.split_once('}'))
    {
        Some((inside, _)) => inside
            .split(',')
            .map(word)
            .filter(|word| !word.is_empty())
            .collect(),
        None => vec![word(path)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = r#"
        [arrows]
        mail = []
        queue = ["mail", "disk"]
        [only]
        config = { module = "settings", of = ["queue"] }
        [free]
        crates = ["tests"]
        [without-runtime]
        crates = ["mail"]
    "#;

    fn faults(manifest: &str) -> Vec<String> {
        let map: Map = toml::from_str(MAP).unwrap();
        let manifest: Manifest = toml::from_str(manifest).unwrap();
        let mut faults = Vec::new();
        check(&map, &manifest, &mut faults);
        faults
    }

    #[test]
    fn an_arrow_on_the_map_is_fine_and_any_other_is_not() {
        let good =
            "package.name = \"bridgehead-queue\"\n[dependencies]\nbridgehead-mail = {}\ntokio = {}";
        assert!(faults(good).is_empty());
        let bad = "package.name = \"bridgehead-queue\"\n[dependencies]\nbridgehead-store = {}";
        assert_eq!(faults(bad), ["queue -> store"]);
    }

    #[test]
    fn tests_may_use_the_testkit_but_not_other_rooms() {
        let text = "package.name = \"bridgehead-queue\"\n[dev-dependencies]\nbridgehead-testkit = {}\nbridgehead-smtp = {}";
        assert_eq!(faults(text), ["queue -> smtp (in tests)"]);
    }

    #[test]
    fn unknown_crates_and_runtimes_in_bare_crates_are_faults() {
        assert_eq!(
            faults("package.name = \"bridgehead-attic\"").len(),
            1,
            "not on the map"
        );
        let text = "package.name = \"bridgehead-mail\"\n[dependencies]\ntokio-util = {}";
        assert_eq!(faults(text), ["mail may not depend on tokio-util"]);
    }

    #[test]
    fn only_the_open_module_may_be_named() {
        let only = Only {
            module: "settings".to_owned(),
            of: vec!["queue".to_owned()],
            also: vec!["Handle".to_owned()],
        };
        assert!(strays("use bridgehead_queue::settings::Settings;", &only).is_empty());
        assert_eq!(
            strays("bridgehead_queue::Queue::open()", &only),
            ["bridgehead_queue::Queue"]
        );
        assert_eq!(
            strays(
                "use bridgehead_queue::{Handle, settings::Settings, Queue};",
                &only
            ),
            ["bridgehead_queue::Queue"]
        );
    }
}
