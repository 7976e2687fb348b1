//! `bridgehead queue list|show|retry|delete|resume`.

use super::{print, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Admin, Queue};
use bridgehead_management_api::{
    MessageDetail, PartDetail, QueueGroup, QueueList, RetryRequest, Touched,
};

/// Runs one of the queue's commands.
pub(crate) async fn queue(command: &Queue) -> Result<(), AdminError> {
    match command {
        Queue::List { to } => list(to).await,
        Queue::Show { id, to } => show(id, to).await,
        Queue::Retry { id, link, all, to } => {
            let request = RetryRequest {
                message: id.clone(),
                link: link.clone(),
                all: *all,
            };
            let mut server = AdminClient::connect(to).await?;
            let touched: Touched = server.post("/queue/retry", &request).await?;
            report(&touched, "to be tried now", to)
        }
        Queue::Delete { id, to } => {
            let mut server = AdminClient::connect(to).await?;
            let touched: Touched = server.delete(&format!("/messages/{}", quote(id))).await?;
            report(&touched, "deleted", to)
        }
        Queue::Resume { to } => {
            let mut server = AdminClient::connect(to).await?;
            let list: QueueList = server.post("/queue/resume", &()).await?;
            if to.json {
                return print_json(&list);
            }
            print("mail is stored again")
        }
    }
}

fn report(touched: &Touched, what: &str, to: &Admin) -> Result<(), AdminError> {
    if to.json {
        return print_json(touched);
    }
    let noun = if touched.messages == 1 {
        "message"
    } else {
        "messages"
    };
    print(&format!("{} {noun} {what}", touched.messages))
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
    if list.groups.is_empty() {
        return print("the queue is empty");
    }
    let heading = row([
        "LINK", "DOMAIN", "COUNT", "OCTETS", "ACTIVE", "RETRY", "OLDEST", "NEXT TRY",
    ]);
    let mut rows = vec![heading];
    rows.extend(list.groups.iter().map(group_row));
    print(&table(&rows))?;
    for group in &list.groups {
        if let Some(error) = &group.last_error {
            print(&format!("{} {}: {error}", group.link, group.domain))?;
        }
    }
    print(&format!(
        "{} messages, {} octets",
        list.messages, list.octets
    ))
}

fn group_row(group: &QueueGroup) -> Vec<String> {
    let optional = |at: Option<u64>| at.map(time).unwrap_or_else(|| "-".to_owned());
    vec![
        group.link.clone(),
        group.domain.clone(),
        group.count.to_string(),
        group.octets.to_string(),
        group.active.to_string(),
        group.deferred.to_string(),
        optional(group.oldest),
        optional(group.next_try),
    ]
}

async fn show(id: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let message: MessageDetail = server.get(&format!("/messages/{}", quote(id))).await?;
    if to.json {
        return print_json(&message);
    }
    let envelope = &message.envelope;
    let from = match envelope.from.as_str() {
        "" => "<> (a report)",
        address => address,
    };
    let mut lines = vec![
        format!("message    {}", message.id),
        format!("phase      {}", message.phase),
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
    for part in &message.parts {
        part_lines(part, &mut lines);
    }
    print(&lines.join("\n"))
}

fn part_lines(part: &PartDetail, lines: &mut Vec<String>) {
    lines.push(format!(
        "link       {} ({}, {} attempts)",
        part.link, part.phase, part.attempts
    ));
    lines.push(format!("  for      {}", part.recipients.join(", ")));
    if let Some(at) = part.next_try {
        lines.push(format!("  next try {}", time(at)));
    }
    if let Some(error) = &part.last_error {
        lines.push(format!("  because  {error}"));
    }
}
