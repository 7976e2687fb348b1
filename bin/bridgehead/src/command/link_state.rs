//! `bridgehead link state`: which links between servers work, on one screen.

use super::{print, print_json};
use crate::admin_client::{AdminClient, AdminError};
use crate::cli::Admin;
use bridgehead_management_api::{LinkSaid, LinkState, LinkWatched, Neighbour, Word};

/// Asks and prints.
pub(super) async fn link_state(to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let state: LinkState = server.get("/links/state").await?;
    if to.json {
        return print_json(&state);
    }
    print(&lines(&state).join("\n"))
}

fn lines(state: &LinkState) -> Vec<String> {
    if !state.takes_part {
        return vec![
            "this server takes no part in link state: it isn't one of several servers of its organisation".to_owned(),
        ];
    }
    let is_whole = state.down.is_empty() && state.partly.is_empty() && state.out.is_empty();
    let mut lines = vec![match is_whole && state.dearer.is_empty() {
        true => "all links are as configured: no server says otherwise".to_owned(),
        false => "not all links are as configured:".to_owned(),
    }];
    let down = state.down.iter();
    lines.extend(
        down.map(|name| format!("  connector {name} is DOWN: mail goes around it, or waits")),
    );
    lines.extend(state.partly.iter().map(|partly| {
        let (name, servers) = (&partly.connector, partly.servers.join(", "));
        format!(
            "  connector {name} is down for {servers} only: its other bridgeheads take the mail"
        )
    }));
    let out = state.out.iter();
    lines.extend(out.map(|name| format!("  server {name} is OUT: nobody of its group reaches it")));
    lines.extend(state.dearer.iter().map(|dearer| {
        let (name, surcharge) = (&dearer.connector, dearer.surcharge);
        format!("  connector {name} costs {surcharge} more: mail waits for it")
    }));
    lines.push(String::new());
    lines.push(format!(
        "own links of {} that aren't entirely well:",
        state.server
    ));
    lines.extend(or_none(state.links.iter().map(watched).collect()));
    lines.push(String::new());
    lines.push("neighbours, with the link state told to each:".to_owned());
    lines.extend(or_none(state.neighbours.iter().map(neighbour).collect()));
    lines.push(String::new());
    lines.push("what servers have said:".to_owned());
    lines.extend(or_none(state.said.iter().flat_map(word).collect()));
    lines.push(String::new());
    lines.push(format!(
        "topology {} ({} servers in {} groups, {} connectors); must be the same on all servers",
        state.topology, state.servers, state.groups, state.connectors
    ));
    if state.untold > 0 {
        lines.push(format!(
            "{} reports were too many for the log",
            state.untold
        ));
    }
    lines
}

fn or_none(lines: Vec<String>) -> Vec<String> {
    match lines.is_empty() {
        true => vec!["  none".to_owned()],
        false => lines,
    }
}

fn watched(link: &LinkWatched) -> String {
    let state = match link.state.as_str() {
        "down" => "is DOWN",
        "held" => "works, but came and went too often and is held down",
        "suspected" => "has failed, which may mean nothing",
        _ => "works",
    };
    let mut line = format!("  {} {} {state}", link.kind, link.name);
    if let Some(since) = link.since {
        line.push_str(&format!(" for {}", span(since)));
    }
    if let Some(next) = link.next_try {
        line.push_str(&format!(", is tried again in {}", span(next)));
    }
    if let Some(held) = link.held_for {
        line.push_str(&format!(", is let go in {}", span(held)));
    }
    line.push_str(&load(link.queued, link.oldest, link.surcharge));
    line
}

fn load(queued: u32, oldest: u64, surcharge: u8) -> String {
    let mut text = String::new();
    if queued > 0 {
        text = format!("; {queued} wait, the oldest for {}", span(oldest));
    }
    if surcharge > 0 {
        text.push_str(&format!("; costs {surcharge} more"));
    }
    text
}

fn neighbour(neighbour: &Neighbour) -> String {
    let mut line = match neighbour.answers {
        true => format!("  {} answers", neighbour.name),
        false => format!("  {} DOESN'T ANSWER", neighbour.name),
    };
    line.push_str(&format!(
        "; {} messages told, {} failed",
        neighbour.carried, neighbour.failed
    ));
    for (count, what) in [
        (neighbour.waiting, "wait"),
        (neighbour.unanswered, "unanswered"),
        (neighbour.dropped, "dropped"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    if let Some(why) = &neighbour.failure {
        line.push_str(&format!("; last failure: {why}"));
    }
    line
}

fn word(word: &Word) -> Vec<String> {
    let when = format!(
        "{} ago (version {}, forgotten in {})",
        span(word.age),
        word.version,
        span(word.left)
    );
    if word.links.is_empty() {
        return vec![format!(
            "  {}: all its links are well again, {when}",
            word.origin
        )];
    }
    let mut lines = vec![format!("  {}, {when}:", word.origin)];
    lines.extend(word.links.iter().map(said));
    lines
}

fn said(link: &LinkSaid) -> String {
    let state = match link.down {
        true => "down",
        false => "works",
    };
    let load = load(link.queued, link.oldest, link.surcharge);
    format!("    {} {} {state}{load}", link.kind, link.name)
}

/// A span of time in its two largest units.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridgehead_management_api::PartlyDown;

    #[test]
    fn who_is_alone_is_told_so() {
        let text = lines(&LinkState::default()).join("\n");
        assert!(text.contains("takes no part"), "{text}");
    }

    #[test]
    fn what_is_wrong_stands_first_and_in_words() {
        let state = LinkState {
            takes_part: true,
            server: "ams1".to_owned(),
            servers: 3,
            down: vec!["ams-nyc".to_owned()],
            partly: vec![PartlyDown {
                connector: "ams-syd".to_owned(),
                servers: vec!["ams2".to_owned()],
            }],
            links: vec![LinkWatched {
                kind: "connector".to_owned(),
                name: "ams-nyc".to_owned(),
                state: "down".to_owned(),
                since: Some(75),
                next_try: Some(4),
                queued: 3,
                oldest: 7300,
                surcharge: 5,
                ..LinkWatched::default()
            }],
            neighbours: vec![Neighbour {
                name: "nyc1".to_owned(),
                answers: false,
                failed: 3,
                failure: Some("connection refused".to_owned()),
                ..Neighbour::default()
            }],
            said: vec![Word {
                origin: "syd1".to_owned(),
                version: "17.2".to_owned(),
                ..Word::default()
            }],
            ..LinkState::default()
        };
        let text = lines(&state).join("\n");
        for line in [
            "not all links are as configured:\n  connector ams-nyc is DOWN",
            "  connector ams-nyc is DOWN for 1 min 15 s, is tried again in 4 s; 3 wait, the oldest for 2 h 1 min; costs 5 more",
            "  connector ams-syd is down for ams2 only: its other bridgeheads take the mail",
            "  nyc1 DOESN'T ANSWER; 0 messages told, 3 failed; last failure: connection refused",
            "  syd1: all its links are well again, 0 s ago (version 17.2, forgotten in 0 s)",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
