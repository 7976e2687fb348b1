//! Test doubles and harness: fault-injecting disk, DNS server, seeded generator
