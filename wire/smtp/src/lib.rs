//! SMTP protocol cores (RFC 5321): no socket, no clock, no file, no async.
//!
//! What it is: commands, replies and the decoder of DATA as parsers; both sides of a session as state machines that
//! are fed octets, time and verdicts and say what to do next. What it guards: one line end, one end of data, one
//! transaction that is dropped as a whole. What it may refuse: whatever the grammar or a limit says no to, always
//! with a row of the reply table in `bridgehead-mail`.

pub mod client;
pub mod command;
pub mod data;
pub mod header;
mod journey;
pub mod reply;
pub mod server;
pub mod urgency;

pub use journey::MEMBER_COMMAND_OCTETS_MAX;
