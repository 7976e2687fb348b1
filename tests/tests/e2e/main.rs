//! End-to-end tests: the built binary, and programs that others wrote on both sides of it. One test binary, one module
//! for each thing that must work.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod harness;
