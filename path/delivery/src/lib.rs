//! Delivery: remote by SMTP, local by the store driver.
//!
//! What it is: [`Delivery::connect`] opens a way to a next hop, a [`Carrier`] takes messages over it, and each recipient gets an outcome.
//! What it guards: a connection belongs to one connector with its settings, so that the rules of one domain never hold for
//! another; every wait has an end; after a failure in the middle of the content nothing is taken as delivered. What it may
//! refuse: next hops that can't be reached, and messages that they can't carry.

mod drive;
mod exchangers;
mod fetching;
mod handover;
mod pace;
pub mod settings;
pub mod view;

pub use drive::{
    Asker, Carrier, Courier, Delivery, Handed, Line, LinkWatcher, NotAsked, NotConnected, Receive,
    Receiving, TrustFault,
};
pub use handover::Handover;
pub use pace::{After, Paused};
pub use settings::Settings;
