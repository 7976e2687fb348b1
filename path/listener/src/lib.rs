//! Virtual servers: sockets, TLS and limits around SMTP server sessions; fills the queue.

pub mod settings;
pub mod view;

pub use settings::{BareLineEnds, CertificateFiles, Role, Settings, TlsMode, VirtualServer};
