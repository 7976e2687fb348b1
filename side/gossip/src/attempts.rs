//! What attempts to use a connector come to: it failed only when all servers that it leads to have failed since it last worked.
//!
//! Guards: one dead server behind a connector doesn't take the connector away. Keeps names of configured servers only.

use std::collections::{BTreeMap, BTreeSet};

/// Which targets of which connector have failed since it last worked.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    failed: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
}

impl Attempts {
    /// It works.
    pub(crate) fn worked(&mut self, connector: &str) {
        self.failed.remove(connector);
    }

    /// One of its targets failed; true if all have.
    pub(crate) fn failed<'a>(
        &mut self,
        connector: &str,
        server: &str,
        targets: impl Iterator<Item = &'a str> + Clone,
    ) -> bool {
        if !targets.clone().any(|target| target == server) {
            return false;
        }
        let failed = self.failed.entry(connector.into()).or_default();
        failed.insert(server.into());
        targets.into_iter().all(|target| failed.contains(target))
    }

    /// Another configuration: what is left of it.
    pub(crate) fn retain(&mut self, is_target: impl Fn(&str, &str) -> bool) {
        for (connector, failed) in &mut self.failed {
            failed.retain(|server| is_target(connector, server));
        }
        self.failed.retain(|_, failed| !failed.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_fails_when_all_its_targets_have_failed_since_it_worked() {
        let mut attempts = Attempts::default();
        let targets = ["b1", "b2"];
        let targets = || targets.iter().copied();
        assert!(!attempts.failed("a-b", "b1", targets()));
        assert!(!attempts.failed("a-b", "b1", targets()));
        assert!(!attempts.failed("a-c", "b2", targets()));
        attempts.worked("a-b");
        assert!(!attempts.failed("a-b", "b2", targets()));
        assert!(attempts.failed("a-b", "b1", targets()));
        assert!(attempts.failed("a-b", "b1", targets()));
        // Somebody whom it doesn't lead to says nothing about it.
        assert!(!attempts.failed("a-b", "x", targets()));
        attempts.retain(|_, server| server == "b2");
        assert!(!attempts.failed("a-b", "x", targets()));
        assert!(attempts.failed("a-b", "b1", targets()));
    }
}
