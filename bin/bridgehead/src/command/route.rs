//! `bridgehead route` and `bridgehead recipient explain`.

use super::{print, print_json, row};
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
                false => print(&groups(&table)),
            }
        }
    }
}

fn explanation(explained: &RouteExplanation) -> Vec<String> {
    let mut lines = Vec::new();
    for route in &explained.routes {
        match &route.failure {
            Some(failure) => lines.push(format!("{} has no way: {failure}", route.recipient)),
            None => {
                lines.push(format!("{} -> {}", route.recipient, route.next_hop));
                lines.push(format!("  link {}", route.link));
            }
        }
        lines.extend(
            route
                .path
                .iter()
                .map(|step| format!("  path {}", of_step(step))),
        );
        let down = route.path.iter().find(|step| step.down);
        lines.extend(down.map(|step| {
            let name = &step.connector;
            format!("  waits at {name}: it is down, and no working way leads around it")
        }));
        for candidate in &route.candidates {
            let total = match candidate.total {
                Some(total) if !candidate.path.is_empty() => {
                    format!(", {total} with the path over {}", over(&candidate.path))
                }
                None if !candidate.path.is_empty() => {
                    format!(", with the path over {}", over(&candidate.path))
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
                Some(cost) => format!(" (cost {cost})"),
                None => String::new(),
            };
            let way = match runner_up.path.is_empty() {
                true => runner_up.connector.clone(),
                false => over(&runner_up.path),
            };
            lines.push(format!("  other way {way}{cost}: {}", runner_up.why));
        }
    }
    let failures = explained.failures.iter();
    lines.extend(failures.map(|why| format!("no way: {why}")));
    lines
}

fn of_step(step: &PathStep) -> String {
    let state = match (step.down, step.down_here) {
        (true, _) => ", down",
        (false, true) => ", down for this server: another bridgehead takes it",
        (false, false) => "",
    };
    format!(
        "{} from {} to {}, cost {}{state}",
        step.connector, step.from, step.to, step.cost
    )
}

fn over(path: &[PathStep]) -> String {
    let names: Vec<&str> = path.iter().map(|step| step.connector.as_str()).collect();
    names.join(", ")
}

fn groups(table: &RouteTable) -> String {
    if table.groups.is_empty() {
        return "the organisation has no routing groups".to_owned();
    }
    let number = |number: Option<u32>| number.map_or("-".to_owned(), |number| number.to_string());
    let mut rows = vec![row(["GROUP", "COST", "HOPS", "OVER", "STATE"])];
    rows.extend(table.groups.iter().map(|group| {
        let over = match group.next.is_empty() {
            true => "-".to_owned(),
            false => group.next.join(" or "),
        };
        let (cost, hops) = (number(group.cost), number(group.hops));
        vec![group.group.clone(), cost, hops, over, group.state.clone()]
    }));
    super::table(&rows)
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

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_management_api::{Candidate, RecipientRoute, RouteRow};

    #[test]
    fn where_mail_waits_and_who_takes_it_on_is_said() {
        let step = |connector: &str, down, down_here| PathStep {
            connector: connector.to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            cost: 10,
            down,
            down_here,
        };
        let route = RecipientRoute {
            recipient: "x@example.test".to_owned(),
            path: vec![step("a-b", false, true), step("b-c", true, false)],
            ..RecipientRoute::default()
        };
        let explained = RouteExplanation {
            routes: vec![route],
            ..RouteExplanation::default()
        };
        let text = explanation(&explained).join("\n");
        let lines =
            "  path a-b from a to b, cost 10, down for this server: another bridgehead takes it
  path b-c from a to b, cost 10, down
  waits at b-c: it is down, and no working way leads around it";
        assert!(text.ends_with(lines), "{text}");
    }

    #[test]
    fn who_has_no_way_is_told_with_what_was_looked_at() {
        let step = |connector: &str| PathStep {
            connector: connector.to_owned(),
            ..PathStep::default()
        };
        let route = RecipientRoute {
            recipient: "x@example.net".to_owned(),
            failure: Some("5.3.4 Too large".to_owned()),
            candidates: vec![Candidate {
                connector: "gate".to_owned(),
                address_space: "*".to_owned(),
                cost: 5,
                path: vec![step("a-b"), step("b-c")],
                verdict: "lost: too small".to_owned(),
                ..Candidate::default()
            }],
            ..RecipientRoute::default()
        };
        let explained = RouteExplanation {
            routes: vec![route],
            ..RouteExplanation::default()
        };
        let lines = [
            "x@example.net has no way: 5.3.4 Too large",
            "  connector gate (address space *, cost 5, with the path over a-b, b-c): lost: too small",
        ];
        assert_eq!(explanation(&explained), lines);
    }

    #[test]
    fn groups_are_a_table() {
        let group = |name: &str, cost, next: &[&str], state: &str| RouteRow {
            group: name.to_owned(),
            cost,
            hops: cost.map(|_| 1),
            next: next.iter().map(|name| (*name).to_owned()).collect(),
            state: state.to_owned(),
        };
        let table = RouteTable {
            groups: vec![
                group("b", Some(10), &["a-b", "also"], "reached"),
                group("c", None, &[], "unreachable: no connector leads there"),
            ],
        };
        let text = "GROUP  COST  HOPS  OVER         STATE
b      10    1     a-b or also  reached
c      -     -     -            unreachable: no connector leads there";
        assert_eq!(groups(&table), text);
    }
}
