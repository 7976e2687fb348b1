//! The listener over real loopback sockets, with a real queue on a real disk and an embedded directory.

#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod members;
#[cfg(test)]
mod room;
#[cfg(test)]
mod submission;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traffic;
#[cfg(test)]
mod turned;
