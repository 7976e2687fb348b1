//! Answers to questions that concern several rooms: where mail goes and who an address is.

use super::now;
use bridgehead_categorizer::{Explained, Sender, explain};
use bridgehead_config::{ServerFile, check_report_texts};
use bridgehead_directory::{Directory, Fault, Found, Name, Resolution};
use bridgehead_listener::Listener;
use bridgehead_mail::{Address, Addressee, Destination, NextHop, Timestamp};
use bridgehead_management::{Explain, From, InForce};
use bridgehead_management_api::{
    Candidate, ExplainStep, ListenerStatus, RecipientExplanation, RecipientRoute, RouteExplanation,
    Status,
};
use bridgehead_queue::Queue;
use bridgehead_routing::Table;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// The rooms as far as questions about several of them go.
pub(super) struct Wiring {
    server: String,
    data: PathBuf,
    started: Timestamp,
    directory: Directory,
    queue: Queue,
    listener: Listener,
    routing: RwLock<Arc<Table>>,
    in_force: watch::Receiver<InForce>,
}

impl Wiring {
    pub(super) fn new(
        file: &ServerFile,
        directory: &Directory,
        queue: &Queue,
        listener: &Listener,
        in_force: watch::Receiver<InForce>,
    ) -> Arc<Self> {
        Arc::new(Self {
            server: file.name.to_string(),
            data: file.data.clone(),
            started: now(),
            directory: directory.clone(),
            queue: queue.clone(),
            listener: listener.clone(),
            routing: RwLock::default(),
            in_force,
        })
    }

    pub(super) fn set_routing(&self, routing: Arc<Table>) {
        *self.routing.write().unwrap_or_else(PoisonError::into_inner) = routing;
    }

    fn routing(&self) -> Arc<Table> {
        let routing = self.routing.read();
        Arc::clone(&routing.unwrap_or_else(PoisonError::into_inner))
    }

    fn explained(&self, address: &Address, from: &From) -> Explained {
        let snapshot = self.directory.snapshot();
        let named = from.address.as_ref().filter(|_| !from.stranger);
        let user = named.and_then(|address| match snapshot.resolve(address) {
            Resolution::Object(Found::Mailbox(mailbox), _) => Some(mailbox.name.clone()),
            _ => None,
        });
        let sender = Sender {
            user: user.as_ref().map(Name::as_str),
            address: from.address.as_ref(),
            size: from.size,
        };
        explain(&snapshot, address, sender)
    }
}

impl Explain for Wiring {
    fn knows_connector(&self, name: &str) -> bool {
        self.routing().knows(name)
    }

    fn faults_here(&self, text: &str, file: &str) -> Vec<Fault> {
        check_report_texts(text, file, &self.server, &self.data)
    }

    fn directory_is_complete(&self) -> bool {
        self.directory.snapshot().is_complete()
    }

    fn route(&self, address: &Address) -> RouteExplanation {
        let routing = self.routing();
        let known = self.explained(address, &From::default()).categorized;
        let mut explanation = RouteExplanation {
            address: address.to_string(),
            ..RouteExplanation::default()
        };
        for (recipient, failure) in known.failed {
            let failure = format!("{}: {failure}", recipient.address);
            explanation.failures.push(failure);
        }
        for addressee in &known.addressees {
            match way(addressee, &routing) {
                Ok(route) => explanation.routes.push(route),
                Err(failure) => explanation.failures.push(failure),
            }
        }
        explanation
    }

    fn recipient(&self, address: &Address, from: &From) -> RecipientExplanation {
        let explained = self.explained(address, from);
        let steps = explained.steps.into_iter().map(|step| ExplainStep {
            address: step.address.to_string(),
            object: step.object,
            text: step.text,
        });
        let known = explained.categorized;
        let found = known.addressees.iter().map(|one| match &one.destination {
            Destination::Mailbox(name) => format!("mailbox {name}"),
            Destination::Remote => format!("{} elsewhere", one.address),
        });
        let failed = known.failed.iter();
        let failed = failed.map(|(recipient, failure)| {
            format!("nobody: {} fails with {failure}", recipient.address)
        });
        RecipientExplanation {
            address: address.to_string(),
            directory: known.directory,
            steps: steps.collect(),
            addressees: found.chain(failed).collect(),
        }
    }

    fn status(&self) -> Status {
        let in_force = self.in_force.borrow().clone();
        let mut listeners = Vec::new();
        for server in self.listener.view() {
            listeners.extend(server.addresses.iter().map(|address| ListenerStatus {
                virtual_server: server.name.to_string(),
                address: address.to_string(),
                sessions: server.sessions as u64,
            }));
        }
        Status {
            server: self.server.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started.as_millis(),
            organization: in_force.version,
            not_in_force: in_force.faults,
            listeners,
            queued: self.queue.len() as u64,
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }
}

/// The way to one addressee, or why there is none.
fn way(addressee: &Addressee, routing: &Table) -> Result<RecipientRoute, String> {
    let recipient = addressee.address.to_string();
    if let Destination::Mailbox(name) = &addressee.destination {
        return Ok(RecipientRoute {
            recipient,
            link: NextHop::Local.link().to_string(),
            next_hop: format!("mailbox {name} on this server"),
            candidates: Vec::new(),
        });
    }
    let explained = routing.explain(&addressee.address);
    let hop = explained
        .result
        .map_err(|failure| format!("{recipient}: {failure}"))?;
    let candidates = explained.candidates.into_iter().map(|one| Candidate {
        connector: one.connector.into(),
        address_space: one.address_space,
        cost: one.cost,
        verdict: one.verdict,
    });
    Ok(RecipientRoute {
        recipient,
        link: hop.link().to_string(),
        next_hop: in_words(&hop),
        candidates: candidates.collect(),
    })
}

fn in_words(hop: &NextHop) -> String {
    match hop {
        NextHop::Local => "the store of this server".to_owned(),
        NextHop::Mx { domain, .. } => format!("the mail exchangers of {domain}, as DNS names them"),
        NextHop::SmartHosts { hosts, .. } => {
            let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            format!("smart host {}", names.join(", then "))
        }
        NextHop::Servers { servers, .. } => format!("server {}", servers.join(", then ")),
    }
}
