//! Benchmarks of the parsers and the spool
