//! Plain request and response types of the management interface
