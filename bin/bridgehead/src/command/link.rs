//! `bridgehead link`: the links, their pace, and holding them.

use super::fetch::{fetch, fetches};
use super::link_state::link_state;
use super::queue::hold_link;
use super::{print, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::{Admin, Link as Command};
use bridgehead_management_api::{Link, LinkList, Pace};

/// Runs one of the commands about links.
pub(crate) async fn link(command: &Command) -> Result<(), AdminError> {
    match command {
        Command::List { to } => list(to).await,
        Command::State { to } => link_state(to).await,
        Command::Show { name, to } => show(name, to).await,
        Command::Fetch { connector, to } => fetch(connector, to).await,
        Command::Freeze { name, to } => hold_link(name, true, to).await,
        Command::Thaw { name, to } => hold_link(name, false, to).await,
    }
}

async fn links(to: &Admin) -> Result<LinkList, AdminError> {
    let mut server = AdminClient::connect(to).await?;
    server.get("/links").await
}

async fn list(to: &Admin) -> Result<(), AdminError> {
    let list = links(to).await?;
    if to.json {
        return print_json(&list);
    }
    if !list.fetches.is_empty() {
        print(&fetches(&list))?;
        print("")?;
    }
    if list.links.is_empty() {
        return print("no mail waits on a link, and none was used lately");
    }
    let heading = row([
        "LINK",
        "COUNT",
        "ACTIVE",
        "CONNECTIONS",
        "WINDOW",
        "LIMITS",
        "NEXT TRY",
        "WAITS BECAUSE",
    ]);
    let mut rows = vec![heading];
    rows.extend(list.links.iter().map(link_row));
    print(&table(&rows))
}

fn link_row(link: &Link) -> Vec<String> {
    let or_dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let pace = link.pace.as_ref();
    let of = |show: &dyn Fn(&Pace) -> String| or_dash(pace.map(show).unwrap_or_default());
    vec![
        link.link.clone(),
        link.count.to_string(),
        link.active.to_string(),
        of(&|pace| pace.connections.to_string()),
        of(&|pace| format!("{} of {}", pace.window, pace.bound)),
        of(&|pace| pace.rates.join(", ")),
        or_dash(link.next_try.map(time).unwrap_or_default()),
        or_dash(link.waits.first().cloned().unwrap_or_default()),
    ]
}

async fn show(name: &str, to: &Admin) -> Result<(), AdminError> {
    let mut found = links(to).await?.links.into_iter();
    let Some(link) = found.find(|link| link.link == name) else {
        return Err(AdminError::Refused(format!(
            "no mail waits on a link \"{name}\", and it wasn't used lately: `link list` has the names"
        )));
    };
    if to.json {
        return print_json(&link);
    }
    print(&lines(&link).join("\n"))
}

/// A link as lines for people.
fn lines(link: &Link) -> Vec<String> {
    let phases = link.phases.iter();
    let phases: Vec<String> = phases
        .map(|(phase, count)| format!("{count} {phase}"))
        .collect();
    let waiting = match phases.is_empty() {
        true => "nothing".to_owned(),
        false => phases.join(", "),
    };
    let mut lines = vec![
        format!("link         {}", link.link),
        format!("waiting      {waiting}"),
        format!("handed over  {} now", link.active),
    ];
    lines.extend(
        link.waits
            .iter()
            .map(|why| format!("waits        because {why}")),
    );
    lines.extend(link.next_try.map(|at| format!("next try     {}", time(at))));
    let Some(pace) = &link.pace else {
        return lines;
    };
    lines.push(format!("connections  {} open", pace.connections));
    lines.push(format!(
        "window       {} at once now, {} at the most",
        pace.window, pace.bound
    ));
    let by = pace.limit.as_ref();
    let by = by.map(|pattern| format!(" (limits: {pattern})"));
    let by = by.unwrap_or_default();
    let rates = pace.rates.iter();
    lines.extend(rates.map(|rate| format!("limit        {rate}{by}")));
    if pace.failures > 0 {
        lines.push(format!("failed       {} times in a row", pace.failures));
    }
    if let Some(slowed) = &pace.slowed {
        lines.push(format!(
            "slowed       {} by {}",
            time(slowed.at),
            slowed.host
        ));
        lines.push(format!("             {} ({})", slowed.said, slowed.means));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_management_api::Slowed;

    #[test]
    fn a_link_on_one_screen() {
        let pace = Pace {
            connections: 3,
            couriers: 3,
            window: 4,
            bound: 10,
            rates: vec!["5/s messages".to_owned()],
            limit: Some("*.example.net".to_owned()),
            failures: 2,
            slowed: Some(Slowed {
                at: 0,
                host: "mx.example.net [192.0.2.1]:25".to_owned(),
                said: "421 too many".to_owned(),
                means: "it ends the connection".to_owned(),
            }),
        };
        let link = Link {
            link: "out/example.net".to_owned(),
            count: 7,
            phases: [("deferred".to_owned(), 7)].into(),
            waits: vec!["its limit is used up".to_owned()],
            pace: Some(pace),
            ..Link::default()
        };
        let text = lines(&link).join("\n");
        for line in [
            "waiting      7 deferred",
            "waits        because its limit is used up",
            "window       4 at once now, 10 at the most",
            "limit        5/s messages (limits: *.example.net)",
            "slowed       1970-01-01 00:00:00Z by mx.example.net [192.0.2.1]:25",
            "             421 too many (it ends the connection)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
