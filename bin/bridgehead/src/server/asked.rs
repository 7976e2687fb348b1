//! What waits until somebody asks for it: ETRN lets it go.

use super::now;
use bridgehead_directory::{Connector, Directory, Pattern};
use bridgehead_listener::Waiting;
use bridgehead_mail::{Domain, LinkName, Refusal};
use bridgehead_queue::Queue;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long what was asked for may go, before it waits again.
const WINDOW: Duration = Duration::from_secs(30 * 60);

/// The queue, and which of its mail waits to be asked for.
pub(super) struct Asked {
    pub(super) directory: Directory,
    pub(super) queue: Queue,
}

impl Waiting for Asked {
    fn start(&self, domain: &Domain) -> Result<u64, Refusal> {
        if self.queue.reading().is_some() {
            // What waits isn't known yet.
            return Err(Refusal::CannotStart);
        }
        let snapshot = self.directory.snapshot();
        let connectors = snapshot.configuration().connectors.iter();
        let meant: Vec<&Connector> = connectors
            .filter(|connector| connector.wait_for_etrn == Some(true))
            .filter(|connector| serves(connector, domain))
            .collect();
        if meant.is_empty() {
            return Err(Refusal::NotToBeAsked);
        }
        let is_meant = |link: &LinkName| meant.iter().any(|connector| is_of(link, connector));
        let groups = self.queue.waiting_on(&is_meant);
        let waiting = groups.iter().map(|group| group.count).sum();
        let links: BTreeSet<LinkName> = groups.into_iter().filter_map(|group| group.link).collect();
        let until = now().after(WINDOW);
        for link in &links {
            self.queue.release_link(link);
            self.queue.let_through_until(link, until);
        }
        tracing::info!(%domain, waiting, "what waits was asked for");
        Ok(waiting)
    }
}

/// Whether the domain was named when the connector was configured. For `*` anybody could ask for everything.
fn serves(connector: &Connector, domain: &Domain) -> bool {
    connector
        .address_space
        .iter()
        .any(|space| match &space.pattern {
            Pattern::Any => false,
            Pattern::Domain(one) => one == domain,
            // RFC 1985 §5.3: who asks for a domain with `@` means those below it.
            Pattern::Below(parent) => domain.is_within(parent),
        })
}

/// A link's name begins with that of its connector.
fn is_of(link: &LinkName, connector: &Connector) -> bool {
    let rest = link.as_str().strip_prefix(connector.name.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}
