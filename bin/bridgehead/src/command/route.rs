//! `bridgehead route` and `bridgehead recipient explain`.

use super::{print, print_json};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Recipient, Route};
use bridgehead_management_api::{PathStep, RecipientExplanation, RouteExplanation, RouteTable};

/// Runs one of the route's commands.
pub(crate) async fn route(command: &Route) -> Result<(), AdminError> {
    match command {
        Route::Explain {
            address,
            from,
            stranger,
            size,
            priority,
            to,
        } => {
            let mut path = format!(
                "/routes/explain?address={}&stranger={stranger}",
                quote(address)
            );
            if let Some(from) = from {
                path.push_str(&format!("&from={}", quote(from)));
            }
            if let Some(size) = size {
                path.push_str(&format!("&size={size}"));
            }
            if let Some(priority) = priority {
                path.push_str(&format!("&priority={priority}"));
            }
            let mut server = AdminClient::connect(to).await?;
            let explained: RouteExplanation = server.get(&path).await?;
            match to.json {
                true => print_json(&explained),
                false => print(&explanation(&explained).join("\n")),
            }
        }
        Route::Table { to } => {
            let mut server = AdminClient::connect(to).await?;
            let table: RouteTable = server.get("/routes/table").await?;
            match to.json {
                true => print_json(&table),
                false => print(&rows(&table).join("\n")),
            }
        }
    }
}

fn explanation(explained: &RouteExplanation) -> Vec<String> {
    let mut lines = Vec::new();
    for route in &explained.routes {
        lines.push(format!("{} -> {}", route.recipient, route.next_hop));
        lines.push(format!("  link {}", route.link));
        lines.extend(
            route
                .path
                .iter()
                .map(|step| format!("  path {}", of_step(step))),
        );
        for candidate in &route.candidates {
            let total = match candidate.total {
                Some(total) if !candidate.path.is_empty() => {
                    format!(", {total} with the path over {}", over(&candidate.path))
                }
                _ => String::new(),
            };
            lines.push(format!(
                "  connector {} (address space {}, cost {}{total}): {}",
                candidate.connector, candidate.address_space, candidate.cost, candidate.verdict
            ));
        }
        for runner_up in &route.runners_up {
            let cost = match runner_up.cost {
                Some(cost) => format!(" (cost {cost}, over {})", over(&runner_up.path)),
                None => String::new(),
            };
            lines.push(format!(
                "  instead {}{cost}: {}",
                runner_up.connector, runner_up.why
            ));
        }
    }
    let failures = explained.failures.iter();
    lines.extend(failures.map(|why| format!("no way: {why}")));
    lines
}

fn of_step(step: &PathStep) -> String {
    let state = if step.down { ", down" } else { "" };
    format!(
        "{} from {} to {}, cost {}{state}",
        step.connector, step.from, step.to, step.cost
    )
}

fn over(path: &[PathStep]) -> String {
    let names: Vec<&str> = path.iter().map(|step| step.connector.as_str()).collect();
    names.join(", ")
}

fn rows(table: &RouteTable) -> Vec<String> {
    if table.groups.is_empty() {
        return vec!["the organisation has no routing groups".to_owned()];
    }
    let rows = table.groups.iter().map(|row| {
        let distance = match (row.cost, row.hops) {
            (Some(cost), Some(hops)) if hops > 0 => {
                let next = row.next.join(" or ");
                format!(", cost {cost}, hops {hops}, next {next}")
            }
            _ => String::new(),
        };
        format!("{}: {}{distance}", row.group, row.state)
    });
    rows.collect()
}

/// Runs one of the recipient's commands.
pub(crate) async fn recipient(command: &Recipient) -> Result<(), AdminError> {
    let Recipient::Explain {
        address,
        from,
        stranger,
        size,
        to,
    } = command;
    let mut server = AdminClient::connect(to).await?;
    let mut path = format!(
        "/recipients/explain?address={}&stranger={stranger}",
        quote(address)
    );
    if let Some(from) = from {
        path.push_str(&format!("&from={}", quote(from)));
    }
    if let Some(size) = size {
        path.push_str(&format!("&size={size}"));
    }
    let explained: RecipientExplanation = server.get(&path).await?;
    if to.json {
        return print_json(&explained);
    }
    let mut lines = Vec::new();
    for step in &explained.steps {
        let object = match step.object.as_str() {
            "" => String::new(),
            object => format!(" [{object}]"),
        };
        lines.push(format!("{}{object}: {}", step.address, step.text));
    }
    lines.extend(
        explained
            .addressees
            .iter()
            .map(|addressee| format!("=> {addressee}")),
    );
    print(&lines.join("\n"))
}
