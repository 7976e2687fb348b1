//! The client's side of SMTP, as parts that are fed replies and say what to send: no socket, no clock.
//!
//! What it is: what a server offers ([`Extensions`]), one transaction ([`Transaction`]), and the content on its way
//! ([`Encoder`]). What it guards: every recipient of a transaction ends with an outcome; no bare CR or LF is
//! ever sent outside BDAT. What it may refuse: messages that the server can't carry.

mod asking;
mod encoder;
mod extensions;
mod transaction;

pub use asking::{Answer, Asking};
pub use encoder::Encoder;
pub use extensions::Extensions;
pub use transaction::{Answering, EightBit, Next, Order, Transaction};
