//! Bridgehead: a mail-transport server for organisations with many sites.

fn main() {}
