//! The message-tracking log: what happened to each message, step by step.
//!
//! What it is: lines of JSON in files of bounded size, and the search for one message in them. What it guards: mail is never
//! held up: when the writer can't follow, events are dropped and counted. What it may refuse: nothing.

mod drive;
mod files;
mod line;
pub mod settings;

pub use drive::Tracker;
pub use line::TraceLine;
pub use settings::Settings;
