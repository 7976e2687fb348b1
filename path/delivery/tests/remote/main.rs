//! Remote delivery over real sockets with real DNS, against servers that do what their scripts say.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod auth;
mod content;
mod exchangers;
mod extensions;
mod hosts;
mod members;
mod misbehaving;
mod pace;
mod recipients;
mod replies;
mod reuse;
mod room;
mod time;
mod tls;
mod turned;
