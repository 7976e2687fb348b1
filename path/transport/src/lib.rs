//! The corridor: takes a message from the queue, asks the categorizer and routing, hands it over, settles it
//! and reports.
//!
//! What it is: the only room that knows the rooms on the mail's way; they don't know each other. Its modules
//! stand in the order of the way: [`plan`](plan.rs) (categorize, route), hand over, settle, report; `drive.rs` walks
//! it. What it guards: every recipient of a message that was taken ends in a settlement, and a report is stored
//! no later than the settlement it tells of. What it may refuse: nothing; what it can't do now stays in the queue.

mod drive;
mod hand_over;
mod journal;
mod list;
mod notice;
mod plan;
mod report;
pub mod settings;
mod settle;
#[cfg(test)]
mod virtual_clock;

pub use drive::{Meant, Transport};
pub use settings::Settings;

use bridgehead_categorizer::Snapshot;
use bridgehead_routing::Table;
use std::sync::Arc;

/// What the corridor decides by: one picture of the directory, the ways out, and the settings, changed as a whole.
#[derive(Clone)]
pub struct World {
    /// Who the recipients are.
    pub snapshot: Arc<Snapshot>,
    /// Where they go.
    pub routing: Arc<Table>,
    /// How often and how long.
    pub settings: Arc<Settings>,
}
