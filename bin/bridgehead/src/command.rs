//! The commands: each asks the running server over its admin socket (or works on files) and prints the answer as
//! text for people or as JSON for programs.

mod badmail;
mod bench;
mod directory;
mod fetch;
mod lab;
mod link;
mod link_state;
mod mailbox;
mod member;
mod message;
mod organization;
mod queue;
mod quickstart;
mod report;
mod route;
mod serve;
mod status;

pub(crate) use badmail::badmail;
pub(crate) use bench::bench;
pub(crate) use directory::{config, directory};
pub(crate) use lab::lab;
pub(crate) use link::link;
pub(crate) use mailbox::mailbox;
pub(crate) use member::member;
pub(crate) use message::message;
pub(crate) use organization::{apply, diff, export};
pub(crate) use queue::{hold_server, queue};
pub(crate) use quickstart::quickstart;
pub(crate) use report::report;
pub(crate) use route::{recipient, route};
pub(crate) use serve::{check, init, serve};
pub(crate) use status::status;

use crate::admin_client::AdminError;
use jiff::Timestamp;
use serde::Serialize;
use std::io::Write;

/// Prints an answer as JSON.
fn print_json<T: Serialize>(answer: &T) -> Result<(), AdminError> {
    let text = serde_json::to_string_pretty(answer)
        .map_err(|error| AdminError::Answer(error.to_string()))?;
    print(&text)
}

/// Prints lines to standard output; a reader that went away is no panic.
fn print(text: &str) -> Result<(), AdminError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// Prints lines to standard error: what is wrong mustn't be lost in a pipe.
fn print_aside(text: &str) -> Result<(), AdminError> {
    let mut out = std::io::stderr().lock();
    writeln!(out, "{text}")?;
    Ok(())
}

/// A time for people: UTC, to the second.
fn time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// A time for people, to the millisecond: for traces.
fn exact_time(millis: u64) -> String {
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    match Timestamp::from_millisecond(millis) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3fZ").to_string(),
        Err(_) => "never".to_owned(),
    }
}

/// Rows as a table with aligned columns, the first row as heading.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Cells of a row.
fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_its_columns() {
        let text = table(&[row(["a", "bb"]), row(["ccc", "d"])]);
        assert_eq!(text, "a    bb\nccc  d");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00Z");
        assert_eq!(exact_time(1), "1970-01-01 00:00:00.001Z");
    }
}
