//! The corridor: takes a message from the queue, asks the categorizer and routing, hands it over, settles it
//! and reports.
//!
//! What it is: the only room that knows the rooms on the mail's way; they don't know each other. Its modules
//! stand in the order of the way. What it guards: every recipient of a message that was taken ends in a
//! settlement, and a report is stored no later than the settlement it tells of. What it may refuse: nothing; what it
//! can't do now stays in the queue.

pub mod settings;
