//! `bridgehead directory status` and `bridgehead config history|show|rollback`.

use super::organization::{difference_lines, end_trial, finish};
use super::{print, print_json, time};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Config, Directory};
use bridgehead_management_api::{
    ApplyResult, ChangeDetail, DirectoryStatus, FollowedDirectory, History, RollbackRequest,
    SharedOrganization,
};

pub(crate) async fn directory(command: &Directory) -> Result<(), AdminError> {
    let Directory::Status { to } = command;
    let mut server = AdminClient::connect(to).await?;
    let status: DirectoryStatus = server.get("/directory").await?;
    if to.json {
        return print_json(&status);
    }
    print(&status_text(&status))
}

fn status_text(status: &DirectoryStatus) -> String {
    let mut lines = vec![
        format!("organisation  version {}", status.version),
        format!(
            "recipients    {} mailboxes, {} groups, {} contacts",
            status.mailboxes, status.groups, status.contacts
        ),
    ];
    match &status.followed {
        None => lines.push("source        embedded".to_owned()),
        Some(followed) => lines.extend(followed_lines(followed)),
    }
    if let Some(shared) = &status.shared {
        lines.extend(shared_lines(shared));
    }
    if !status.complete {
        lines.push(
            "INCOMPLETE    mail for unknown recipients is refused with 451, accepted mail waits"
                .to_owned(),
        );
    }
    for rejected in &status.rejected {
        lines.push(format!(
            "REJECTED      {}: {}",
            rejected.place, rejected.reason
        ));
    }
    for doubtful in &status.doubtful {
        lines.push(format!(
            "DOUBTFUL      {}: {}",
            doubtful.place, doubtful.reason
        ));
    }
    lines.join("\n")
}

fn shared_lines(shared: &SharedOrganization) -> Vec<String> {
    let mut lines = vec![match shared.version {
        0 => "shared        no organisation is shared yet: bridgehead apply shares one".to_owned(),
        version => format!("shared        version {version}, in the directory for all servers"),
    }];
    if let Some(trial) = shared.trial {
        let on = shared.tried_on.join(", ");
        lines.push(format!("on trial      version {trial}, on {on}"));
    }
    if let Some(waiting) = &shared.waiting {
        lines.push(format!("NOT IN FORCE  {waiting}"));
    }
    lines
}

fn followed_lines(followed: &FollowedDirectory) -> Vec<String> {
    let state = match (followed.connected, followed.stale) {
        (true, _) => "connected",
        (false, false) => "AWAY: the copy is in force",
        (false, true) => "AWAY for longer than allowed",
    };
    let mut lines = vec![
        format!("source        {} ({state})", followed.source),
        format!("copied        {} recipients", followed.recipients),
    ];
    if let (Some(heard), Some(lag)) = (followed.heard, followed.lag) {
        let lag = format!("{}.{:03} s ago", lag / 1000, lag % 1000);
        lines.push(format!("heard of      {} ({lag})", time(heard)));
    }
    if let Some(changed) = followed.changed {
        lines.push(format!("changed       {}", time(changed)));
    }
    if let (Some(trouble), Some(at)) = (&followed.trouble, followed.trouble_at) {
        lines.push(format!("last error    {}: {trouble}", time(at)));
    }
    lines
}

pub(crate) async fn config(command: &Config) -> Result<(), AdminError> {
    match command {
        Config::History { last, to } => history(*last, to).await,
        Config::Show { version, to } => show(*version, to).await,
        Config::Promote { to } => end_trial(true, to).await,
        Config::Withdraw { to } => end_trial(false, to).await,
        Config::Rollback {
            version,
            why,
            dry_run,
            to,
        } => {
            let request = RollbackRequest {
                version: *version,
                why: why.clone(),
                dry_run: *dry_run,
            };
            let mut server = AdminClient::connect(to).await?;
            let path = "/organization/rollback";
            let result: ApplyResult = server.post(path, &request).await?;
            finish(&result, *dry_run, to)
        }
    }
}

async fn history(last: usize, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let path = format!("/organization/history?last={last}");
    let history: History = server.get(&path).await?;
    if to.json {
        return print_json(&history);
    }
    let lines = history.changes.iter().map(|change| {
        let why = match change.why.as_str() {
            "" => String::new(),
            why => format!("\n    why: {why}"),
        };
        format!(
            "{}  {}  {}{why}\n    {}",
            change.version,
            time(change.at),
            change.who,
            change.summary
        )
    });
    print(&lines.collect::<Vec<_>>().join("\n"))
}

async fn show(version: u64, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let path = format!("/organization/history/{version}");
    let detail: ChangeDetail = server.get(&path).await?;
    if to.json {
        return print_json(&detail);
    }
    print(&difference_lines(&detail.objects).join("\n"))
}
