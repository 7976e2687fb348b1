//! `bridgehead badmail`.

use super::{print, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Admin, Badmail};
use bridgehead_management_api::{BadmailDeleted, BadmailDeletion, BadmailDetail, BadmailList};

/// Runs one of the commands about badmail.
pub(crate) async fn badmail(command: &Badmail) -> Result<(), AdminError> {
    match command {
        Badmail::List { to } => list(to).await,
        Badmail::Show { name, to } => show(name, to).await,
        Badmail::Delete { names, all, to } => delete(names, *all, to).await,
    }
}

async fn list(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let list: BadmailList = server.get("/badmail").await?;
    if to.json {
        return print_json(&list);
    }
    if list.messages.is_empty() {
        return print("there is no badmail");
    }
    let mut rows = vec![row(["NAME", "ACCEPTED", "OCTETS"])];
    rows.extend(list.messages.iter().map(|one| {
        let (accepted, octets) = (time(one.accepted), one.octets.to_string());
        row([&one.name, &accepted, &octets])
    }));
    print(&table(&rows))?;
    print(&format!(
        "{} messages, {} octets",
        list.messages.len(),
        list.octets
    ))
}

async fn show(name: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let detail: BadmailDetail = server.get(&format!("/badmail/{}", quote(name))).await?;
    if to.json {
        return print_json(&detail);
    }
    let reason = match detail.reason.as_str() {
        "" => "the reason is missing",
        reason => reason.trim_end(),
    };
    print(&format!("{reason}\nfile       {}", detail.file))
}

async fn delete(names: &[String], all: bool, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let request = BadmailDeletion {
        names: names.to_vec(),
        all,
    };
    let answer: BadmailDeleted = server.post("/badmail/delete", &request).await?;
    if to.json {
        return print_json(&answer);
    }
    print(&format!("{} deleted", answer.deleted))
}
