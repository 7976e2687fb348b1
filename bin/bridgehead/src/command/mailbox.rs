//! `bridgehead mailbox list|messages|cat`.

use super::{print, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Admin, Mailbox};
use bridgehead_management_api::{MailboxList, MailboxMessages};

/// Runs one of the mailbox's commands.
pub(crate) async fn mailbox(command: &Mailbox) -> Result<(), AdminError> {
    match command {
        Mailbox::List { to } => list(to).await,
        Mailbox::Messages { name, to } => messages(name, to).await,
        Mailbox::Cat { name, uid, to } => {
            let mut server = AdminClient::connect(to).await?;
            let path = format!("/mailboxes/{}/messages/{uid}", quote(name));
            server.copy(&path, &mut std::io::stdout()).await
        }
    }
}

async fn list(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let list: MailboxList = server.get("/mailboxes").await?;
    if to.json {
        return print_json(&list);
    }
    let mut rows = vec![row(["MAILBOX", "MESSAGES", "OCTETS"])];
    rows.extend(list.mailboxes.iter().map(|mailbox| {
        row([
            &mailbox.name,
            &mailbox.messages.to_string(),
            &mailbox.octets.to_string(),
        ])
    }));
    print(&table(&rows))
}

async fn messages(name: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let path = format!("/mailboxes/{}/messages", quote(name));
    let list: MailboxMessages = server.get(&path).await?;
    if to.json {
        return print_json(&list);
    }
    let mut rows = vec![row(["UID", "RECEIVED", "OCTETS", "FROM", "SUBJECT", "ID"])];
    rows.extend(list.messages.iter().map(|message| {
        row([
            &message.uid.to_string(),
            &time(message.received),
            &message.size.to_string(),
            &message.from,
            &message.subject,
            &message.id,
        ])
    }));
    print(&table(&rows))
}
