//! How many sessions there are, in all and for each client, and whether one more may come.
//!
//! Guards: one client can't take all sessions. An IPv6 client is its /64: a host has as many addresses as it likes.

use crate::settings::VirtualServer;
use bridgehead_mail::Refusal;
use std::collections::HashMap;
use std::net::IpAddr;

/// The sessions of one virtual server.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    total: usize,
    clients: HashMap<IpAddr, usize>,
}

impl Admission {
    /// Lets a session in, or says why not.
    pub(crate) fn enter(&mut self, client: IpAddr, limits: &VirtualServer) -> Result<(), Refusal> {
        let key = client_key(client);
        let of_client = self.clients.get(&key).copied().unwrap_or(0);
        if self.total >= limits.max_sessions {
            return Err(Refusal::TooManySessions);
        }
        if of_client >= limits.max_sessions_per_client {
            return Err(Refusal::TooManySessionsOfClient);
        }
        self.total += 1;
        self.clients.insert(key, of_client + 1);
        Ok(())
    }

    /// A session that was let in has ended.
    pub(crate) fn leave(&mut self, client: IpAddr) {
        let key = client_key(client);
        self.total = self.total.saturating_sub(1);
        if let Some(count) = self.clients.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.clients.remove(&key);
            }
        }
    }

    /// Sessions now.
    pub(crate) const fn total(&self) -> usize {
        self.total
    }
}

fn client_key(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() >> 64 << 64).into()),
        four => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(total: usize, each: usize) -> VirtualServer {
        VirtualServer {
            max_sessions: total,
            max_sessions_per_client: each,
            ..VirtualServer::default()
        }
    }

    #[test]
    fn one_client_cannot_take_all_and_a_place_is_given_back() {
        let (limits, mut door) = (limits(3, 2), Admission::default());
        let (one, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert_eq!(door.enter(one, &limits), Ok(()));
        assert_eq!(door.enter(one, &limits), Ok(()));
        assert_eq!(
            door.enter(one, &limits),
            Err(Refusal::TooManySessionsOfClient)
        );
        assert_eq!(door.enter(other, &limits), Ok(()));
        assert_eq!(door.enter(other, &limits), Err(Refusal::TooManySessions));
        door.leave(one);
        assert_eq!(door.enter(one, &limits), Ok(()));
        assert_eq!(door.total(), 3);
    }

    #[test]
    fn a_network_of_64_bits_is_one_client_and_nothing_is_kept_of_the_gone() {
        let (limits, mut door) = (limits(9, 1), Admission::default());
        let one: IpAddr = "2001:db8::1".parse().unwrap();
        let near: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        let far: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert!(door.enter(one, &limits).is_ok());
        assert!(door.enter(near, &limits).is_err());
        assert!(door.enter(far, &limits).is_ok());
        door.leave(one);
        door.leave(far);
        assert!(door.clients.is_empty());
    }
}
