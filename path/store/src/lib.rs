//! The store: mailboxes, folders, single-instance bodies
