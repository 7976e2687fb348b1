//! The durable queue: spool format, group commit, recovery, leases, phases, retry clock, controls
