//! Virtual servers: sockets, TLS and limits around SMTP server sessions; fills the queue
