//! `bridgehead queue`, `bridgehead link` and `bridgehead server`.

mod carry;
mod check;
mod order;

pub(crate) use order::{hold_link, hold_server, order};

use super::{print, print_aside, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Admin, Queue};
use bridgehead_management_api::{
    AdoptAnswer, AdoptRequest, FindRequest, Found, FoundMessage, MessageDetail, PartDetail,
    QueueGroup, QueueList, Selection,
};
use std::path::Path;

/// Runs one of the queue's commands.
pub(crate) async fn queue(command: &Queue) -> Result<(), AdminError> {
    match command {
        Queue::List { to } => list(to).await,
        Queue::Find {
            predicate,
            limit,
            to,
        } => find(predicate, *limit, to).await,
        Queue::Show { id, to } => show(id, to).await,
        Queue::Resume { to } => {
            let mut server = AdminClient::connect(to).await?;
            let list: QueueList = server.post("/queue/resume", &()).await?;
            if to.json {
                return print_json(&list);
            }
            print("mail is stored again")
        }
        Queue::Export { ids, into, to } => carry::export(ids, into, to).await,
        Queue::Check { spool, repair } => check::check(spool, *repair),
        Queue::Adopt { folder, lost, to } => adopt(folder, *lost, to).await,
        Queue::Import { files, to } => carry::import(files, to).await,
        Queue::Order(command) => order(command).await,
    }
}

async fn adopt(folder: &Path, lost: bool, to: &Admin) -> Result<(), AdminError> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let request = AdoptRequest {
        folder: folder.display().to_string(),
        lost,
    };
    let mut server = AdminClient::connect(to).await?;
    let answer: AdoptAnswer = server.post("/queue/adopt", &request).await?;
    if to.json {
        return print_json(&answer);
    }
    let count = answer.messages;
    print(&format!("{count} messages begin their way on this server"))?;
    if answer.known > 0 {
        let known = answer.known;
        print(&format!(
            "{known} were in its queue anyway, and stay as they are"
        ))?;
    }
    for fault in &answer.damage {
        print(&format!("DAMAGE: {fault}"))?;
    }
    Ok(())
}

async fn list(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let list: QueueList = server.get("/queue").await?;
    if to.json {
        return print_json(&list);
    }
    if let Some(reason) = &list.refusing {
        print(&format!(
            "MAIL IS REFUSED: {reason}\nMend the disk, then: bridgehead queue resume"
        ))?;
    }
    if let Some((read, all)) = list.reading {
        print(&format!(
            "THE QUEUE IS STILL BEING READ after a start ({read} of {all} segments): mail flows, counts grow"
        ))?;
    }
    if let [present, left @ ..] = list.folders.as_slice()
        && !left.is_empty()
    {
        let left = left.join(", ");
        print(&format!(
            "new mail goes to {present}; what lies in {left} is brought there"
        ))?;
    }
    if let Some(because) = &list.pressure_because {
        let what = match list.pressure.as_str() {
            "slow" => "REPLIES TO NEW MAIL ARE DELAYED",
            _ => "NEW MAIL IS REFUSED",
        };
        print(&format!("{what}: {because}"))?;
    }
    if let Some(held) = &list.outbound_held {
        let (by, at) = (&held.by, time(held.at));
        print(&format!(
            "ALL OUTBOUND MAIL IS HELD by {by} since {at}\nLet it go with: bridgehead server release"
        ))?;
    }
    if let Some(held) = &list.draining {
        let (by, at) = (&held.by, time(held.at));
        print(&format!(
            "THE SERVER IS BEING DRAINED by {by} since {at}\nTake new mail again with: bridgehead server drain --off"
        ))?;
    }
    for (link, held) in &list.frozen_links {
        let (by, at) = (&held.by, time(held.at));
        print(&format!("link {link} is frozen by {by} since {at}"))?;
    }
    if list.groups.is_empty() {
        print("the queue is empty")?;
    } else {
        groups(&list)?;
    }
    if list.deleted > 0 {
        let (count, noun) = (list.deleted, messages(list.deleted));
        print(&format!(
            "{count} deleted {noun} can still be had back: bridgehead queue find phase:deleted"
        ))?;
    }
    Ok(())
}

fn groups(list: &QueueList) -> Result<(), AdminError> {
    let heading = row([
        "LINK", "DOMAIN", "COUNT", "OCTETS", "ACTIVE", "WAITING", "OLDEST", "NEXT TRY",
    ]);
    let mut rows = vec![heading];
    rows.extend(list.groups.iter().map(group_row));
    print(&table(&rows))?;
    for group in &list.groups {
        for why in [&group.closed, &group.last_error].into_iter().flatten() {
            print(&format!("{} {}: {why}", group.link, group.domain))?;
        }
    }
    let noun = messages(list.messages);
    print(&format!("{} {noun}, {} octets", list.messages, list.octets))
}

