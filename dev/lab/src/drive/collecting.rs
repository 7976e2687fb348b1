//! What the servers say of mailboxes and queues, for the account and the map.

use super::{Ask, ask_json};
use crate::account::{Account, Arrival, number, path};
use crate::organization::{DOMAIN, mailbox};
use bridgehead_management_api::{FindRequest, Found, MailboxList, MailboxMessages, Selection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::JoinSet;

/// So many waiting messages of one queue are asked for.
const WAITING_MAX: u64 = 10_000;
/// No message of the lab comes near this.
const CONTENT_OCTETS_MAX: usize = 256 * 1024;

/// A message in a mailbox.
struct Lying {
    id: u64,
    mailbox: String,
    uid: u64,
    at: u64,
}

/// What one server's mailboxes hold: messages of this run, and how many others.
async fn listing(ask: &dyn Ask, data: &Path, run: &str) -> Result<(Vec<Lying>, u64), String> {
    let mut found = Vec::new();
    let mut others = 0;
    let boxes: MailboxList = ask_json(ask, data, "/mailboxes").await?;
    for summary in boxes.mailboxes {
        if summary.messages == 0 {
            continue;
        }
        let path = format!("/mailboxes/{}/messages", summary.name);
        let messages: MailboxMessages = ask_json(ask, data, &path).await?;
        for message in messages.messages {
            match number(&message.subject, run) {
                Some(id) => found.push(Lying {
                    id,
                    mailbox: summary.name.clone(),
                    uid: message.uid,
                    at: message.received,
                }),
                // Also what lies there from earlier runs.
                None => others += u64::from(!message.subject.starts_with("lab ")),
            }
        }
    }
    Ok((found, others))
}

/// How many messages are in the mailbox of which a server is the home.
pub(super) async fn delivered(ask: &dyn Ask, data: &Path, server: &str) -> Option<u64> {
    let boxes: MailboxList = ask_json(ask, data, "/mailboxes").await.ok()?;
    let name = mailbox(server);
    let mut boxes = boxes.mailboxes.into_iter();
    let own = boxes.find(|summary| summary.name == name);
    Some(own.map_or(0, |summary| summary.messages))
}

/// Enters into the account what lies in the mailboxes of all servers, with the way that each message took if `with_paths`.
pub(super) async fn collect(
    ask: &Arc<dyn Ask>,
    servers: &[(String, PathBuf)],
    run: &str,
    account: &mut Account,
    with_paths: bool,
) {
    let mut tasks = JoinSet::new();
    for (name, data) in servers.iter().cloned() {
        let (ask, run) = (Arc::clone(ask), run.to_owned());
        tasks.spawn(async move {
            let arrivals = of_server(&*ask, &name, &data, &run, with_paths).await;
            (name, arrivals)
        });
    }
    account.arrivals.clear();
    account.silent.clear();
    account.others = 0;
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok((_, Ok((arrivals, others)))) => {
                account.others += others;
                for (id, arrival) in arrivals {
                    account.arrivals.entry(id).or_default().push(arrival);
                }
            }
            Ok((name, Err(_))) => account.silent.push(name),
            Err(_) => account.silent.push("a server".to_owned()),
        }
    }
    account.silent.sort();
}

type Arrivals = (Vec<(u64, Arrival)>, u64);

async fn of_server(
    ask: &dyn Ask,
    name: &str,
    data: &Path,
    run: &str,
    with_paths: bool,
) -> Result<Arrivals, String> {
    let (lying, others) = listing(ask, data, run).await?;
    let mut arrivals = Vec::new();
    for message in lying {
        let mut arrival = Arrival {
            at_server: name.to_owned(),
            at: message.at,
            path: Vec::new(),
        };
        // In the mailbox of another server it isn't where it should be, even here.
        if message.mailbox != mailbox(name) {
            arrival.at_server = format!("{name}, in {}", message.mailbox);
        }
        if with_paths {
            let asked = format!("/mailboxes/{}/messages/{}", message.mailbox, message.uid);
            let content = ask.get(data.to_owned(), asked).await?;
            let head = content.get(..CONTENT_OCTETS_MAX).unwrap_or(&content);
            arrival.path = path(&String::from_utf8_lossy(head), DOMAIN);
        }
        arrivals.push((message.id, arrival));
    }
    Ok((arrivals, others))
}

/// Enters into the account where what waits is, and why.
pub(super) async fn find_waiting(
    ask: &dyn Ask,
    servers: &[(String, PathBuf)],
    run: &str,
    account: &mut Account,
) {
    account.waiting.clear();
    for (name, data) in servers {
        let Ok(found) = waiting(ask, data).await else {
            if !account.silent.contains(name) {
                account.silent.push(name.clone());
            }
            continue;
        };
        for message in found.messages {
            if let Some(id) = number(&message.subject, run) {
                let links = message.links.join(", ");
                let why = message.last_error.unwrap_or_default();
                let mut place = format!("it waits at {name}, phase {}", message.phase);
                if !links.is_empty() {
                    place.push_str(&format!(", on {links}"));
                }
                if !why.is_empty() {
                    place.push_str(&format!(": {why}"));
                }
                account.waiting.insert(id, place);
            }
        }
    }
}

async fn waiting(ask: &dyn Ask, data: &Path) -> Result<Found, String> {
    let request = FindRequest {
        selection: Selection {
            predicate: Some(format!("from:*@{DOMAIN}")),
            ..Selection::default()
        },
        limit: WAITING_MAX,
    };
    let body = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    let answer = ask.post(data.to_owned(), "/queue/find".to_owned(), body);
    serde_json::from_slice(&answer.await?).map_err(|error| error.to_string())
}
