//! `bridgehead message trace|why`.

use super::queue::detail_lines;
use super::{exact_time, print, print_json, row, table};
use crate::admin_client::{AdminClient, AdminError, quote};
use crate::cli::{Admin, Message};
use bridgehead_management_api::{Trace, TraceStep, Why};

/// Runs one of the message's commands.
pub(crate) async fn message(command: &Message) -> Result<(), AdminError> {
    match command {
        Message::Trace { id, to } => trace(id, to).await,
        Message::Why { id, to } => why(id, to).await,
    }
}

async fn trace(id: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let trace: Trace = server
        .get(&format!("/messages/{}/trace", quote(id)))
        .await?;
    if to.json {
        return print_json(&trace);
    }
    print(&steps_text(&trace.steps))
}

async fn why(id: &str, to: &Admin) -> Result<(), AdminError> {
    let mut server = AdminClient::connect(to).await?;
    let why: Why = server.get(&format!("/messages/{}/why", quote(id))).await?;
    if to.json {
        return print_json(&why);
    }
    let mut lines = match &why.message {
        Some(message) => detail_lines(message),
        None => vec![
            format!("message    {id}"),
            format!("phase      {}", why.phase),
        ],
    };
    for (heading, said) in [("why", &why.causes), ("next", &why.next)] {
        lines.extend(said.iter().map(|said| format!("{heading:<10} {said}")));
    }
    if !why.attempts.is_empty() {
        lines.push(match why.earlier {
            0 => "what was tried and decided:".to_owned(),
            more => {
                format!("what was tried and decided (`message trace` has {more} earlier steps):")
            }
        });
        lines.push(steps_text(&why.attempts));
    }
    print(&lines.join("\n"))
}

/// A trace as lines for people.
pub(crate) fn trace_text(trace: &Trace) -> String {
    steps_text(&trace.steps)
}

fn steps_text(steps: &[TraceStep]) -> String {
    let rows: Vec<Vec<String>> = steps
        .iter()
        .map(|step| row([&exact_time(step.at), &step.step, &step.text]))
        .collect();
    table(&rows)
}
