//! Who is asked about names: the DNS servers of a setting, or those of the machine.
//!
//! What it is: one way to make a resolver, so that a setting of servers means the same everywhere. What it guards: an answer
//! takes a bounded time. What an answer means is its asker's business.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use std::net::SocketAddr;
use std::time::Duration;

/// Attempts for one question.
const ATTEMPTS: usize = 2;

/// A resolver that asks these servers, or those of the machine if there are none; each attempt takes no longer than
/// `patience`.
///
/// # Errors
/// If the machine's settings can't be read.
pub fn resolver(servers: &[SocketAddr], patience: Duration) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|address| {
            let mut udp = ConnectionConfig::udp();
            let mut tcp = ConnectionConfig::tcp();
            udp.port = address.port();
            tcp.port = address.port();
            NameServerConfig::new(address.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = patience;
    options.attempts = ATTEMPTS;
    builder.build()
}

/// How long one question may take at most, all attempts together.
#[must_use]
pub const fn total(patience: Duration) -> Duration {
    patience.saturating_mul(3)
}