fn group_row(group: &QueueGroup) -> Vec<String> {
    let optional = |at: Option<u64>| at.map(time).unwrap_or_else(|| "-".to_owned());
    let waiting = ["retry", "deferred", "frozen", "unreachable", "poison"];
    let waiting = waiting.iter().filter_map(|phase| {
        let count = group.phases.get(*phase)?;
        Some(format!("{count} {phase}"))
    });
    let waiting: Vec<String> = waiting.collect();
    vec![
        group.link.clone(),
        group.domain.clone(),
        group.count.to_string(),
        group.octets.to_string(),
        group.active.to_string(),
        match waiting.is_empty() {
            true => "-".to_owned(),
            false => waiting.join(", "),
        },
        optional(group.oldest),
        optional(group.next_try),
    ]
}

async fn find(predicate: &str, limit: u64, to: &Admin) -> Result<(), AdminError> {
    let request = FindRequest {
        selection: Selection {
            predicate: Some(predicate.to_owned()),
            ids: Vec::new(),
        },
        limit,
    };
    let mut server = AdminClient::connect(to).await?;
    let found: Found = server.post("/queue/find", &request).await?;
    if to.json {
        return print_json(&found);
    }
    if !found.messages.is_empty() {
        let heading = row(["ID", "PHASE", "ACCEPTED", "SIZE", "FROM", "TO", "SUBJECT"]);
        let mut rows = vec![heading];
        rows.extend(found.messages.iter().map(found_row));
        print(&table(&rows))?;
    }
    let left = found.matched.saturating_sub(found.messages.len() as u64);
    if left > 0 {
        print(&format!("and {left} more: --limit shows more"))?;
    }
    unreadable(&found.unreadable)?;
    let noun = messages(found.matched);
    print(&format!(
        "{} {noun}, {} octets",
        found.matched, found.octets
    ))
}

fn found_row(message: &FoundMessage) -> Vec<String> {
    let from = match message.from.as_str() {
        "" => "<>",
        address => address,
    };
    let to = match message.to.as_slice() {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, others @ ..] => format!("{first} +{}", others.len()),
    };
    let subject: String = message.subject.chars().take(40).collect();
    vec![
        message.id.clone(),
        message.phase.clone(),
        time(message.accepted),
        message.size.to_string(),
        from.to_owned(),
        to,
        subject,
    ]
}

/// Says which messages nobody could judge.
fn unreadable(ids: &[String]) -> Result<(), AdminError> {
    for id in ids {
        print_aside(&format!(
            "message {id} can't be read from the disk, so nobody knows whether it is meant"
        ))?;
    }
    Ok(())
}

const fn messages(count: u64) -> &'static str {
    if count == 1 { "message" } else { "messages" }
}

async fn show(id: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let message: MessageDetail = server.get(&format!("/messages/{}", quote(id))).await?;
    if to.json {
        return print_json(&message);
    }
    print(&detail_lines(&message).join("\n"))
}

/// A message as lines for people.
pub(crate) fn detail_lines(message: &MessageDetail) -> Vec<String> {
    let envelope = &message.envelope;
    let from = match envelope.from.as_str() {
        "" => "<> (a report)",
        address => address,
    };
    let mut lines = vec![
        format!("message    {}", message.id),
        format!("phase      {}", message.phase),
        format!("priority   {}", message.priority),
        format!("from       {from}"),
        format!("to         {}", envelope.recipients.join(", ")),
        format!("size       {} octets", message.size),
        format!(
            "accepted   {} by {}",
            time(message.accepted),
            envelope.virtual_server
        ),
    ];
    if let Some(client) = &envelope.client {
        lines.push(format!("client     {client}"));
    }
    if let Some(user) = &envelope.user {
        lines.push(format!("user       {user}"));
    }
    if let Some(expires) = message.expires {
        lines.push(format!("expires    {}", time(expires)));
    }
    lines.extend(
        message
            .decided
            .iter()
            .map(|said| format!("decided    {said}")),
    );
    for part in &message.parts {
        part_lines(part, &mut lines);
    }
    lines
}

fn part_lines(part: &PartDetail, lines: &mut Vec<String>) {
    let phase = match part.active {
        true => "being handed over",
        false => part.phase.as_str(),
    };
    lines.push(format!(
        "link       {} ({phase}, {} attempts)",
        part.link, part.attempts
    ));
    lines.push(format!("  for      {}", part.recipients.join(", ")));
    if let Some(at) = part.next_try {
        lines.push(format!("  next try {}", time(at)));
    }
    if let Some(error) = &part.last_error {
        lines.push(format!("  because  {error}"));
    }
}
