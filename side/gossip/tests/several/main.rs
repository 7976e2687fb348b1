//! Several servers tell each other of their links, in one process and real time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod configuration;
mod links;
mod network;
mod refused;
