//! Directories for real: OpenLDAP's slapd and a domain controller of Samba, followed into the copy that mail is
//! categorized by; one suite for all back-ends, then what each is for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod active_directory;
mod backend;
mod conformance;
mod followed;
mod misbehaving;
mod openldap;
mod server;
mod sharing;
