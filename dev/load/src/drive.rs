//! Where sockets and the clock are.

pub(crate) mod sink;
pub(crate) mod source;
