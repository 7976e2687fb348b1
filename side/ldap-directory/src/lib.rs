//! Active Directory and LDAP directories: followed as news, mapped to objects, asked about passwords.
//!
//! What it is: [`LdapDirectory::follow`] keeps a connection to one of several servers, takes what changes by the best way
//! the server has (RFC 4533, DirSync, uSNChanged, reading all again), and tells it as [`News`]; [`LdapDirectory`] also
//! checks passwords by a bind. What it guards: everything a server sends is bounded in size and time; an entry that can't
//! be used is told alone with the reason; passwords go over TLS only. What it may refuse: a server without a trusted
//! certificate.
//!
//! [`News`]: bridgehead_directory::News

mod cursor;
mod drive;
mod error;
mod map;
pub mod settings;

pub use drive::LdapDirectory;
pub use error::LdapError;
pub use map::{Mapped, guid_text, map, uuid_text};
pub use settings::{LdapSettings, LoginBy, ServerUrl};
