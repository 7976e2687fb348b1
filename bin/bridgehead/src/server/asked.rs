//! What waits until somebody asks for it: ETRN lets it go, ATRN hands it over to who asks. And what comes of asking others.

use super::now;
use bridgehead_delivery::{Asker, Line, Receive, Receiving};
use bridgehead_directory::{Connector, Directory, Pattern};
use bridgehead_listener::{Listener, Turn, Turned, Waiting};
use bridgehead_mail::{Domain, LinkName, Refusal};
use bridgehead_queue::Queue;
use bridgehead_transport::{Meant, Transport};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long what was asked for may go, before it waits again.
const WINDOW: Duration = Duration::from_secs(30 * 60);

/// The queue, and which of its mail waits to be asked for.
pub(super) struct Asked {
    pub(super) directory: Directory,
    pub(super) queue: Queue,
    pub(super) transport: Transport,
}

impl Waiting for Asked {
    fn start(&self, user: Option<&str>, domain: &Domain) -> Result<u64, Refusal> {
        if self.queue.reading().is_some() {
            // What waits isn't known yet.
            return Err(Refusal::CannotStart);
        }
        let snapshot = self.directory.snapshot();
        let connectors = snapshot.configuration().connectors.iter();
        let meant: Vec<&Connector> = connectors
            .filter(|connector| connector.wait_for_etrn == Some(true))
            // Where nobody is named anybody may ask: the mail goes where it would go anyway.
            .filter(|one| one.asked_by.is_empty() || user.is_some_and(|user| may_ask(user, one)))
            .filter(|connector| serves(connector, domain))
            .collect();
        if meant.is_empty() {
            return Err(Refusal::NotToBeAsked);
        }
        let is_meant = |link: &LinkName| meant.iter().any(|one| is_of(link, one.name.as_str()));
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

    fn turn(&self, user: &str, domains: &[Domain]) -> Result<Box<dyn Turn>, Refusal> {
        if self.queue.reading().is_some() {
            return Err(Refusal::CannotTurn);
        }
        let snapshot = self.directory.snapshot();
        let connectors = snapshot.configuration().connectors.iter();
        let his: Vec<&Connector> = connectors.filter(|one| may_ask(user, one)).collect();
        let serves = |domain: &Domain| his.iter().any(|connector| serves(connector, domain));
        // RFC 2645 §5.2: who may not have all of it gets nothing.
        if his.is_empty() || !domains.iter().all(serves) {
            return Err(Refusal::TurnRefused);
        }
        let is_meant = |connector: &&Connector| {
            // RFC 2645 §5.2: without domains all that the client has access to.
            let mut domains = domains.iter().peekable();
            domains.peek().is_none() || domains.any(|domain| self::serves(connector, domain))
        };
        let names = his.into_iter().filter(is_meant);
        let names: Vec<Box<str>> = names.map(|one| one.name.as_str().into()).collect();
        let meant: Meant = Arc::new(move |link| names.iter().any(|name| is_of(link, name)));
        if self.queue.can_be_asked_for(&*meant) == 0 {
            return Err(Refusal::NoMail);
        }
        Ok(Box::new(Reversal {
            transport: self.transport.clone(),
            meant,
        }))
    }
}

/// Hands over what waits on some links.
struct Reversal {
    transport: Transport,
    meant: Meant,
}

impl Turn for Reversal {
    fn take(self: Box<Self>, turned: Turned) {
        let Turned {
            line,
            address,
            hello,
            tls,
            place,
        } = turned;
        let asker = Asker::new(line, &hello, address, tls.as_deref(), place);
        self.transport.hand_over_to(asker, self.meant);
    }
}

/// Takes what this server has asked for.
pub(super) struct Taken(pub(super) Listener);

impl Receive for Taken {
    fn receive(
        &self,
        virtual_server: &str,
        line: Box<dyn Line>,
        address: IpAddr,
        tls: Option<Box<str>>,
    ) -> Receiving {
        let (listener, name) = (self.0.clone(), virtual_server.to_owned());
        Box::pin(async move {
            let received = listener.receive(&name, Box::new(line), address, tls).await;
            received.map_err(|refusal| {
                let why = refusal.row().text;
                format!("the virtual server {name} takes no session now: {why}")
            })
        })
    }
}

/// Whether this mailbox may have the mail of a connector.
fn may_ask(user: &str, connector: &Connector) -> bool {
    let user = user.to_lowercase();
    connector
        .asked_by
        .iter()
        .any(|name| *name.folded() == *user)
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
fn is_of(link: &LinkName, connector: &str) -> bool {
    let rest = link.as_str().strip_prefix(connector);
    rest.is_some_and(|rest| rest.starts_with('/'))
}
