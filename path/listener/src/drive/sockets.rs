//! Listening sockets: bound anew, or taken over from the virtual server that has them.

use super::accept::{Rules, Running};
use crate::error::ApplyError;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Connections that the system keeps for us until they are accepted.
const BACKLOG: i32 = 1024;

/// A socket that listens.
#[derive(Clone)]
pub(super) struct Bound {
    /// The virtual server that has it.
    name: Box<str>,
    /// The address in the settings; its port may be 0.
    wanted: SocketAddr,
    /// The address it has.
    pub(super) local: SocketAddr,
    pub(super) listener: Arc<TcpListener>,
}

/// The sockets of each virtual server, in order. Nothing of `old` is touched.
pub(super) fn bind(old: &[Running], rules: &[Rules]) -> Result<Vec<Vec<Bound>>, ApplyError> {
    let mut pool: Vec<Bound> = old
        .iter()
        .flat_map(|server| server.bound().cloned())
        .collect();
    let mut all: Vec<Vec<Bound>> = Vec::with_capacity(rules.len());
    for rules in rules {
        let name = &rules.settings.name;
        let sockets = rules.settings.listen.iter().map(|wanted| {
            if let Some(bound) = take_over(&mut pool, name, *wanted) {
                return Ok(bound);
            }
            listen(*wanted, name).map_err(|source| ApplyError::Listen {
                name: name.clone(),
                address: *wanted,
                source,
            })
        });
        all.push(sockets.collect::<Result<_, _>>()?);
    }
    Ok(all)
}

/// The same address stays bound, also when another virtual server gets it. A free port belongs to whom it was given.
fn take_over(pool: &mut Vec<Bound>, name: &str, wanted: SocketAddr) -> Option<Bound> {
    let fits =
        |bound: &Bound| bound.wanted == wanted && (&*bound.name == name || wanted.port() != 0);
    let at = pool.iter().position(fits)?;
    let bound = pool.swap_remove(at);
    Some(Bound {
        name: name.into(),
        ..bound
    })
}

fn listen(wanted: SocketAddr, name: &str) -> io::Result<Bound> {
    let socket = Socket::new(
        Domain::for_address(wanted),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if wanted.is_ipv6() {
        // `[::]` is IPv6 only, so that `0.0.0.0` can be listed beside it.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    // Replies are gathered by us; to hold them back any longer only costs time. What is accepted inherits it (tcp(7)).
    socket.set_tcp_nodelay(true)?;
    socket.bind(&wanted.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok(Bound {
        name: name.into(),
        wanted,
        local: listener.local_addr()?,
        listener: Arc::new(listener),
    })
}
