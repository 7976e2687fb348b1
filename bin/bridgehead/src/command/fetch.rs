//! Mail that waits at other servers: asking for it now, and how it stands.

use super::{print, print_json, row, table, time};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::Admin;
use bridgehead_management_api::{Fetch, FetchRequest, Fetched, LinkList};

/// `bridgehead link fetch`.
pub(super) async fn fetch(connector: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let request = FetchRequest {
        connector: connector.to_owned(),
    };
    let fetched: Fetched = server.post("/links/fetch", &request).await?;
    if to.json {
        print_json(&fetched)?;
    } else {
        print(&lines(&fetched).join("\n"))?;
    }
    match fetched.worked {
        true => Ok(()),
        false => Err(AdminError::Refused(
            "the other server didn't do what it was asked for".to_owned(),
        )),
    }
}

/// The table of `bridgehead link list`.
pub(super) fn fetches(list: &LinkList) -> String {
    let heading = row([
        "FETCH", "BY", "FROM", "EVERY", "FAILURES", "LAST", "NEXT", "SAID",
    ]);
    let mut rows = vec![heading];
    rows.extend(list.fetches.iter().map(fetch_row));
    table(&rows)
}

fn fetch_row(fetch: &Fetch) -> Vec<String> {
    let last = fetch.last.as_ref();
    let said = last.map(lines).unwrap_or_default();
    let next = match fetch.asking {
        true => "now".to_owned(),
        false => fetch.next.map_or("-".to_owned(), time),
    };
    vec![
        fetch.connector.clone(),
        fetch.by.clone(),
        fetch.host.clone(),
        bridgehead_mail::Wait::from_secs(fetch.every).to_string(),
        fetch.failures.to_string(),
        last.map_or("-".to_owned(), |last| time(last.at)),
        next,
        said.last().map_or("-", String::as_str).to_owned(),
    ]
}

/// What came of it, for people.
fn lines(fetched: &Fetched) -> Vec<String> {
    let said = fetched.said.iter();
    let said = said.map(|said| format!("{}: {}", said.asked, said.reply));
    let mut lines: Vec<String> = said.collect();
    if let Some(messages) = fetched.messages {
        lines.push(match messages {
            1 => "1 message came".to_owned(),
            count => format!("{count} messages came"),
        });
    }
    if fetched.coming {
        lines.push("what was asked for is still coming".to_owned());
    }
    lines.extend(fetched.failure.clone());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_management_api::FetchSaid;

    #[test]
    fn what_came_of_it_stands_behind_what_was_said() {
        let fetched = Fetched {
            said: vec![FetchSaid {
                asked: "ATRN".to_owned(),
                reply: "250 2.0.0 OK".to_owned(),
            }],
            messages: Some(2),
            ..Fetched::default()
        };
        assert_eq!(lines(&fetched), ["ATRN: 250 2.0.0 OK", "2 messages came"]);
        let list = LinkList {
            fetches: vec![Fetch {
                connector: "provider".to_owned(),
                every: 900,
                last: Some(fetched),
                ..Fetch::default()
            }],
            ..LinkList::default()
        };
        let text = fetches(&list);
        assert!(
            text.contains("15m") && text.ends_with("2 messages came"),
            "{text}"
        );
    }
}
