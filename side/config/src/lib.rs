//! Directory objects to checked settings of each room.
//!
//! What it is: the server's own file, the texts that `init` writes, the check of both kinds of files, and the way
//! from a snapshot of the directory to what each room is to do on one server. What it guards: rooms get only values
//! that can be put in force; defaults come from the rooms. What it may refuse: files and organisations with faults,
//! all told at once. No sockets, no clock.

mod check;
mod fetches;
mod init;
mod ldap;
mod members;
mod report_texts;
mod room;
mod server_file;
mod topology;

pub use bridgehead_directory::Fault;
pub use check::{Checked, check, check_report_texts, check_texts};
pub use init::{Example, init_organization_file, init_server_file};
pub use ldap::{LdapFile, LdapServer, LdapTable};
pub use report_texts::read_report_texts;
pub use room::{RoomSettings, settings};
pub use server_file::{DirectoryKind, LogFormat, LogLevel, ServerFile};
