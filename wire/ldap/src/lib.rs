//! LDAP for a client (RFC 4511): requests to octets, octets to responses, filters, controls; no socket, no clock.
//!
//! What it is: [`encode`] writes a [`Request`]; [`frame`] finds the end of a message in what has arrived; [`decode`] reads
//! it. What it guards: whatever a server sends, there is a response or an error; nothing panics, and a message can't be
//! larger than its caller allows. What it may refuse: octets outside the grammar.

mod ber;
mod control;
mod filter;
mod request;
mod response;

pub use ber::BerError;
pub use control::{
    Control, DirSync, SyncDone, SyncInfo, SyncPhase, SyncState, dir_sync, paged, paged_cookie,
    show_deleted, sync_request,
};
pub use filter::{Filter, FilterError, escape};
pub use request::{Change, ChangeKind, Request, Scope, Search, encode};
pub use response::{Entry, LdapResult, Message, Response, decode, frame};
