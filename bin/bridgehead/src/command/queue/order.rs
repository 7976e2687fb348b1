//! Orders for messages, links and the server: what was meant, what was changed.

use super::{messages, unreadable};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Order, Server, Which};
use crate::command::{print, print_aside, print_json, time};
use bridgehead_management_api::{
    ControlRequest, Controlled, HoldAnswer, HoldRequest, MessageOrder, Selection,
};

/// Carries out an order for messages.
pub(crate) async fn order(command: &Order) -> Result<(), AdminError> {
    let (order, which, done) = meant(command);
    let request = ControlRequest {
        selection: selection(which),
        order,
        dry_run: which.dry_run,
        outside_schedule: matches!(
            command,
            Order::Retry {
                outside_schedule: true,
                ..
            }
        ),
        whole_messages: which.whole_messages,
    };
    let mut server = AdminClient::connect(&which.to).await?;
    let answer: Controlled = server.post("/queue/control", &request).await?;
    if which.to.json {
        return print_json(&answer);
    }
    report(&answer, done)
}

/// The order, the messages, and what is said of those that were changed.
fn meant(command: &Order) -> (MessageOrder, &Which, &'static str) {
    match command {
        Order::Freeze(which) => (MessageOrder::Freeze, which, "frozen"),
        Order::Thaw(which) => (MessageOrder::Thaw, which, "thawed"),
        Order::Retry { which, .. } => (MessageOrder::Retry, which, "to be tried now"),
        Order::Resubmit(which) => (MessageOrder::Resubmit, which, "to be categorized again"),
        Order::Delete { report, now, which } => {
            let (report, now) = (*report, *now);
            (MessageOrder::Delete { report, now }, which, "deleted")
        }
        Order::Restore(which) => (MessageOrder::Restore, which, "restored"),
        Order::Redirect { via, which, .. } => {
            let connector = via.clone();
            (MessageOrder::Redirect { connector }, which, "redirected")
        }
        Order::Priority { priority, which } => {
            let priority = priority.clone();
            (
                MessageOrder::Prioritize { priority },
                which,
                "given another priority",
            )
        }
        Order::Expire { after, which } => {
            let seconds = *after;
            (
                MessageOrder::Expire { seconds },
                which,
                "to be given up then",
            )
        }
    }
}

fn selection(which: &Which) -> Selection {
    let link = which.link.as_ref();
    let quoted = link.map(|link| {
        let escaped = link.replace('\\', "\\\\").replace('"', "\\\"");
        format!("link:\"{escaped}\"")
    });
    let all = which.all.then(|| "all".to_owned());
    Selection {
        predicate: which.predicate.clone().or(quoted).or(all),
        ids: which.ids.clone(),
    }
}

fn report(answer: &Controlled, done: &str) -> Result<(), AdminError> {
    unreadable(&answer.unreadable)?;
    let say = |count: u64, what: &str| {
        let noun = messages(count);
        print(&format!("{count} {noun} {what}"))
    };
    if answer.dry_run {
        say(answer.matched, "meant; nothing was changed (--dry-run)")?;
    } else {
        say(answer.changed, done)?;
    }
    for (count, what) in [
        (answer.already, "so already"),
        (answer.busy, "under way just now: try again"),
        (answer.gone, "left the queue meanwhile"),
        (
            answer.partly,
            "also for recipients on other links, whom this concerns too",
        ),
        (
            answer.left_alone,
            "left alone, for recipients on other links: --whole-messages takes these too",
        ),
    ] {
        if count > 0 {
            say(count, what)?;
        }
    }
    for link in &answer.let_through {
        print(&format!(
            "link {link} goes outside its schedule until that opens it"
        ))?;
    }
    if let Some(until) = answer.undo_until
        && answer.changed > 0
    {
        print(&format!(
            "until {} `bridgehead queue restore` has them back",
            time(until)
        ))?;
    }
    Ok(())
}

/// `bridgehead link freeze|thaw`.
pub(crate) async fn hold_link(name: &str, held: bool, to: &Admin) -> Result<(), AdminError> {
    let request = HoldRequest {
        link: Some(name.to_owned()),
        held,
        ..HoldRequest::default()
    };
    let changed = hold(request, to).await?;
    let state = if held { "frozen" } else { "going on" };
    say_hold(&changed, to, &format!("link {name} is {state}"))?;
    if !changed.known && !to.json {
        print_aside(
            "no mail has waited on a link of that name so far: `queue list` has the names",
        )?;
    }
    Ok(())
}

/// `bridgehead server hold|release`.
pub(crate) async fn hold_server(command: &Server) -> Result<(), AdminError> {
    let (held, to) = match command {
        Server::Hold { to } => (true, to),
        Server::Release { to } => (false, to),
        Server::Drain { off, to } => return drain(!off, to).await,
    };
    let changed = hold(
        HoldRequest {
            held,
            ..HoldRequest::default()
        },
        to,
    )
    .await?;
    let state = match held {
        true => "all mail for other servers is held; let it go with: bridgehead server release",
        false => "mail for other servers goes on",
    };
    say_hold(&changed, to, state)
}

async fn hold(request: HoldRequest, to: &Admin) -> Result<HoldAnswer, AdminError> {
    let mut server = AdminClient::connect(to).await?;
    server.post("/queue/hold", &request).await
}

/// `bridgehead server drain`: no new mail, and what waits is tried now.
async fn drain(held: bool, to: &Admin) -> Result<(), AdminError> {
    let request = HoldRequest {
        held,
        new_mail: true,
        ..HoldRequest::default()
    };
    let changed = hold(request, to).await?;
    if held {
        let everything = Selection {
            predicate: Some("all".to_owned()),
            ids: Vec::new(),
        };
        let retry = ControlRequest {
            selection: everything,
            order: MessageOrder::Retry,
            dry_run: false,
            outside_schedule: false,
            whole_messages: false,
        };
        let mut server = AdminClient::connect(to).await?;
        let _: Controlled = server.post("/queue/control", &retry).await?;
    }
    let state = match held {
        true => "no new mail is taken; it is again with: bridgehead server drain --off",
        false => "new mail is taken",
    };
    say_hold(&changed, to, state)?;
    if held && !to.json {
        print("what still waits (`bridgehead queue list` shows it again):")?;
        return super::list(to).await;
    }
    Ok(())
}

fn say_hold(answer: &HoldAnswer, to: &Admin, state: &str) -> Result<(), AdminError> {
    if to.json {
        return print_json(answer);
    }
    let already = if answer.changed {
        ""
    } else {
        " (it was so already)"
    };
    print(&format!("{state}{already}"))
}
