//! Keeps `docs/spec/index.txt` honest: each line names a section of an RFC, a file that cites it, and a test that is there.

use crate::step::{self, Result};
use std::fs;

const INDEX: &str = "docs/spec/index.txt";

/// Checks every line of the index.
pub(crate) fn run() -> Result<()> {
    let root = step::root();
    let read = |path: &str| fs::read_to_string(root.join(path)).ok();
    let index = read(INDEX).ok_or_else(|| format!("can't read {INDEX}"))?;
    let faults = check(&index, read);
    for (line, reason) in &faults {
        println!("error: {INDEX}:{line}: {reason}");
    }
    match faults.len() {
        0 => Ok(()),
        count => Err(format!("{count} lines of {INDEX} are wrong")),
    }
}

/// What is wrong, with its line.
fn check(index: &str, read: impl Fn(&str) -> Option<String>) -> Vec<(usize, String)> {
    let lines = (1..).zip(index.lines());
    lines
        .filter_map(|(number, line)| Some((number, fault(line, &read)?)))
        .collect()
}

fn fault(line: &str, read: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let columns: Vec<&str> = line.split('\t').collect();
    let [section, file, test] = columns.as_slice() else {
        return Some("three columns are expected: section, file, test".to_owned());
    };
    match read(file) {
        None => return Some(format!("{file} is not there")),
        Some(text) if !text.contains(section) => {
            return Some(format!("{file} doesn't cite {section}"));
        }
        Some(_) => {}
    }
    let (path, name) = test.split_once("::").unwrap_or((test, ""));
    match read(path) {
        None => Some(format!("{path} is not there")),
        Some(text) if !name.is_empty() && !text.contains(&format!("fn {name}(")) => {
            Some(format!("{path} has no test {name}"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(line: &str) -> Option<String> {
        let read = |path: &str| match path {
            "a.rs" => Some("// RFC 5321 §5.1\n".to_owned()),
            "t.rs" => Some("fn it_works() {}\n".to_owned()),
            _ => None,
        };
        check(line, read).pop().map(|(_, reason)| reason)
    }

    #[test]
    fn a_line_that_can_be_followed_is_right() {
        assert_eq!(reason("RFC 5321 §5.1\ta.rs\tt.rs::it_works"), None);
        assert_eq!(reason("RFC 5321 §5.1\ta.rs\tt.rs"), None);
    }

    #[test]
    fn what_is_not_there_is_told() {
        let wrong = [
            ("RFC 5321 §5.1\ta.rs", "three columns"),
            ("RFC 5321 §5.1\tb.rs\tt.rs", "b.rs is not there"),
            ("RFC 5321 §5.2\ta.rs\tt.rs", "doesn't cite"),
            ("RFC 5321 §5.1\ta.rs\tu.rs", "u.rs is not there"),
            ("RFC 5321 §5.1\ta.rs\tt.rs::other", "no test other"),
        ];
        for (line, words) in wrong {
            assert!(
                reason(line).is_some_and(|reason| reason.contains(words)),
                "{line}"
            );
        }
    }
}
