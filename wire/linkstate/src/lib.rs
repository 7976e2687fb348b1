//! Link state: which links between servers work, told by those who use them, and the cheapest way over those that do.
//!
//! What it is: a protocol core without socket or clock ([`Node`]), and the choice of path over routing groups ([`path`]). The topology
//! comes from the directory; this protocol only says what of it doesn't work at the moment. What it guards: nobody speaks for another
//! server (records are sealed by their origin), nothing is believed for longer than its age, nothing from outside is kept without a
//! bound, and there is no master to lose. What it may refuse: octets that aren't a message, records of strangers, wrong seals,
//! implausible versions, a plan of the topology that doesn't add up; each with its reason, each told once. Silence is no harm: without
//! this protocol mail takes the configured path and waits where that is cut.
//!
//! The format on the wire is described in `docs/formats/linkstate.md`.

pub mod chunk;
pub mod codec;
mod damping;
mod digest;
mod flood;
mod links;
mod liveness;
mod node;
pub mod path;
mod record;
mod report;
mod seal;
mod session;
mod settings;
mod table;
mod time;
mod topology;

pub use damping::Damping;
pub use digest::Digest;
pub use links::{Claim, Links};
pub use liveness::{Load, Outcome, Watch};
pub use node::{Action, Identity, Node, NotAMember};
pub use record::{EPOCH_MAX, Entry, Record, SEQUENCE_JUMP_MAX, Statement, Subject, Version};
pub use report::Fault;
pub use seal::{KeyFault, Signer, Verifier};
pub use session::Session;
pub use settings::{DampingSettings, LoadStep, Settings};
pub use table::{HOP_AGE, Held};
pub use time::Time;
pub use topology::{
    COST_MAX, Connector, ConnectorId, ConnectorPlan, Group, GroupId, NAME_OCTETS_MAX, OBJECTS_MAX,
    Plan, PlanFault, Server, ServerId, ServerPlan, Target, Topology,
};
