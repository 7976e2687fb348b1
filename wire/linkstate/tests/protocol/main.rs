//! Whole conversations between servers of a small organisation: flooding, liveness, changes of the topology, bad input.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod bad_input;
mod flooding;
mod links;
mod organisation;
mod plans;
