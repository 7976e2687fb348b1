//! What the end-to-end tests, the crash test and the benchmarks of the whole process stand on: the built binary as a
//! child process, and programs that others wrote around it.
//!
//! Everything runs on loopback in a folder of its own and is stopped at the end. Nothing here may be used by the
//! product.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    missing_docs,
    reason = "a harness that can't go on says why and stops"
)]

pub mod binary;
pub mod crash;
pub mod measure;
pub mod network;
pub mod organization;
pub mod postfix;
pub mod process;
pub mod samba;
pub mod server;
pub mod skip;
pub mod slapd;
pub mod tools;
pub mod traffic;
pub mod wait;

pub use server::Server;
