//! Load for SMTP servers: a generator that shows the server's limit and not its own, and a sink that keeps nothing.
//!
//! One thread, one epoll, octets that are made once: a message costs the generator its system calls and little else. Guards: every
//! message that was begun is counted exactly once, as accepted, deferred, refused or lost. Refuses: plans without
//! bounds, and addresses beyond loopback unless the plan says so.

mod client;
mod drive;
mod latency;
mod plan;
mod replies;
mod report;
mod script;
mod sink;

pub use drive::sink::Sink;
pub use drive::source::run;
pub use plan::{Connections, LoadError, Pipelining, Plan};
pub use report::{Latency, Report};
pub use sink::Counts;
