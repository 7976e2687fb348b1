//! How servers of one organisation recognise each other: by keys that the directory names, and by nothing else.
//!
//! What it is: a server's own key ([`OwnKey`]), the keys of the others ([`Roster`]), and the TLS configurations of both ends of a
//! connection between two of them. What it guards: the private key is readable by its owner only and comes into place whole; a session
//! is a member's only if the other side has shown that it has a key of the roster; names, dates and issuers of certificates count for
//! nothing. What it may refuse: a key that the directory doesn't name, and anything but TLS 1.3.

mod own_key;
mod roster;
mod tls;

pub use own_key::{KeyError, OwnKey, verify};
pub use roster::Roster;
pub use tls::{
    ALPN, ConfigError, Unproved, chose_members, client_config, peer_key, server_config, why,
};
