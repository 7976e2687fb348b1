//! The management interface: HTTP over the local admin socket
