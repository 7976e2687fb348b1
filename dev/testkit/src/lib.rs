//! Test doubles and harness: fault-injecting disk, DNS server, seeded generator

pub mod authority;
pub mod client;
pub mod corpus;
pub mod disk;
pub mod dns;
pub mod relay;
pub mod script;
pub mod sink;
