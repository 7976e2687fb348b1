//! The way of a message inside the organisation.

/// The way of a message inside the organisation so far, as its servers tell each other with it. A message that has one came from
/// another server of the organisation, which has found out who its recipients are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Journey {
    /// The routing groups that it has left, in order; it goes back into one only where its mailbox has moved.
    pub groups: Vec<Box<str>>,
    /// The servers of the present group that have had it, in order; it isn't given back to one at once.
    pub servers: Vec<Box<str>>,
}

impl Journey {
    /// More names than this are no journey: a message has too many Received fields long before.
    pub const NAMES_MAX: usize = 1000;

    /// The journey that goes along with the message to another server.
    #[must_use]
    pub fn onward(&self, server: &str, group: &str, leaves_group: bool) -> Self {
        let mut next = self.clone();
        if leaves_group {
            next.groups.push(group.into());
            next.servers.clear();
        } else {
            next.servers.push(server.into());
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_forgotten_where_a_group_is_left() {
        let first = Journey::default().onward("a1", "a", false);
        assert_eq!(first.servers, ["a1".into()]);
        let second = first.onward("a2", "a", true);
        assert_eq!(second.groups, ["a".into()]);
        assert!(second.servers.is_empty());
    }
}
