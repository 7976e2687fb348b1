//! Answers to questions that concern several rooms: where mail goes and who an address is.

use super::now;
use bridgehead_categorizer::{Explained, Sender, explain};
use bridgehead_config::{ServerFile, check_report_texts};
use bridgehead_directory::{Directory, Fault, Found, Name, Resolution, Snapshot};
use bridgehead_listener::Listener;
use bridgehead_mail::{Address, Addressee, Destination, NextHop, Priority, Timestamp};
use bridgehead_management::{Explain, From, InForce};
use bridgehead_management_api::{
    Candidate, ExplainStep, ListenerStatus, PathStep, RecipientExplanation, RecipientRoute,
    RouteExplanation, RouteRow, RouteTable, RunnerUp, Status,
};
use bridgehead_queue::Queue;
use bridgehead_routing::{Facts, Goal, Step, Table};
use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// Members that are looked at to find out over which connectors a sender may send.
const TESTS_MAX: u32 = 1_000_000;

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

    /// The table in force.
    pub(super) fn routing(&self) -> Arc<Table> {
        let routing = self.routing.read();
        Arc::clone(&routing.unwrap_or_else(PoisonError::into_inner))
    }

    /// The mailbox whose user sends.
    fn user(&self, from: &From) -> Option<Name> {
        let named = from.address.as_ref().filter(|_| !from.stranger);
        match self.directory.snapshot().resolve(named?) {
            Resolution::Object(Found::Mailbox(mailbox), _) => Some(mailbox.name.clone()),
            _ => None,
        }
    }

    fn explained(&self, address: &Address, from: &From) -> Explained {
        let snapshot = self.directory.snapshot();
        let user = self.user(from);
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

    fn route(&self, address: &Address, from: &From, priority: Priority) -> RouteExplanation {
        let (routing, snapshot) = (self.routing(), self.directory.snapshot());
        let known = self.explained(address, from).categorized;
        let mut explanation = RouteExplanation {
            address: address.to_string(),
            ..RouteExplanation::default()
        };
        for (recipient, failure) in known.failed {
            let failure = format!("{}: {failure}", recipient.address);
            explanation.failures.push(failure);
        }
        let user = self.user(from);
        let sender = Sender {
            user: user.as_ref().map(Name::as_str),
            address: from.address.as_ref(),
            size: from.size,
        };
        let standing = RefCell::new(snapshot.standing(sender, TESTS_MAX));
        let sender_may = |connector: &str| standing.borrow_mut().may_use(connector);
        let facts = Facts {
            size: from.size.unwrap_or(0),
            priority,
            sender_may: &sender_may,
            ..Facts::at(now())
        };
        for addressee in &known.addressees {
            let way = way(addressee, &snapshot, &routing, &facts);
            explanation.routes.push(way);
        }
        explanation
    }

    fn route_table(&self) -> RouteTable {
        let rows = self.routing().groups().into_iter().map(|row| RouteRow {
            group: row.group.into(),
            cost: row.distance.map(|(cost, _)| cost),
            hops: row.distance.map(|(_, hops)| hops),
            next: row.next.into_iter().map(String::from).collect(),
            state: row.state,
        });
        RouteTable {
            groups: rows.collect(),
        }
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
fn way(
    addressee: &Addressee,
    snapshot: &Snapshot,
    routing: &Table,
    facts: &Facts<'_>,
) -> RecipientRoute {
    let recipient = addressee.address.to_string();
    let (explained, mailbox) = match &addressee.destination {
        Destination::Remote => {
            let goal = Goal::Address(&addressee.address);
            (routing.explain(goal, facts), None)
        }
        Destination::Mailbox(name) => match snapshot.home(name) {
            Some(home) => (routing.explain(Goal::Server(home), facts), Some(name)),
            None => {
                return RecipientRoute {
                    recipient,
                    link: NextHop::Local.link().to_string(),
                    next_hop: format!("mailbox {name} on this server"),
                    ..RecipientRoute::default()
                };
            }
        },
    };
    let (link, next_hop, failure) = match &explained.result {
        Ok(hop) => {
            let next_hop = match (hop, mailbox) {
                (NextHop::Local, Some(name)) => format!("mailbox {name} on this server"),
                (_, Some(name)) => format!("{}, on the way to mailbox {name}", in_words(hop)),
                (_, None) => in_words(hop),
            };
            (hop.link().to_string(), next_hop, None)
        }
        Err(failure) => (String::new(), String::new(), Some(failure.to_string())),
    };
    let candidates = explained.candidates.into_iter().map(|one| Candidate {
        connector: one.connector.into(),
        address_space: one.address_space,
        cost: one.cost,
        total: one.total,
        path: steps(one.path),
        verdict: one.verdict,
    });
    let runners_up = explained.runners_up.into_iter().map(|one| RunnerUp {
        connector: one.connector.into(),
        path: steps(one.path),
        cost: one.cost,
        why: one.why,
    });
    RecipientRoute {
        recipient,
        link,
        next_hop,
        failure,
        candidates: candidates.collect(),
        path: steps(explained.path),
        runners_up: runners_up.collect(),
    }
}

fn steps(path: Vec<Step>) -> Vec<PathStep> {
    let steps = path.into_iter().map(|step| PathStep {
        connector: step.connector.into(),
        from: step.from.into(),
        to: step.to.into(),
        cost: step.cost,
        down: step.is_down,
        down_here: step.is_down_here,
    });
    steps.collect()
}

fn in_words(hop: &NextHop) -> String {
    match hop {
        NextHop::Local => "the store of this server".to_owned(),
        NextHop::Mx { domain, .. } => format!("the mail exchangers of {domain}, as DNS names them"),
        NextHop::SmartHosts { hosts, .. } if hosts.is_empty() => {
            "nowhere by itself: it waits until its receiver asks for it (ATRN)".to_owned()
        }
        NextHop::SmartHosts { hosts, .. } => {
            let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            format!("smart host {}", names.join(", then "))
        }
        NextHop::Servers { servers, .. } => format!("server {}", servers.join(", then ")),
        NextHop::Unreachable { why, .. } => format!("nowhere for now: {why}"),
    }
}
