//! SMTP protocol cores (RFC 5321): no socket, no clock, no file, no async.

pub mod client;
pub mod reply;
