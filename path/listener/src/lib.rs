//! Virtual servers: sockets, TLS and limits around SMTP server sessions; fills the queue.
//!
//! What it is: the room where mail comes in. It drives `bridgehead-smtp`'s sessions over sockets, asks the directory's
//! snapshot who is served, and hands content and envelope to the queue. What it guards: a client is told `250` only
//! with the queue's proof in hand; relaying is for `relay-from` networks, authenticated users and servers of the organisation; each virtual server
//! has its own certificate, TLS tickets and limits. What it may refuse: sessions beyond a limit, strangers' mail for
//! elsewhere, and whatever the session refuses.

mod admission;
mod certificate;
mod drive;
mod error;
mod guesses;
mod judge;
mod members;
mod policy;
pub mod settings;
mod tls;
mod verified;
pub mod view;
mod waiting;

pub use drive::{Line, Listener};
pub use error::ApplyError;
pub use members::StateSink;
pub use settings::{BareLineEnds, CertificateFiles, Role, Settings, TlsMode, VirtualServer};
pub use tls::Tls;
pub use waiting::{Turn, Turned, Waiting};
