//! The lab: an organisation of several real servers on loopback.
//!
//! What it is: it starts processes of the server, each with a directory and ports of its own, joins them by relays that can be cut,
//! slowed and healed, sends mail between all sites, shows a map, and says at the end what became of every message. It is the
//! demonstration of the project and the harness of its routing tests. What it guards: it listens on loopback only, keeps everything in
//! one folder, is bounded in servers and mail, and ends the processes that it started, whatever happens. It knows the servers only by
//! what they say: their admin sockets are asked by whoever implements [`Ask`].

mod account;
mod command;
mod drive;
mod map;
mod organization;
mod plan;
mod topology_file;
mod turn;

pub use account::Account;
pub use command::{Command, CommandFault, Mode, Script, parse_span};
pub use drive::{Ask, BoxFuture, LabError, Options, run};
pub use plan::{Link, Plan, PlanFault, SERVERS_MAX, Site};
