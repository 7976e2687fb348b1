//! Several servers tell each other of their links, in one process and real time.

mod configuration;
mod links;
mod network;
mod refused;
