//! End-to-end tests of the built binary with programs that others wrote
