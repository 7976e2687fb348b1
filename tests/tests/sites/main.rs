//! An organisation of several sites on hosts of their own: network namespaces, lines that are cut, servers that are killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod lines;
mod organisation;
mod trouble;
